import { z } from 'zod';
import type { RunState, Time } from '../../decide/model.ts';
import { jobStateOf } from '../job-state.ts';
import { type JobLimits, readJob } from '../job-view.ts';
import { JOB_KEYS } from '../labels.ts';
import { readPod } from '../pod-view.ts';
import type { Prepared } from './objects.ts';

const Found = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string(),
    creationTimestamp: z.string(),
    ownerReferences: z.array(z.object({ kind: z.string(), uid: z.string() })).default([]),
  }),
  spec: z.looseObject({ restartPolicy: z.string().optional() }),
});

/** Hooks are judged by the same rules as tests, but that every exit code is what it is to Helm. */
export function stateOfHook(
  { kind, containers }: Prepared,
  found: unknown,
  pods: readonly unknown[],
  now: Time,
): RunState {
  const object = Found.parse(found);
  const { metadata, spec } = object;
  const limits: JobLimits = {
    timeoutMs: 0,
    startTimeoutMs: 0,
    inconclusiveExitCodes: [],
    shareOutput: true,
    containers,
  };
  const keys = {
    labels: { [JOB_KEYS.run]: metadata.name, [JOB_KEYS.runUid]: '' },
    annotations: {
      [JOB_KEYS.release]: `${metadata.namespace}/${metadata.name}`,
      [JOB_KEYS.runNamespace]: metadata.namespace,
      [JOB_KEYS.limits]: JSON.stringify(limits),
    },
  };
  // Whoever follows a hook remembers since when it is stuck.
  const told = { complaints: [], seenSince: () => now };
  if (kind === 'Job')
    return jobStateOf(
      readJob({ ...object, metadata: { ...metadata, ...keys } }),
      pods.map(readPod),
      told,
      now,
    );
  // A Pod alone is like one of a Job that says nothing.
  const owner = metadata.ownerReferences.find(({ kind }) => kind === 'Job')?.uid;
  const { name, namespace, creationTimestamp } = metadata;
  const job = {
    metadata: { name, namespace, creationTimestamp, uid: owner, ...keys },
    spec: { backoffLimit: spec.restartPolicy === 'OnFailure' ? 1 : 0 },
  };
  return jobStateOf(readJob(job), [readPod(found)], told, now);
}
