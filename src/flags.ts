import { parseArgs } from 'node:util';

/** The flag of a setting: `logLevel` → `--log-level`. */
export function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The environment variable of a setting: `logLevel` → `POSTSYNC_LOG_LEVEL`. */
export function variableOf(name: string): string {
  return `POSTSYNC_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** The setting of a flag: `--log-level` → `logLevel`. */
export function nameOf(flag: string): string {
  return flag.replace(/^--/, '').replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** What a command line says, in its order; a word that belongs to no flag stands as a flag without dashes. */
export function argumentsOf(
  argv: readonly string[],
  flags: readonly string[],
): { flag: string; value?: string | undefined }[] {
  const options = Object.fromEntries(flags.map((flag) => [flag.slice(2), { type: 'string' as const }]));
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  return tokens.flatMap((token) => {
    if (token.kind === 'option') return [{ flag: token.rawName, value: token.value }];
    return token.kind === 'positional' ? [{ flag: token.value }] : [];
  });
}

/** The known flag that a mistyped one is likely to mean. */
export function nearest(flag: string, known: readonly string[]): string | undefined {
  return known.toSorted((a, b) => distance(flag, a) - distance(flag, b))[0];
}

/** Levenshtein's: how many letters must be put in, left out or changed. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const change = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
