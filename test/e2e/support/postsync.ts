import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Api } from './api.ts';
import { LOG_DIR } from './env.ts';
import { SYSTEM_NAMESPACE } from './install.ts';
import { openProxy, type Proxy } from './proxy.ts';

const READY_MS = 30_000;
const TAIL_LINES = 40;

/** A postsync that runs as a process here, with the rights of the deployed one, behind a proxy. */
export interface Postsync {
  readonly url: string;
  readonly proxy: Proxy;
  /** The key of its `generic-hmac` Provider. */
  readonly hmacKey: string;
  readonly running: boolean;
  /** Returns when it says that it is ready. */
  start(): Promise<void>;
  /** Starts it and does not wait. */
  launch(): void;
  /** `kill -9`; returns when it is gone. */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** Resolves when it is gone. */
  exited(): Promise<void>;
  /** The newest lines of its log that mention one of the words; all lines without words. */
  log(...words: string[]): readonly string[];
  close(): Promise<void>;
}

export interface PostsyncOptions {
  /** More of its `POSTSYNC_` variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Words for the name of its log file. */
  readonly name: string;
}

/** @throws when manifests/ were not applied before: its service account is used */
export async function openPostsync(api: Api, options: PostsyncOptions): Promise<Postsync> {
  const folder = mkdtempSync(join(tmpdir(), 'postsync-e2e-'));
  const proxy = await openProxy(api);
  const port = await freePort();
  const hmacKey = randomBytes(16).toString('hex');
  writeFileSync(join(folder, 'kubeconfig'), kubeconfig(proxy, await tokenOf(api)));
  writeFileSync(join(folder, 'key'), hmacKey);
  const lines: string[] = [];
  const file = LOG_DIR ? createWriteStream(join(LOG_DIR, `${options.name}.log`)) : undefined;
  let child: ChildProcess | undefined;
  let gone: Promise<unknown> = Promise.resolve();

  const url = `http://127.0.0.1:${port}`;
  const remember = (chunk: Buffer) => {
    file?.write(chunk);
    lines.push(...chunk.toString().split('\n').filter(Boolean));
    lines.splice(0, lines.length - 20_000);
  };
  const kill = async (signal: NodeJS.Signals) => {
    child?.kill(signal);
    await gone;
  };

  const postsync: Postsync = {
    url,
    proxy,
    hmacKey,
    get running() {
      return child !== undefined;
    },
    launch: () => {
      if (child) throw new Error('postsync runs already');
      const begun = spawn(process.execPath, ['src/main.ts'], {
        env: {
          PATH: process.env['PATH'],
          KUBECONFIG: join(folder, 'kubeconfig'),
          POSTSYNC_PORT: String(port),
          POSTSYNC_NAMESPACE: SYSTEM_NAMESPACE,
          POSTSYNC_LEADER_ELECTION: 'false',
          POSTSYNC_IMAGE: process.env['E2E_IMAGE'],
          POSTSYNC_FLUX_HMAC_KEY_FILES: join(folder, 'key'),
          POSTSYNC_RETRY_BACKOFF: '2s',
          // What works here works without help from the resync.
          POSTSYNC_RESYNC_INTERVAL: '0',
          POSTSYNC_LOG_LEVEL: 'debug',
          ...options.env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      begun.stdout.on('data', remember);
      begun.stderr.on('data', remember);
      gone = once(begun, 'exit').then(([code, signal]) => {
        remember(Buffer.from(`(exited: ${String(code ?? signal)})\n`));
        child = undefined;
      });
      child = begun;
    },
    start: async () => {
      postsync.launch();
      const deadline = Date.now() + READY_MS;
      while (!(await isReady(url))) {
        if (!child || Date.now() > deadline) throw new Error(`postsync did not start:\n${tail(lines)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    kill: () => kill('SIGKILL'),
    stop: () => kill('SIGTERM'),
    exited: async () => void (await gone),
    log: (...words) => {
      const told =
        words.length === 0 ? lines : lines.filter((line) => words.some((word) => line.includes(word)));
      return told.slice(-TAIL_LINES);
    },
    close: async () => {
      await kill('SIGKILL');
      await proxy.close();
      file?.end();
      rmSync(folder, { recursive: true });
    },
  };
  return postsync;
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    return false;
  }
}

/** A token of the service account that manifests/ make: this process may do no more than the deployed one. */
async function tokenOf(api: Api): Promise<string> {
  const path = `/api/v1/namespaces/${SYSTEM_NAMESPACE}/serviceaccounts/postsync/token`;
  const answer = await api.call('POST', path, { spec: { expirationSeconds: 7200 } });
  return (answer as { status: { token: string } }).status.token;
}

function kubeconfig({ url, certificate }: Proxy, token: string): string {
  const ca = Buffer.from(certificate).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'e2e', cluster: { server: url, 'certificate-authority-data': ca } }],
    users: [{ name: 'e2e', user: { token } }],
    contexts: [{ name: 'e2e', context: { cluster: 'e2e', user: 'e2e' } }],
    'current-context': 'e2e',
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function tail(lines: readonly string[]): string {
  return lines.slice(-TAIL_LINES).join('\n');
}
