import { styleText } from 'node:util';
import { KEYS, LINES } from '../../src/decide/keys.ts';
import type { HelmRelease, SyncTestRun } from './objects.ts';

const INDENT = '  ';
/** Words that stand out, by what they say. Without a terminal there are no colours. */
const COLOURS = { passed: 'green', failed: 'red', inconclusive: 'yellow' } as const;

export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

export function chapter(title: string, ...lines: readonly string[]): void {
  say(`\n${styleText('bold', title)}`);
  for (const line of lines) say(INDENT + line);
  say();
}

/** What somebody would type. */
export function command(text: string): void {
  say(`${INDENT}${styleText('cyan', text)}`);
}

export function heading(text: string): void {
  say(`\n${INDENT}${styleText('underline', text)}`);
}

export function detail(text: string): void {
  say(INDENT + coloured(text));
}

/** Rows under their headings, as kubectl prints them. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  for (const row of rows) {
    detail(
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('   ')
        .trimEnd(),
    );
  }
}

export function runTable(runs: readonly SyncTestRun[]): void {
  const rows = runs.map(({ spec, status = {} }) => [
    spec.release,
    status.revision ?? '',
    spec.test,
    status.phase ?? '',
    status.reason ?? '',
    status.duration ?? '',
    spec.cause,
  ]);
  table([['RELEASE', 'REVISION', 'TEST', 'VERDICT', 'REASON', 'DURATION', 'CAUSE'], ...rows]);
}

/** What postsync wrote on the release: what gates read, then a line a test. */
export function keysOf({
  metadata: { annotations = {} },
}: HelmRelease): readonly (readonly [string, string])[] {
  const lines = Object.keys(annotations).filter((key) => key.startsWith(LINES));
  return [KEYS.result, KEYS.digest, ...lines.toSorted()].map((key) => [key, annotations[key] ?? '']);
}

function coloured(text: string): string {
  return text.replaceAll(/\b(passed|failed|inconclusive)\b/gi, (word) =>
    styleText(COLOURS[word.toLowerCase() as keyof typeof COLOURS], word),
  );
}
