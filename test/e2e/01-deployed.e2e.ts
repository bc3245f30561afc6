import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { need } from './support/env.ts';
import { assertOneJobPerDigest, startedFor } from './support/expect.ts';
import { install, kubectl, SYSTEM_NAMESPACE } from './support/install.ts';
import { conditionOf } from './support/objects.ts';
import { type Scene, shell, sleeping } from './support/scene.ts';
import { deployedLog } from './support/state.ts';
import { aWorld, scenario } from './support/world.ts';

const IMAGE = process.env['E2E_IMAGE'];

describe('postsync as manifests/ deploy it', { concurrency: 2 }, () => {
  const world = aWorld({ name: 'deployed', started: false });

  before(async () => {
    if (!IMAGE) return;
    const metadata = { name: 'postsync-flux', namespace: SYSTEM_NAMESPACE };
    await world.api.apply({
      kind: 'Secret',
      metadata,
      stringData: { token: randomBytes(16).toString('hex') },
    });
    await install(IMAGE, { replicas: 2, components: ['flux-alert'] });
  });
  after(async () => {
    await install(IMAGE, { replicas: 0 });
    const told = ['alert/postsync', 'provider/postsync', 'secret/postsync-flux'];
    await kubectl('delete', '--namespace', SYSTEM_NAMESPACE, '--ignore-not-found', ...told);
  });

  scenario(
    world,
    'a release with an HTTP check has a verdict after install and after upgrade',
    async (scene, t) => {
      if (!need(t, 'E2E_IMAGE')) return;
      await isAvailable(scene);
      const annotations = { 'postsync.dev/http': 'http://app:8080/healthz' };
      await scene.release('app', { annotations, values: { message: '1', server: true } });
      const first = await scene.verdict('app');
      await scene.upgrade('app', { annotations, values: { message: '2', server: true } });
      const second = await scene.verdict('app');

      assert.deepEqual([first.result, second.result], ['passed', 'passed']);
      assert.deepEqual(startedFor(scene, 'app', first.digest), ['http install #1']);
      assert.deepEqual(startedFor(scene, 'app', second.digest), ['http upgrade #1']);
      assert.equal(scene.jobs('app').length, 2);
    },
  );

  scenario(
    world,
    'so has a release with two SyncTests, and each ran once for each digest',
    async (scene, t) => {
      if (!need(t, 'E2E_IMAGE')) return;
      await isAvailable(scene);
      await scene.syncTest('smoke', { job: shell('exit 0') });
      await scene.syncTest('load', { job: shell(sleeping(3)) });
      const annotations = { 'postsync.dev/tests': 'smoke,load' };
      await scene.release('app', { annotations, values: { message: '1' } });
      const first = await scene.verdict('app');
      await scene.upgrade('app', { annotations, values: { message: '1' }, version: '1.1.0' });
      const second = await scene.verdict('app');

      assert.deepEqual([first.result, second.result], ['passed', 'passed']);
      for (const [told, revision] of [
        [first, 'v1 (chart 1.0.0)'],
        [second, 'v2 (chart 1.1.0)'],
      ] as const) {
        assert.equal(startedFor(scene, 'app', told.digest).length, 2);
        assert.ok(told.line('smoke')?.includes(revision), told.line('smoke'));
      }
      assertOneJobPerDigest(scene, 'app');
      const labels = scene.view.release(scene.namespace, 'app')?.metadata.labels;
      assert.equal(labels?.['postsync.dev/result'], 'passed');
    },
  );

  scenario(world, 'what Flux tells by its Provider and Alert is accepted', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    const { api, namespace } = scene;
    await isAvailable(scene);
    const eventSources = [{ kind: 'HelmRelease', name: '*', namespace }];
    await api.patch('Alert', [SYSTEM_NAMESPACE, 'postsync'], { spec: { eventSources } });
    await scene.release('app');

    const line = await scene.until('the event is in the log', async () => {
      const lines = await deployedLog(api, namespace);
      return lines.find((line) => line.includes('"InstallSucceeded"'));
    });
    assert.match(line, /"accepted":true/);
  });

  scenario(world, 'a standby takes over when the active one is killed during a run', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    await isAvailable(scene);
    await scene.syncTest('t', { releases: {}, job: shell(sleeping(4)) });
    await scene.release('app', { values: { message: '1' } });
    await scene.running('app', 't');
    const holder = (await lease(scene)) ?? assert.fail('nobody holds the Lease');
    const pod = `/api/v1/namespaces/${SYSTEM_NAMESPACE}/pods/${holder}`;
    await scene.api.call('DELETE', pod, { gracePeriodSeconds: 0 });

    const first = await scene.verdict('app');
    await scene.upgrade('app', { values: { message: '2' } });
    const second = await scene.verdict('app');

    assert.notEqual(await lease(scene), holder);
    assert.deepEqual([first.result, second.result], ['passed', 'passed']);
    assert.equal(scene.jobs('app').length, 2);
    assertOneJobPerDigest(scene, 'app');
  });
});

function isAvailable(scene: Scene): Promise<true> {
  return scene.until('the Deployment is available', async () => {
    const deployment = await scene.api.get('Deployment', SYSTEM_NAMESPACE, 'postsync');
    return (
      conditionOf(deployment, 'Available')?.status === 'True' &&
      scene.view.pods(SYSTEM_NAMESPACE).some(isReady)
    );
  });
}

/** The Pod that is the active one. */
async function lease({ api }: Scene): Promise<string | undefined> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${SYSTEM_NAMESPACE}/leases/postsync`;
  const { spec } = (await api.call('GET', path)) as { spec: { holderIdentity?: string } };
  return spec.holderIdentity;
}

function isReady(pod: {
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}) {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}
