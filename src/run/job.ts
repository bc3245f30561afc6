import type { V1Job } from '@kubernetes/client-node';
import { type JobRef, keyOf, type Ref } from '../decide/model.ts';
import { isCode, isServerError, PostsyncError } from '../errors.ts';
import type { Kubernetes, Target } from '../kubernetes.ts';
import type { Obstacle } from '../ports.ts';
import { isSameSpec } from './same-spec.ts';

/** Seconds that a finished Job stays, for those who want to read its log. */
const TTL_SECONDS = 3600;
/** Less would let a Job vanish before its outcome is written by a postsync that was down. */
const TTL_LEAST_SECONDS = 600;

/**
 * Creates a run's Job, or finds it where it was created before.
 *
 * @returns the Job as the API serves it
 * @throws {PostsyncError} `JOB_CONFLICT` when the name is taken by a Job that is not the one we would have
 *   written; `API_REJECTED` when it can never be created; any other `API_` code to be called again later
 */
export async function createJob(kubernetes: Kubernetes, job: V1Job): Promise<unknown> {
  const target = targetOf(job);
  try {
    return await kubernetes.create({ resource: 'jobs', namespace: target.namespace }, job);
  } catch (error) {
    if (!isCode(error, 'API_EXISTS')) throw error;
  }
  return findJob(kubernetes, job);
}

/**
 * Finds a run's Job that was created before.
 *
 * @returns the Job as the API serves it
 * @throws {PostsyncError} `API_NOT_FOUND`; `JOB_CONFLICT` as {@link createJob}
 */
export async function findJob(kubernetes: Kubernetes, job: V1Job): Promise<unknown> {
  const target = targetOf(job);
  const found = await kubernetes.get(target);
  if (isOurs(job, found)) return found;
  throw new PostsyncError('JOB_CONFLICT', `the Job ${keyOf(target)} is there and is not ours`);
}

/**
 * Ends a Job and its Pods; the Job stays. A DELETE would leave the Pod running, as the API's default is.
 *
 * @returns the Job as the API serves it
 * @throws {PostsyncError} `API_NOT_FOUND` when it is gone, `API_CONFLICT` when another has its name
 */
export async function stopJob(kubernetes: Kubernetes, job: JobRef): Promise<unknown> {
  return patchSpec(kubernetes, job, { activeDeadlineSeconds: 1 });
}

/**
 * Has a Job removed some time after its end, now that its outcome is written down.
 *
 * @param ttlSeconds what the test asks for
 * @returns the Job as the API serves it
 * @throws {PostsyncError} as {@link stopJob}
 */
export async function sealJob(
  kubernetes: Kubernetes,
  job: JobRef,
  ttlSeconds: number = TTL_SECONDS,
): Promise<unknown> {
  return patchSpec(kubernetes, job, { ttlSecondsAfterFinished: Math.max(TTL_LEAST_SECONDS, ttlSeconds) });
}

/**
 * Asks the API server whether it would take a Job.
 *
 * @returns why not, in the server's own words, and whether it never will; `undefined` when it would
 * @throws {PostsyncError} `API_UNAVAILABLE` when it did not answer
 */
export async function dryRun(kubernetes: Kubernetes, job: V1Job): Promise<Obstacle | undefined> {
  const target: Target = { resource: 'jobs', namespace: targetOf(job).namespace };
  try {
    await kubernetes.create(target, job, { dryRun: 'All', fieldValidation: 'Strict' });
    return undefined;
  } catch (error) {
    if (isCode(error, 'API_EXISTS')) return undefined;
    if (!isRefusal(error)) throw error;
    // A quota, a webhook or a namespace may be another one tomorrow; the Job itself will not.
    return { words: wordsOf(error), isFinal: error.code === 'API_REJECTED' };
  }
}

/** Whether the API server, or what it asked, said no to a Job. Without an answer nobody knows. */
export function isRefusal(error: unknown): error is PostsyncError {
  return isCode(error, 'API_REJECTED', 'API_FORBIDDEN', 'API_NOT_FOUND') || isServerError(error);
}

/** What the API server itself said when it refused a Job. */
export function wordsOf({ message }: PostsyncError): string {
  return message.replace(/^cannot create \S+: /, '');
}

function targetOf({ metadata }: V1Job): Target & Ref {
  return { resource: 'jobs', namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
}

function isOurs(ours: V1Job, found: unknown): boolean {
  const { metadata = {}, spec = {} } = found as Partial<V1Job>;
  return (
    isSameSpec({ labels: ours.metadata?.labels, annotations: ours.metadata?.annotations }, metadata) &&
    isSameSpec(ours.spec, spec) &&
    // Somebody else would write its status.
    [undefined, 'kubernetes.io/job-controller'].includes((spec as { managedBy?: string }).managedBy)
  );
}

/** The uid is a precondition: another Job of that name is none of this run's. */
async function patchSpec(
  kubernetes: Kubernetes,
  { namespace, name, uid }: JobRef,
  spec: object,
): Promise<unknown> {
  try {
    return await kubernetes.patch({ resource: 'jobs', namespace, name }, { metadata: { uid }, spec });
  } catch (error) {
    // To the API server, another uid is not a conflict but a mistake in the patch.
    if (!isCode(error, 'API_REJECTED') || !error.message.includes('metadata.uid')) throw error;
    throw new PostsyncError('API_CONFLICT', `the Job ${namespace}/${name} is another one by now`, {
      cause: error,
    });
  }
}
