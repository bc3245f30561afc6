import { act, type Look, type Step, wait } from './actions.ts';
import { KEYS } from './keys.ts';
import {
  type Link,
  type Outcome,
  type Policy,
  type Release,
  type Run,
  type RunState,
  revisionText,
  type Test,
  type Time,
  type Verdict,
} from './model.ts';
import { isMoving } from './rest.ts';
import { isOf } from './standing.ts';

/** Pull and configuration errors rarely mend themselves, but a Secret may come a moment after its user. */
const FATAL_AFTER_MS = 30_000;

/** Nodes tell late of what happened while the API server did not answer: a kubelet syncs the state of its Pods every 10 s. */
const NODES_TELL_MS = 30_000;

/** How long after its time was up, or after a start of postsync, a run is asked for that could not be asked for before. */
const UNTOLD_MS = 10 * 60_000;

/** What an unfinished run needs now. */
export function follow(run: Run, look: Look): Step {
  const { release, now } = look;
  const ended = endedBy(run, release, now);
  if (ended) return finish(run, ended);
  if (run.digest === undefined || run.releaseUid === undefined) return pin(run, look);
  if (run.override) return finish(run, overridden(run.override, now));

  const state = look.stateOf(run);
  const test = look.testOf(run);
  if (isSuperseded(run, release) && !(state && mayEnd(state, test)))
    return finish(run, superseded(release, now));
  if (state) return followStarted(run, state, look);
  if (run.job) return act({ type: 'find', run }, `the Job of ${run.ref.name} is not known`);
  // Whatever speaks against a start: until it is written down, a Job that is gone would be created again.
  if (test && look.hasJob(run)) return act({ type: 'adopt', run }, `the Job of ${run.ref.name} is there`);
  return begin(run, test, look);
}

/** What ends a run whatever its Job does. */
function endedBy(run: Run, release: Release, now: Time): Outcome | undefined {
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
  if (isSuperseded(run, release)) {
    return finish(run, superseded(release, now, 'the digest that it names is not deployed'));
  }
  if (typeof rest === 'string') return wait(`${run.ref.name} waits: ${rest}`);
  return act({ type: 'pin', run, revision: rest.revision }, `${run.ref.name} is about what is deployed now`);
}

/** Starts a run, unless something speaks against it. */
function begin(run: Run, test: Test | undefined, look: Look): Step {
  const { release, rest, now } = look;
  const name = run.ref.name;
  if (!test) return finish(run, inconclusive('TestGone', missing(run), now));
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

function missing({ test, testKind }: Run): string {
  return testKind === 'BuiltIn'
    ? `the release does not ask for ${test.name}: it has no annotation postsync.dev/${test.name}`
    : `there is no SyncTest ${test.name} in namespace ${test.namespace}`;
}

/** Whether postsync is told to start nothing. */
export function isSuspended(test: Test, release: Release): boolean {
  // Whatever else than `false` it says holds: a brake must not fail where it is mistyped.
  return test.suspended || (release.annotations[KEYS.suspend] ?? 'false') !== 'false';
}

/** `onNewRevision: finish`: what goes on may come to its end, though its verdict will not count. */
function mayEnd(state: RunState, test: Test | undefined): boolean {
  return test?.onNewRevision === 'finish' && state.phase !== 'ended';
}

function followStarted(run: Run, state: RunState, look: Look): Step {
  const { release, now } = look;
  if (state.phase === 'ended') return conclude(run, state.outcome, release, now);
  const { deadline, outcome } = deadlineOf(state, look);
  const { asked, link } = state;
  if (now >= deadline && isTold(state, deadline)) return conclude(run, outcome, release, now);
  if (now >= Math.max(deadline, asked?.since ?? deadline) + UNTOLD_MS) {
    return conclude(run, untold(now), release, now);
  }
  if (link && isNews(link, run)) {
    return act({ type: 'link', run, link }, `the workflow run of ${run.ref.name} was found`);
  }
  const because = `${run.ref.name} is ${state.phase === 'running' ? 'running' : 'about to run'}`;
  return wait(because, nextLook(asked?.again, deadline, now));
}

/** When its time is up, or sooner where somebody has to be asked. */
function nextLook(again: Time | undefined, deadline: Time, now: Time): Time {
  return again !== undefined && (again < deadline || now >= deadline) ? again : deadline;
}

/** Whether it is known that it still went on when its time was up. */
function isTold({ asked }: Exclude<RunState, { phase: 'ended' }>, deadline: Time): boolean {
  return asked === undefined || (asked.at !== undefined && asked.at >= deadline);
}

/** Whether more is known of its workflow run than is written down. */
function isNews({ runningSince }: Link, { dispatch }: Run): boolean {
  if (dispatch?.runId === undefined) return true;
  return runningSince !== undefined && dispatch.runningSince === undefined;
}

/** When time is up for what goes on, and what that will mean. */
function deadlineOf(
  state: Exclude<RunState, { phase: 'ended' }>,
  { now, policy }: Look,
): { deadline: Time; outcome: Outcome } {
  const { since, limits } = state;
  const deadline = (limitMs: number) => Math.max(since + limitMs, toldSince(policy));
  if (state.phase === 'running') {
    const message = `it ran for longer than its timeout of ${seconds(limits.timeoutMs)}`;
    return {
      deadline: deadline(limits.timeoutMs),
      outcome: { verdict: 'failed', reason: 'TimedOut', message, finishedAt: now },
    };
  }
  const limitMs = state.fatal ? Math.min(FATAL_AFTER_MS, limits.startTimeoutMs) : limits.startTimeoutMs;
  const what = state.asked ? 'no workflow' : 'no container';
  const message = `${what} ran within ${seconds(limitMs)}: ${state.message}`;
  return { deadline: deadline(limitMs), outcome: inconclusive(state.reason, message, now) };
}

function untold(now: Time): Outcome {
  return inconclusive('RunNotFound', 'GitHub could not be asked how it ended before its time was up', now);
}

/** A verdict counts only when the release stands still, at the revision that was tested. */
function conclude(run: Run, outcome: Outcome, release: Release, now: Time): Step {
  if (isMoving(release)) return wait(`the verdict of ${run.ref.name} waits until the release has settled`);
  return finish(run, run.digest === release.revision?.digest ? outcome : superseded(release, now));
}

function finish(run: Run, outcome: Outcome): Step {
  return act({ type: 'finish', run, outcome }, `${run.ref.name} ${outcome.verdict}: ${outcome.message}`);
}

function inconclusive(reason: Outcome['reason'], message: string, now: Time): Outcome {
  return { verdict: 'inconclusive', reason, message, finishedAt: now };
}

function superseded({ revision }: Release, now: Time, why = 'the release moved on'): Outcome {
  const newer = revision ? revisionText(revision) : 'nothing';
  return inconclusive('Superseded', `${why}: ${newer} is deployed now`, now);
}

function overridden({ verdict, reason }: { verdict: Verdict; reason: string }, now: Time): Outcome {
  return { verdict, reason: 'Overridden', message: reason, finishedAt: now };
}

/** From when on what is known of Pods is what they do. */
function toldSince({ heardSince = Number.NEGATIVE_INFINITY }: Policy): Time {
  return heardSince + NODES_TELL_MS;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)}s`;
}
