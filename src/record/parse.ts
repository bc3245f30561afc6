import { z } from 'zod';
import { PostsyncError } from '../errors.ts';

export const Time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const Labels = z.record(z.string(), z.string()).prefault({});

export const Metadata = z.object({
  namespace: z.string(),
  name: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  generation: z.number().prefault(0),
  creationTimestamp: Time,
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
