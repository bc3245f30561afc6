import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { need } from './support/env.ts';
import { assertOneJobPerDigest, startedFor } from './support/expect.ts';
import { install, SYSTEM_NAMESPACE } from './support/install.ts';
import { conditionOf } from './support/objects.ts';
import { type Scene, shell, sleeping } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

const IMAGE = process.env['E2E_IMAGE'];

describe('postsync as manifests/ deploy it', { concurrency: 2 }, () => {
  const world = aWorld({ name: 'deployed', started: false });

  before(async () => {
    if (IMAGE) await install(IMAGE, { replicas: 1 });
  });
  after(async () => {
    await install(IMAGE, { replicas: 0 });
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

function isReady(pod: {
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}) {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}
