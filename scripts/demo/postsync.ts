import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** How postsync is run here, as a service and inside of a Job. */
export const COMMAND = [
  process.execPath,
  fileURLToPath(new URL('../../src/main.ts', import.meta.url)),
] as const;

const READY_MS = 60_000;
const STOP_MS = 5_000;
const TAIL_LINES = 40;

/** postsync as a process of its own. */
export interface Postsync {
  readonly url: string;
  /** Aborted when it ends by itself. */
  readonly ended: AbortSignal;
  /** The end of its log. */
  tail(): string;
  close(): Promise<void>;
}

/**
 * Starts postsync with nothing but these settings and waits until it is ready.
 *
 * @throws with the end of its log when it ends before
 */
export async function startPostsync(
  settings: Readonly<Record<string, string>>,
  stop: AbortSignal,
): Promise<Postsync> {
  const [node, main] = COMMAND;
  const child = spawn(node, [main], {
    env: { PATH: process.env['PATH'], POSTSYNC_PORT: '0', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = new AbortController();
  const gone = once(child, 'close').finally(() => {
    process.off('exit', kill);
    ended.abort(new Error('postsync has ended'));
  });

  const lines: string[] = [];
  const tail = () => lines.slice(-TAIL_LINES).join('\n');
  const { promise: ready, resolve } = Promise.withResolvers<number>();
  let listening = 0;
  const notice = (line: string) => {
    const { msg, port = listening } = JSON.parse(line) as { msg?: string; port?: number };
    listening = port;
    if (msg === 'ready') resolve(port);
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      lines.push(line);
      if (lines.length > 10 * TAIL_LINES) lines.splice(0, TAIL_LINES);
      if (line.startsWith('{')) notice(line);
    });
  }

  async function close(): Promise<void> {
    child.kill('SIGTERM');
    const timer = setTimeout(kill, STOP_MS);
    await gone;
    clearTimeout(timer);
  }

  const limit = AbortSignal.any([stop, AbortSignal.timeout(READY_MS)]);
  const port = await Promise.race([
    ready,
    gone.then(() => undefined),
    once(limit, 'abort').then(() => undefined),
  ]);
  if (port === undefined) {
    await close();
    stop.throwIfAborted();
    throw new Error(`postsync did not start:\n${tail()}`);
  }
  return { url: `http://127.0.0.1:${port}`, ended: ended.signal, tail, close };
}
