import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { assertOneJobPerDigest, startedFor } from './support/expect.ts';
import { conditionOf } from './support/objects.ts';
import { type Scene, shell, sleeping, toldBy } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

describe('whatever people ask for', { concurrency: 5 }, () => {
  const world = aWorld({ name: 'requests' });

  scenario(
    world,
    'postsync.dev/suspend starts nothing, and what runs is followed to its end',
    async (scene) => {
      const { namespace, view } = scene;
      await scene.syncTest('t', { releases: {}, job: shell(sleeping(6)) });
      await scene.release('app', { values: { message: '1' } });
      await scene.running('app', 't');
      const annotations = { 'postsync.dev/suspend': 'true' };
      await scene.release('app', { annotations, values: { message: '1' } });
      assert.equal((await scene.verdict('app')).result, 'passed');

      const { digest } = await scene.upgrade('app', { annotations, values: { message: '2' } });
      await anotherIsTested(scene);
      assert.deepEqual(startedFor(scene, 'app', digest), []);
      const { result, digest: about } = toldBy(view.release(namespace, 'app')) ?? {};
      assert.notDeepEqual([result, about], ['passed', digest]);

      await scene.release('app', { values: { message: '2' } });
      const told = await scene.verdict('app');
      assert.deepEqual([told.result, told.digest], ['passed', digest]);
      assertOneJobPerDigest(scene, 'app');
    },
  );

  scenario(world, 'a SyncTest that is suspended starts nothing until it is resumed', async (scene) => {
    const spec = { releases: { names: ['app'] }, job: shell('exit 0') };
    await scene.syncTest('t', { ...spec, suspend: true });
    await scene.release('app');
    const { digest } = await scene.deployed('app');
    await anotherIsTested(scene);
    assert.equal(scene.jobs('app').length, 0);

    await scene.syncTest('t', spec);
    await scene.verdict('app');
    assert.deepEqual(startedFor(scene, 'app', digest), ['t install #1']);
  });

  scenario(world, 'a release that Flux was told to suspend is not tested', async (scene) => {
    await scene.syncTest('t', { releases: { names: ['app'] }, job: shell('exit 0') });
    await scene.release('app', { values: { message: '1' } });
    const before = await scene.verdict('app');
    await scene.release('app', { values: { message: '2' }, spec: { suspend: true } });
    await anotherIsTested(scene);
    assert.equal(scene.jobs('app').length, 1);

    await scene.upgrade('app', { values: { message: '2' }, spec: { suspend: false } });
    const after = await scene.verdict('app');
    assert.notEqual(after.digest, before.digest);
    assertOneJobPerDigest(scene, 'app');
  });

  scenario(world, 'a new requestedAt runs the tests again, once', async (scene) => {
    await scene.syncTest('t', { releases: { names: ['app'] }, job: shell('exit 0') });
    await scene.release('app', { values: { message: '1' } });
    const { digest } = await scene.verdict('app');

    for (const [index, value] of ['one', 'two'].entries()) {
      await scene.annotate('app', { 'postsync.dev/requestedAt': value }, 'kubectl-annotate');
      await scene.until(`the run for ${value} has passed`, () =>
        scene.runs('app').find(({ spec, status }) => spec.request === value && status?.phase === 'Passed'),
      );
      assert.equal(startedFor(scene, 'app', digest)[index + 1], `t manual #${index + 2}`);
    }
    await anotherIsTested(scene);
    assert.equal(scene.jobs('app').length, 3);
  });

  scenario(
    world,
    'a requestedAt that stands in git longer than runs are kept asks for nothing more',
    async (scene) => {
      const annotations = { 'postsync.dev/requestedAt': 'in git' };
      await scene.syncTest('t', { releases: { names: ['app'] }, historyLimit: 1, job: shell('exit 0') });
      await scene.release('app', { annotations, values: { message: '1' } });
      await scene.verdict('app');
      for (const message of ['2', '3', '4']) {
        await scene.upgrade('app', { annotations, values: { message } });
        await scene.verdict('app');
      }

      await scene.until('the first runs are forgotten', () => scene.runs('app').length <= 2);
      await anotherIsTested(scene);
      assert.equal(scene.jobs('app').length, 4);
      assertOneJobPerDigest(scene, 'app');
    },
  );

  scenario(
    world,
    'a SyncTest that was changed runs again where it had failed, and not where it passed',
    async (scene) => {
      const test = (name: string, script: string) =>
        scene.syncTest(name, { releases: { names: ['app'] }, job: shell(script) });
      await test('fails', 'exit 1');
      await test('passes', 'exit 0');
      await scene.release('app');
      const { digest, result } = await scene.verdict('app');
      assert.equal(result, 'failed');

      await test('fails', 'echo fixed; exit 0');
      await test('passes', 'echo better; exit 0');
      await scene.until('the result is passed', () => {
        return toldBy(scene.view.release(scene.namespace, 'app'))?.result === 'passed';
      });

      await anotherIsTested(scene);
      assert.deepEqual(startedFor(scene, 'app', digest).toSorted(), [
        'fails install #1',
        'fails test-changed #2',
        'passes install #1',
      ]);
    },
  );

  scenario(
    world,
    'a SyncTest that is changed during a run is run as it is now when that has failed',
    async (scene) => {
      const test = (script: string) =>
        scene.syncTest('t', { releases: { names: ['app'] }, job: shell(script) });
      await test(sleeping(6, 'exit 1'));
      await scene.release('app');
      await scene.running('app', 't');
      await test('exit 0');

      const { digest } = await scene.deployed('app');
      await scene.run('app', 't', 'Failed');
      await scene.run('app', 't', 'Passed');
      await anotherIsTested(scene);
      assert.deepEqual(startedFor(scene, 'app', digest), ['t install #1', 't test-changed #2']);
    },
  );

  scenario(
    world,
    'a SyncTest that is deleted during a run leaves no Pod and no key behind',
    async (scene) => {
      const { api, namespace, view } = scene;
      await scene.syncTest('t', { releases: {}, job: shell(sleeping(15)) });
      await scene.release('app');
      await scene.running('app', 't');

      await api.remove('SyncTest', namespace, 't');

      await scene.until('the run has ended', () => {
        return scene.runs('app').every(({ status }) => status?.finishedAt !== undefined);
      });
      await scene.until('its keys are gone', () => {
        const { annotations = {}, labels = {} } = view.release(namespace, 'app')?.metadata ?? {};
        const ours = Object.keys({ ...annotations, ...labels }).filter((key) =>
          key.includes('postsync.dev/'),
        );
        return ours.length === 0;
      });
      await scene.until('no Pod of it is left', () => scene.livePods('app').length === 0);
      assert.equal(scene.jobs('app').length, 1);
    },
  );

  scenario(
    world,
    'a SyncTest with a mistake says what the API server said, and so does the release until it is mended',
    async (scene) => {
      const { namespace, view } = scene;
      const container = { name: 'test', imgae: 'busybox:1' };
      const template = { spec: { template: { spec: { containers: [container] } } } };
      await scene.syncTest('t', { releases: {}, job: { template } });
      await scene.release('app');

      const stalled = await scene.until('the SyncTest says that it cannot work', () => {
        const condition = conditionOf(view.syncTest(namespace, 't'), 'Stalled');
        return condition?.status === 'True' && condition;
      });
      assert.match(stalled.message ?? '', /imgae|image/);
      assert.equal(conditionOf(view.syncTest(namespace, 't'), 'Ready')?.status, 'False');
      const told = await scene.until('the release says so too', () => {
        const found = toldBy(view.release(namespace, 'app'));
        return found?.line('t')?.includes('image') && found;
      });
      assert.equal(told.result, 'inconclusive');
      assert.equal(scene.jobs('app').length, 0);

      await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
      await scene.until('the release says passed', () => {
        return toldBy(view.release(namespace, 'app'))?.result === 'passed';
      });
      assert.equal(conditionOf(view.syncTest(namespace, 't'), 'Ready')?.status, 'True');
    },
  );

  scenario(world, 'a test that is not there holds the result at pending, with a Warning', async (scene) => {
    const { api, namespace, view } = scene;
    await scene.release('app', { annotations: { 'postsync.dev/tests': 'smoke' } });
    await scene.until('the release says pending', () => {
      return toldBy(view.release(namespace, 'app'))?.result === 'pending';
    });
    await scene.until('there is a Warning', async () => {
      const { items } = await api.list('Event', namespace);
      return items.some(
        ({ type, involvedObject }) => type === 'Warning' && involvedObject.kind === 'HelmRelease',
      );
    });

    await scene.syncTest('smoke', { job: shell('exit 0') });
    assert.equal((await scene.verdict('app')).result, 'passed');
  });

  scenario(world, 'a run that a person creates is carried out', async (scene) => {
    await scene.syncTest('t', { releases: { names: ['app'] }, job: shell('exit 0') });
    await scene.release('app');
    const { digest } = await scene.verdict('app');
    const { namespace } = scene;

    await scene.api.apply({
      kind: 'SyncTestRun',
      metadata: { name: 'again', namespace },
      spec: { release: 'app', test: 't' },
    } as never);

    const run = await scene.until('it has passed', () => {
      return scene
        .runs('app')
        .find(({ metadata, status }) => metadata.name === 'again' && status?.phase === 'Passed');
    });
    assert.equal(run.status?.digest, digest);
    assert.equal(scene.jobs('app').length, 2);
  });
});

/**
 * Has another release of the same namespace deployed and tested, and so everything that was there before
 * looked at: what has not begun by then does not begin.
 */
async function anotherIsTested(scene: Scene): Promise<void> {
  const name = `other-${scene.runs('').length}-${Date.now() % 100_000}`;
  await scene.syncTest(name, { releases: { names: [name] }, job: shell('exit 0') });
  await scene.release(name);
  await scene.verdict(name);
}
