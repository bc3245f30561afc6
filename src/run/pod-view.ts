import { z } from 'zod';
import type { Ref, Time } from '../decide/model.ts';
import { PostsyncError } from '../errors.ts';
import { Timestamp } from '../timestamp.ts';
import { tail } from './tail.ts';

export type ContainerState =
  | { readonly kind: 'waiting'; readonly reason: string; readonly message: string }
  | { readonly kind: 'running'; readonly since: Time }
  | {
      readonly kind: 'ended';
      readonly exitCode: number;
      /** Completed, Error, OOMKilled, StartError, ContainerStatusUnknown, … */
      readonly reason: string;
      /** Absent: it was never run. */
      readonly startedAt?: Time;
      /** Absent: nobody saw its end. */
      readonly finishedAt?: Time;
      /** Its termination message, or the end of its log. */
      readonly said: string;
    };

export interface ContainerView {
  readonly name: string;
  /** `sidecar`: an init container that goes on beside the others. */
  readonly role: 'main' | 'init' | 'sidecar';
  readonly state: ContainerState;
}

/** A Pod of a Job of ours, as far as postsync looks at it. */
export interface PodView extends Ref {
  readonly jobName: string;
  readonly jobUid: string;
  readonly createdAt: Time;
  readonly phase: string;
  /** Somebody, or the Job controller, asked for its deletion. */
  readonly deleted?: {
    /** When, not when it was due. Absent where that cannot be told. */
    readonly at?: Time;
  };
  /** Evicted, preempted, or its node is lost. */
  readonly disrupted?: { readonly at: Time; readonly message: string };
  /** Why no node takes it. */
  readonly unschedulable?: string;
  /** Said of the whole Pod: Evicted, DeadlineExceeded, OutOfcpu, … */
  readonly reason?: string;
  readonly message?: string;
  readonly containers: readonly ContainerView[];
}

const Text = z.string().default('');

const Statuses = z
  .array(
    z.object({
      name: z.string(),
      state: z
        .object({
          waiting: z.object({ reason: Text, message: Text }).optional(),
          running: z.object({ startedAt: Timestamp }).optional(),
          terminated: z
            .object({
              exitCode: z.int(),
              reason: Text,
              message: Text,
              startedAt: Timestamp.nullish(),
              finishedAt: Timestamp.nullish(),
            })
            .optional(),
        })
        .default({}),
    }),
  )
  .default([]);

const Pod = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    creationTimestamp: Timestamp,
    deletionTimestamp: Timestamp.optional(),
    deletionGracePeriodSeconds: z.number().default(0),
    ownerReferences: z.array(z.object({ kind: z.string(), name: z.string(), uid: z.string() })).default([]),
  }),
  spec: z
    .object({
      initContainers: z
        .array(z.object({ name: z.string(), restartPolicy: z.string().optional() }))
        .default([]),
    })
    .default({ initContainers: [] }),
  status: z
    .object({
      phase: z.string().default('Pending'),
      reason: z.string().optional(),
      message: z.string().optional(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: Text,
            message: Text,
            lastTransitionTime: Timestamp.nullish(),
          }),
        )
        .default([]),
      containerStatuses: Statuses,
      initContainerStatuses: Statuses,
    })
    .default({ phase: 'Pending', conditions: [], containerStatuses: [], initContainerStatuses: [] }),
});

type RawPod = z.output<typeof Pod>;

/**
 * Reads a Pod of a Job, as the API serves it.
 *
 * @throws {PostsyncError} `OBJECT_INVALID` when it is no Pod of a Job
 */
export function readPod(object: unknown): PodView {
  const read = Pod.safeParse(object);
  const job = read.data?.metadata.ownerReferences.find(({ kind }) => kind === 'Job');
  if (!read.success || !job) {
    throw new PostsyncError('OBJECT_INVALID', 'a Pod is not one of a Job', { cause: read.error });
  }
  const { metadata, status } = read.data;
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    jobName: job.name,
    jobUid: job.uid,
    createdAt: metadata.creationTimestamp,
    phase: status.phase,
    ...(metadata.deletionTimestamp !== undefined && {
      deleted: deletionOf(metadata, metadata.deletionTimestamp),
    }),
    ...fromConditions(read.data),
    ...(status.reason !== undefined && { reason: status.reason }),
    ...(status.message !== undefined && { message: status.message }),
    containers: containersOf(read.data),
  };
}

/**
 * A deletion's timestamp is when it is due. When the containers have ended the kubelet asks again, with no grace,
 * and the first timestamp is lost.
 */
function deletionOf(
  { deletionGracePeriodSeconds: grace }: RawPod['metadata'],
  due: Time,
): NonNullable<PodView['deleted']> {
  return grace === 0 ? {} : { at: due - grace * 1000 };
}

function fromConditions({ metadata, status }: RawPod): Pick<PodView, 'disrupted' | 'unschedulable'> {
  const find = (type: string, value: string) =>
    status.conditions.find((condition) => condition.type === type && condition.status === value);
  const disrupted = find('DisruptionTarget', 'True');
  const unschedulable = find('PodScheduled', 'False');
  const created = metadata.creationTimestamp;
  return {
    ...(disrupted && {
      disrupted: {
        at: disrupted.lastTransitionTime ?? created,
        message: disrupted.message || disrupted.reason,
      },
    }),
    ...(unschedulable && { unschedulable: unschedulable.message || unschedulable.reason }),
  };
}

function containersOf({ spec, status }: RawPod): ContainerView[] {
  const sidecars = new Set(
    spec.initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  );
  return [
    ...status.containerStatuses.map(({ name, state }) => ({
      name,
      role: 'main' as const,
      state: stateOf(state),
    })),
    ...status.initContainerStatuses.map(({ name, state }) => ({
      name,
      role: sidecars.has(name) ? ('sidecar' as const) : ('init' as const),
      state: stateOf(state),
    })),
  ];
}

function stateOf({
  running,
  terminated,
  waiting,
}: z.output<typeof Statuses>[number]['state']): ContainerState {
  if (running) return { kind: 'running', since: running.startedAt };
  if (!terminated) return { kind: 'waiting', reason: waiting?.reason ?? '', message: waiting?.message ?? '' };
  const { exitCode, reason, message, startedAt, finishedAt } = terminated;
  return {
    kind: 'ended',
    exitCode,
    reason,
    // A container that could not be started has 1970.
    ...(typeof startedAt === 'number' && startedAt > 0 && { startedAt }),
    ...(typeof finishedAt === 'number' && { finishedAt }),
    said: tail(message),
  };
}
