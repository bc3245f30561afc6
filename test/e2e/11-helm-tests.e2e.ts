import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe } from 'node:test';
import { need } from './support/env.ts';
import { startedFor } from './support/expect.ts';
import { kubectl } from './support/install.ts';
import { type Scene, sleeping } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

const HELM_TEST = { 'postsync.dev/helm-test': 'true' };
/** helm-controller runs the chart's tests itself, and takes the revision for good whatever they say. */
const byHelm = { spec: { test: { enable: true, ignoreFailures: true } } };

describe("a chart's own tests", { concurrency: 3 }, () => {
  const world = aWorld({ name: 'helm-tests' });

  scenario(world, 'are not run again where helm-controller recorded that they passed', async (scene) => {
    await scene.release('app', { annotations: HELM_TEST, values: { helmTest: 'exit 0' }, ...byHelm });
    const told = await scene.verdict('app');

    assert.equal(told.result, 'passed', told.line('helm-test'));
    const run = await scene.run('app', 'helm-test', 'Passed');
    assert.match(run.status?.message ?? '', /helm-controller ran the chart's tests: app-hook succeeded/);
    assert.deepEqual(scene.jobs('app'), []);
  });

  scenario(world, 'have failed where helm-controller recorded that one failed', async (scene) => {
    await scene.release('app', { annotations: HELM_TEST, values: { helmTest: 'exit 1' }, ...byHelm });
    const told = await scene.verdict('app');

    assert.equal(told.result, 'failed', told.line('helm-test'));
    const run = await scene.run('app', 'helm-test', 'Failed');
    assert.equal(run.status?.reason, 'HookFailed');
    assert.match(run.status?.message ?? '', /hook app-hook failed/);
    assert.deepEqual(scene.jobs('app'), []);
  });

  scenario(
    world,
    'are run where they were not, and nothing of them or of Helm is touched',
    async (scene, t) => {
      if (!need(t, 'E2E_IMAGE')) return;
      await equip(scene.namespace);
      await scene.release('app', { annotations: HELM_TEST, values: { message: '1', helmTest: 'sleep 2' } });
      const { digest } = await scene.deployed('app');
      const before = await storedRelease(scene, 1);
      const told = await scene.verdict('app', 120_000);

      assert.deepEqual([told.result, told.digest], ['passed', digest], told.line('helm-test'));
      assert.deepEqual(startedFor(scene, 'app', digest), ['helm-test install #1']);
      assert.equal(await storedRelease(scene, 1), before);
      await nothingIsLeft(scene);
    },
  );

  scenario(world, 'have failed when a hook fails, with the end of what it said', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    await equip(scene.namespace);
    const helmTest = 'echo 3 of 40 checks failed; exit 75';
    await scene.release('app', { annotations: HELM_TEST, values: { helmTest } });
    const told = await scene.verdict('app', 120_000);

    assert.equal(told.result, 'failed', told.line('helm-test'));
    const { status } = await scene.run('app', 'helm-test', 'Failed');
    assert.equal(status?.reason, 'HookFailed');
    assert.match(
      status?.message ?? '',
      /hook app-hook: failed in \d+s: .*exited with code 75: 3 of 40 checks/,
    );
    await nothingIsLeft(scene);
  });

  scenario(world, 'are run again when somebody asks, whatever is recorded', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    await equip(scene.namespace);
    await scene.release('app', { annotations: HELM_TEST, values: { helmTest: 'exit 0' }, ...byHelm });
    const { digest } = await scene.verdict('app');
    assert.deepEqual(scene.jobs('app'), []);

    await scene.annotate('app', { 'postsync.dev/requestedAt': 'now' });

    await scene.until('it was run by a Job', () => {
      const [first, second] = scene.runs('app', 'helm-test');
      return first?.status?.phase === 'Passed' && second?.status?.phase === 'Passed';
    });
    assert.deepEqual(startedFor(scene, 'app', digest), ['helm-test manual #2']);
  });

  scenario(
    world,
    'are run where the release deploys to, though its HelmRelease is elsewhere',
    async (scene, t) => {
      if (!need(t, 'E2E_IMAGE')) return;
      const { api, namespace } = scene;
      const target = `${namespace}-target`;
      await api.apply({ kind: 'Namespace', metadata: { name: target } });
      try {
        await equip(target);
        const account = `${target}:postsync-helm-test`;
        await kubectl('-n', namespace, 'create', 'role', 'storage', '--verb=get', '--resource=secrets');
        await kubectl(
          '-n',
          namespace,
          'create',
          'rolebinding',
          'storage',
          '--role=storage',
          `--serviceaccount=${account}`,
        );
        const spec = { targetNamespace: target, releaseName: 'app' };
        await scene.release('app', {
          annotations: HELM_TEST,
          values: { helmTest: 'echo secret; exit 1' },
          spec,
        });
        const told = await scene.verdict('app', 120_000);

        assert.equal(told.result, 'failed', told.line('helm-test'));
        const { status } = await scene.run('app', 'helm-test', 'Failed');
        assert.deepEqual([status?.reason, status?.job?.namespace], ['HookFailed', target]);
        assert.doesNotMatch(status?.message ?? '', /secret/);
        await scene.until(
          'no hook is left',
          async () => (await hooks({ api, namespace: target })).length === 0,
        );
      } finally {
        await api.remove('Namespace', '', target);
      }
    },
  );

  scenario(world, 'are ended with their run', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    await equip(scene.namespace);
    const values = { helmTest: sleeping(600) };
    await scene.release('app', { annotations: HELM_TEST, values });
    await scene.until('the hook runs', async () => (await hooks(scene)).includes('Running'));
    const [run] = scene.runs('app', 'helm-test');
    assert.ok(run);

    await scene.api.patch('SyncTestRun', [scene.namespace, run.metadata.name], { spec: { abort: true } });

    await scene.run('app', 'helm-test', 'Inconclusive');
    await nothingIsLeft(scene);
  });

  scenario(world, 'say which account they lack', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    await scene.syncTest('chart', { releases: {}, startTimeout: '8s', helmTest: {} });
    await scene.release('app', { values: { helmTest: 'exit 0' } });
    const told = await scene.verdict('app', 120_000);

    assert.equal(told.result, 'inconclusive', told.line('chart'));
    const { status } = await scene.run('app', 'chart', 'Inconclusive');
    assert.equal(status?.reason, 'PodRefused');
    assert.match(
      status?.message ?? '',
      /"postsync-helm-test" not found; apply manifests\/components\/helm-test/,
    );
  });
});

/** Gives a namespace the account of manifests/components/helm-test. */
async function equip(namespace: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postsync-e2e-'));
  try {
    const components = [relative(folder, join('manifests/components/helm-test'))];
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify({ namespace, components }));
    await kubectl('apply', '-k', folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function storedRelease({ api, namespace }: Scene, version: number): Promise<string | undefined> {
  const secret = await api.get('Secret', namespace, `sh.helm.release.v1.app.v${version}`);
  return secret?.metadata.resourceVersion;
}

/** The phases of the Pods that hooks have become. Those of the runs themselves belong to a Job. */
async function hooks({ api, namespace }: Pick<Scene, 'api' | 'namespace'>): Promise<readonly string[]> {
  const labelSelector = 'postsync.dev/run,!postsync.dev/run-uid';
  const { items } = await api.list('Pod', namespace, { labelSelector });
  return items.map(({ status }) => status?.phase ?? '');
}

async function nothingIsLeft(scene: Scene): Promise<void> {
  await scene.until('no hook is left', async () => (await hooks(scene)).length === 0);
}
