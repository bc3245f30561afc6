import type { Ref, Release, Run } from '../decide/model.ts';

/** A run and a release such as a test might have, for asking the API server whether it would take its Job. */
export function sample({ namespace, name }: Ref): { run: Run; release: Release } {
  const at = 0;
  const ref = { namespace, name: 'postsync-dry-run' };
  const revision = {
    digest: 'sha256:0',
    version: 1,
    status: 'deployed',
    action: 'install',
    helmRelease: 'sample',
    targetNamespace: namespace,
    chart: 'sample',
    chartVersion: '1.0.0',
    deployedAt: at,
  } as const;
  const release: Release = {
    ref,
    uid: '00000000-0000-0000-0000-000000000000',
    resourceVersion: '0',
    generation: 1,
    deleting: false,
    annotations: {},
    labels: {},
    suspended: false,
    remote: false,
    unawaited: false,
    observedGeneration: 1,
    conditions: {},
    revision,
    workloads: [],
  };
  const run: Run = {
    ref: { namespace, name: `${name}-dry-run` },
    uid: release.uid,
    resourceVersion: '0',
    createdAt: at,
    ours: true,
    release: ref.name,
    test: { namespace, name },
    testKind: 'SyncTest',
    attempt: 1,
    cause: 'install',
    abort: false,
  };
  return { run, release };
}
