import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import { type Dispatched, dispatched, shown } from '../support/dispatched.ts';
import { octokitOf, SHOP } from '../support/github/acme.ts';
import { evaluate, fillIn, parse } from '../support/github/expressions.ts';
import { type GitHub, openGitHub } from '../support/github/github.ts';
import { workflowFrom } from '../support/github/workflow-file.ts';
import { textOf, workflows } from '../support/workflows.ts';

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

async function send(github: GitHub, { trigger, to, event }: Dispatched): Promise<void> {
  const { actions, repos } = octokitOf(github);
  const { client_payload = {}, ref = '', inputs = {} } = event as Record<string, never>;
  await (trigger === 'repository_dispatch'
    ? repos.createDispatchEvent({ ...SHOP, event_type: to, client_payload })
    : actions.createWorkflowDispatch({ ...SHOP, workflow_id: to, ref, inputs }));
}

test('expressions are evaluated as GitHub does', () => {
  const context = { github: { event: { a: { b: 'c', 'd-e': 1 } } }, inputs: { json: '{"run":"r-1"}' } };
  const cases: [string, unknown][] = [
    ['github.event.a.b', 'c'],
    ['github.event.a.d-e', 1],
    ['github.event.gone.run', null],
    ['(github.event.gone || fromJSON(inputs.json)).run', 'r-1'],
    ["github.event.a && 'it''s' || 'no'", "it's"],
    ["github.event.gone && 'yes' || 'no'", 'no'],
    ["'one' || github.event.gone && 'three'", 'one'],
    ['always() && true', true],
  ];
  for (const [text, value] of cases) assert.deepEqual(evaluate(parse(text), context), value, text);
  assert.equal(fillIn('x ${{ github.event.a.b }}${{ github.gone }} y', context), 'x c y');
});

test('what cannot be understood or evaluated is an error', () => {
  for (const text of ['', 'github.', 'a ||', '(a', "'a", 'a b', 'a + b', 'a.b[0]', '!a', "a.'b'"])
    assert.throws(() => parse(text), text);
  for (const text of ['nothing.here', "hashFiles('x')", 'fromJSON(inputs.gone)', 'inputs']) {
    assert.throws(() => fillIn(`\${{ ${text} }}`, { inputs: {} }), text);
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

describe('the example workflows, by what postsync sends', () => {
  const files = [...workflows().keys()];
  const read = files.map((file) => workflowFrom(`.github/workflows/${file}`, textOf(file)));
  const dispatches = shown().map((object) => dispatched(object));

  test('are each started by each of their triggers', () => {
    const triggers = read.flatMap(({ path, repositoryDispatch, workflowDispatch }) => [
      ...(repositoryDispatch?.types ?? []),
      ...(workflowDispatch ? [basename(path)] : []),
    ]);
    assert.deepEqual(dispatches.map(({ to }) => to).toSorted(), triggers.toSorted());
  });

  for (const given of dispatches) {
    test(`${given.to}: one run, found by its name, and no second beside it`, async () => {
      await using github = await openGitHub();
      github.addRepository('acme/shop', { workflows: read });
      github.addToken('secret');
      await send(github, given);
      await send(github, given);
      const started = github.runs();
      assert.deepEqual(
        started.map(({ status, start }) => [status, start.event]),
        [
          ['queued', given.trigger],
          ['pending', given.trigger],
        ],
      );
      for (const { displayTitle } of started) {
        assert.ok(displayTitle.includes(given.run.ref.name), displayTitle);
      }
    });
  }
});
