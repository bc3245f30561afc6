import { act, type Look, later, type Step, wait } from './actions.ts';
import { KEYS } from './keys.ts';
import type { JobState, Outcome, Policy, Release, Run, Test, Verdict } from './model.ts';
import { isMoving } from './rest.ts';
import { isOf } from './standing.ts';

/** Pull and configuration errors rarely mend themselves, but a Secret may come a moment after its user. */
const FATAL_AFTER_MS = 30_000;

/** Nodes tell late of what happened while the API server did not answer: a kubelet syncs the state of its Pods every 10 s. */
const NODES_TELL_MS = 30_000;

/** What an unfinished run needs now. */
export function follow(run: Run, look: Look): Step {
  const { release, now } = look;
  const ended = endedBy(run, release, now);
  if (ended) return finish(run, ended);
  if (run.digest === undefined || run.releaseUid === undefined) return pin(run, look);
  if (run.override) return finish(run, overridden(run.override, now));

  const job = look.jobOf(run);
  const test = look.testOf(run);
  if (isSuperseded(run, release) && !(job && mayEnd(job, test))) return finish(run, superseded(release, now));
  if (job) return followJob(run, job, look);
  if (run.job) return act({ type: 'find', run }, `the Job of ${run.ref.name} is not known`);
  return begin(run, test, look);
}

/** What ends a run whatever its Job does. */
function endedBy(run: Run, release: Release, now: Date): Outcome | undefined {
  if (release.deleting) return inconclusive('ReleaseGone', 'its HelmRelease is being deleted', now);
  if (run.abort) return inconclusive('Aborted', 'somebody ended it by spec.abort', now);
  if (run.releaseUid === undefined || run.releaseUid === release.uid) return undefined;
  return inconclusive('Superseded', 'its HelmRelease was deleted and made again', now);
}

/** Whether the release has moved on since the run was created. */
export function isSuperseded(run: Run, { revision }: Release): boolean {
  return revision !== undefined && run.digest !== undefined && run.digest !== revision.digest;
}

/** A run that a person created is about what is deployed now; where it names a digest, about that one or none. */
function pin(run: Run, { release, rest, now }: Look): Step {
  if (isSuperseded(run, release)) return finish(run, superseded(release, now));
  if (typeof rest === 'string') return wait(`${run.ref.name} waits: ${rest}`);
  return act({ type: 'pin', run, revision: rest.revision }, `${run.ref.name} is about what is deployed now`);
}

/** Starts a run, unless something speaks against it. */
function begin(run: Run, test: Test | undefined, look: Look): Step {
  const { release, rest, now } = look;
  const name = run.ref.name;
  if (!test) {
    return finish(
      run,
      inconclusive(
        'TestGone',
        `there is no SyncTest ${run.test.name} in namespace ${run.test.namespace}`,
        now,
      ),
    );
  }
  if (test.invalid !== undefined) return wait(`${name} waits: its test cannot work: ${test.invalid}`);
  if (!look.selection.wanted.some((wanted) => isOf(run, wanted.test))) {
    return finish(
      run,
      inconclusive('NotSelected', `the test ${test.ref.name} does not select this release`, now),
    );
  }
  if (release.remote && !test.remote) {
    const message =
      'the release deploys to another cluster (spec.kubeConfig); a test that can reach it says `remote: true`';
    return finish(run, inconclusive('RemoteCluster', message, now));
  }
  if (isSuspended(test, release)) return wait(`${name} waits: suspended`);
  if (typeof rest === 'string') return wait(`${name} waits: ${rest}`);
  return act({ type: 'start', run, test }, `${name} is to be started`);
}

/** Whether postsync is told to start nothing. */
export function isSuspended(test: Test, release: Release): boolean {
  return test.suspended || release.annotations[KEYS.suspend] === 'true';
}

/** `onNewRevision: finish`: a Job that goes on may come to its end, though its verdict will not count. */
function mayEnd(job: JobState, test: Test | undefined): boolean {
  return test?.onNewRevision === 'finish' && job.phase !== 'ended';
}

function followJob(run: Run, job: JobState, look: Look): Step {
  const { release, now } = look;
  if (job.phase === 'ended') return conclude(run, job.outcome, release, now);
  const { deadline, outcome } = deadlineOf(job, look);
  if (now >= deadline) return conclude(run, outcome, release, now);
  const test = look.testOf(run);
  if (!run.job && test && !isSuperseded(run, release)) {
    // That its Job was created was not written down: until it is, a Job that is gone would be created again.
    const because = `the Job of ${run.ref.name} is there, and not yet written down`;
    return { ...act({ type: 'start', run, test }, because), wakeAt: deadline };
  }
  return wait(`${run.ref.name} is ${job.phase === 'running' ? 'running' : 'about to run'}`, deadline);
}

/** When time is up for a Job that goes on, and what that will mean. */
function deadlineOf(
  job: Exclude<JobState, { phase: 'ended' }>,
  { now, policy }: Look,
): { deadline: Date; outcome: Outcome } {
  const { since, limits } = job;
  if (job.phase === 'running') {
    const message = `it ran for longer than its timeout of ${seconds(limits.timeoutMs)}`;
    return {
      deadline: latest(later(since, limits.timeoutMs), toldSince(policy)),
      outcome: { verdict: 'failed', reason: 'TimedOut', message, finishedAt: now },
    };
  }
  const limitMs = job.fatal ? Math.min(FATAL_AFTER_MS, limits.startTimeoutMs) : limits.startTimeoutMs;
  const message = `no container ran within ${seconds(limitMs)}: ${job.message}`;
  return { deadline: later(since, limitMs), outcome: inconclusive(job.reason, message, now) };
}

/** A verdict counts only when the release stands still, at the revision that was tested. */
function conclude(run: Run, outcome: Outcome, release: Release, now: Date): Step {
  if (isMoving(release)) return wait(`the verdict of ${run.ref.name} waits until the release has settled`);
  return finish(run, run.digest === release.revision?.digest ? outcome : superseded(release, now));
}

function finish(run: Run, outcome: Outcome): Step {
  return act({ type: 'finish', run, outcome }, `${run.ref.name} ${outcome.verdict}: ${outcome.message}`);
}

function inconclusive(reason: Outcome['reason'], message: string, now: Date): Outcome {
  return { verdict: 'inconclusive', reason, message, finishedAt: now };
}

function superseded({ revision }: Release, now: Date): Outcome {
  const newer = revision ? `v${revision.version} (chart ${revision.chartVersion})` : 'nothing';
  return inconclusive('Superseded', `the release moved on: ${newer} is deployed now`, now);
}

function overridden({ verdict, reason }: { verdict: Verdict; reason: string }, now: Date): Outcome {
  return { verdict, reason: 'Overridden', message: reason, finishedAt: now };
}

/** From when on what is known of Pods is what they do. */
function toldSince({ heardSince }: Policy): Date {
  return heardSince ? later(heardSince, NODES_TELL_MS) : new Date(0);
}

function latest(a: Date, b: Date): Date {
  return a > b ? a : b;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)}s`;
}
