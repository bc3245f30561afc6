import { KEYS } from '../../src/decide/keys.ts';
import {
  keyOf,
  type Outcome,
  type Release,
  type Run,
  type RunState,
  type Test,
} from '../../src/decide/model.ts';
import { PostsyncError } from '../../src/errors.ts';
import type { Dispatches, Jobs, KnownJob, Records, Reports } from '../../src/ports.ts';
import { createAdmission } from '../../src/reconcile/admission.ts';
import { type Deps, reconcile } from '../../src/reconcile/reconcile.ts';
import { releaseKeyOf } from '../../src/reconcile/world.ts';
import type { SyncTest } from '../../src/synctest.ts';
import type { Table } from '../../src/table.ts';
import { after, aRelease, aTest, LIMITS, POLICY } from './model.ts';

interface StoredJob {
  readonly known: KnownJob;
  readonly state: RunState;
}

/** Knows what was put into `server`. */
function aTable<T>(server: ReadonlyMap<string, T>, groupOf: (value: T) => string): Table<T> {
  return {
    get: (key) => server.get(key),
    in: (group) => [...server.values()].filter((value) => groupOf(value) === group),
    values: () => server.values(),
    get size() {
      return server.size;
    },
    upsert: () => undefined,
    remove: () => undefined,
    relist: () => ({ upsert: () => undefined, end: () => undefined, giveUp: () => undefined }),
  };
}

function aSyncTest(test: Test, { reports }: Pick<WorldOptions, 'reports'>): SyncTest {
  return {
    ...(reports && { commitStatus: { repository: 'acme/fleet', secretRef: { name: 'fleet' } } }),
    test,
    body: { kind: 'none' },
    params: {},
    limits: LIMITS,
    runIn: 'test',
    shareOutput: false,
    inconclusiveExitCodes: [75],
  };
}

/** When the process dies: at the write of this number, before or after it reached the server. */
export interface Death {
  readonly at: number;
  readonly when: 'before' | 'after';
}

/** A line of the log, as far as tests look at it. */
interface Logged {
  readonly actions?: readonly string[];
  readonly run?: string;
}

interface WorldOptions {
  readonly release?: Release;
  readonly tests?: readonly Test[];
  readonly maxRuns?: number;
  /** What somebody else found out, so that no Job is needed. */
  readonly recorded?: Outcome;
  /** What says verdicts on commits; all tests ask for that. Absent: none does. */
  readonly reports?: Reports;
}

/** A cluster in memory, and the loop against it: `look` may die anywhere, `restart` begins anew with what is there. */
export function aWorld(options: WorldOptions = {}) {
  const { release = aRelease(), tests = [aTest()], maxRuns = 0, recorded, reports = NO_REPORTS } = options;
  const releases = new Map([[keyOf(release.ref), release]]);
  const seen = new Map(releases);
  const runs = new Map<string, Run>();
  const jobs = new Map<string, StoredJob>();
  const syncTests = new Map(tests.map((test) => [keyOf(test.ref), aSyncTest(test, options)]));
  const writes: string[] = [];
  const failures = new Map<string, PostsyncError>();
  const mistakes = new Map<string, PostsyncError>();
  const happenings = new Map<string, () => void>();
  const created: string[] = [];
  /** What was seen of Jobs, where that is not what they do. */
  const stale = new Map<string, RunState | undefined>();
  let death: Death | undefined;
  let isDead = false;
  let now = after(60);
  let version = 1;
  let sinceStart = 0;

  /** Every write passes here: it is counted, may fail, and may be the one at which the process dies. */
  async function write<T>(what: string, change: () => T): Promise<T> {
    alive();
    sinceStart += 1;
    const dies = death?.at === sinceStart ? death.when : undefined;
    if (dies === 'before') die();
    happenings.get(what)?.();
    const failure = failures.get(what);
    if (failure) throw failure;
    writes.push(what);
    const result = change();
    if (dies === 'after') die();
    const mistake = mistakes.get(what);
    if (mistake) throw mistake;
    return result;
  }
  function alive(): void {
    if (isDead) throw new Error('died');
  }
  function die(): void {
    isDead = true;
    throw new Error('died');
  }

  function putRun(run: Run, differs: Partial<Run>): Run {
    const key = keyOf(run.ref);
    const stored = runs.get(key);
    if (!stored) throw new PostsyncError('API_NOT_FOUND', `${key} is gone`);
    if (stored.resourceVersion !== run.resourceVersion)
      throw new PostsyncError('API_CONFLICT', `${key} changed`);
    const put = { ...stored, ...differs, resourceVersion: String((version += 1)) };
    runs.set(key, put);
    return put;
  }

  function noteDispatch(run: Run, note: Parameters<Records['noteDispatch']>[1]): Run {
    const { resourceVersion, dispatch } = runs.get(keyOf(run.ref)) ?? run;
    if (!dispatch) throw new Error(`${run.ref.name} is not dispatched`);
    const { url: _, ...noted } = { url: '', ...note };
    return putRun({ ...run, resourceVersion }, { dispatch: { ...dispatch, ...noted } });
  }

  const records: Records = {
    async readRelease(ref) {
      alive();
      const live = releases.get(keyOf(ref));
      if (live) seen.set(keyOf(ref), live);
      else seen.delete(keyOf(ref));
      return live;
    },
    async readRun(ref) {
      alive();
      return runs.get(keyOf(ref));
    },
    async readRuns({ namespace, name }) {
      alive();
      return [...runs.values()].filter((run) => run.release === name && run.ref.namespace === namespace);
    },
    async readTest() {
      alive();
    },
    createRun: ({ name, release: { ref, uid }, test, revision, ...given }) =>
      write('create run', () => {
        const key = `${ref.namespace}/${name}`;
        if ((given.request ?? '').length > 256)
          throw new PostsyncError('API_REJECTED', 'spec.request: may not be more than 256 characters');
        const run: Run = {
          ref: { namespace: ref.namespace, name },
          uid: `uid-${(version += 1)}`,
          resourceVersion: String(version),
          createdAt: now,
          ours: true,
          release: ref.name,
          releaseUid: uid,
          test: test.ref,
          testKind: test.kind,
          testGeneration: test.generation,
          digest: revision.digest,
          attempt: given.attempt,
          cause: given.cause,
          ...(given.request !== undefined && { request: given.request }),
          abort: false,
        };
        const had = runs.get(key) ?? run;
        runs.set(key, had);
        return had;
      }),
    pinRun: (run, { uid }, { digest }, test) =>
      write('pin run', () =>
        putRun(run, { releaseUid: uid, digest, ...(test && { testGeneration: test.generation }) }),
      ),
    startRun: (run, { job }) => write('start run', () => putRun(run, { job })),
    claimRun: (run, { release: { uid }, revision: { digest }, dispatch }) =>
      write('claim run', () => putRun(run, { releaseUid: uid, digest, dispatch })),
    unclaimRun: (run) => write('unclaim run', () => putRun(run, { dispatch: undefined } as never)),
    noteDispatch: (run, note) => write('note dispatch', () => noteDispatch(run, note)),
    noteReport: (_, run, commitStatus) =>
      write('note report', () => {
        const { resourceVersion } = runs.get(keyOf(run.ref)) ?? run;
        return putRun({ ...run, resourceVersion }, { commitStatus });
      }),
    endRun: (run, outcome, { startedAt, link, settled } = {}) =>
      write('end run', () =>
        putRun(run, {
          outcome,
          ...(startedAt !== undefined && { startedAt }),
          ...(run.dispatch && {
            dispatch: { ...run.dispatch, settled: settled === true, ...(link && { runId: link.runId }) },
          }),
        }),
      ),
    removeRun: (run) => write('remove run', () => void runs.delete(keyOf(run.ref))),
    writeProjection: (known, { annotations, labels }) =>
      write('write result', () => {
        const stored = releases.get(keyOf(known.ref)) as Release;
        if (stored.resourceVersion !== known.resourceVersion)
          throw new PostsyncError('API_CONFLICT', 'changed');
        putRelease({
          annotations: merged(stored.annotations, annotations),
          labels: merged(stored.labels, labels),
        });
      }),
    tellVerdict: () => write('tell verdict', () => undefined),
    tellProblem: () => write('tell problem', () => undefined),
    notRolledOut: async () => undefined,
  };

  function putRelease(differs: Partial<Release>, { isUnseen = false } = {}): void {
    const key = keyOf(release.ref);
    const stored = releases.get(key) ?? release;
    const put = { ...stored, ...differs, resourceVersion: String((version += 1)) };
    releases.set(key, put);
    if (!isUnseen) seen.set(key, put);
  }

  const runner: Jobs = {
    stateOf: ({ uid, job }) => (stale.has(uid) || !job ? stale.get(uid) : jobs.get(uid)?.state),
    start: async (run) => {
      if (recorded) return { outcome: recorded };
      return write('create job', () => {
        const had = jobs.get(run.uid);
        if (had) return { job: had.known };
        created.push(run.ref.name);
        const ref = { ...run.ref, uid: `job-${run.uid}` };
        const known = {
          ...ref,
          runUid: run.uid,
          run: run.ref,
          isFinished: false,
          isStopping: false,
          isSealed: false,
        };
        jobs.set(run.uid, { known, state: { phase: 'running', since: now, limits: LIMITS } });
        return { job: ref };
      });
    },
    has: ({ uid }) => jobs.has(uid),
    async adopt(run) {
      return write('adopt job', () => {
        const had = jobs.get(run.uid);
        return had && { job: had.known };
      });
    },
    async refresh(run) {
      alive();
      stale.delete(run.uid);
    },
    of: () => [...jobs.values()].map(({ known }) => known),
    stop: (job) => write('stop job', () => setJob(job.runUid, { isStopping: true })),
    seal: (job) => write('seal job', () => setJob(job.runUid, { isSealed: true })),
  };
  function setJob(uid: string, differs: Partial<KnownJob>, state?: RunState): void {
    const job = jobs.get(uid);
    if (job) jobs.set(uid, { known: { ...job.known, ...differs }, state: state ?? job.state });
  }

  const told: string[] = [];
  const logged: Logged[] = [];
  const deps = (): Deps => ({
    world: {
      releases: aTable(seen, ({ ref }) => ref.namespace),
      runs: aTable(runs, releaseKeyOf),
      tests: aTable(syncTests, ({ test }) => test.ref.namespace),
      namespaces: aTable(new Map(), () => ''),
      builtIn: () => [],
    },
    records,
    jobs: runner,
    dispatches: noDispatches(),
    reports,
    admission: createAdmission({ maxRuns, now: () => now, onRoom: ({ name }) => told.push(name) }),
    policy: () => POLICY,
    log: {
      info: (line: Logged) => logged.push(line),
      error: (_: object, message: string) => told.push(message),
    } as never,
    now: () => now,
    assertActive: () => undefined,
    onVerdict: () => undefined,
    onResult: () => undefined,
  });
  let process = deps();

  return {
    deps,
    writes,
    failures,
    /** What the server says of a write that it carries out all the same. */
    mistakes,
    /** What happens in the cluster just before a write. */
    happenings,
    told,
    logged,
    /** The names of the runs whose Jobs were created, one for each Job. */
    created,
    /** @returns when it wants to look again; rejects with what of the look failed */
    async look(ref = release.ref) {
      const { wakeAt, failure } = await reconcile(process, ref);
      if (failure !== undefined) throw failure;
      return wakeAt;
    },
    /** The process is gone, and another one knows only what is on the server. */
    restart(next?: Death) {
      isDead = false;
      death = next;
      sinceStart = 0;
      process = deps();
    },
    runs: () => [...runs.values()],
    jobs: () => [...jobs.values()].map(({ known }) => known),
    result: () => releases.get(keyOf(release.ref))?.annotations[KEYS.result],
    verdicts: () =>
      [...runs.values()].map(({ outcome }) => outcome && `${outcome.verdict} ${outcome.reason}`),
    putRelease,
    putRun: (run: Run) => runs.set(keyOf(run.ref), run),
    putTest: (test: Test) => syncTests.set(keyOf(test.ref), aSyncTest(test, options)),
    removeRelease() {
      releases.clear();
      seen.clear();
    },
    removeRuns: () => runs.clear(),
    /** All Jobs that go on end so. */
    endJobs(outcome: Outcome) {
      for (const uid of jobs.keys())
        setJob(uid, { isFinished: true }, { phase: 'ended', startedAt: now, outcome });
    },
    loseJobs: () => jobs.clear(),
    /** What the watch has told of the Jobs, however they do; `undefined`: nothing yet. */
    showJobsAs(state: RunState | undefined) {
      for (const uid of jobs.keys()) stale.set(uid, state);
    },
    pass: (seconds: number) => (now += seconds * 1000),
  };
}

function merged(
  keys: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const entries = Object.entries({ ...keys, ...changes }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Record<string, string>;
}

function never(): never {
  throw new Error('nothing is dispatched here');
}

/** For worlds whose tests ask for no report. */
export const NO_REPORTS: Reports = {
  report() {
    throw new Error('nothing is reported here');
  },
};

/** For worlds whose tests are all Jobs. */
export function noDispatches(): Dispatches {
  return { stateOf: never, prepare: never, confirm: never, stop: never };
}
