import assert from 'node:assert/strict';
import { test } from 'node:test';
import { octokitOf, SHOP } from '../support/github/acme.ts';
import { evaluate, filledIn } from '../support/github/expressions.ts';
import { openGitHub } from '../support/github/github.ts';
import { workflowFrom } from '../support/github/workflow-file.ts';

const E2E = `
name: e2e
run-name: e2e \${{ (github.event.client_payload.postsync || fromJSON(inputs.postsync)).run }}
on:
  repository_dispatch:
    types: [postsync-e2e]
  workflow_dispatch:
    inputs:
      postsync:
        required: true
        type: string
      level:
        default: full
concurrency:
  group: e2e-\${{ github.ref_name }}
`;

async function withE2e() {
  const github = await openGitHub();
  github.addRepository('acme/shop', { workflows: [workflowFrom('.github/workflows/e2e.yaml', E2E)] });
  github.addToken('secret');
  return github;
}

test('expressions are evaluated as GitHub does', () => {
  const context = { github: { event: { a: { b: 'c', 'd-e': 1 } } }, inputs: { json: '{"run":"r-1"}' } };
  const cases: [string, unknown][] = [
    ['github.event.a.b', 'c'],
    ["github.event['a'].d-e", 1],
    ['github.event.gone.run', null],
    ['(github.event.gone || fromJSON(inputs.json)).run', 'r-1'],
    ["github.event.a.b == 'C' && 'yes' || 'no'", 'yes'],
    ["!github.event.a && 'yes' || 'it''s'", "it's"],
    ["format('{1}-{0}', 1, github.event.a.b)", 'c-1'],
    ["startsWith(github.event.a.b, 'x') != true", true],
  ];
  for (const [expression, value] of cases) assert.deepEqual(evaluate(expression, context), value, expression);
  assert.equal(filledIn('x ${{ github.event.a.b }}${{ github.gone }} y', context), 'x c y');
  for (const wrong of ['github.', '(github', "'open", 'hashFiles(1)', 'a b', 'fromJSON(inputs.gone)']) {
    assert.throws(() => evaluate(wrong, context), wrong);
  }
});

test('a workflow is what its file says', async () => {
  await using github = await withE2e();
  const octokit = octokitOf(github);
  const postsync = { run: 'r-1' };
  await octokit.repos.createDispatchEvent({
    ...SHOP,
    event_type: 'postsync-e2e',
    client_payload: { postsync },
  });
  await octokit.repos.createDispatchEvent({ ...SHOP, event_type: 'postsync' });
  await octokit.actions.createWorkflowDispatch({
    ...SHOP,
    workflow_id: 'e2e.yaml',
    ref: 'main',
    inputs: { postsync: JSON.stringify({ run: 'r-2' }) },
  });
  assert.deepEqual(
    github.runs().map(({ displayTitle, status, start }) => [displayTitle, status, start.inputs['level']]),
    [
      ['e2e r-1', 'queued', undefined],
      ['e2e r-2', 'pending', 'full'],
    ],
  );
});

test('a run whose name cannot be evaluated fails to start', async () => {
  await using github = await withE2e();
  await octokitOf(github).repos.createDispatchEvent({ ...SHOP, event_type: 'postsync-e2e' });
  const [run] = github.runs();
  assert.equal(run?.conclusion, 'startup_failure');
  assert.equal(run.displayTitle, '.github/workflows/e2e.yaml');
});

test('a workflow may react to events without saying more of them', () => {
  assert.ok(workflowFrom('a.yaml', 'on: workflow_dispatch').workflowDispatch);
  const both = workflowFrom('a.yaml', 'on: [repository_dispatch, push]');
  assert.deepEqual(both.repositoryDispatch, {});
  assert.equal(both.workflowDispatch, undefined);
  const one = workflowFrom('a.yaml', 'on: {repository_dispatch: {types: postsync}}');
  assert.deepEqual(one.repositoryDispatch, { types: ['postsync'] });
});
