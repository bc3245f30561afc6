import { z } from 'zod';
import type { Ref, Time } from '../decide/model.ts';
import { PostsyncError } from '../errors.ts';
import { Timestamp } from '../timestamp.ts';

/** What somebody says of an object whenever he tries in vain, read off an Event. */
export interface Complaint extends Ref {
  readonly uid: string;
  readonly message: string;
  /** When it was said first, and last. */
  readonly since: Time;
  readonly at: Time;
}

/** The Job controller's, that it cannot make a Pod of a Job. */
export const FAILED_CREATE = 'involvedObject.kind=Job,reason=FailedCreate';
/** The kubelet's, that it cannot mount a volume of a Pod. */
export const FAILED_MOUNT = 'involvedObject.kind=Pod,reason=FailedMount';

const Event = z.object({
  metadata: z.object({ namespace: z.string(), creationTimestamp: Timestamp }),
  involvedObject: z.object({ name: z.string(), uid: z.string() }),
  message: z.string().default(''),
  firstTimestamp: Timestamp.nullish(),
  lastTimestamp: Timestamp.nullish(),
});

/**
 * Reads an Event. The API server sees to it that it is about an object of its own namespace.
 *
 * @throws {PostsyncError} `OBJECT_INVALID`
 */
export function readComplaint(object: unknown): Complaint {
  const read = Event.safeParse(object);
  if (!read.success) {
    throw new PostsyncError('OBJECT_INVALID', 'an Event does not say what it is about', {
      cause: read.error,
    });
  }
  const { metadata, involvedObject, message, firstTimestamp, lastTimestamp } = read.data;
  return {
    namespace: metadata.namespace,
    name: involvedObject.name,
    uid: involvedObject.uid,
    message: message.replace(/^Error creating: /, ''),
    since: firstTimestamp ?? metadata.creationTimestamp,
    at: lastTimestamp ?? metadata.creationTimestamp,
  };
}
