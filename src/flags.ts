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
