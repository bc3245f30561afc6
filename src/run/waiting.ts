import { keyOf, type Reason, type Time } from '../decide/model.ts';
import { HELM_TEST_ACCOUNT } from './helm-test-container.ts';
import type { JobView } from './job-view.ts';
import { quoted } from './pod-outcome.ts';
import type { ContainerView, FailedCreate, PodView } from './pod-view.ts';

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

/** What is known beside a Job and its Pods. */
export interface Told {
  readonly events: readonly FailedCreate[];
  /** Since when what has this name is seen, which the API does not tell of a container that waits. */
  readonly seenSince: (name: string) => Time;
}

/** Says why no container of a Job has run yet. */
export function waitingFor(job: JobView, pod: PodView | undefined, { events, seenSince }: Told): Waiting {
  const since = job.startTime ?? job.createdAt;
  if (!pod) return { since, ...withoutPod(job, events), fatal: false };
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
  return { since, reason: 'StartTimedOut', message: progress(pod), fatal: false };
}

function withoutPod(job: JobView, events: readonly FailedCreate[]): Pick<Waiting, 'reason' | 'message'> {
  const { uid, namespace, suspended } = job;
  const refused = events.filter(({ jobUid }) => jobUid === uid).toSorted((a, b) => b.at - a.at)[0];
  if (refused) {
    const isUnequipped = refused.message.includes(`serviceaccount "${HELM_TEST_ACCOUNT}" not found`);
    const hint = isUnequipped ? `; apply manifests/components/helm-test in namespace ${namespace}` : '';
    return {
      reason: 'PodRefused',
      message: `its Pod cannot be created${quoted(job, refused.message)}${hint}`,
    };
  }
  if (suspended) return { reason: 'Unschedulable', message: 'its Job is suspended' };
  return { reason: 'StartTimedOut', message: 'its Pod is not created yet' };
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
