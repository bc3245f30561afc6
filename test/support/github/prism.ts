import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(import.meta.resolve('@stoplight/prism-cli'));
const DESCRIPTION = fileURLToPath(new URL('../../fixtures/github/description.json', import.meta.url));

export interface Prism {
  readonly url: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Prism, which answers from GitHub's description, and refuses what that does not allow. */
export async function startPrism(): Promise<Prism> {
  const given = [COMMAND, 'mock', '--port', '0', '--host', '127.0.0.1', DESCRIPTION];
  // It reads some two thousand files, which takes most of its start.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') };
  const prism = spawn(process.execPath, given, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(prism, 'exit');
  for await (const line of createInterface(prism.stdout)) {
    const [, url] = /Prism is listening on (http:\S+)/.exec(line) ?? [];
    if (url === undefined) continue;
    prism.stdout.resume();
    return {
      url,
      async [Symbol.asyncDispose]() {
        prism.kill();
        await ended;
      },
    };
  }
  throw new Error('Prism did not start');
}
