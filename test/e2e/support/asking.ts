import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kubectl } from './install.ts';

/** What the API server says when it refuses; empty when it does not. */
export type Answer = string;

/** The account that manifests/ give postsync. */
export const POSTSYNC = 'system:serviceaccount:postsync-system:postsync';

/** Runs kubectl, and tells what was said when it failed. */
export async function ask(args: readonly string[], as?: string): Promise<Answer> {
  try {
    await kubectl(...args, ...(as === undefined ? [] : [`--as=${as}`]));
    return '';
  } catch (error) {
    return (error as { stderr?: string }).stderr ?? String(error);
  }
}

/** `kubectl VERB -f -` of an object. Nothing is kept of it with `--dry-run=server` among the flags. */
export async function askWith(
  object: object,
  [verb, ...flags]: readonly [string, ...string[]],
  as?: string,
): Promise<Answer> {
  const folder = mkdtempSync(join(tmpdir(), 'postsync-e2e-'));
  try {
    const file = join(folder, 'object.json');
    writeFileSync(file, JSON.stringify(object));
    return await ask([verb, '-f', file, ...flags], as);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A merge patch. kubectl reads the object first, so this is for objects that the asker may read. */
export function askToPatch(target: readonly string[], patch: object, as?: string): Promise<Answer> {
  return ask(['patch', ...target, '--type=merge', `--patch=${JSON.stringify(patch)}`], as);
}
