import type { JobState, Outcome } from '../decide/model.ts';
import type { JobEnd, JobView } from './job-view.ts';
import {
  inconclusive,
  isCutShort,
  outcomeBesideOthers,
  outcomeOfPod,
  passed,
  startOf,
  takenAway,
} from './pod-outcome.ts';
import type { FailedCreate, PodView } from './pod-view.ts';
import { waitingFor } from './waiting.ts';

/** What a container exits with when it is ended from outside, as it is when its Pod is deleted. */
const KILLED: ReadonlySet<number> = new Set([137, 143]);

/**
 * What a run's Job is doing. Pure.
 *
 * The Job's conditions decide, as soon as they say FailureTarget or SuccessCriteriaMet. What they do not tell
 * from an end of the test's own is read off the Pod, while it is there: that somebody deleted it, and that its
 * node is lost (the Job then waits for that Pod for ever).
 *
 * @param pods of this Job, at least as new as the Job; those of others are passed over, and so are others' events
 */
export function jobStateOf(
  job: JobView,
  pods: readonly PodView[],
  events: readonly FailedCreate[],
  now: Date,
): JobState {
  const { limits } = job;
  const mine = pods
    .filter(({ jobUid }) => jobUid === job.uid)
    .toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  const startedAt = startOf(job, mine);
  const outcome =
    job.end?.reason === 'DeadlineExceeded'
      ? outOfTime(job, job.end, { mine, events })
      : outcomeOf(job, mine, now);
  if (outcome) return { phase: 'ended', ...(startedAt && { startedAt }), outcome };
  if (startedAt) return { phase: 'running', since: startedAt, limits };
  return { phase: 'waiting', ...waitingFor(job, mine.at(-1), events), limits };
}

function outcomeOf(job: JobView, pods: readonly PodView[], now: Date): Outcome | undefined {
  const pod = pods.at(-1);
  if (job.end) {
    if (!job.end.succeeded) return failed(job, job.end, pod);
    // A test that ends in order when it is told to stop makes a deleted Pod a successful one.
    return pod && isCutShort(job, pod) ? takenAway(pod, job.end.at) : passed(job.end.at);
  }
  if (job.deleting) return inconclusive('JobLost', 'its Job is being deleted', now);
  if (!pod || job.retriesPods) return undefined;
  return isCutShort(job, pod) ? takenAway(pod, now) : outcomeBesideOthers(job, pod);
}

/** The Job's own deadline has passed: postsync was down, or the test asked for a shorter one. */
function outOfTime(
  job: JobView,
  { at }: JobEnd,
  { mine, events }: { mine: readonly PodView[]; events: readonly FailedCreate[] },
): Outcome {
  if (job.startedAt ?? startOf(job, mine)) {
    const message = `it ran until the deadline of its Job, ${job.activeDeadlineSeconds} s after that was created`;
    return { verdict: 'failed', reason: 'TimedOut', message, finishedAt: at };
  }
  const cause =
    mine.length === 0 && events.length === 0 ? '' : `: ${waitingFor(job, mine.at(-1), events).message}`;
  return inconclusive(
    'StartTimedOut',
    `no container was seen to run before the deadline of its Job${cause}`,
    at,
  );
}

function failed(job: JobView, end: JobEnd, pod: PodView | undefined): Outcome | undefined {
  const { at, message } = end;
  if (message.includes('condition DisruptionTarget')) {
    return inconclusive('Disrupted', pod?.disrupted?.message ?? message, at);
  }
  if (pod && (pod.phase === 'Failed' || isCutShort(job, pod))) return outcomeOfPod(job, pod, at);
  // The Pod's news are on their way. When the Job is through with it and there are none, it is gone.
  if (pod && !job.finished) return undefined;
  return withoutPod(job, end);
}

/** What the Job's own condition tells when the Pod is gone. */
function withoutPod({ limits }: JobView, { at, message, reason }: JobEnd): Outcome {
  const code = /failed with exit code (\d+)/.exec(message)?.[1];
  const said = `its Pod is gone; the Job says: ${message || reason}`;
  if (code === undefined || KILLED.has(Number(code))) return inconclusive('PodDeleted', said, at);
  if (limits.inconclusiveExitCodes.includes(Number(code))) return inconclusive('TestSaidSo', said, at);
  return { verdict: 'failed', reason: 'JobFailed', message: said, finishedAt: at };
}
