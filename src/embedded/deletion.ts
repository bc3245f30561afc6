import type { RemoveOptions } from './api.ts';
import type { KubeObject, Metadata } from './objects.ts';
import * as refusal from './refusal.ts';
import { JOBS, NAMESPACES, PODS, type ResourceType } from './resources.ts';

/** Refuses to delete an object that is not, or no longer, the one that was meant. */
export function checkPreconditions(
  type: ResourceType,
  { metadata }: KubeObject,
  options: RemoveOptions,
): void {
  const { uid, resourceVersion } = options;
  if (uid !== undefined && uid !== metadata.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`;
    throw refusal.conflict(type, metadata.name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`;
    throw refusal.conflict(type, metadata.name, why);
  }
}

/** A Job that is deleted with no word on its Pods orphans them, for the sake of clients of 2016. */
export function finalizersFor(
  type: ResourceType,
  { finalizers = [] }: Metadata,
  policy: string | undefined,
): string[] {
  const kept = finalizers.filter((one) => one !== 'orphan' && one !== 'foregroundDeletion');
  const chosen = policy ?? (type === JOBS ? 'Orphan' : 'Background');
  if (chosen === 'Orphan') return [...kept, 'orphan'];
  if (chosen === 'Foreground') return [...kept, 'foregroundDeletion'];
  if (chosen === 'Background') return kept;
  const message = `Unsupported value: "${chosen}": supported values: "Foreground", "Background", "Orphan", "nil"`;
  const cause = { reason: 'FieldValueNotSupported', message, field: 'propagationPolicy' };
  const details = { group: 'meta.k8s.io', kind: 'DeleteOptions', causes: [cause] };
  throw new refusal.Refusal(
    422,
    'Invalid',
    `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: ${message}`,
    details,
  );
}

/** A Pod that runs is given time to stop; a namespace stays until it is empty. */
export function graceOf(
  type: ResourceType,
  { spec, status }: KubeObject,
  { graceSeconds }: RemoveOptions,
): number {
  if (type === NAMESPACES) return graceSeconds ?? 1;
  if (type !== PODS || !spec?.['nodeName']) return 0;
  if (status?.['phase'] === 'Succeeded' || status?.['phase'] === 'Failed') return 0;
  return graceSeconds ?? (spec['terminationGracePeriodSeconds'] as number | undefined) ?? 30;
}
