import { z } from 'zod';
import { PostsyncError } from '../errors.ts';
import { Timestamp } from '../timestamp.ts';

const Labels = z.record(z.string(), z.string()).prefault({});

export const Metadata = z.object({
  namespace: z.string(),
  name: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  generation: z.number().prefault(0),
  creationTimestamp: Timestamp,
  deletionTimestamp: z.string().optional(),
  labels: Labels,
  annotations: Labels,
});

/** @throws {PostsyncError} `OBJECT_INVALID`, saying which field */
export function parse<T extends z.ZodType>(schema: T, object: unknown, kind: string): z.output<T> {
  const parsed = schema.safeParse(object);
  if (parsed.success) return parsed.data;
  throw new PostsyncError('OBJECT_INVALID', `cannot read a ${kind}: ${z.prettifyError(parsed.error)}`);
}
