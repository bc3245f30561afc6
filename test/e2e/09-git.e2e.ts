import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import { need } from './support/env.ts';
import { assertOneJobPerDigest } from './support/expect.ts';
import { command, kubectl } from './support/install.ts';
import { type Scene, shell, toldBy } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

const TIMES = 5;

describe('a HelmRelease that comes from git', () => {
  const world = aWorld({ name: 'git' });

  scenario(
    world,
    'keeps its keys however often Flux applies it, and has them back when somebody removed them',
    async (scene, t) => {
      const given = need(t, 'E2E_PUBLISH_COMMAND', 'E2E_GIT_URL_TEMPLATE');
      if (!given) return;
      const { namespace, view } = scene;
      const publish = (message: string) => published(given.E2E_PUBLISH_COMMAND, scene, message);
      await publish('1');
      await fromGit(scene, given.E2E_GIT_URL_TEMPLATE.replace('NAME', namespace));
      const first = await scene.verdict('app');
      assert.equal(first.result, 'passed');
      const keys = () => keysOf(scene);
      const told = keys();

      for (let round = 0; round < TIMES; round += 1) {
        await reconciled(scene, 'Kustomization', `kustomize ${round}`);
        await reconciled(scene, 'HelmRelease', `helm ${round}`);
        assert.deepEqual(keys(), told);
      }

      const removed = ['result', 'digest'].map((key) => `postsync.dev/${key}-`);
      await kubectl('annotate', 'helmrelease', 'app', '--namespace', namespace, ...removed);
      await scene.until('the keys are back', () => same(keys(), told));
      await kubectl('label', 'helmrelease', 'app', '--namespace', namespace, 'postsync.dev/result-');
      await scene.until('the label is back', () => same(keys(), told));
      const lie = ['postsync.dev/result=failed', 'tests.postsync.dev/t=nonsense'];
      await kubectl('annotate', 'helmrelease', 'app', '--namespace', namespace, '--overwrite', ...lie);
      await scene.until('the truth is back', () => same(keys(), told));

      // What kubectl has touched, kustomize-controller takes away at its next apply.
      await reconciled(scene, 'Kustomization', 'once more');
      await scene.until('the keys are back', () => same(keys(), told));
      assert.equal(scene.jobs('app').length, 1);

      await publish('2');
      await reconciled(scene, 'GitRepository', 'next');
      await reconciled(scene, 'Kustomization', 'next');
      await scene.until('the next revision is deployed', () => {
        return view.release(namespace, 'app')?.status?.history?.[0]?.version === 2;
      });
      const second = await scene.verdict('app');
      assert.equal(second.result, 'passed');
      assert.notEqual(second.digest, first.digest);
      assert.equal(scene.jobs('app').length, 2);
      assertOneJobPerDigest(scene, 'app');
      assert.deepEqual(toldBy(view.release(namespace, 'app'))?.digest, second.digest);
    },
  );
});

/** Commits the release and its test. */
async function published(publish: string, scene: Scene, message: string): Promise<void> {
  const { namespace } = scene;
  const folder = await mkdtemp(join(tmpdir(), 'postsync-e2e-'));
  const job = shell('exit 0');
  const objects = [
    {
      apiVersion: 'postsync.dev/v1alpha1',
      kind: 'SyncTest',
      metadata: { name: 't', namespace },
      spec: { job },
    },
    {
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      ...scene.manifest('app', { annotations: { 'postsync.dev/tests': 't' }, values: { message } }),
    },
  ];
  await writeFile(join(folder, 'all.yaml'), objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  await command(publish, folder, namespace);
  await rm(folder, { recursive: true });
}

async function fromGit(scene: Scene, url: string): Promise<void> {
  const { api, namespace } = scene;
  const metadata = { name: 'apps', namespace };
  await api.apply({
    kind: 'GitRepository',
    metadata,
    spec: { url, interval: '10m', ref: { branch: 'main' } },
  });
  const sourceRef = { kind: 'GitRepository', name: 'apps' };
  const spec = { interval: '10m', retryInterval: '2s', path: './', prune: true, sourceRef };
  await api.apply({ kind: 'Kustomization', metadata, spec });
}

type Reconciled = 'GitRepository' | 'Kustomization' | 'HelmRelease';

/** Asks a controller for one more reconciliation, and waits for it. */
async function reconciled(scene: Scene, kind: Reconciled, value: string): Promise<void> {
  const { api, namespace } = scene;
  const key = [namespace, kind === 'HelmRelease' ? 'app' : 'apps'] as const;
  const annotations = { 'reconcile.fluxcd.io/requestedAt': value };
  await api.patch(kind, key, { metadata: { annotations } });
  await scene.until(`${kind} is reconciled`, async () => {
    const { status } = (await api.get(kind, ...key)) ?? {};
    return (status as { lastHandledReconcileAt?: string } | undefined)?.lastHandledReconcileAt === value;
  });
}

/** Everything on the release that is postsync's. */
function keysOf({ view, namespace }: Scene): Readonly<Record<string, string>> {
  const { annotations = {}, labels = {} } = view.release(namespace, 'app')?.metadata ?? {};
  const all = [
    ...Object.entries(annotations),
    ...Object.entries(labels).map(([key, value]) => [`label ${key}`, value] as const),
  ];
  return Object.fromEntries(
    all.filter(([key]) => key.includes('postsync.dev/')).toSorted(([a], [b]) => a.localeCompare(b)),
  );
}

function same(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
