import type { Outcome, RunState, Time } from '../decide/model.ts';
import type { JobEnd, JobView } from './job-view.ts';
import {
  disrupted,
  inconclusive,
  isCutShort,
  outcomeOfEnded,
  outcomeOfPod,
  passed,
  quoted,
  startOf,
  takenAway,
} from './pod-outcome.ts';
import type { PodView } from './pod-view.ts';
import { type Told, waitingFor } from './waiting.ts';

/** What a container exits with when it is ended from outside, as it is when its Pod is deleted. */
const KILLED: ReadonlySet<number> = new Set([137, 143]);

/** Timestamps of the API are whole seconds, and those of two processes. */
const CLOCK_GRAIN_MS = 2000;

/**
 * What a run's Job is doing. Pure.
 *
 * The Job's conditions decide, as soon as they say FailureTarget or SuccessCriteriaMet. The Pod tells what they
 * do not: that somebody deleted it, that its node is lost (the Job then waits for it for ever), that the test has
 * ended beside a proxy that has not.
 *
 * @param pods of this Job, at least as new as the Job; those of others are passed over, and so are others' events
 */
export function jobStateOf(job: JobView, pods: readonly PodView[], told: Told, now: Time): RunState {
  const { limits } = job;
  const mine = pods.filter((pod) => isPartOf(job, pod)).toSorted((a, b) => a.createdAt - b.createdAt);
  const startedAt = startOf(job, mine);
  const outcome =
    job.end?.reason === 'DeadlineExceeded' ? outOfTime(job, job.end, mine, told) : outcomeOf(job, mine, now);
  if (outcome) return { phase: 'ended', ...(startedAt !== undefined && { startedAt }), outcome };
  if (startedAt !== undefined) return { phase: 'running', since: startedAt, limits };
  return { phase: 'waiting', ...waitingFor(job, mine.at(-1), told, now), limits };
}

/** Whoever creates a Pod writes its owner on it, be that one of another namespace. */
function isPartOf(job: JobView, { jobUid, namespace }: PodView): boolean {
  return jobUid === job.uid && namespace === job.namespace;
}

function outcomeOf(job: JobView, pods: readonly PodView[], now: Time): Outcome | undefined {
  const pod = pods.at(-1);
  if (job.end) return job.end.succeeded ? succeeded(job, job.end, pod) : failed(job, job.end, pod);
  if (job.deleting) return inconclusive('JobLost', 'its Job is being deleted', now);
  if (!pod) return undefined;
  const outcome = isCutShort(job, pod) ? cutShort(job, pod, now) : outcomeOfEnded(job, pod, now);
  // Kubernetes tries the others again.
  return job.retriesPods && outcome?.verdict !== 'passed' ? undefined : outcome;
}

/** A Pod that was taken away while its Job says nothing yet. */
function cutShort(job: JobView, pod: PodView, now: Time): Outcome | undefined {
  const { startTime, createdAt, activeDeadlineSeconds = Number.POSITIVE_INFINITY } = job;
  const deadline = (startTime ?? createdAt) + activeDeadlineSeconds * 1000;
  // The Job controller deletes the Pod a moment before it says that it is for the deadline.
  const isForDeadline = !pod.disrupted && (pod.deleted?.at ?? now) >= deadline - CLOCK_GRAIN_MS;
  return isForDeadline ? undefined : takenAway(job, pod, now);
}

function succeeded(job: JobView, { at }: JobEnd, pod: PodView | undefined): Outcome {
  // A test that ends in order when it is told to stop makes of a deleted Pod a successful one.
  if (!pod)
    return inconclusive(
      'PodDeleted',
      'its Job succeeded, but its Pod was deleted, maybe before it ended',
      at,
    );
  return isCutShort(job, pod) ? takenAway(job, pod, at) : passed(at);
}

/** The Job's own deadline has passed: postsync was down, or the test asked for a shorter one. */
function outOfTime(job: JobView, { at }: JobEnd, mine: readonly PodView[], told: Told): Outcome {
  if (startOf(job, mine) !== undefined) {
    const message = `it ran until the deadline of its Job, ${job.activeDeadlineSeconds} s after that was created`;
    return { verdict: 'failed', reason: 'TimedOut', message, finishedAt: at };
  }
  const cause =
    mine.length === 0 && told.complaints.length === 0
      ? ''
      : `: ${waitingFor(job, mine.at(-1), told, at).message}`;
  return inconclusive(
    'StartTimedOut',
    `no container was seen to run before the deadline of its Job${cause}`,
    at,
  );
}

function failed(job: JobView, end: JobEnd, pod: PodView | undefined): Outcome | undefined {
  const { at, message } = end;
  if (message.includes('condition DisruptionTarget')) {
    return disrupted(job, pod?.disrupted?.message ?? message, at);
  }
  if (pod && (pod.phase === 'Failed' || isCutShort(job, pod))) return outcomeOfPod(job, pod, at);
  // The Pod's news are on their way. When the Job is through with it and there are none, it is gone.
  if (pod && !job.finished) return undefined;
  return withoutPod(job, end);
}

/** What the Job's own condition tells when the Pod is gone. */
function withoutPod(job: JobView, { at, message, reason }: JobEnd): Outcome {
  const { limits } = job;
  const code = /failed with exit code (\d+)/.exec(message)?.[1];
  const said = `its Pod is gone; the Job says ${reason}${quoted(job, message)}`;
  if (code === undefined || KILLED.has(Number(code))) return inconclusive('PodDeleted', said, at);
  if (limits.inconclusiveExitCodes.includes(Number(code))) return inconclusive('TestSaidSo', said, at);
  return { verdict: 'failed', reason: limits.failure ?? 'JobFailed', message: said, finishedAt: at };
}
