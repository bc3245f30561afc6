import type { Observed } from '../../src/decide/actions.ts';
import { runName } from '../../src/decide/identity.ts';
import type {
  Dispatch,
  Outcome,
  Policy,
  Release,
  Revision,
  Run,
  RunState,
  Test,
  Time,
} from '../../src/decide/model.ts';
import { plan } from '../../src/decide/plan.ts';
import { select } from '../../src/decide/select.ts';
import { isOf, isStarted } from '../../src/decide/standing.ts';

/** Builders: each says only what differs from a release that stands still, with one test that selects it. */

export const NOON = Date.parse('2026-11-21T12:00:00Z');

export function after(seconds: number): Time {
  return NOON + seconds * 1000;
}

export const POLICY: Policy = { retryBackoffMs: 30_000 };

const D7 = 'sha256:seven';

export function aRevision(differs: Partial<Revision> = {}): Revision {
  return {
    digest: D7,
    version: 7,
    status: 'deployed',
    action: 'upgrade',
    helmRelease: 'podinfo',
    targetNamespace: 'apps',
    chart: 'podinfo',
    chartVersion: '1.2.0',
    deployedAt: NOON,
    ...differs,
  };
}

type ReleaseParts = Omit<Partial<Release>, 'conditions' | 'revision'> & {
  readonly revision?: Partial<Revision> | 'none';
} & Conditions;

interface Conditions {
  readonly ready?: 'True' | 'False' | 'Unknown' | 'absent';
  readonly readyReason?: string;
  readonly reconciling?: boolean;
  readonly stalled?: boolean;
}

export function aRelease({
  ready = 'True',
  readyReason = 'UpgradeSucceeded',
  reconciling,
  stalled,
  revision,
  ...differs
}: ReleaseParts = {}): Release {
  return {
    ref: { namespace: 'apps', name: 'podinfo' },
    uid: 'release-uid',
    resourceVersion: '1',
    generation: 1,
    deleting: false,
    annotations: {},
    labels: {},
    suspended: false,
    remote: false,
    unawaited: false,
    observedGeneration: 1,
    conditions: {
      ...(ready !== 'absent' && { Ready: { status: ready, reason: readyReason, since: NOON } }),
      ...(reconciling && { Reconciling: { status: 'True', reason: 'Progressing', since: NOON } }),
      ...(stalled && { Stalled: { status: 'True', reason: 'Stalled', since: NOON } }),
    },
    ...(revision !== 'none' && { revision: aRevision(revision) }),
    workloads: [],
    ...differs,
  };
}

/** A release on which Helm is at work. */
export function moving(differs: ReleaseParts = {}): Release {
  return aRelease({ ready: 'Unknown', readyReason: 'Progressing', reconciling: true, ...differs });
}

export function aTest(name = 'smoke', differs: Partial<Test> = {}): Test {
  return {
    ref: { namespace: 'apps', name },
    kind: 'SyncTest',
    generation: 1,
    createdAt: after(-3600),
    suspended: false,
    releases: {},
    after: ['install', 'upgrade'],
    existing: 'skip',
    required: true,
    needs: [],
    retries: 2,
    retryFailed: 0,
    onNewRevision: 'cancel',
    settleMs: 0,
    maxParallel: 0,
    historyLimit: 10,
    remote: false,
    ...differs,
  };
}

type RunParts = Omit<Partial<Run>, 'test' | 'outcome'> & {
  readonly test?: string;
  readonly outcome?: Partial<Outcome>;
};

/** A run of `smoke` against the revision that is deployed. It is pinned, and has neither Job nor outcome. */
export function aRun({ test = 'smoke', outcome, ...differs }: RunParts = {}): Run {
  const attempt = differs.attempt ?? 1;
  const digest = differs.digest ?? D7;
  const ref = { namespace: 'apps', name: `podinfo-${test}-${digest.slice(7)}-${attempt}` };
  return {
    ref,
    uid: `uid-${(differs.ref ?? ref).name}`,
    resourceVersion: '1',
    createdAt: after(attempt),
    ours: true,
    release: 'podinfo',
    releaseUid: 'release-uid',
    test: { namespace: 'apps', name: test },
    testKind: 'SyncTest',
    testGeneration: 1,
    digest,
    attempt,
    cause: attempt === 1 ? 'upgrade' : 'retry',
    abort: false,
    ...(outcome && { outcome: anOutcome(outcome) }),
    ...differs,
  };
}

/** As a person creates it with kubectl: about no digest, and for nothing that a release asked. */
export function aManualRun(differs: RunParts = {}): Run {
  const { releaseUid: _, digest: __, ...bare } = aRun({ ours: false, cause: 'manual' });
  const { outcome, test, ...parts } = differs;
  return {
    ...bare,
    ref: { namespace: 'apps', name: 'by-hand' },
    uid: 'uid-by-hand',
    ...(test !== undefined && { test: { namespace: 'apps', name: test } }),
    ...(outcome && { outcome: anOutcome(outcome) }),
    ...parts,
  };
}

export function anOutcome(differs: Partial<Outcome> = {}): Outcome {
  const { verdict = 'passed' } = differs;
  const reason = ({ passed: 'Passed', failed: 'JobFailed', inconclusive: 'Disrupted' } as const)[verdict];
  return { verdict, reason, message: `it ${verdict}`, finishedAt: after(60), ...differs };
}

export const LIMITS = { timeoutMs: 600_000, startTimeoutMs: 300_000 };

/** Sent to GitHub at noon. */
export function aDispatch(differs: Partial<Dispatch> = {}): Dispatch {
  return {
    repository: 'acme/e2e',
    trigger: 'repository_dispatch',
    apiUrl: 'https://api.github.com',
    claimedAt: NOON,
    limits: LIMITS,
    settled: false,
    ...differs,
  };
}

export const A_JOB = { namespace: 'apps', name: 'the-job', uid: 'job-uid' };

export function running(since = NOON): RunState {
  return { phase: 'running', since, limits: LIMITS };
}

export function ended(differs: Partial<Outcome> = {}): RunState {
  return { phase: 'ended', startedAt: after(48), outcome: anOutcome(differs) };
}

export interface Scene {
  readonly release?: Release;
  readonly tests?: readonly Test[];
  readonly builtIn?: readonly Test[];
  readonly runs?: readonly Run[];
  /** By the run's name. */
  readonly jobs?: Readonly<Record<string, RunState>>;
  readonly policy?: Policy;
}

/** What is known of a release: it, its runs, and the tests of the cluster, by which it is selected. */
export function observed({
  release = aRelease(),
  tests = [aTest()],
  builtIn = [],
  runs = [],
  jobs = {},
  policy = POLICY,
}: Scene = {}): Observed {
  const testsIn = (namespace: string) => tests.filter(({ ref }) => ref.namespace === namespace);
  return {
    release,
    selection: select(release, { testsIn, labelsOf: () => ({ team: 'web' }), builtIn }, policy),
    runs,
    testOf: (run) => [...tests, ...builtIn].find((test) => isOf(run, test)),
    stateOf: (run) => (isStarted(run) ? jobs[run.ref.name] : undefined),
    hasJob: (run) => !isStarted(run) && jobs[run.ref.name] !== undefined,
  };
}

/** What is planned, in a line each: `create smoke upgrade 1`, `finish RUN failed JobFailed`, `start RUN`. */
export function planned(scene: Scene = {}, now: Time = after(60)): readonly string[] {
  return plan(observed(scene), scene.policy ?? POLICY, now).actions.map((action) => {
    if (action.type === 'create') return `create ${action.test.ref.name} ${action.cause} ${action.attempt}`;
    const outcome = action.type === 'finish' ? ` ${action.outcome.verdict} ${action.outcome.reason}` : '';
    return `${action.type} ${action.run.ref.name}${outcome}`;
  });
}

/** The run that an action to create one makes, as the API server serves it. */
export function created(
  { uid, ref, annotations }: Release,
  action: { test: Test; revision: Revision; attempt: number; cause: Run['cause'] },
  at: Time,
): Run {
  const { test, revision, attempt, cause } = action;
  const name = runName({ name: ref.name, uid }, revision, test, attempt);
  const request = annotations['postsync.dev/requestedAt'];
  return {
    ref: { namespace: ref.namespace, name },
    uid: `uid-${name}`,
    resourceVersion: '1',
    createdAt: at,
    ours: true,
    release: ref.name,
    releaseUid: uid,
    test: test.ref,
    testKind: test.kind,
    testGeneration: test.generation,
    digest: revision.digest,
    attempt,
    cause,
    ...(request !== undefined && { request }),
    abort: false,
  };
}
