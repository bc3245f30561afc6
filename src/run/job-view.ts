import { z } from 'zod';
import type { JobRef, Limits, Ref, Time } from '../decide/model.ts';
import { PostsyncError } from '../errors.ts';
import { Timestamp } from '../timestamp.ts';
import { JOB_KEYS } from './labels.ts';

/** What is pinned on a Job when it is created. */
export interface JobLimits extends Limits {
  readonly inconclusiveExitCodes: readonly number[];
  readonly shareOutput: boolean;
  /** The containers whose exit codes are the test's. */
  readonly containers: readonly string[];
  /** The `ttlSecondsAfterFinished` that the test asks for. */
  readonly ttlSeconds?: number;
  /** What it means that the test failed, where that is not `JobFailed`. */
  readonly failure?: 'HookFailed';
}

/** How the Job controller says a Job ends, as soon as it knows: FailureTarget, SuccessCriteriaMet, Failed, Complete. */
export interface JobEnd {
  readonly succeeded: boolean;
  readonly reason: string;
  readonly message: string;
  readonly at: Time;
}

/** A Job of ours, as far as postsync looks at it. Small: one is kept in memory for each run. */
export interface JobView extends JobRef {
  readonly runName: string;
  readonly runUid: string;
  readonly runNamespace: string;
  readonly release: Ref;
  readonly limits: JobLimits;
  readonly createdAt: Time;
  /** When it was let go last: a suspended Job (Kueue) has none, or an old one. */
  readonly startTime?: Time;
  readonly suspended: boolean;
  readonly deleting: boolean;
  /** It makes new Pods for failed ones. */
  readonly retriesPods: boolean;
  readonly activeDeadlineSeconds?: number;
  readonly end?: JobEnd;
  /** Complete or Failed: no Pod of it runs any more. */
  readonly finished: boolean;
  /** It will be removed by itself. */
  readonly sealed: boolean;
}

const Pinned = z.object({
  timeoutMs: z.number(),
  startTimeoutMs: z.number(),
  inconclusiveExitCodes: z.array(z.number()),
  shareOutput: z.boolean(),
  containers: z.array(z.string()),
  ttlSeconds: z.number().exactOptional(),
  failure: z.literal('HookFailed').exactOptional(),
});

const Job = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    creationTimestamp: Timestamp,
    deletionTimestamp: z.string().optional(),
    labels: z.object({ [JOB_KEYS.run]: z.string(), [JOB_KEYS.runUid]: z.string() }),
    annotations: z.object({
      [JOB_KEYS.release]: z.string().regex(/^[^/]+\/[^/]+$/),
      [JOB_KEYS.runNamespace]: z.string(),
      [JOB_KEYS.limits]: z.string(),
    }),
  }),
  spec: z.object({
    backoffLimit: z.int().default(6),
    activeDeadlineSeconds: z.int().optional(),
    ttlSecondsAfterFinished: z.int().optional(),
    suspend: z.boolean().default(false),
  }),
  status: z
    .object({
      startTime: Timestamp.optional(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().default(''),
            message: z.string().default(''),
            lastTransitionTime: Timestamp.optional(),
          }),
        )
        .default([]),
    })
    .default({ conditions: [] }),
});

type JobStatus = z.output<typeof Job>['status'];

/**
 * Reads a Job of ours, as the API serves it.
 *
 * @throws {PostsyncError} `OBJECT_INVALID` when it does not carry what postsync writes on a Job
 */
export function readJob(object: unknown): JobView {
  const read = Job.safeParse(object);
  const limits = read.success
    ? Pinned.safeParse(parsed(read.data.metadata.annotations[JOB_KEYS.limits]))
    : read;
  if (!read.success || !limits.success) {
    throw new PostsyncError('OBJECT_INVALID', 'a Job does not carry what postsync writes on one', {
      cause: limits.error,
    });
  }
  const { metadata, spec, status } = read.data;
  const [namespace = '', name = ''] = metadata.annotations[JOB_KEYS.release].split('/');
  const end = endOf(status, metadata.creationTimestamp);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    runName: metadata.labels[JOB_KEYS.run],
    runUid: metadata.labels[JOB_KEYS.runUid],
    runNamespace: metadata.annotations[JOB_KEYS.runNamespace],
    release: { namespace, name },
    limits: limits.data,
    createdAt: metadata.creationTimestamp,
    ...(status.startTime !== undefined && { startTime: status.startTime }),
    suspended: spec.suspend,
    deleting: metadata.deletionTimestamp !== undefined,
    retriesPods: spec.backoffLimit > 0,
    ...(spec.activeDeadlineSeconds !== undefined && { activeDeadlineSeconds: spec.activeDeadlineSeconds }),
    ...(end && { end }),
    finished: holds(status, 'Complete') !== undefined || holds(status, 'Failed') !== undefined,
    sealed: spec.ttlSecondsAfterFinished !== undefined,
  };
}

function endOf(status: JobStatus, otherwise: Time): JobEnd | undefined {
  const bad = holds(status, 'FailureTarget') ?? holds(status, 'Failed');
  const found = bad ?? holds(status, 'SuccessCriteriaMet') ?? holds(status, 'Complete');
  if (!found) return undefined;
  const { reason, message, lastTransitionTime: at = otherwise } = found;
  return { succeeded: !bad, reason, message, at };
}

function holds({ conditions }: JobStatus, type: string) {
  return conditions.find((condition) => condition.type === type && condition.status === 'True');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
