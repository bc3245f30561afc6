import type { Release, Workload } from '../decide/model.ts';
import type { Projection } from '../decide/result.ts';
import { isCode } from '../errors.ts';
import type { Kubernetes } from '../kubernetes.ts';

/**
 * Writes the keys that differ, all in one patch, so that a gate never sees a result next to another's digest.
 *
 * @throws {PostsyncError} `API_CONFLICT` when the release changed since it was read
 */
export function writeProjection(
  kubernetes: Kubernetes,
  { ref, resourceVersion }: Release,
  { annotations, labels }: Projection,
): Promise<unknown> {
  const metadata = { resourceVersion, annotations: nulled(annotations), labels: nulled(labels) };
  return kubernetes.patch({ resource: 'helmreleases', ...ref }, { metadata });
}

/** The first workload that is not rolled out yet, for releases whose Helm does not wait. */
export async function notRolledOut(
  kubernetes: Kubernetes,
  workloads: readonly Workload[],
): Promise<Workload | undefined> {
  for (const workload of workloads) {
    if (!(await isThereAndRolledOut(kubernetes, workload))) return workload;
  }
  return undefined;
}

/** One that somebody deleted keeps the tests waiting as one that does not come up does, and is said as that is. */
async function isThereAndRolledOut(kubernetes: Kubernetes, workload: Workload): Promise<boolean> {
  try {
    return isRolledOut((await kubernetes.get(workload)) as WorkloadObject);
  } catch (error) {
    if (isCode(error, 'API_NOT_FOUND')) return false;
    throw error;
  }
}

interface WorkloadObject {
  readonly metadata?: { readonly generation?: number };
  readonly spec?: {
    readonly replicas?: number;
    /** Of StatefulSets and DaemonSets. */
    readonly updateStrategy?: {
      readonly type?: string;
      readonly rollingUpdate?: { readonly partition?: number };
    };
  };
  readonly status?: Readonly<Record<string, number | undefined>>;
}

/**
 * What `kubectl rollout status` asks for. It knows nothing of `OnDelete`, where old Pods stay until somebody deletes
 * them: that all are available is asked for, and not that they are new.
 *
 * @see https://github.com/kubernetes/kubectl/blob/master/pkg/polymorphichelpers/rollout_status.go
 */
function isRolledOut({ metadata, spec = {}, status = {} }: WorkloadObject): boolean {
  const at = (key: string) => status[key] ?? 0;
  if (at('observedGeneration') < (metadata?.generation ?? 0)) return false;
  if ('desiredNumberScheduled' in status) {
    const pods = at('desiredNumberScheduled');
    return at('updatedNumberScheduled') >= pods - stayOld(spec, pods) && at('numberAvailable') >= pods;
  }
  const { replicas: pods = 1 } = spec;
  const areNew = at('updatedReplicas') >= pods - stayOld(spec, pods);
  return areNew && at('availableReplicas') >= pods && at('replicas') <= pods;
}

/** How many of its Pods nothing replaces by itself. */
function stayOld({ updateStrategy }: NonNullable<WorkloadObject['spec']>, pods: number): number {
  return updateStrategy?.type === 'OnDelete' ? pods : (updateStrategy?.rollingUpdate?.partition ?? 0);
}

/** A merge patch removes a key by `null`. */
function nulled(keys: Readonly<Record<string, string | undefined>>): Record<string, string | null> {
  return Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, value ?? null]));
}
