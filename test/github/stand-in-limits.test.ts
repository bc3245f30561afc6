import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aGitHub, dispatch, octokitOf, SHOP } from '../support/github/acme.ts';
import { measure } from '../support/github/log.ts';

const isLimited =
  (status: number, headers: Readonly<Record<string, string | undefined>>) => (error: unknown) => {
    const { status: was, response } = error as {
      status: number;
      response: { headers: Readonly<Record<string, string>> };
    };
    assert.equal(was, status);
    for (const [name, value] of Object.entries(headers)) assert.equal(response.headers[name], value, name);
    return true;
  };

test('each answer says what is left of the hour, which begins anew when it is over', async () => {
  let now = 1_000_000;
  await using github = await aGitHub({ now: () => now, limits: { perHour: 2 } });
  const octokit = octokitOf(github);
  const list = () => octokit.actions.listWorkflowRunsForRepo(SHOP);
  const { headers } = await list();
  assert.equal(headers['x-ratelimit-remaining'], '1');
  assert.equal(headers['x-ratelimit-reset'], '4600');
  await list();
  await assert.rejects(list(), isLimited(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '4600' }));
  now += 3_600_000;
  assert.equal((await list()).headers['x-ratelimit-remaining'], '1');
  assert.equal(measure(github.exchanges).limited, 1);
  github.assertConforms();
});

test('whoever makes more than 80 things a minute is refused for a minute, and nobody else is', async () => {
  let now = 0;
  await using github = await aGitHub({ now: () => now });
  github.addToken('other', { name: 'other' });
  const octokit = octokitOf(github);
  for (let at = 0; at < 80; at++) assert.equal(await dispatch(octokit, String(at)), 204);
  await assert.rejects(dispatch(octokit, '80'), isLimited(403, { 'retry-after': '60' }));
  now += 30_000;
  await assert.rejects(
    octokit.actions.listWorkflowRunsForRepo(SHOP),
    isLimited(403, { 'retry-after': '30' }),
  );
  assert.equal(await dispatch(octokitOf(github, 'other'), 'other'), 204);
  now += 30_000;
  assert.equal(await dispatch(octokit, '80'), 204);
  assert.equal(github.runs().length, 82);
  assert.deepEqual(measure(github.exchanges), {
    operations: { 'repos/create-dispatch-event': 83, 'actions/list-workflow-runs-for-repo': 1 },
    limited: 2,
    notModified: 0,
    atOnce: 1,
    betweenWritesMs: 0,
  });
  github.assertConforms();
});

test('a write is five points of 900 a minute, and a read is one', async () => {
  await using github = await aGitHub({ now: () => 0, limits: { pointsPerMinute: 11 } });
  const octokit = octokitOf(github);
  await dispatch(octokit, '1');
  await dispatch(octokit, '2');
  await octokit.actions.listWorkflowRunsForRepo(SHOP);
  await assert.rejects(
    octokit.actions.listWorkflowRunsForRepo(SHOP),
    isLimited(403, { 'retry-after': '60' }),
  );
});

test('more requests at once than are allowed are refused', async () => {
  await using github = await aGitHub({ limits: { atOnce: 2 } });
  const octokit = octokitOf(github);
  const gate = Promise.withResolvers<void>();
  github.fault = ({ nth }) => (nth <= 2 ? { wait: gate.promise, when: 'before' } : undefined);
  const going = [dispatch(octokit, '1'), dispatch(octokit, '2')];
  await github.until(() => github.exchanges.length === 2);
  await assert.rejects(dispatch(octokit, '3'), { status: 403 });
  gate.resolve();
  assert.deepEqual(await Promise.all(going), [204, 204]);
  assert.equal(measure(github.exchanges).atOnce, 3);
});

test('a test imposes a limit: of either kind, by either status, with or without a time to wait', async () => {
  let now = 0;
  await using github = await aGitHub({ now: () => now });
  const octokit = octokitOf(github);
  github.limit({ kind: 'secondary', seconds: 5, status: 429 });
  await assert.rejects(dispatch(octokit, '1'), isLimited(429, { 'retry-after': '5' }));
  now = 5000;
  github.limit({ kind: 'secondary', seconds: 5, retryAfter: false });
  await assert.rejects(dispatch(octokit, '1'), isLimited(403, { 'retry-after': undefined }));
  now = 10_000;
  github.limit({ kind: 'primary', seconds: 7, credential: 'ci' });
  await assert.rejects(
    dispatch(octokit, '1'),
    isLimited(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '17', 'retry-after': undefined }),
  );
  now = 17_000;
  assert.equal(await dispatch(octokit, '1'), 204);
  assert.deepEqual(
    github.exchanges.map(({ limited }) => limited),
    ['secondary', 'secondary', 'primary', undefined],
  );
  github.assertConforms();
});

test('the least time between two writes of a credential is measured', async () => {
  let now = 0;
  await using github = await aGitHub({ now: () => now });
  const octokit = octokitOf(github);
  for (const at of [0, 1000, 2500, 3400]) {
    now = at;
    await dispatch(octokit, String(at));
    await octokit.actions.listWorkflowRunsForRepo(SHOP);
  }
  assert.equal(measure(github.exchanges).betweenWritesMs, 900);
});
