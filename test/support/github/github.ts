import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch as fetchBy } from 'undici';
import { loopbackCertificate } from '../../../src/embedded/certificate.ts';
import { type AppOptions, createCredentials, type TokenOptions } from './credentials.ts';
import type { ChooseFault } from './faults.ts';
import { createLimiter, type Imposed, type Limits, PUBLISHED } from './limits.ts';
import type { Exchange, Violation } from './log.ts';
import type { CommitStatus, Conclusion, Repository, Run, RunStatus, Workflow } from './model.ts';
import { createRuns, type Listing } from './runs.ts';
import { handler } from './server.ts';

export interface GitHubOptions {
  readonly host?: string;
  /** A free one, where none is named. */
  readonly port?: number;
  /** Names and addresses that its certificate is for, beside those of the loopback. */
  readonly names?: readonly string[];
  readonly now?: () => number;
  readonly limits?: Partial<Limits>;
  /** An Enterprise Server of before 3.21, which refuses `return_run_details`. */
  readonly oldEnterprise?: boolean;
}

export interface RepositoryOptions {
  readonly workflows?: readonly Workflow[];
  /** The first is the default branch. */
  readonly branches?: readonly string[];
  /** Commits that are there; any, where none are named. */
  readonly commits?: readonly string[];
}

/** A stand-in for GitHub: stateful, over TLS, checked against GitHub's own description of its API. */
export interface GitHub {
  /** As `https://api.github.com`. */
  readonly url: string;
  /** As `https://ghe.example.com/api/v3`. */
  readonly enterpriseUrl: string;
  /** Its certificate, in PEM, and a file that holds it until it is closed. */
  readonly ca: string;
  readonly caFile: string;
  /** Trusts its certificate. */
  readonly fetch: typeof globalThis.fetch;

  addRepository(name: string, options?: RepositoryOptions): void;
  addToken(token: string, options?: TokenOptions): void;
  /** Gives the app's private key, in PEM. */
  addApp(app: AppOptions): string;
  /** Installation tokens that were given out are no longer taken; or this token. */
  revoke(token?: string): void;

  /** Oldest first; of this repository, or of all. */
  runs(repository?: string): readonly Run[];
  progress(run: number, status: RunStatus): void;
  finish(run: number, conclusion: Conclusion): void;
  /** When new runs are listed; at once, from the start. */
  listing: Listing;
  /** Lists a run now. */
  list(run: number): void;
  /** Of a commit, oldest first. */
  statuses(repository: string, sha: string): readonly CommitStatus[];

  /** What goes wrong with a request; nothing, from the start. */
  fault: ChooseFault | undefined;
  /** A limit, though nothing is over it. */
  limit(limit: Imposed): void;

  /** Every request so far, the oldest first; see `measure`. */
  readonly exchanges: readonly Exchange[];
  /** What GitHub's description does not allow, of requests and of answers. */
  readonly violations: readonly Violation[];
  /** Throws unless everything that passed is as GitHub describes it. */
  assertConforms(): void;
  /** Waits until this holds, half a minute at most; asks after each thing that happens. */
  until(holds: () => boolean): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openGitHub(options: GitHubOptions = {}): Promise<GitHub> {
  const { host = '127.0.0.1', port = 0, names = [], now = Date.now, oldEnterprise = false } = options;
  const { key, cert } = loopbackCertificate(new Date(), names);
  const folder = await mkdtemp(join(tmpdir(), 'github-'));
  const caFile = join(folder, 'ca.crt');
  await writeFile(caFile, cert);
  const knobs: { listing: Listing; fault: ChooseFault | undefined } = {
    listing: { lists: 0 },
    fault: undefined,
  };
  const repositories = new Map<string, Repository>();
  const statuses = new Map<string, CommitStatus[]>();
  const exchanges: Exchange[] = [];
  const violations: Violation[] = [];
  const waiting = new Set<() => void>();
  const changed = () => {
    for (const look of waiting) look();
  };
  const runs = createRuns(now, () => knobs.listing);
  const credentials = createCredentials(now);
  const limiter = createLimiter(now, { ...PUBLISHED, ...options.limits });
  const state = { now, repositories, runs, credentials, statuses, oldEnterprise };
  const serve = handler({ state, limiter, exchanges, violations, fault: () => knobs.fault, changed });
  const server = createServer({ key, cert }, serve);
  server.listen(port, host);
  await once(server, 'listening');
  const url = `https://${host === '0.0.0.0' ? '127.0.0.1' : host}:${(server.address() as AddressInfo).port}`;
  const agent = new Agent({ connect: { ca: cert } });

  async function close(): Promise<void> {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
    await agent.destroy();
    await rm(folder, { recursive: true, force: true });
  }

  return {
    url,
    enterpriseUrl: `${url}/api/v3`,
    ca: cert,
    caFile,
    fetch: ((input: string, init: object) =>
      fetchBy(input, { ...init, dispatcher: agent })) as unknown as typeof fetch,
    addRepository(fullName, { workflows = [], branches = ['main'], commits } = {}) {
      const [owner = '', name = ''] = fullName.split('/');
      const id = repositories.size + 1;
      repositories.set(fullName.toLowerCase(), {
        owner,
        name,
        id,
        branches,
        workflows: workflows.map((workflow, index) => ({ ...workflow, id: id * 1000 + index })),
        ...(commits && { commits }),
      });
    },
    addToken: (token, given) => credentials.addToken(token, given),
    addApp: (app) => credentials.addApp(app),
    revoke: (token) => credentials.revoke(token),
    runs(repository) {
      runs.settle();
      return runs.all.filter((run) => repository === undefined || run.repository === repository);
    },
    progress(run, status) {
      runs.change(run, status);
      changed();
    },
    finish(run, conclusion) {
      runs.change(run, 'completed', conclusion);
      changed();
    },
    get listing() {
      return knobs.listing;
    },
    set listing(listing) {
      knobs.listing = listing;
    },
    list(run) {
      runs.show(run);
      changed();
    },
    statuses: (repository, sha) => statuses.get(`${repository}@${sha}`) ?? [],
    get fault() {
      return knobs.fault;
    },
    set fault(fault) {
      knobs.fault = fault;
    },
    limit: (limit) => limiter.impose(limit),
    exchanges,
    violations,
    assertConforms() {
      if (violations.length === 0) return;
      const lines = violations.map(({ of, request, message }) => `${request}: ${of}: ${message}`);
      throw new Error(`not as GitHub describes it:\n${lines.join('\n')}`);
    },
    until: (holds) => watched(holds, waiting),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const PATIENCE_MS = 30_000;

function watched(holds: () => boolean, waiting: Set<() => void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      try {
        if (holds()) end();
      } catch (error) {
        end(error);
      }
    };
    const end = (error?: unknown) => {
      waiting.delete(look);
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(error);
    };
    const timer = setTimeout(() => end(new Error('it did not happen on GitHub')), PATIENCE_MS);
    waiting.add(look);
    look();
  });
}
