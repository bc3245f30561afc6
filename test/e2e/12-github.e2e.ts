import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { openGitHub } from '../support/github/github.ts';
import { workflowFrom } from '../support/github/workflow-file.ts';
import { documentsOf } from '../support/manifests.ts';
import { textOf } from '../support/workflows.ts';
import type { Manifest } from './support/api.ts';
import { conditionOf } from './support/objects.ts';
import type { Scene } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

const REPOSITORY = 'acme/e2e';
const TOKEN = 'a-token-of-the-tests';
const SECRET = 'postsync-github';

/** GitHub is the stand-in: what passes it is checked against GitHub's own description. */
const github = await openGitHub();
github.addToken(TOKEN);
const folder = mkdtempSync(join(tmpdir(), 'postsync-github-'));
writeFileSync(join(folder, 'token'), TOKEN);
writeFileSync(join(folder, 'ca.crt'), github.ca);

/** The example, of which a run takes its time, and ends as its URL says. */
github.addRepository(REPOSITORY, {
  workflows: [
    {
      ...workflowFrom('.github/workflows/smoke.yaml', textOf('smoke.yaml')),
      ends({ payload, inputs }) {
        const conclusion = payload['url'] ?? inputs['url'] ?? 'success';
        return conclusion === 'never' ? undefined : { conclusion: conclusion as 'success', ms: 1000 };
      },
    },
  ],
});

describe('tests on GitHub', { concurrency: 4 }, () => {
  const world = aWorld({
    name: 'github',
    env: {
      POSTSYNC_GITHUB_API_URL: github.url,
      POSTSYNC_GITHUB_CREDENTIAL_DIRECTORY: folder,
      POSTSYNC_GITHUB_ALLOW: `${REPOSITORY}=*`,
    },
  });
  after(() => github.assertConforms());

  scenario(world, 'a release with the annotation has one run for each revision', async (scene) => {
    const annotations = { 'postsync.dev/github': REPOSITORY };
    await scene.release('app', { annotations, values: { message: '1' } });
    const first = await scene.verdict('app');
    await scene.upgrade('app', { annotations, values: { message: '2' } });
    const second = await scene.verdict('app');

    assert.deepEqual([first.result, second.result], ['passed', 'passed']);
    assert.match(second.line('github') ?? '', /^passed in \d+s, v2 \(chart 1\.0\.0\)/);
    const sent = dispatchedBy(scene);
    assert.deepEqual(
      sent.map(({ digest }) => digest),
      [first.digest, second.digest],
    );
    assert.deepEqual(
      urlsOf(scene),
      sent.map(({ id }) => urlOf(id)),
    );
    assert.equal(scene.jobs('app').length, 0);
  });

  scenario(world, 'each trigger of a SyncTest has one, by a Secret that it names', async (scene) => {
    await mayReadSecret(scene);
    const secretRef = { name: SECRET };
    const part = { repository: REPOSITORY, secretRef, apiUrl: github.enterpriseUrl };
    await scene.syncTest('by-event', { releases: {}, github: part });
    const workflow = { trigger: 'workflow_dispatch', workflow: 'smoke.yaml', ref: 'main' };
    await scene.syncTest('by-name', {
      releases: {},
      github: { ...part, ...workflow, inputs: { url: 'failure' } },
    });
    await scene.release('app', { values: { message: '1' } });
    const told = await scene.verdict('app');

    assert.equal(told.result, 'failed');
    assert.match(told.line('by-event') ?? '', /^passed in/);
    assert.match(told.line('by-name') ?? '', /^failed in .*: WorkflowFailed: .*concluded failure: https:/);
    const sent = dispatchedBy(scene);
    assert.deepEqual(sent.map(({ event }) => event).toSorted(), ['repository_dispatch', 'workflow_dispatch']);
    assert.deepEqual(new Set(urlsOf(scene)), new Set(sent.map(({ id }) => urlOf(id))));
    await scene.until('the author is told that it can work', () => {
      const test = scene.view.syncTest(scene.namespace, 'by-name');
      return conditionOf(test, 'Ready')?.status === 'True';
    });
  });

  scenario(world, 'an upgrade cancels what goes on for the revision before', async (scene) => {
    await scene.syncTest('t', {
      releases: {},
      timeout: '5m',
      github: { repository: REPOSITORY, payload: { url: '$(PARAM_url)' } },
      params: { url: 'never' },
    });
    await scene.release('app', { values: { message: '1' } });
    await scene.until('the workflow run is found', () => urlsOf(scene).length === 1);
    const annotations = { 'params.postsync.dev/url': 'success' };
    await scene.upgrade('app', { values: { message: '2' }, annotations });
    const told = await scene.verdict('app');

    assert.equal(told.result, 'passed');
    const [old, newer] = dispatchedBy(scene);
    await github.until(() => conclusionOf(old?.id) === 'cancelled');
    assert.equal(conclusionOf(newer?.id), 'success');
    const [first] = scene.runs('app', 't');
    assert.equal(first?.status?.reason, 'Superseded');
  });

  scenario(world, 'whoever names a Secret that is not there is told so', async (scene) => {
    await mayReadSecret(scene, { isThere: false });
    const secretRef = { name: SECRET };
    await scene.syncTest('t', {
      releases: {},
      startTimeout: '5s',
      github: { repository: REPOSITORY, secretRef },
    });
    await scene.release('app');
    const told = await scene.verdict('app');
    assert.equal(told.result, 'inconclusive');
    assert.match(
      told.line('t') ?? '',
      new RegExp(`CredentialsMissing: .*Secret ${scene.namespace}/${SECRET}`),
    );
    assert.deepEqual(dispatchedBy(scene), []);
    await scene.until('the SyncTest says it, too', () => {
      const test = scene.view.syncTest(scene.namespace, 't');
      return test?.status?.conditions?.some(({ message }) => message?.includes(SECRET));
    });
  });
});

describe('postsync is killed, and GitHub fails', () => {
  const world = aWorld({
    name: 'github-killed',
    env: {
      POSTSYNC_GITHUB_API_URL: github.url,
      POSTSYNC_GITHUB_CREDENTIAL_DIRECTORY: folder,
      POSTSYNC_GITHUB_ALLOW: `${REPOSITORY}=*`,
    },
  });
  after(async () => {
    await github.close();
    rmSync(folder, { recursive: true });
    github.assertConforms();
  });
  const annotations = { 'postsync.dev/github': REPOSITORY };

  scenario(
    world,
    'killed before the answer to its dispatch: it finds the run that it caused',
    async (scene) => {
      const { promise: killed, resolve } = Promise.withResolvers<void>();
      github.fault = ({ operation }) => {
        if (!isDispatch(operation)) return undefined;
        github.fault = undefined;
        void scene.postsync.kill().then(resolve);
        return { wait: killed, when: 'after' };
      };
      await scene.release('app', { annotations });
      await killed;
      await scene.postsync.start();
      assert.equal((await scene.verdict('app')).result, 'passed');
      assert.equal(dispatchedBy(scene).length, 1);
    },
  );

  scenario(world, '502 though it was accepted: it finds the run, and sends nothing again', async (scene) => {
    github.fault = ({ operation }) => (isDispatch(operation) ? { status: 502, when: 'after' } : undefined);
    await scene.release('app', { annotations });
    assert.equal((await scene.verdict('app')).result, 'passed');
    github.fault = undefined;
    assert.equal(dispatchedBy(scene).length, 1);
  });

  scenario(world, 'a secondary limit, with a time to wait: it is waited', async (scene) => {
    github.fault = ({ operation, nth }) => {
      if (!isDispatch(operation)) return undefined;
      github.fault = undefined;
      const message = `You have exceeded a secondary rate limit (${nth}).`;
      return { status: 429, when: 'before', body: { message }, headers: { 'retry-after': '3' } };
    };
    await scene.release('app', { annotations });
    assert.equal((await scene.verdict('app')).result, 'passed');
    assert.equal(dispatchedBy(scene).length, 1);
  });
});

function isDispatch(operation: string | undefined): boolean {
  return operation === 'repos/create-dispatch-event';
}

interface About {
  readonly namespace: string;
  readonly digest: string;
}

/** What the stand-in was asked for by a scenario, oldest first. */
function dispatchedBy({ namespace }: Scene) {
  return github.runs(REPOSITORY).flatMap(({ id, start }) => {
    const { payload, inputs, event } = start;
    const about = (payload['postsync'] ?? JSON.parse(String(inputs['postsync']))) as About;
    return about.namespace === namespace ? [{ ...about, id, event }] : [];
  });
}

function conclusionOf(id: number | undefined): string | undefined {
  return github.runs(REPOSITORY).find((run) => run.id === id)?.conclusion;
}

/** Without the host, which is the one that the API was asked at. */
function urlOf(id: number): string {
  return `/${REPOSITORY}/actions/runs/${id}`;
}

function urlsOf(scene: Scene): readonly string[] {
  return scene.runs('app').flatMap(({ status }) => (status?.url ? new URL(status.url).pathname : []));
}

/** The component github, in the scenario's namespace. */
async function mayReadSecret({ api, namespace }: Scene, { isThere = true } = {}): Promise<void> {
  for (const one of documentsOf('components/github/role.yaml') as Manifest[]) {
    await api.apply({ ...one, metadata: { ...one.metadata, namespace } });
  }
  if (!isThere) return;
  const stringData = { token: TOKEN, 'ca.crt': github.ca };
  await api.apply({ kind: 'Secret', metadata: { name: SECRET, namespace }, stringData });
}
