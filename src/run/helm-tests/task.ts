import { z } from 'zod';

const Task = z.object({
  /** The Job that this program runs in, which owns what it creates. */
  job: z.string().min(1),
  /** Where the release deploys to: the Job is there, and the hooks are. */
  namespace: z.string().min(1),
  storageNamespace: z.string().min(1),
  helmRelease: z.string().min(1),
  /** Helm's revision number. */
  version: z.int().positive(),
  filters: z.array(z.object({ name: z.string(), exclude: z.boolean() })),
  timeoutMs: z.number(),
  startTimeoutMs: z.number(),
});

/** What is to be run, as the Job is told. */
export type HelmTestTask = z.output<typeof Task>;

/** @returns `undefined` for what is not one */
export function readTask(text: string | undefined): HelmTestTask | undefined {
  try {
    return Task.safeParse(JSON.parse(text ?? '')).data;
  } catch {
    return undefined;
  }
}
