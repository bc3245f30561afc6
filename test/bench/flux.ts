import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ref, Time } from '../../src/decide/model.ts';
import { isoSeconds } from '../../src/decide/time.ts';
import type { Kubernetes } from '../../src/kubernetes.ts';

/** How long a played Pod runs. */
const RUN_MS = 300;

/** Its Jobs never run: Kubernetes' own controller makes no Pod for them, the embedded cluster has no such image. */
export const TEST = 'bench';

/** Its Jobs run, see `Stand.run`. */
export const ENDING_TEST = 'bench-ending';

/** The image of {@link ENDING_TEST}, which the embedded cluster has. */
export const ENDING_IMAGE = 'example.invalid/ending:1';

export function syncTest(namespace: string, name = TEST): object {
  const containers = [{ name: 'test', image: name === TEST ? 'example.invalid/none:1' : ENDING_IMAGE }];
  return {
    apiVersion: 'postsync.dev/v1alpha1',
    kind: 'SyncTest',
    metadata: { namespace, name },
    spec: {
      startTimeout: '1h',
      timeout: '1h',
      job: {
        template: {
          spec: {
            ...(name === TEST && { parallelism: 0 }),
            // Nobody puts its Pod on a node: the benchmark plays the kubelet.
            template: { spec: { schedulerName: 'nobody', containers } },
          },
        },
      },
    },
  };
}

/** A HelmRelease that names a test and that nobody has installed yet. */
export function helmRelease({ namespace, name }: Ref, test = TEST): object {
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { namespace, name, annotations: { 'postsync.dev/tests': test } },
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
export function deployed({ namespace, name }: Ref, now: Time): object {
  const at = isoSeconds(now);
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
    { status: deployed(ref, Date.now()) },
  );
}

/** Plays the kubelet: the Pod of a Job runs, and comes to a good end. */
export async function runPod(admin: Kubernetes, job: Ref): Promise<void> {
  const labelSelector = `batch.kubernetes.io/job-name=${job.name}`;
  const pods = () =>
    admin.list({ resource: 'pods', namespace: job.namespace }, { labelSelector }) as Promise<{
      readonly items: readonly { readonly metadata: Ref }[];
    }>;
  let [pod] = (await pods()).items;
  for (let tries = 0; !pod && tries < 200; tries += 1) {
    await delay(50);
    [pod] = (await pods()).items;
  }
  if (!pod) throw new Error(`the Job ${job.name} has no Pod: is there no Job controller?`);
  const { namespace, name } = pod.metadata;
  const target = { resource: 'pods', namespace, name, subresource: 'status' } as const;
  const at = isoSeconds(Date.now());
  const write = (phase: string, state: object, ready: boolean) => {
    const container = { name: 'test', image: ENDING_IMAGE, imageID: '', restartCount: 0, ready, state };
    return admin.patch(target, { status: { phase, startTime: at, containerStatuses: [container] } });
  };
  await write('Running', { running: { startedAt: at } }, true);
  await delay(RUN_MS);
  const terminated = { exitCode: 0, reason: 'Completed', startedAt: at, finishedAt: at };
  await write('Succeeded', { terminated }, false);
}
