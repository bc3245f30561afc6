import { z } from 'zod';
import { EVENT_GROUP } from '../decide/keys.ts';
import type { Condition, Release, Revision, Workload } from '../decide/model.ts';
import { Timestamp } from '../timestamp.ts';
import { mapValues } from '../values.ts';
import { Metadata, parse } from './parse.ts';

const ConditionList = z
  .array(
    z.object({
      type: z.string(),
      status: z.enum(['True', 'False', 'Unknown']),
      reason: z.string().prefault(''),
      lastTransitionTime: Timestamp,
    }),
  )
  .prefault([]);

/** @see https://github.com/fluxcd/helm-controller/blob/main/api/v2/snapshot_types.go */
const Snapshot = z.object({
  digest: z.string(),
  name: z.string(),
  namespace: z.string(),
  version: z.number(),
  status: z.string(),
  action: z.enum(['install', 'upgrade', 'rollback']).optional().catch(undefined),
  chartName: z.string().prefault(''),
  chartVersion: z.string().prefault(''),
  appVersion: z.string().optional(),
  ociDigest: z.string().optional(),
  lastDeployed: Timestamp,
  testHooks: z.record(z.string(), z.object({ phase: z.string().optional() })).optional(),
});

const Wait = z.object({ disableWait: z.boolean().optional() }).optional();

const HelmRelease = z.object({
  metadata: Metadata,
  spec: z
    .object({
      suspend: z.boolean().optional(),
      kubeConfig: z.unknown().optional(),
      install: Wait,
      upgrade: Wait,
      test: z.object({ filters: z.array(z.unknown()).prefault([]) }).optional(),
    })
    .prefault({}),
  status: z
    .object({
      observedGeneration: z.number().prefault(-1),
      conditions: ConditionList,
      history: z.array(Snapshot).prefault([]),
      storageNamespace: z.string().optional(),
      inventory: z.object({ entries: z.array(z.object({ id: z.string() })).prefault([]) }).optional(),
    })
    .prefault({}),
});

/**
 * A HelmRelease (v2) as the API serves it. Only what decisions need is kept.
 *
 * @throws {PostsyncError} `OBJECT_INVALID`, saying which field
 */
export function readRelease(object: unknown): Release {
  const { metadata, spec, status } = parse(HelmRelease, object, 'HelmRelease');
  const { namespace, name, uid, resourceVersion, generation, labels, annotations } = metadata;
  const unawaited = spec.install?.disableWait === true || spec.upgrade?.disableWait === true;
  const remote = spec.kubeConfig !== undefined;
  const newest = status.history[0];
  return {
    ref: { namespace, name },
    uid,
    resourceVersion,
    generation,
    deleting: metadata.deletionTimestamp !== undefined,
    annotations: pick(annotations, isOurs),
    labels,
    suspended: spec.suspend === true,
    remote,
    unawaited,
    ...(status.storageNamespace !== undefined &&
      status.storageNamespace !== namespace && { storageNamespace: status.storageNamespace }),
    ...(spec.test && spec.test.filters.length > 0 && { testsFiltered: true }),
    observedGeneration: status.observedGeneration,
    conditions: {
      ...condition(status.conditions, 'Ready'),
      ...condition(status.conditions, 'Reconciling'),
      ...condition(status.conditions, 'Stalled'),
    },
    ...(newest && { revision: revisionOf(newest) }),
    // Those of another cluster cannot be looked at from here.
    workloads: unawaited && !remote ? workloadsIn(status.inventory?.entries ?? []) : [],
  };
}

function isOurs(key: string): boolean {
  const [domain = ''] = key.split('/', 1);
  return domain === 'postsync.dev' || domain.endsWith('.postsync.dev') || domain === EVENT_GROUP;
}

function condition<T extends string>(
  list: z.output<typeof ConditionList>,
  type: T,
): { [K in T]?: Condition } {
  const found = list.find((item) => item.type === type);
  if (!found) return {};
  const { status, reason, lastTransitionTime: since } = found;
  return { [type]: { status, reason, since } } as { [K in T]?: Condition };
}

function revisionOf(snapshot: z.output<typeof Snapshot>): Revision {
  const { digest, version, status, appVersion, ociDigest, testHooks } = snapshot;
  return {
    digest,
    version,
    status,
    // helm-controller before 1.5 does not say which action it was.
    action: snapshot.action ?? (version === 1 ? 'install' : 'upgrade'),
    helmRelease: snapshot.name,
    targetNamespace: snapshot.namespace,
    chart: snapshot.chartName,
    chartVersion: snapshot.chartVersion,
    ...(appVersion !== undefined && { appVersion }),
    ...(ociDigest !== undefined && { ociDigest }),
    deployedAt: snapshot.lastDeployed,
    ...(testHooks && { testHooks: mapValues(testHooks, ({ phase = '' }) => phase) }),
  };
}

const WORKLOADS: Readonly<Record<string, Workload['resource']>> = {
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  DaemonSet: 'daemonsets',
};

/** Inventory ids are `namespace_name_group_Kind`. */
function workloadsIn(entries: readonly { readonly id: string }[]): Workload[] {
  return entries.flatMap(({ id }) => {
    const [namespace = '', name = '', group, kind = ''] = id.split('_');
    const resource = WORKLOADS[kind];
    return group === 'apps' && resource ? [{ namespace, name, resource }] : [];
  });
}

function pick(
  record: Readonly<Record<string, string>>,
  keep: (key: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => keep(key)));
}
