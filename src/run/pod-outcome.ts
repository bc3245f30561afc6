import type { Outcome, Reason, Time } from '../decide/model.ts';
import { earliest } from '../decide/time.ts';
import type { JobView } from './job-view.ts';
import type { ContainerView, PodView } from './pod-view.ts';
import { lastLineFirst } from './tail.ts';

type State = ContainerView['state'];
type Ended = ContainerView & { readonly state: Extract<State, { kind: 'ended' }> };

/** The container was not run: its command or a mount of it is wrong. */
const START_ERRORS: ReadonlySet<string> = new Set(['StartError', 'ContainerCannotRun']);
/** Said of a Pod that the kubelet ended for the node's sake, also where there is no DisruptionTarget. */
const DISRUPTIONS: ReadonlySet<string> = new Set([
  'Evicted',
  'Preempting',
  'NodeShutdown',
  'NodeLost',
  'Terminated',
]);

/** Whether a container's end is the test's, and not that of something beside it. */
export function isCounted({ limits }: JobView, { name }: ContainerView): boolean {
  return limits.containers.includes(name);
}

/** When the first of the test's containers began to run. */
export function startOf(job: JobView, pods: readonly PodView[]): Time | undefined {
  const counted = pods.flatMap(({ containers }) => containers.filter((one) => isCounted(job, one)));
  const starts = counted.flatMap(({ state }) => {
    if (state.kind === 'running') return [state.since];
    return state.kind === 'ended' ? [state.startedAt] : [];
  });
  return earliest(starts);
}

/**
 * The Pod was taken away before its containers had ended: their exit codes say nothing about the software. Where it
 * cannot be told which came first, it is taken for that.
 */
export function isCutShort(job: JobView, pod: PodView): boolean {
  const { deleted, disrupted, phase } = pod;
  // A DisruptionTarget alone is an intention: the deletion may yet be refused.
  if (!deleted && !(disrupted && phase === 'Failed')) return false;
  const takenAt = Math.min(
    deleted ? (deleted.at ?? 0) : Number.POSITIVE_INFINITY,
    disrupted?.at ?? Number.POSITIVE_INFINITY,
  );
  const counted = pod.containers.filter((container) => isCounted(job, container));
  const endedBefore = counted.every(
    ({ state }) => state.kind === 'ended' && state.finishedAt !== undefined && state.finishedAt < takenAt,
  );
  return counted.length === 0 || !endedBefore;
}

/** The outcome of a Pod that was taken away. */
export function takenAway(job: JobView, pod: PodView, finishedAt: Time): Outcome {
  if (pod.disrupted) return disrupted(job, pod.disrupted.message, finishedAt);
  if (job.suspended) return inconclusive('Disrupted', 'its Job was suspended', finishedAt);
  return inconclusive('PodDeleted', `its Pod ${pod.name} was deleted by somebody`, finishedAt);
}

/** The outcome of a Pod that was evicted or preempted, or whose node is lost; what is said of it may name others. */
export function disrupted(job: JobView, said: string, finishedAt: Time): Outcome {
  return inconclusive('Disrupted', `its Pod was taken away${quoted(job, said)}`, finishedAt);
}

/** What a Pod that has failed says about the software. */
export function outcomeOfPod(job: JobView, pod: PodView, at: Time): Outcome {
  if (isCutShort(job, pod)) return takenAway(job, pod, at);
  const { reason, message = '' } = pod;
  if (reason === 'DeadlineExceeded' && startOf(job, [pod]) !== undefined) {
    return {
      verdict: 'failed',
      reason: 'TimedOut',
      message: "its Pod's own deadline was reached",
      finishedAt: at,
    };
  }
  const culprit = failedContainer(job, pod);
  if (culprit) return outcomeOfContainer(job, culprit, at);
  const kind: Reason = pod.disrupted || DISRUPTIONS.has(reason ?? '') ? 'Disrupted' : 'PodRefused';
  const said = `its Pod failed: ${reason ?? 'it does not say why'}${quoted(job, message)}`;
  return inconclusive(kind, said, at);
}

/** The container that made a Pod fail: the first of the test's own that failed, else the first of all. */
function failedContainer(job: JobView, pod: PodView): Ended | undefined {
  const failed = pod.containers.filter(hasFailed);
  const counted = failed.filter((container) => isCounted(job, container));
  return (counted.length > 0 ? counted : failed).toSorted((a, b) => endOf(a) - endOf(b))[0];
}

function endOf({ state }: Ended): number {
  return state.finishedAt ?? Number.POSITIVE_INFINITY;
}

function outcomeOfContainer(job: JobView, { name, state }: Ended, at: Time): Outcome {
  const { exitCode, reason, finishedAt = at } = state;
  if (reason === 'ContainerStatusUnknown') {
    return inconclusive('Disrupted', `the kubelet lost container ${name}`, finishedAt);
  }
  if (START_ERRORS.has(reason)) {
    return inconclusive(
      'ConfigError',
      `container ${name} cannot be started${quoted(job, state.said)}`,
      finishedAt,
    );
  }
  const tail = quoted(job, lastLineFirst(state.said));
  if (reason === 'OOMKilled') {
    const message = `container ${name} needed more memory than it may have${tail}`;
    return { verdict: 'failed', reason: 'OOMKilled', message, finishedAt };
  }
  const message = `container ${name} exited with code ${exitCode}${tail}`;
  if (job.limits.inconclusiveExitCodes.includes(exitCode)) {
    return inconclusive('TestSaidSo', message, finishedAt);
  }
  return { verdict: 'failed', reason: job.limits.failure ?? 'JobFailed', message, finishedAt };
}

/**
 * The outcome where all of the test's own containers have ended. The Job says the same some time later, unless
 * something else in the Pod goes on: a proxy that a mesh put in.
 */
export function outcomeOfEnded(job: JobView, pod: PodView, now: Time): Outcome | undefined {
  const counted = pod.containers.filter((container) => isCounted(job, container));
  if (counted.length === 0 || !counted.every(hasEnded)) return undefined;
  if (counted.some(hasFailed)) return outcomeOfPod(job, pod, now);
  return pod.containers.some(hasFailed)
    ? undefined
    : passed(Math.max(...counted.map(({ state }) => state.finishedAt ?? now)));
}

function hasEnded(container: ContainerView): container is Ended {
  return container.state.kind === 'ended';
}

/** A sidecar is ended from outside when the others are through: its exit code counts for nothing. */
function hasFailed(container: ContainerView): container is Ended {
  return hasEnded(container) && container.role !== 'sidecar' && container.state.exitCode !== 0;
}

/** What was said of a Job or in it, where it may leave the Job's namespace: it may name what is there. */
export function quoted({ limits, namespace, runNamespace }: JobView, said: string): string {
  return said !== '' && (limits.shareOutput || namespace === runNamespace) ? `: ${said}` : '';
}

export function passed(finishedAt: Time): Outcome {
  return { verdict: 'passed', reason: 'Passed', message: 'its Job succeeded', finishedAt };
}

export function inconclusive(reason: Reason, message: string, finishedAt: Time): Outcome {
  return { verdict: 'inconclusive', reason, message, finishedAt };
}
