import { z } from 'zod';
import type { Condition, Dispatch as Dispatched, Release, Revision, Run, Workload } from '../decide/model.ts';
import { PostsyncError } from '../errors.ts';

const Time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const Labels = z.record(z.string(), z.string()).prefault({});

const Metadata = z.object({
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

const ConditionList = z
  .array(
    z.object({
      type: z.string(),
      status: z.enum(['True', 'False', 'Unknown']),
      reason: z.string().prefault(''),
      lastTransitionTime: Time,
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
  lastDeployed: Time,
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
  return (
    domain === 'postsync.dev' || domain.endsWith('.postsync.dev') || domain === 'event.toolkit.fluxcd.io'
  );
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

const Dispatch = z
  .object({
    repository: z.string(),
    trigger: z.enum(['repository_dispatch', 'workflow_dispatch']),
    apiUrl: z.string(),
    secret: z.object({ namespace: z.string(), name: z.string() }).optional(),
    claimedAt: Time,
    timeoutSeconds: z.number(),
    startTimeoutSeconds: z.number(),
    unanswered: z.string().optional(),
    runId: z.number().optional(),
    settled: z.boolean().prefault(false),
  })
  .transform(({ timeoutSeconds, startTimeoutSeconds, ...rest }) => ({
    ...rest,
    limits: { timeoutMs: timeoutSeconds * 1000, startTimeoutMs: startTimeoutSeconds * 1000 },
  }));

const SyncTestRun = z.object({
  metadata: Metadata.extend({
    ownerReferences: z.array(z.object({ kind: z.string(), uid: z.string() })).prefault([]),
  }),
  spec: z.object({
    release: z.string(),
    test: z.string(),
    testKind: z.enum(['SyncTest', 'BuiltIn']).optional(),
    testNamespace: z.string().optional(),
    testGeneration: z.number().optional(),
    digest: z.string().optional(),
    attempt: z.number().int().prefault(1),
    cause: z
      .enum(['install', 'upgrade', 'rollback', 'retry', 'test-changed', 'manual', 'override'])
      .prefault('manual'),
    request: z.string().optional(),
    abort: z.boolean().prefault(false),
    verdict: z.enum(['passed', 'failed']).optional(),
    reason: z.string().optional(),
  }),
  status: z
    .object({
      phase: z.enum(['Pending', 'Running', 'Passed', 'Failed', 'Inconclusive']).optional(),
      reason: z.string().optional(),
      message: z.string().prefault(''),
      releaseUid: z.string().optional(),
      digest: z.string().optional(),
      revision: z.string().optional(),
      testGeneration: z.number().optional(),
      job: z.object({ namespace: z.string(), name: z.string(), uid: z.string() }).optional(),
      dispatch: Dispatch.optional(),
      startedAt: Time.optional(),
      finishedAt: Time.optional(),
    })
    .prefault({}),
});

/** The label of runs that postsync created itself. */
export const OURS = { 'app.kubernetes.io/managed-by': 'postsync' } as const;

/** No SyncTest may have one of these names. */
const BUILT_IN: ReadonlySet<string> = new Set(['http', 'helm-test', 'github']);

const VERDICTS = { Passed: 'passed', Failed: 'failed', Inconclusive: 'inconclusive' } as const;

/**
 * A SyncTestRun as the API serves it.
 *
 * @throws {PostsyncError} `OBJECT_INVALID`: an unreadable run is never taken for an absent one
 */
export function readRun(object: unknown): Run {
  const { metadata, spec, status } = parse(SyncTestRun, object, 'SyncTestRun');
  const { namespace, name } = metadata;
  const ours = metadata.labels['app.kubernetes.io/managed-by'] === 'postsync';
  const owner = metadata.ownerReferences.find(({ kind }) => kind === 'HelmRelease')?.uid;
  return present({
    ref: { namespace, name },
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    createdAt: metadata.creationTimestamp,
    ours,
    release: spec.release,
    releaseUid: status.releaseUid ?? (ours ? owner : undefined),
    test: { namespace: spec.testNamespace ?? namespace, name: spec.test },
    testKind: spec.testKind ?? (BUILT_IN.has(spec.test) ? 'BuiltIn' : 'SyncTest'),
    testGeneration: status.testGeneration ?? spec.testGeneration,
    digest: status.digest ?? spec.digest,
    revision: status.revision,
    attempt: spec.attempt,
    cause: spec.cause,
    request: spec.request,
    abort: spec.abort,
    override:
      spec.cause === 'override' && spec.verdict
        ? { verdict: spec.verdict, reason: spec.reason ?? '' }
        : undefined,
    job: status.job,
    dispatch: status.dispatch as Dispatched | undefined,
    startedAt: status.startedAt,
    outcome: outcomeOf(status),
  });
}

function outcomeOf({
  phase,
  reason = '',
  message,
  finishedAt,
}: z.output<typeof SyncTestRun>['status']): Run['outcome'] {
  if (phase === undefined || phase === 'Pending' || phase === 'Running' || !finishedAt) return undefined;
  return {
    verdict: VERDICTS[phase],
    reason: reason as NonNullable<Run['outcome']>['reason'],
    message,
    finishedAt,
  };
}

function parse<T extends z.ZodType>(schema: T, object: unknown, kind: string): z.output<T> {
  const parsed = schema.safeParse(object);
  if (parsed.success) return parsed.data;
  throw new PostsyncError('OBJECT_INVALID', `cannot read a ${kind}: ${z.prettifyError(parsed.error)}`);
}

function pick(
  record: Readonly<Record<string, string>>,
  keep: (key: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => keep(key)));
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

/** Drops what is undefined, which `exactOptionalPropertyTypes` wants absent. */
function present(run: { [K in keyof Run]: Run[K] | undefined }): Run {
  return Object.fromEntries(Object.entries(run).filter(([, value]) => value !== undefined)) as unknown as Run;
}
