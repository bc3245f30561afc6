import { createHash } from 'node:crypto';
import type { Ref } from '../../src/decide/model.ts';
import type { Kubernetes } from '../../src/kubernetes.ts';

/** The SyncTest that each release of the benchmark names. Its Job makes no Pod where Kubernetes' own controller runs. */
export const TEST = 'bench';

export function syncTest(namespace: string): object {
  const containers = [{ name: 'test', image: 'example.invalid/bench:1', args: ['test'] }];
  return {
    apiVersion: 'postsync.dev/v1alpha1',
    kind: 'SyncTest',
    metadata: { namespace, name: TEST },
    spec: {
      startTimeout: '1h',
      timeout: '1h',
      job: { template: { spec: { parallelism: 0, template: { spec: { containers } } } } },
    },
  };
}

/** A HelmRelease that names the test and that nobody has installed yet. */
export function helmRelease({ namespace, name }: Ref): object {
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { namespace, name, annotations: { 'postsync.dev/tests': TEST } },
    spec: {
      interval: '10m',
      chart: {
        spec: { chart: 'podinfo', version: '6.9.1', sourceRef: { kind: 'HelmRepository', name: 'charts' } },
      },
      values: { replicaCount: 2, ingress: { enabled: true, className: 'nginx' }, resources: {} },
    },
  };
}

/** The status that helm-controller writes when it has installed a release. */
export function deployed({ namespace, name }: Ref, now: Date): object {
  const at = `${now.toISOString().slice(0, 19)}Z`;
  const message = `Helm install succeeded for release ${namespace}/${name}.v1 with chart podinfo@6.9.1`;
  const condition = (type: string) => ({
    type,
    status: 'True',
    reason: 'InstallSucceeded',
    message,
    observedGeneration: 1,
    lastTransitionTime: at,
  });
  return {
    observedGeneration: 1,
    conditions: [condition('Ready'), condition('Released')],
    helmChart: `${namespace}/${namespace}-${name}`,
    history: [
      {
        action: 'install',
        apiVersion: 'v2',
        appVersion: '6.9.1',
        chartName: 'podinfo',
        chartVersion: '6.9.1',
        configDigest: digestOf('values'),
        digest: digestOf(`${namespace}/${name}`),
        firstDeployed: at,
        lastDeployed: at,
        name,
        namespace,
        status: 'deployed',
        version: 1,
      },
    ],
    lastAttemptedGeneration: 1,
    lastAttemptedRevision: '6.9.1',
    storageNamespace: namespace,
  };
}

export function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** Plays helm-controller: returns when the API server has written that a release is installed. */
export async function deploy(admin: Kubernetes, ref: Ref): Promise<void> {
  await admin.patch(
    { resource: 'helmreleases', ...ref, subresource: 'status' },
    { status: deployed(ref, new Date()) },
  );
}

/** Plays the Job controller: the Job has come to a good end. */
export async function complete(admin: Kubernetes, job: Ref): Promise<void> {
  const at = `${new Date().toISOString().slice(0, 19)}Z`;
  const condition = (type: string, reason: string) => ({
    type,
    status: 'True',
    reason,
    message: 'Reached expected number of succeeded pods',
    lastProbeTime: at,
    lastTransitionTime: at,
  });
  const conditions = [
    condition('SuccessCriteriaMet', 'CompletionsReached'),
    condition('Complete', 'CompletionsReached'),
  ];
  await admin.patch(
    { resource: 'jobs', ...job, subresource: 'status' },
    { status: { startTime: at, completionTime: at, succeeded: 1, conditions } },
  );
}
