import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface Child {
  readonly port: number;
  /** From its start to the first time that it said it was ready. */
  readonly readyMs: number;
  /** Resident memory in bytes. */
  readonly rss: () => number;
  /** Milliseconds of processor time since its start. */
  readonly cpuMs: () => number;
  stop(): Promise<void>;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Files that it is given, by the variable that says where they are. */
  readonly files?: Readonly<Record<string, string>>;
  readonly readyPath: string;
}

const READY_MS = 60_000;

/** The bundle, and what the image gives Node before its name. */
export function bundle(): readonly string[] {
  const [, entrypoint = '[]'] = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync('Dockerfile', 'utf8')) ?? [];
  const options = (JSON.parse(entrypoint) as readonly string[]).slice(1, -1);
  return [...options, 'dist/postsync.mjs'];
}

/** A server in a process of its own. It is told its port by POSTSYNC_PORT. */
export async function startChild(
  args: readonly string[],
  { env = {}, files = {}, readyPath }: ChildOptions,
): Promise<Child> {
  const folder = mkdtempSync(join(tmpdir(), 'postsync-bench-'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const given = Object.fromEntries(Object.keys(files).map((name) => [name, join(folder, name)]));
  const port = await freePort();
  const out = openSync(join(folder, 'log'), 'w');
  const began = performance.now();
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], POSTSYNC_PORT: String(port), ...env, ...given },
    stdio: ['ignore', out, out],
  });
  const gone = once(child, 'exit');
  await untilReady(child, `http://127.0.0.1:${port}${readyPath}`, join(folder, 'log'));
  return {
    port,
    readyMs: performance.now() - began,
    rss: () => rssOf(child),
    cpuMs: () => cpuMsOf(child),
    async stop() {
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true });
    },
  };
}

async function untilReady(child: ChildProcess, url: string, log: string): Promise<void> {
  for (const end = performance.now() + READY_MS; performance.now() < end; await delay(10)) {
    if (child.exitCode !== null) break;
    if (await isOk(url)) return;
  }
  child.kill('SIGKILL');
  throw new Error(`it did not get ready:\n${readFileSync(log, 'utf8').slice(-4000)}`);
}

async function isOk(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    return false;
  }
}

function rssOf({ pid }: ChildProcess): number {
  const [, kilobytes = 'NaN'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

/** User and system time, in ticks of 10 ms. */
function cpuMsOf({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
