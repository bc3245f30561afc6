import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { startPostsync } from '../scripts/demo/postsync.ts';
import { startEmbeddedCluster } from '../src/embedded/cluster.ts';
import { connect } from '../src/kubernetes.ts';

const NAMESPACE = 'apps';
const USER = {
  name: 'ada',
  token: 'token-of-ada',
  audiences: ['postsync'],
  rights: [
    {
      verbs: ['create', 'get'],
      groups: ['postsync.dev'],
      resources: ['synctestruns'],
      namespaces: [NAMESPACE],
    },
  ],
};

/** Two replicas on an embedded cluster, and a deployed release whose test fails while a file is there. */
async function aStage(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'postsync-rerun-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const broken = join(folder, 'broken');
  const crds = ['synctests', 'synctestruns'].map(
    (plural) => parse(readFileSync(`manifests/base/crds/${plural}.yaml`, 'utf8')) as object,
  );
  const script = `process.exit(require('node:fs').existsSync(${JSON.stringify(broken)}) ? 1 : 0)`;
  const cluster = await startEmbeddedCluster({
    images: { it: [process.execPath, '-e', script] },
    helmDelayMs: 1,
    users: [USER],
    crds,
  });
  t.after(() => cluster.close());
  const config = new KubeConfig();
  config.loadFromString(cluster.kubeconfig);
  const admin = connect(config);
  t.after(() => admin.close());
  const KUBECONFIG = join(folder, 'kubeconfig');
  writeFileSync(KUBECONFIG, cluster.kubeconfig, { mode: 0o600 });

  for (const name of [NAMESPACE, 'postsync-system'])
    await admin.create({ resource: 'namespaces' }, { metadata: { name } });
  const metadata = { name: 'podinfo', namespace: NAMESPACE };
  await admin.create(
    { resource: 'synctests', namespace: NAMESPACE },
    {
      apiVersion: 'postsync.dev/v1alpha1',
      kind: 'SyncTest',
      metadata: { ...metadata, name: 'smoke' },
      spec: { releases: {}, job: { image: 'it' } },
    },
  );
  const sourceRef = { kind: 'HelmRepository', name: 'any' };
  await admin.create(
    { resource: 'helmreleases', namespace: NAMESPACE },
    {
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      kind: 'HelmRelease',
      metadata,
      spec: { interval: '10m', chart: { spec: { chart: 'any', version: '1.0.0', sourceRef } } },
    },
  );
  const replicas = await Promise.all(
    ['one', 'two'].map((identity) =>
      startPostsync({ KUBECONFIG, POSTSYNC_IMAGE: 'it', POSTSYNC_IDENTITY: identity }, t.signal),
    ),
  );
  for (const replica of replicas) t.after(() => replica.close());

  const call = async (url: string, method = 'GET') => {
    const headers = { authorization: `Bearer ${USER.token}` };
    const response = await fetch(url, { method, headers });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  };
  return {
    urls: replicas.map(({ url }) => `${url}/api/v1/releases/${NAMESPACE}/podinfo`),
    call,
    breakIt: (isBroken: boolean) => (isBroken ? writeFileSync(broken, '') : rmSync(broken)),
    isBroken: () => existsSync(broken),
  };
}

test('whoever asks for a new run and then for the verdict is told that of the new run, whichever replica answers', async (t) => {
  const { urls, call, breakIt, isBroken } = await aStage(t);
  const [first = '', second = ''] = urls;
  while ((await call(`${first}?wait=1m`)).status !== 200) await delay(100);

  for (const asked of [first, second, first, second]) {
    breakIt(!isBroken());
    const { status } = await call(`${asked}/runs`, 'POST');
    assert.equal(status, 202);
    const answers = await Promise.all(urls.flatMap((url) => [call(url), call(`${url}?wait=1m`)]));
    const decided = isBroken() ? 422 : 200;
    assert.deepEqual(
      answers.map((answer) => answer.status),
      [408, decided, 408, decided],
      JSON.stringify(answers),
    );
  }
});
