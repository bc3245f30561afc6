import { keyOf, type Reason, type Time } from '../decide/model.ts';
import type { Complaint } from './complaint.ts';
import { HELM_TEST_ACCOUNT } from './helm-test-container.ts';
import type { JobView } from './job-view.ts';
import { quoted } from './pod-outcome.ts';
import type { ContainerView, PodView } from './pod-view.ts';

/** What keeps a Job's container from running. */
export interface Waiting {
  readonly since: Time;
  readonly reason: Reason;
  readonly message: string;
  /** Nothing in the cluster will change it by itself: a wrong image name, a Secret that is not there. */
  readonly fatal: boolean;
}

/** The kubelet's reasons (pkg/kubelet/images/types.go, kubelet/container/sync_result.go). */
const FATAL: Readonly<Record<string, Reason>> = {
  ErrImagePull: 'ImagePullFailed',
  ImagePullBackOff: 'ImagePullFailed',
  ErrImageNeverPull: 'ImagePullFailed',
  InvalidImageName: 'ImagePullFailed',
  ImageInspectError: 'ImagePullFailed',
  RegistryUnavailable: 'ImagePullFailed',
  SignatureValidationFailed: 'ImagePullFailed',
  CreateContainerConfigError: 'ConfigError',
  CreateContainerError: 'ConfigError',
  RunContainerError: 'ConfigError',
};

/** What somebody has to create. */
const MISSING = {
  account: /serviceaccount "[^"]*" not found/,
  content: /(secret|configmap) "[^"]*" not found/i,
} as const;

/**
 * It is missing when that is said again after so long. Who complained tries again after as much time as has passed, and
 * says nothing when it was there: until then nobody can tell, and who has been silent for so much longer has found it.
 */
const LASTING_MS = 30_000;

/** What is known beside a Job and its Pods. */
export interface Told {
  /** Of the Job and its Pods; those of others are passed over. */
  readonly complaints: readonly Complaint[];
  /** Since when what has this name is seen, which the API does not tell of a container that waits. */
  readonly seenSince: (name: string) => Time;
}

/** Says why no container of a Job has run yet. */
export function waitingFor(job: JobView, pod: PodView | undefined, told: Told, now: Time): Waiting {
  const since = job.startTime ?? job.createdAt;
  const { complaints, seenSince } = told;
  if (!pod) return { since, fatal: false, ...withoutPod(job, complaints) };
  if (pod.unschedulable !== undefined) {
    return {
      since,
      reason: 'Unschedulable',
      message: `no node takes its Pod${quoted(job, pod.unschedulable)}`,
      fatal: false,
    };
  }
  const stuck = pod.containers.find(({ state }) => state.kind === 'waiting' && FATAL[state.reason]);
  if (stuck) return { ...stuckBy(job, stuck), since: seenSince(`${keyOf(pod)}/${stuck.name}`) };
  return {
    since,
    reason: 'StartTimedOut',
    message: progress(pod),
    fatal: false,
    ...unmounted(job, pod, complaints, now),
  };
}

type Cause = Pick<Waiting, 'reason' | 'message'> & Partial<Waiting>;

function withoutPod(job: JobView, complaints: readonly Complaint[]): Cause {
  const { uid, namespace, suspended } = job;
  const mine = complaints.filter((one) => one.uid === uid && one.namespace === namespace);
  const refused = heard(mine, MISSING.account);
  if (refused) {
    const isUnequipped = refused.said.includes(`serviceaccount "${HELM_TEST_ACCOUNT}" not found`);
    const hint = isUnequipped ? `; apply manifests/components/helm-test in namespace ${namespace}` : '';
    const message = `its Pod cannot be created${quoted(job, refused.said)}${hint}`;
    return { reason: 'PodRefused', message, ...fatalIf(refused) };
  }
  if (suspended) return { reason: 'Unschedulable', message: 'its Job is suspended' };
  return { reason: 'StartTimedOut', message: 'its Pod is not created yet' };
}

/** What keeps the volumes of a Pod from being mounted, before which no image is pulled and nothing of it runs. */
function unmounted(
  job: JobView,
  pod: PodView,
  complaints: readonly Complaint[],
  now: Time,
): Cause | undefined {
  const mine = complaints.filter(({ namespace, name }) => namespace === pod.namespace && name === pod.name);
  const failed = heard(mine, MISSING.content);
  if (!failed || !pod.containers.every(({ state }) => state.kind === 'waiting')) return undefined;
  const { said, since, at, isMissing, isLasting } = failed;
  if (now - at > at - since + LASTING_MS) return undefined;
  const words = quoted(job, said);
  if (!isLasting) {
    const message = words === '' ? progress(pod) : `${progress(pod)}; the kubelet said${words}`;
    return { reason: 'StartTimedOut', message };
  }
  const message = `a volume of its Pod cannot be mounted${words}`;
  return { reason: isMissing ? 'ConfigError' : 'StartTimedOut', message, ...fatalIf(failed) };
}

interface NewestComplaint {
  readonly said: string;
  /** When this, or the like, was said first and last. */
  readonly since: Time;
  readonly at: Time;
  readonly isMissing: boolean;
  readonly isLasting: boolean;
}

/** The newest complaint, whether it says that something is missing, and whether that has been said for long. */
function heard(complaints: readonly Complaint[], missing: RegExp): NewestComplaint | undefined {
  const newest = complaints.toSorted((a, b) => b.at - a.at)[0];
  if (!newest) return undefined;
  const { message: said, at } = newest;
  const isMissing = missing.test(said);
  const alike = complaints.filter(({ message }) => missing.test(message) === isMissing);
  const since = Math.min(...alike.map((one) => one.since));
  return { said, since, at, isMissing, isLasting: at - since >= LASTING_MS };
}

function fatalIf({ isMissing, isLasting, since }: NewestComplaint): Partial<Waiting> {
  return isMissing && isLasting ? { since, fatal: true } : {};
}

function stuckBy(
  job: JobView,
  { name, state }: ContainerView,
): Pick<Waiting, 'reason' | 'message' | 'fatal'> {
  const { reason, message } = state.kind === 'waiting' ? state : { reason: '', message: '' };
  return {
    reason: FATAL[reason] ?? 'StartTimedOut',
    message: `container ${name}: ${reason}${quoted(job, message)}`,
    fatal: true,
  };
}

/** What a Pod without a mistake is busy with. */
function progress({ containers }: PodView): string {
  const initializing = containers.find(({ role, state }) => role === 'init' && state.kind === 'running');
  if (initializing) return `init container ${initializing.name} is still running`;
  const waiting = containers.find(({ state }) => state.kind === 'waiting' && state.reason !== '');
  if (waiting?.state.kind === 'waiting') return `container ${waiting.name}: ${waiting.state.reason}`;
  return 'its Pod is not started yet';
}
