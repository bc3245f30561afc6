import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { parse } from 'yaml';
import { openGitHub } from '../support/github/github.ts';
import { documentsOf } from '../support/manifests.ts';
import type { Manifest } from './support/api.ts';
import { need } from './support/env.ts';
import { command, kubectl } from './support/install.ts';
import { type Scene, shell } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

const REPOSITORY = 'acme/fleet';
const TOKEN = 'a-token-of-the-tests';
const SECRET = 'postsync-github';
const RIGHTS = 'manifests/components/commit-status/rbac.yaml';

/** GitHub is the stand-in: what passes it is checked against GitHub's own description. */
const github = await openGitHub();
github.addToken(TOKEN);
github.addRepository(REPOSITORY);

describe('a verdict is the status of a commit on GitHub', () => {
  const world = aWorld({ name: 'commit-status', env: { POSTSYNC_GITHUB_API_URL: github.url } });
  before(() => kubectl('apply', '-f', RIGHTS));
  after(async () => {
    await kubectl('delete', '-f', RIGHTS);
    await github.close();
    github.assertConforms();
  });

  scenario(world, 'of the one that the release names, once, also when postsync is killed', async (scene) => {
    await mayReadSecret(scene);
    const sha = '9f8d1117c2a3b4c5d6e7f8091a2b3c4d5e6f7081';
    const { promise: killed, resolve } = Promise.withResolvers<void>();
    github.fault = ({ operation, path }) => {
      if (operation !== 'repos/create-commit-status' || !path.includes(sha)) return undefined;
      github.fault = undefined;
      void scene.postsync.kill().then(resolve);
      return { wait: killed, when: 'after' };
    };
    await scene.syncTest('t', { ...reporting(), releases: {}, job: shell('exit 0') });
    await scene.release('app', { annotations: { 'event.toolkit.fluxcd.io/commit': sha } });
    await killed;
    await scene.postsync.start();

    assert.deepEqual(await reported(scene), { repository: REPOSITORY, sha, state: 'success' });
    assert.equal((await scene.verdict('app')).result, 'passed');
    const [status, ...more] = github.statuses(REPOSITORY, sha);
    assert.equal(status?.context, `postsync/${scene.namespace}/app/t`);
    assert.match(status?.description ?? '', /^passed in \d+s, v1 \(chart 1\.0\.0\), /);
    assert.deepEqual(more, []);
  });

  scenario(world, 'that Flux applied, also where it waits for the test and that fails', async (scene, t) => {
    const given = need(t, 'E2E_PUBLISH_COMMAND', 'E2E_GIT_URL_TEMPLATE');
    if (!given) return;
    const { api, namespace } = scene;
    await mayReadSecret(scene);
    await publish(given.E2E_PUBLISH_COMMAND, scene, 'exit 0');
    await fromGit(scene, given.E2E_GIT_URL_TEMPLATE.replace('NAME', namespace));
    assert.equal((await scene.verdict('app')).result, 'passed');
    const first = await reported(scene);

    await publish(given.E2E_PUBLISH_COMMAND, scene, 'exit 1');
    const annotations = { 'reconcile.fluxcd.io/requestedAt': 'now' };
    await api.patch('GitRepository', [namespace, 'apps'], { metadata: { annotations } });
    await scene.until('the next revision is deployed', () => {
      return scene.view.release(namespace, 'app')?.status?.history?.[0]?.version === 2;
    });
    assert.equal((await scene.verdict('app')).result, 'failed');
    const second = await reported(scene);

    const artifact = (await api.get('GitRepository', namespace, 'apps')) as unknown as {
      readonly status: { readonly artifact: { readonly revision: string } };
    };
    assert.equal(artifact.status.artifact.revision, `main@sha1:${second?.sha}`);
    assert.notEqual(first?.sha, second?.sha);
    assert.deepEqual([first?.state, second?.state], ['success', 'failure']);
    assert.deepEqual(statesOf(first?.sha), ['success']);
    assert.deepEqual(statesOf(second?.sha), ['failure']);
  });

  scenario(world, 'and changes nothing where it cannot be written', async (scene) => {
    await mayReadSecret(scene);
    await scene.syncTest('t', { ...reporting(), releases: {}, job: shell('exit 0') });
    await scene.release('app');

    const told = await reported(scene);
    assert.match(told?.problem ?? '', /no commit is known/);
    assert.equal((await scene.verdict('app')).result, 'passed');
    const { items } = await scene.api.list('Event', scene.namespace);
    const warnings = items.filter(({ reason }) => reason === 'CommitStatusFailed');
    assert.deepEqual(
      warnings.map(({ type }) => type),
      ['Warning'],
    );
  });
});

function reporting(): object {
  const commitStatus = { repository: REPOSITORY, secretRef: { name: SECRET }, apiUrl: github.enterpriseUrl };
  return { commitStatus };
}

interface Report {
  readonly sha?: string;
  readonly state?: string;
  readonly problem?: string;
}

/** Waits until it is written down what came of the report about what is deployed. */
function reported(scene: Scene): Promise<Report> {
  const { view, namespace } = scene;
  return scene.until('the verdict is reported', () => {
    const digest = view.release(namespace, 'app')?.status?.history?.[0]?.digest;
    const run = scene.runs('app').find(({ status, spec }) => (status?.digest ?? spec.digest) === digest);
    return run?.status?.commitStatus;
  });
}

function statesOf(sha: string | undefined): readonly string[] {
  return github.statuses(REPOSITORY, String(sha)).map(({ state }) => state);
}

/** Commits the release, and its test that runs this script. */
async function publish(publishCommand: string, scene: Scene, script: string): Promise<void> {
  const { namespace } = scene;
  const folder = await mkdtemp(join(tmpdir(), 'postsync-e2e-'));
  const objects = [
    {
      apiVersion: 'postsync.dev/v1alpha1',
      kind: 'SyncTest',
      metadata: { name: 't', namespace },
      spec: { ...reporting(), releases: {}, job: shell(script) },
    },
    {
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      ...scene.manifest('app', { labels: { gate: 'tests' }, values: { message: script } }),
    },
  ];
  await writeFile(join(folder, 'all.yaml'), objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  await command(publishCommand, folder, namespace);
  await rm(folder, { recursive: true });
}

/** A Kustomization that is Ready only when its release has passed its tests, as the example has it. */
async function fromGit({ api, namespace }: Scene, url: string): Promise<void> {
  const metadata = { name: 'apps', namespace };
  const ref = { branch: 'main' };
  await api.apply({ kind: 'GitRepository', metadata, spec: { url, interval: '10m', ref } });
  const { spec } = parse(await readFile('manifests/examples/gate-health-check.yaml', 'utf8')) as {
    readonly spec: object;
  };
  const sourceRef = { kind: 'GitRepository', name: 'apps' };
  const differs = { path: './', sourceRef, timeout: '2m', retryInterval: '1m' };
  await api.apply({ kind: 'Kustomization', metadata, spec: { ...spec, ...differs } });
}

/** The component github, in the scenario's namespace, with its Secret. */
async function mayReadSecret({ api, namespace }: Scene): Promise<void> {
  for (const one of documentsOf('components/github/role.yaml') as Manifest[]) {
    await api.apply({ ...one, metadata: { ...one.metadata, namespace } });
  }
  const stringData = { token: TOKEN, 'ca.crt': github.ca };
  await api.apply({ kind: 'Secret', metadata: { name: SECRET, namespace }, stringData });
}
