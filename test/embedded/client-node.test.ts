import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ApiException,
  BatchV1Api,
  CoordinationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  setHeaderOptions,
  V1MicroTime,
  VersionApi,
} from '@kubernetes/client-node';
import { type EmbeddedCluster, startEmbeddedCluster } from '../../src/embedded/cluster.ts';

let cluster: EmbeddedCluster;
const config = new KubeConfig();
before(async () => {
  cluster = await startEmbeddedCluster();
  config.loadFromString(cluster.kubeconfig);
});
after(() => cluster.close());

const namespace = 'default';
const hasCode = (code: number) => (error: unknown) => error instanceof ApiException && error.code === code;

test("client-node's typed clients find their way", async () => {
  const version = await config.makeApiClient(VersionApi).getCode();
  assert.equal(version.major, '1');
  const core = config.makeApiClient(CoreV1Api);
  const { items } = await core.listNamespace();
  assert.ok(items.some(({ metadata }) => metadata?.name === namespace));
  const secret = { metadata: { name: 's' }, stringData: { a: 'b' } };
  await core.createNamespacedSecret({ namespace, body: secret });
  await assert.rejects(core.createNamespacedSecret({ namespace, body: secret }), hasCode(409));
  await core.deleteNamespacedSecret({ namespace, name: 's' });
  await assert.rejects(core.readNamespacedSecret({ namespace, name: 's' }), hasCode(404));
});

test("client-node's Lease, with its own kind of time, is taken", async () => {
  const leases = config.makeApiClient(CoordinationV1Api);
  const spec = { holderIdentity: 'me', renewTime: new V1MicroTime() };
  const made = await leases.createNamespacedLease({ namespace, body: { metadata: { name: 'l' }, spec } });
  assert.equal(made.spec?.holderIdentity, 'me');
});

test("client-node's Job runs, and its log is read", async () => {
  const jobs = config.makeApiClient(BatchV1Api);
  const core = config.makeApiClient(CoreV1Api);
  const container = { name: 'main', image: 'busybox:1', command: ['sh', '-c', 'echo hello'] };
  const template = { spec: { restartPolicy: 'Never', containers: [container] } };
  await jobs.createNamespacedJob({ namespace, body: { metadata: { name: 'j' }, spec: { template } } });
  let succeeded: number | undefined;
  while (succeeded === undefined) {
    succeeded = (await jobs.readNamespacedJob({ namespace, name: 'j' })).status?.succeeded;
  }
  assert.equal(succeeded, 1);
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: 'job-name=j' });
  const log = await core.readNamespacedPodLog({ namespace, name: items[0]?.metadata?.name ?? '' });
  assert.equal(log, 'hello\n');
});

test("client-node's custom and generic clients write, patch and delete", async () => {
  const where = { group: 'helm.toolkit.fluxcd.io', version: 'v2', namespace, plural: 'helmreleases' };
  const custom = config.makeApiClient(CustomObjectsApi);
  const kind = { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease' };
  const spec = { suspend: true };
  await custom.createNamespacedCustomObject({ ...where, body: { ...kind, metadata: { name: 'r' }, spec } });
  const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
  const body = { metadata: { annotations: { a: 'b' } } };
  await custom.patchNamespacedCustomObject({ ...where, name: 'r', body }, merge);
  const generic = KubernetesObjectApi.makeApiClient(config);
  const read = await generic.read({ ...kind, metadata: { name: 'r', namespace } });
  assert.deepEqual(read.metadata?.annotations, { a: 'b' });
  await generic.delete({ ...kind, metadata: { name: 'r', namespace } });
});
