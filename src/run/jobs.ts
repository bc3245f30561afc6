import type { V1Job } from '@kubernetes/client-node';
import { keyOf, type Ref, type Release, type Run, type Time } from '../decide/model.ts';
import { isCode, PostsyncError } from '../errors.ts';
import { keep } from '../keep.ts';
import type { Kubernetes } from '../kubernetes.ts';
import { logUrl } from '../log-url.ts';
import type { Jobs, KnownJob } from '../ports.ts';
import type { SyncTest } from '../synctest.ts';
import type { Table } from '../table.ts';
import type { Complaint } from './complaint.ts';
import { recordedOutcome } from './helm-test.ts';
import { createJob, findJob, isRefusal, sealJob, stopJob, wordsOf } from './job.ts';
import { jobStateOf } from './job-state.ts';
import { type JobSettings, jobFor, jobNamespace } from './job-template.ts';
import type { JobView } from './job-view.ts';
import type { PodView } from './pod-view.ts';

/** What is known of our Jobs: they are grouped by release, Pods by the Job's uid. */
export interface JobTables {
  readonly jobs: Table<JobView>;
  readonly pods: Table<PodView>;
  /** That no Pod can be made, by the Job's uid. */
  readonly complaints: Table<Complaint>;
  /** That no volume can be mounted, by the Pod's namespace and name. */
  readonly mounts: Table<Complaint>;
}

export interface JobsOptions {
  readonly settings: JobSettings;
  /** Where a run's log can be read, see log-url.ts. */
  readonly logUrlTemplate?: string | undefined;
  /** Told what the API server says of a test's Job that it refuses, where the run may not quote it. */
  readonly onRefused: (test: Ref, words: string) => void;
}

/** Containers that are remembered to be stuck. */
const MOST_STUCK = 10_000;

/** Runs tests as Jobs, and remembers what the API server answered. */
export function createJobs(kubernetes: Kubernetes, tables: JobTables, options: JobsOptions): Jobs {
  const { jobs, pods, complaints, mounts } = tables;
  const { settings, logUrlTemplate, onRefused } = options;

  /** When the containers that cannot be started were seen so first. After a restart, half a minute is given anew. */
  const stuck = new Map<string, Time>();
  const firstSeen = (now: Time) => (container: string) => {
    const since = stuck.get(container) ?? now;
    keep(stuck, container, since, MOST_STUCK);
    return since;
  };

  /** The one that is written on the run: labels are what anybody can put on a Job of his own. */
  function jobOf({ job }: Run): JobView | undefined {
    const known = job && jobs.get(keyOf(job));
    return known?.uid === job?.uid ? known : undefined;
  }

  function urlOf(job: JobView, run: Run): string | undefined {
    if (logUrlTemplate === undefined) return undefined;
    return logUrl(logUrlTemplate, {
      cluster: settings.clusterName,
      namespace: job.namespace,
      job: job.name,
      run: run.ref.name,
      release: run.release,
      test: run.test.name,
    });
  }

  function startedBy(object: unknown, run: Run) {
    const job = jobs.upsert(object);
    if (job) return { job, url: urlOf(job, run) };
    throw new PostsyncError('OBJECT_INVALID', `the Job ${run.ref.name} cannot be read`);
  }

  async function readJob(ref: {
    readonly namespace: string;
    readonly name: string;
  }): Promise<JobView | undefined> {
    try {
      return jobs.upsert(await kubernetes.get({ resource: 'jobs', ...ref }));
    } catch (error) {
      if (!isCode(error, 'API_NOT_FOUND')) throw error;
      jobs.remove({ metadata: ref });
      return undefined;
    }
  }

  /** What the API server says of a Job may name what its namespace has: quotas, accounts, the values of its fields. */
  function discreet(error: unknown, run: Run, { test, shareOutput }: SyncTest, { metadata }: V1Job): unknown {
    const isQuotable = shareOutput || metadata?.namespace === run.ref.namespace;
    if (isQuotable || !isRefusal(error)) return error;
    const refused = `the API server refuses its Job in namespace ${metadata?.namespace}`;
    const { code, isAnswer } = error;
    if (test.kind !== 'SyncTest') return new PostsyncError(code, refused, { cause: error, isAnswer });
    onRefused(test.ref, wordsOf(error));
    const where = `the conditions of the SyncTest ${keyOf(test.ref)} say why`;
    return new PostsyncError(code, `${refused}: ${where}`, { cause: error, isAnswer });
  }

  /** A Job that is gone, or is another one by now, needs nothing. */
  async function change({ namespace, name }: KnownJob, changed: Promise<unknown>): Promise<void> {
    try {
      jobs.upsert(await changed);
    } catch (error) {
      if (!isCode(error, 'API_NOT_FOUND', 'API_CONFLICT')) throw error;
      jobs.remove({ metadata: { namespace, name } });
    }
  }

  return {
    stateOf(run, now) {
      const job = jobOf(run);
      if (!job) return undefined;
      const mine = pods.in(job.uid);
      const said = [...complaints.in(job.uid), ...mine.flatMap((pod) => mounts.in(keyOf(pod)))];
      return jobStateOf(job, mine, { complaints: said, seenSince: firstSeen(now) }, now);
    },
    async start(run: Run, syncTest, release: Release, now) {
      const wanted = jobFor({ run, syncTest, release, settings });
      const isThere = jobs.get(keyOf(placeOf(run, syncTest, release))) !== undefined;
      const outcome = isThere ? undefined : recordedOutcome(run, syncTest, release, now);
      if (outcome) return { outcome };
      const created = createJob(kubernetes, wanted).catch((error: unknown) => {
        throw discreet(error, run, syncTest, wanted);
      });
      return startedBy(await created, run);
    },
    has: (run, syncTest, release) => jobs.get(keyOf(placeOf(run, syncTest, release)))?.runUid === run.uid,
    async adopt(run, syncTest, release) {
      try {
        return startedBy(await findJob(kubernetes, jobFor({ run, syncTest, release, settings })), run);
      } catch (error) {
        if (!isCode(error, 'API_NOT_FOUND')) throw error;
        jobs.remove({ metadata: placeOf(run, syncTest, release) });
        return undefined;
      }
    },
    async refresh(run) {
      const job = run.job && (await readJob(run.job));
      if (!job) return;
      const before = pods.in(job.uid);
      const { items } = (await kubernetes.list(
        { resource: 'pods', namespace: job.namespace },
        { labelSelector: `batch.kubernetes.io/job-name=${job.name}` },
      )) as { items: readonly unknown[] };
      for (const item of items) pods.upsert(item);
      // Of those that were known before; the watch may have brought others meanwhile.
      const there = new Set(
        (items as readonly { metadata: { name: string } }[]).map(({ metadata }) => metadata.name),
      );
      for (const pod of before) if (!there.has(pod.name)) pods.remove({ metadata: pod });
    },
    of: (release) => jobs.in(keyOf(release)).map((job) => knownJob(job, pods.in(job.uid))),
    stop: (job) => change(job, stopJob(kubernetes, job)),
    seal: (job) => change(job, sealJob(kubernetes, job, jobs.get(keyOf(job))?.limits.ttlSeconds)),
  };
}

/** Where the Job of a run is, or would be. */
function placeOf(run: Run, syncTest: SyncTest, release: Release): Ref {
  return { namespace: jobNamespace(syncTest, release), name: run.ref.name };
}

/** The stop is an `activeDeadlineSeconds` that no test has. */
function knownJob(view: JobView, pods: readonly PodView[]): KnownJob {
  const { namespace, name, uid, runUid, runName, runNamespace, ...job } = view;
  return {
    namespace,
    name,
    uid,
    runUid,
    run: { namespace: runNamespace, name: runName },
    // The controller ends the rest by itself; a stop now would turn a success into a failure.
    isFinished: job.finished || job.end !== undefined || (!job.retriesPods && haveEnded(pods)),
    isStopping: job.activeDeadlineSeconds === 1,
    isSealed: job.sealed,
  };
}

/** Nothing of a Job runs any more, though its controller may not have said so yet. */
function haveEnded(pods: readonly PodView[]): boolean {
  return (
    pods.length > 0 && pods.every(({ containers }) => containers.length > 0 && containers.every(hasEnded))
  );
}

function hasEnded({ state }: PodView['containers'][number]): boolean {
  return state.kind === 'ended';
}
