import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Octokit } from '@octokit/rest';
import { type GitHub, type GitHubOptions, openGitHub } from '../support/github/github.ts';
import type { Workflow } from '../support/github/model.ts';

const SHOP = { owner: 'acme', repo: 'shop' };
const SMOKE: Workflow = {
  path: '.github/workflows/smoke.yaml',
  name: 'Smoke',
  repositoryDispatch: { types: ['postsync'] },
  workflowDispatch: {
    inputs: { url: { required: true }, level: { default: 'full', options: ['full', 'quick'] } },
  },
  runName: ({ payload, inputs }) => `smoke ${String(payload['id'] ?? inputs['url'])}`,
};

async function aGitHub(options: GitHubOptions = {}, workflow: Partial<Workflow> = {}): Promise<GitHub> {
  const github = await openGitHub(options);
  github.addRepository('acme/shop', { workflows: [{ ...SMOKE, ...workflow }] });
  github.addToken('secret', { name: 'ci' });
  return github;
}

function octokitOf(github: GitHub, auth = 'secret'): Octokit {
  return new Octokit({ auth, baseUrl: github.url, request: { fetch: github.fetch } });
}

test('a repository_dispatch is answered 204, and starts a run of each workflow that reacts to its type', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  const { status, data } = await octokit.repos.createDispatchEvent({
    ...SHOP,
    event_type: 'postsync',
    client_payload: { id: '1' },
  });
  await octokit.repos.createDispatchEvent({ ...SHOP, event_type: 'other' });
  assert.equal(status, 204);
  assert.equal(data, '');
  assert.deepEqual(
    github.runs().map(({ displayTitle }) => displayTitle),
    ['smoke 1'],
  );
  const { data: listed } = await octokit.actions.listWorkflowRunsForRepo(SHOP);
  assert.equal(listed.total_count, 1);
  github.assertConforms();
});
