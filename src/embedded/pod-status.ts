import type { Container } from './container.ts';
import { type Fields, type KubeObject, timestamp } from './objects.ts';

/** The state of a container, as its Pod's status has it. */
export type State =
  | { readonly waiting: { readonly reason: string; readonly message?: string } }
  | { readonly running: { readonly startedAt: string } }
  | {
      readonly terminated: {
        readonly exitCode: number;
        readonly reason: string;
        readonly message?: string;
        readonly startedAt: string;
        readonly finishedAt: string;
      };
    };

/** The status of a Pod whose only container is in this state. */
export function statusWith(
  { metadata, status = {} }: KubeObject,
  { name, image }: Container,
  state: State,
): Fields {
  const running = 'running' in state;
  const ended = 'terminated' in state;
  const phase = running
    ? 'Running'
    : ended
      ? state.terminated.exitCode === 0
        ? 'Succeeded'
        : 'Failed'
      : 'Pending';
  const readiness = ended ? { reason: 'PodCompleted' } : running ? {} : notReady(name);
  const ready = { status: running ? 'True' : 'False', ...readiness };
  const before = (status['conditions'] ?? []) as readonly Fields[];
  const wanted: readonly Fields[] = [
    { type: 'PodReadyToStartContainers', status: running ? 'True' : 'False' },
    { type: 'Initialized', status: 'True', ...(ended && { reason: 'PodCompleted' }) },
    { type: 'Ready', ...ready },
    { type: 'ContainersReady', ...ready },
    { type: 'PodScheduled', status: 'True' },
  ];
  const others = before.filter(({ type }) => !wanted.some((one) => one['type'] === type));
  const at = timestamp();
  return {
    ...status,
    observedGeneration: metadata.generation,
    phase,
    conditions: [
      ...wanted.map((condition) => ({
        ...condition,
        lastProbeTime: null,
        lastTransitionTime: since(before, condition) ?? at,
      })),
      ...others,
    ],
    startTime: status['startTime'] ?? at,
    containerStatuses: [
      { name, state, lastState: {}, ready: running, restartCount: 0, image, imageID: '', started: running },
    ],
    qosClass: 'BestEffort',
  };
}

export function isFinished({ status }: KubeObject): boolean {
  return status?.['phase'] === 'Succeeded' || status?.['phase'] === 'Failed';
}

function notReady(name: string) {
  return { reason: 'ContainersNotReady', message: `containers with unready status: [${name}]` };
}

function since(before: readonly Fields[], { type, status }: Fields): unknown {
  return before.find((one) => one['type'] === type && one['status'] === status)?.['lastTransitionTime'];
}
