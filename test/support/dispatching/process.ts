import { keyOf, type Ref } from '../../../src/decide/model.ts';
import { isCode, PostsyncError } from '../../../src/errors.ts';
import { refusalOf } from '../../../src/github-allow.ts';
import { createLog } from '../../../src/log.ts';
import type { Jobs } from '../../../src/ports.ts';
import { createAdmission } from '../../../src/reconcile/admission.ts';
import { backoff } from '../../../src/reconcile/backoff.ts';
import { type Deps, reconcile } from '../../../src/reconcile/reconcile.ts';
import { createRecords } from '../../../src/record/records.ts';
import { createAccounts } from '../../../src/run/github/accounts.ts';
import { createCredentials } from '../../../src/run/github/credentials.ts';
import { createDispatches } from '../../../src/run/github/dispatches.ts';
import type { GitHub } from '../../../src/run/github/github.ts';
import { createRunLists } from '../../../src/run/github/lists.ts';
import { connectGitHub } from '../../../src/run/github/octokit.ts';
import { createTables } from '../../../src/tables.ts';
import { NO_REPORTS } from '../world.ts';
import type { ApiServer, Step } from './api-server.ts';

/** A process of postsync: what it does of tests on GitHub, with the real parts of it, and its own memory. */
export interface Process {
  /** What its watches would have told by now. */
  watch(): void;
  /** When it looks next; infinite: only when it hears of something. */
  readonly dueAt: number;
  /** Begins the looks that are due. */
  start(): void;
  /** Looks at everything once. */
  look(): void;
  /** Nothing that it does has an effect any more. */
  readonly isDead: boolean;
}

export interface ProcessOptions {
  readonly server: ApiServer;
  readonly apiUrl: string;
  readonly now: () => number;
  readonly timeoutMs: number;
  /** Around each write to Kubernetes, and each call to GitHub. */
  readonly step: Step;
  readonly isDead: () => boolean;
  /** What is under way ends some time: who waits for all of it waits for this. */
  readonly during: (going: Promise<unknown>) => void;
  /** What the administrator allows annotations, with a credential in this folder. */
  readonly defaults?: { readonly directory: string; readonly repository: string };
  /** A look failed by a mistake in the program. */
  readonly onMistake: (error: unknown) => void;
}

/** As Kubernetes tells of a conflict, somebody else was first. */
const AFTER_CONFLICT_MS = 50;

export function aProcess(options: ProcessOptions): Process {
  const { server, step, apiUrl, timeoutMs, isDead, during, defaults, onMistake } = options;
  const { now } = options;
  const due = new Map<string, number>();
  const busy = new Set<string>();
  const failures = new Map<string, number>();

  function wake(ref: Ref): void {
    due.set(keyOf(ref), options.now());
  }

  const kubernetes = server.connect(step);
  const allowed = defaults && [{ repository: defaults.repository, namespace: '*' }];
  const github = { refusal: refusalOf(allowed) };
  const log = createLog('silent');
  const tables = createTables({
    log,
    testsNamespace: undefined,
    github,
    onChange: wake,
    onTest: nothing,
    onRunGone: nothing,
  });
  const accounts = createAccounts({
    credentials: createCredentials(kubernetes, { now, ...(defaults && { directory: defaults.directory }) }),
    connect: (url, credential) =>
      Promise.resolve(stepped(connectGitHub({ apiUrl: url, credential, timeoutMs, now }), step)),
    wake,
    now,
  });
  const lists = createRunLists({ now, wake });
  const deps: Deps = {
    world: tables,
    records: createRecords(kubernetes, tables),
    jobs: NO_JOBS,
    dispatches: createDispatches({
      accounts,
      lists,
      apiUrl,
      ...github,
      clusterName: 'test',
      callbackOf: () => undefined,
    }),
    reports: NO_REPORTS,
    admission: createAdmission({ maxRuns: 0, now, onRoom: wake }),
    policy: () => ({ retryBackoffMs: 30_000 }),
    log,
    now,
    assertActive: () => undefined,
    onVerdict: () => undefined,
    onResult: () => undefined,
  };

  async function look(key: string): Promise<void> {
    busy.add(key);
    due.delete(key);
    const [namespace = '', name = ''] = key.split('/');
    try {
      const { wakeAt: at, failure } = await reconcile(deps, { namespace, name });
      if (failure !== undefined) throw failure;
      failures.delete(key);
      if (at !== undefined) due.set(key, Math.min(due.get(key) ?? Number.POSITIVE_INFINITY, at));
    } catch (error) {
      if (isDead()) return;
      if (!(error instanceof PostsyncError)) onMistake(error);
      const attempt = (failures.get(key) ?? 0) + 1;
      if (!isCode(error, 'API_CONFLICT')) failures.set(key, attempt);
      due.set(key, options.now() + (isCode(error, 'API_CONFLICT') ? AFTER_CONFLICT_MS : backoff(attempt, 0)));
    } finally {
      busy.delete(key);
    }
  }

  const ready = () => [...due].filter(([key]) => !busy.has(key));
  const own: Process = {
    watch() {
      for (const [resource, table] of [
        ['helmreleases', tables.releases],
        ['synctests', tables.tests],
        ['synctestruns', tables.runs],
      ] as const) {
        const listing = table.relist();
        for (const object of server.list(resource)) listing.upsert(structuredClone(object));
        listing.end();
      }
    },
    get dueAt() {
      return isDead() ? Number.POSITIVE_INFINITY : Math.min(...ready().map(([, at]) => at));
    },
    start() {
      if (isDead()) return;
      for (const [key, at] of ready()) if (at <= options.now()) during(look(key));
    },
    look() {
      for (const { ref } of tables.releases.values()) wake(ref);
    },
    get isDead() {
      return isDead();
    },
  };
  own.watch();
  return own;
}

function nothing(): void {}

/** GitHub, each call of which is a step. */
function stepped(github: GitHub, step: Step): GitHub {
  return {
    limits: github.limits,
    dispatchRepository: (...given) => step('dispatch', () => github.dispatchRepository(...given)),
    dispatchWorkflow: (...given) => step('dispatch', () => github.dispatchWorkflow(...given)),
    listRuns: (...given) => step('list runs', () => github.listRuns(...given)),
    readRun: (...given) => step('read run', () => github.readRun(...given)),
    cancelRun: (...given) => step('cancel run', () => github.cancelRun(...given)),
    listStatuses: (...given) => step('list statuses', () => github.listStatuses(...given)),
    createStatus: (...given) => step('create status', () => github.createStatus(...given)),
  };
}

const NO_JOBS: Jobs = {
  stateOf: () => undefined,
  has: () => false,
  adopt: async () => undefined,
  start: () => Promise.reject(new Error('no Job is started here')),
  refresh: () => Promise.resolve(),
  of: () => [],
  stop: () => Promise.reject(new Error('there is no Job here')),
  seal: () => Promise.reject(new Error('there is no Job here')),
};
