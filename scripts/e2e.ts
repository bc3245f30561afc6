import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';

/**
 * Runs the end-to-end tests, one file after the other: they share a cluster. Arguments name files; without any, all.
 * A file that fails is run E2E_ATTEMPTS times at most (default 1). That one needed more is said at the end: a cluster on
 * a busy machine has its moments, and a test that often needs them has a mistake.
 */
const attempts = Number(process.env['E2E_ATTEMPTS'] ?? '1');
const folder = 'test/e2e';
/** Many times what the longest file needs: one that hangs fails, and the others still run. */
const FILE_LIMIT_MS = 12 * 60_000;
const given = process.argv.slice(2);
const files =
  given.length > 0
    ? given
    : readdirSync(folder)
        .filter((name) => name.endsWith('.e2e.ts'))
        .map((name) => `${folder}/${name}`);

/** @returns whether tests ran, and all of them passed */
async function passes(file: string): Promise<boolean> {
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true, // a group of its own, to be stopped as a whole
  });
  const stop = () => child.pid && process.kill(-child.pid, 'SIGKILL');
  process.once('exit', stop);
  let told = '';
  child.stdout.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk);
    told += chunk.toString();
  });
  const limit = setTimeout(() => {
    console.error(`${file}: not done after ${FILE_LIMIT_MS / 60_000} minutes, stopped`);
    stop();
  }, FILE_LIMIT_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(limit);
  process.off('exit', stop);
  const ran = Number(/^ℹ pass (\d+)$/m.exec(told)?.[1] ?? '0');
  if (code === 0 && ran === 0) console.error(`${file}: no test ran`);
  return code === 0 && ran > 0;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const failed: string[] = [];
const repeated: string[] = [];
for (const file of files.toSorted()) {
  let attempt = 1;
  console.log(`\n-- ${file}`);
  while (!(await passes(file))) {
    if (attempt >= attempts) {
      failed.push(file);
      break;
    }
    attempt += 1;
    repeated.push(file);
    console.log(`\n-- ${file}, attempt ${attempt} of ${attempts}`);
  }
}
if (repeated.length > 0) console.log(`\nneeded another attempt: ${repeated.join(', ')}`);
if (failed.length > 0) console.error(`\nfailed: ${failed.join(', ')}`);
console.log(`\n${files.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 || files.length === 0 ? 1 : 0;
