import { KEYS } from './decide/keys.ts';
import {
  keyOf,
  type Policy,
  type Ref,
  type Release,
  type Run,
  releaseOf,
  type Time,
} from './decide/model.ts';
import { isStarted } from './decide/standing.ts';
import { earliest } from './decide/time.ts';
import { isCode, PostsyncError } from './errors.ts';
import type { Heard } from './heard.ts';
import type { Kubernetes } from './kubernetes.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Callbacks, Jobs, Records, Requests, Rollouts } from './ports.ts';
import { type Changes, createChanges } from './receive/changes.ts';
import { createAdmission } from './reconcile/admission.ts';
import { createCallbacks } from './reconcile/callbacks.ts';
import { createHinted } from './reconcile/hinted.ts';
import { type Looked, settled } from './reconcile/looked.ts';
import { createQueue, type Failure, type Queue } from './reconcile/queue.ts';
import { type Deps, reconcile, standAside } from './reconcile/reconcile.ts';
import { createRequests } from './reconcile/requests.ts';
import { createRollouts } from './reconcile/rollouts.ts';
import { createValidation } from './reconcile/validation.ts';
import { syncTestOf, type World } from './reconcile/world.ts';
import { createRecords } from './record/records.ts';
import { writeFinding } from './record/tests.ts';
import { dryRun } from './run/job.ts';
import { type JobDefaults, jobFor } from './run/job-template.ts';
import { createJobs } from './run/jobs.ts';
import { sample } from './run/sample.ts';
import type { Config } from './settings.ts';
import { createTables, type Tables } from './tables.ts';
import { tellFlux } from './tell-flux.ts';
import { githubDefaults, wireGithub } from './wire-github.ts';

export interface WireOptions {
  readonly config: Config;
  /** postsync's own image, which makes the built-in checks. */
  readonly image: string;
  readonly kubernetes: Kubernetes;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly heard: Pick<Heard, 'since'>;
  /** Whether this replica may create things. */
  readonly isActive: () => boolean;
}

export interface Wired {
  readonly queue: Pick<Queue, 'start' | 'stop'>;
  readonly tables: Tables;
  readonly requests: Requests;
  readonly rollouts: Rollouts;
  /** Absent: workflows are not asked to call back. */
  readonly callbacks: Callbacks | undefined;
  readonly changes: Changes;
  /** Somebody else than a watch told of a release: read it, and look at it. */
  readonly onHint: (release: Ref) => void;
  /** @returns when what was told is on its way no more */
  readonly flush: () => Promise<void>;
}

/** Joins the folders: what is seen goes into tables, a change of a table into the queue, and a look acts on both. */
export function wire({ config, image, kubernetes, log, metrics, heard, isActive }: WireOptions): Wired {
  const policy: Policy = {
    retryBackoffMs: config.retryBackoffMs,
    ...(config.testsNamespace !== undefined && { testsNamespace: config.testsNamespace }),
  };

  // The way of a look: what is seen or told queues it, the queue begins it, it reads what it was told of, and acts.
  const queueRelease = (release: Ref) => queue.add(keyOfLook('release', release));
  const queueTest = (test: Ref) => queue.add(keyOfLook('syncTest', test));
  const onHint = (release: Ref) => {
    if (hinted.hear(release)) queueRelease(release);
  };
  const queue = createQueue({ look, parallel: config.parallelLooks, onFailure });
  async function look(key: string): Promise<Looked> {
    const { kind, ref } = lookOf(key);
    return kind === 'syncTest'
      ? { wakeAt: await validation.validate(ref) }
      : measured(() => lookAt(ref), metrics);
  }
  async function lookAt(release: Ref): Promise<Looked> {
    const readAt = await hinted.read(release).catch((error: unknown) => {
      standAside(deps, release);
      throw error;
    });
    const { wakeAt, failure } = await reconcile(deps, release);
    return { wakeAt: earliest([readAt, wakeAt]), failure };
  }
  function onFailure({ key, error: err, attempt, delayMs }: Failure): void {
    const { kind, ref } = lookOf(key);
    log.warn({ [kind]: keyOf(ref), err, failures: attempt, delayMs: Math.round(delayMs) }, 'look failed');
  }

  const changes = createChanges();
  const onChange = (release: Ref) => {
    queueRelease(release);
    changes.tell(release);
  };
  const onRunGone = (run: Run) => admission.leave(run);
  const tables = createTables({
    log,
    onChange,
    onTest: queueTest,
    onRunGone,
    testsNamespace: config.testsNamespace,
    github: githubDefaults(config),
  });
  const admission = createAdmission({ maxRuns: config.maxRuns, now: Date.now, onRoom: queueRelease });

  const settings = {
    image,
    clusterName: config.clusterName,
    jobDefaults: (config.jobDefaults ?? {}) as JobDefaults,
  };
  const written: Records = createRecords(kubernetes, tables);
  const { records, flush } = tellFlux(written, { config, world: tables, log, metrics });
  const jobs: Jobs = createJobs(kubernetes, tables, {
    settings,
    logUrlTemplate: config.logUrlTemplate,
    onRefused(test, words) {
      validation.refused(test, words);
      queueTest(test);
    },
  });
  const { dispatches, reports, validate, limits } = wireGithub({
    config,
    kubernetes,
    metrics,
    log,
    wake: queueRelease,
  });
  const hinted = createHinted(records, Date.now);
  const deps: Deps = {
    world: tables,
    records,
    jobs,
    dispatches,
    reports,
    admission,
    policy() {
      const heardSince = heard.since();
      return heardSince === undefined ? policy : { ...policy, heardSince };
    },
    log,
    now: Date.now,
    assertActive() {
      if (!isActive()) throw new PostsyncError('API_UNAVAILABLE', 'another replica is active now');
    },
    onVerdict(run, { verdict, reason, message, finishedAt }) {
      if (run.testKind === 'SyncTest' && (reason === 'DispatchRefused' || reason === 'CredentialsMissing')) {
        validation.refused(run.test, message);
        queueTest(run.test);
      }
      const seconds = run.startedAt === undefined ? undefined : (finishedAt - run.startedAt) / 1000;
      const kind = kindOf(tables, run);
      metrics.run({ kind, verdict, reason, ...(seconds !== undefined && { seconds }) });
    },
    onResult: (release, result) => metrics.releaseResult(release, result),
  };
  const validation = createValidation(
    tables,
    {
      dryRun: (syncTest) =>
        syncTest.body.kind === 'github'
          ? validate(syncTest)
          : dryRun(kubernetes, jobFor({ ...sample(syncTest.test.ref), syncTest, settings })),
      async writeFinding(ref, finding) {
        tables.tests.upsert(await writeFinding(kubernetes, ref, finding));
      },
    },
    policy,
  );

  metrics.gauges({
    leaseHeld: isActive,
    github: limits,
    runs: () => ({ waiting: admission.waiting, running: admission.running }),
    oldestUndecidedAt: () => oldestUndecided(tables.releases.values()),
  });
  /** What goes on already takes its place before anything new is admitted. */
  function start(): void {
    validation.forgetWritten();
    for (const run of tables.runs.values()) {
      if (isStarted(run) && !run.outcome) admission.count(run, tables.tests.get(keyOf(run.test))?.test);
    }
    queue.start();
  }
  return {
    queue: { start, stop: () => queue.stop() },
    tables,
    requests: createRequests(deps),
    rollouts: createRollouts(deps),
    callbacks:
      config.callbackUrl === undefined ? undefined : createCallbacks(deps, { onRelease: queueRelease }),
    changes,
    onHint,
    flush,
  };
}

type LookKind = 'release' | 'syncTest';

/** What is to be looked at, as a key of the queue, and back. */
function keyOfLook(kind: LookKind, ref: Ref): string {
  return `${kind}:${keyOf(ref)}`;
}
function lookOf(key: string): { readonly kind: LookKind; readonly ref: Ref } {
  const [kind, namespace = '', name = ''] = key.split(/[:/]/);
  return { kind: kind as LookKind, ref: { namespace, name } };
}

async function measured(look: () => Promise<Looked>, metrics: Pick<Metrics, 'look'>): Promise<Looked> {
  const began = performance.now();
  const looked = await settled(look());
  const { failure } = looked;
  const result = failure === undefined ? 'ok' : isCode(failure, 'API_CONFLICT') ? 'conflict' : 'error';
  metrics.look(result, (performance.now() - began) / 1000);
  return looked;
}

function kindOf(world: World, run: Run): string {
  const release = world.releases.get(keyOf(releaseOf(run)));
  return (release && syncTestOf(world, run, release)?.body.kind) ?? 'none';
}

function oldestUndecided(releases: Iterable<Release>): Time | undefined {
  let oldest: Time | undefined;
  for (const { annotations, revision } of releases) {
    const result = annotations[KEYS.result];
    if (!revision || (result !== 'pending' && result !== 'running')) continue;
    if (oldest === undefined || revision.deployedAt < oldest) oldest = revision.deployedAt;
  }
  return oldest;
}
