import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { need } from './support/env.ts';
import { assertOneJobPerDigest, startedFor } from './support/expect.ts';
import { conditionOf } from './support/objects.ts';
import { type ReleaseOptions, type Scene, shell, sleeping, toldBy } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

/** A test that takes long for Helm's first revision only. */
const slowOnce = shell(`if [ "$POSTSYNC_REVISION" = 1 ]; then ${sleeping(600)}; fi`);

/** Helm gives up at once, and helm-controller takes the release back to what was there. */
const rolledBack: ReleaseOptions = {
  values: { message: 'bad', server: true, broken: true },
  spec: {
    upgrade: { timeout: '6s', remediation: { retries: 0, remediateLastFailure: true, strategy: 'rollback' } },
  },
};

describe('whatever a release goes through', { concurrency: 5 }, () => {
  const world = aWorld({ name: 'releases' });

  scenario(world, 'each revision is tested once, a new chart as well as new values', async (scene) => {
    await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
    await scene.release('app', { values: { message: '1' } });
    const first = await scene.verdict('app');
    await scene.upgrade('app', { values: { message: '2' } });
    const second = await scene.verdict('app');
    await scene.upgrade('app', { values: { message: '2' }, version: '1.1.0' });
    const third = await scene.verdict('app');

    assert.deepEqual([first.result, second.result, third.result], ['passed', 'passed', 'passed']);
    assert.match(third.line('t') ?? '', /v3 \(chart 1\.1\.0\)/);
    assert.deepEqual(startedFor(scene, 'app', first.digest), ['t install #1']);
    assert.deepEqual(startedFor(scene, 'app', second.digest), ['t upgrade #1']);
    assert.deepEqual(startedFor(scene, 'app', third.digest), ['t upgrade #1']);
  });

  scenario(
    world,
    'an upgrade during a run ends it as superseded, and the new revision is tested',
    async (scene) => {
      await scene.syncTest('t', { releases: {}, job: slowOnce });
      await scene.release('app', { values: { message: '1' } });
      const { spec } = await scene.running('app', 't');

      await scene.upgrade('app', { values: { message: '2' } });

      await superseded(scene, spec.digest);
    },
  );

  scenario(world, 'so does an upgrade by valuesFrom, which changes no generation', async (scene) => {
    const { api, namespace } = scene;
    const values = (message: string) =>
      api.apply({
        kind: 'ConfigMap',
        metadata: { name: 'values', namespace },
        data: { 'values.yaml': JSON.stringify({ message }) },
      } as never);
    await values('1');
    await scene.syncTest('t', { releases: {}, job: slowOnce });
    await scene.release('app', { spec: { valuesFrom: [{ kind: 'ConfigMap', name: 'values' }] } });
    const { spec } = await scene.running('app', 't');
    const { generation } = scene.view.release(namespace, 'app')?.metadata ?? {};

    await values('2');
    await scene.annotate('app', { 'reconcile.fluxcd.io/requestedAt': 'now' });

    await superseded(scene, spec.digest);
    assert.equal(scene.view.release(namespace, 'app')?.metadata.generation, generation);
  });

  scenario(
    world,
    'a test that ends while the next upgrade is under way has no verdict for the old revision',
    async (scene) => {
      await scene.syncTest('t', { releases: {}, job: shell(sleeping(8)) });
      await scene.release('app', { values: { message: '1', server: true } });
      const { spec } = await scene.running('app', 't');

      // Helm waits for the new Pods, which run beside the old ones, well beyond the end of the test.
      await scene.release('app', { values: { message: '2', server: true, readyAfter: 25 } });
      const job = scene.jobs('app').find(({ digest }) => digest === spec.digest)?.job.metadata.name;
      await scene.until('the test has ended', () => {
        const ended = scene.view.jobs(scene.namespace).find(({ metadata }) => metadata.name === job);
        return conditionOf(ended, 'Complete')?.status === 'True';
      });
      const underWay = scene.view.release(scene.namespace, 'app');
      assert.equal(
        underWay?.status?.history?.[0]?.digest,
        spec.digest,
        'the upgrade was over before the test',
      );
      assert.notEqual(toldBy(underWay)?.result, 'passed');

      await superseded(scene, spec.digest);
    },
  );

  scenario(
    world,
    'onNewRevision: finish lets a run end, superseded all the same, before the newest is tested',
    async (scene) => {
      await scene.syncTest('t', { releases: {}, onNewRevision: 'finish', job: shell(sleeping(10)) });
      await scene.release('app', { values: { message: '1' } });
      const first = await scene.running('app', 't');
      await scene.upgrade('app', { values: { message: '2' } });
      const { digest: skipped } = await scene.upgrade('app', { values: { message: '3' } });
      const { digest: newest } = await scene.upgrade('app', { values: { message: '4' } });

      const told = await scene.verdict('app');

      const { job, digest } = scene.jobs('app')[0] ?? assert.fail('no Job');
      assert.equal(digest, first.spec.digest);
      const now = await scene.api.get('Job', scene.namespace, job.metadata.name);
      assert.equal(conditionOf(now, 'Complete')?.status, 'True', 'it was stopped');
      const ended = await scene.run('app', 't', 'Inconclusive', { digest });
      assert.equal(ended.status?.reason, 'Superseded');
      assert.deepEqual([told.result, told.digest], ['passed', newest]);
      assert.deepEqual(startedFor(scene, 'app', skipped), []);
      assertOneJobPerDigest(scene, 'app');
    },
  );

  scenario(
    world,
    'a failed upgrade that is rolled back is not tested until git is put right',
    async (scene) => {
      const good: ReleaseOptions = { values: { message: 'good', server: true } };
      await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
      await scene.release('app', good);
      const before = await scene.verdict('app');

      await scene.release('app', rolledBack);
      const back = await isRolledBack(scene);
      assert.notEqual(back.digest, before.digest);
      assert.deepEqual(toldBy(scene.view.release(scene.namespace, 'app'))?.digest, before.digest);
      assert.deepEqual(startedFor(scene, 'app', back.digest), []);

      await scene.release('app', good);
      const after = await scene.verdict('app');

      assert.deepEqual([after.result, after.digest], ['passed', back.digest]);
      assert.deepEqual(startedFor(scene, 'app', back.digest), ['t upgrade #1']);
      assertOneJobPerDigest(scene, 'app');
    },
  );

  scenario(
    world,
    'with `after: rollback` it is tested at once, and not again when git is put right',
    async (scene) => {
      const good: ReleaseOptions = { values: { message: 'good', server: true } };
      await scene.syncTest('t', {
        releases: {},
        after: ['install', 'upgrade', 'rollback'],
        job: shell('exit 0'),
      });
      await scene.release('app', good);
      await scene.verdict('app');

      await scene.release('app', rolledBack);
      const back = await isRolledBack(scene);
      const told = await scene.verdict('app');
      assert.deepEqual([told.result, told.digest], ['passed', back.digest]);

      await scene.release('app', good);
      await scene.until('the release is ready again', () => {
        return conditionOf(scene.view.release(scene.namespace, 'app'), 'Ready')?.status === 'True';
      });
      // The next revision is tested when everything about this one has been looked at.
      await scene.upgrade('app', { values: { message: 'better', server: true } });
      await scene.verdict('app');
      assert.deepEqual(startedFor(scene, 'app', back.digest), ['t rollback #1']);
      assertOneJobPerDigest(scene, 'app');
    },
  );

  scenario(world, "the chart's own tests by spec.test.enable cause no second run", async (scene) => {
    const spec = { test: { enable: true } };
    await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
    await scene.release('app', { values: { message: '1', helmTest: 'sleep 2' }, spec });
    await scene.verdict('app');
    const { digest } = await scene.upgrade('app', { values: { message: '2', helmTest: 'sleep 2' }, spec });
    const told = await scene.verdict('app');

    assert.deepEqual([told.result, told.digest], ['passed', digest]);
    assert.equal(conditionOf(scene.view.release(scene.namespace, 'app'), 'TestSuccess')?.status, 'True');
    assert.equal(scene.jobs('app').length, 2);
    assertOneJobPerDigest(scene, 'app');
  });

  scenario(
    world,
    "where the chart's own tests fail, the release is not ready and nothing is tested",
    async (scene) => {
      await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
      const spec = { test: { enable: true } };
      await scene.release('app', { values: { message: '1', helmTest: 'exit 1' }, spec });
      await scene.until('helm-controller says so', () => {
        return conditionOf(scene.view.release(scene.namespace, 'app'), 'Stalled')?.status === 'True';
      });

      await scene.upgrade('app', { values: { message: '2', helmTest: 'exit 0' }, spec });
      const told = await scene.verdict('app');

      assert.equal(told.result, 'passed');
      assert.deepEqual(
        scene.jobs('app').map(({ digest }) => digest),
        [told.digest],
      );
    },
  );

  scenario(world, 'a release that was uninstalled and installed again is tested again', async (scene) => {
    const { api, namespace, view } = scene;
    await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
    await scene.release('app', { values: { message: '1' } });
    const first = await scene.verdict('app');
    await api.remove('HelmRelease', namespace, 'app');
    await scene.until('it is gone', () => view.release(namespace, 'app') === undefined);

    await scene.release('app', { values: { message: '1' } });
    const second = await scene.verdict('app');

    assert.deepEqual([first.result, second.result], ['passed', 'passed']);
    assert.match(second.line('t') ?? '', /v1 /);
    assert.equal(scene.jobs('app').length, 2);
  });

  scenario(world, 'a HelmRelease that is deleted during a run leaves no Pod behind', async (scene) => {
    await scene.syncTest('t', { releases: {}, job: shell(sleeping(600)) });
    await scene.release('app');
    await scene.running('app', 't');
    assert.equal(scene.livePods('app').length, 1);

    await scene.api.remove('HelmRelease', scene.namespace, 'app');

    await scene.until('nothing of it is left', () => {
      const left = [...scene.livePods('app'), ...scene.runs('app')];
      return left.length === 0 && !scene.view.release(scene.namespace, 'app');
    });
    assert.equal(scene.jobs('app').length, 1);
  });

  scenario(world, 'the HTTP check asks the Service of the release', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    const annotations = { 'postsync.dev/http': 'http://app:8080/healthz' };
    await scene.release('app', { annotations, values: { message: '1', server: true } });
    const told = await scene.verdict('app');
    assert.equal(told.result, 'passed', told.line('http'));

    await scene.upgrade('app', {
      annotations: { 'postsync.dev/http': 'http://app:8080/missing' },
      values: { message: '2', server: true },
    });
    const second = await scene.verdict('app', 180_000);
    assert.equal(second.result, 'failed', second.line('http'));
    assert.match(second.line('http') ?? '', /404/);
  });
});

/** The run of the old revision did not count, and the new one was tested once. */
async function superseded(scene: Scene, old: string | undefined): Promise<void> {
  const told = await scene.verdict('app', 90_000);
  assert.notEqual(told.digest, old);
  assert.equal(told.result, 'passed');
  const run = await scene.run('app', 't', 'Inconclusive', { digest: old ?? '' });
  assert.equal(run.status?.reason, 'Superseded');
  assert.deepEqual(startedFor(scene, 'app', told.digest), ['t upgrade #1']);
  assertOneJobPerDigest(scene, 'app');
  await scene.until('no Pod of a test is left', () => scene.livePods('app').length === 0);
}

function isRolledBack(scene: Scene): Promise<{ digest: string }> {
  return scene.until('the release is rolled back', () => {
    const release = scene.view.release(scene.namespace, 'app');
    const newest = release?.status?.history?.[0];
    const stalled = conditionOf(release, 'Stalled')?.status === 'True';
    return stalled && newest?.action === 'rollback' && newest.status === 'deployed' && newest;
  });
}
