import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Octokit } from '@octokit/rest';
import { aGitHub, dispatch, dispatchSmoke, octokitOf, SHOP } from '../support/github/acme.ts';
import type { Fault } from '../support/github/faults.ts';
import { openGitHub } from '../support/github/github.ts';
import { measure } from '../support/github/log.ts';

async function titles(octokit: Octokit, query: object = {}): Promise<readonly string[]> {
  const { data } = await octokit.actions.listWorkflowRunsForRepo({ ...SHOP, ...query });
  return data.workflow_runs.map(({ display_title }) => display_title);
}

/** That GitHub refuses with this status and these words. */
const refusal = (status: number, message: string | RegExp) => (error: unknown) => {
  const { status: was, response } = error as { status: number; response?: { data: { message: string } } };
  assert.equal(was, status);
  if (typeof message === 'string') assert.equal(response?.data.message, message);
  else assert.match(response?.data.message ?? '', message);
  return true;
};

/** That there was no answer. */
const noAnswer = (error: unknown) => {
  assert.equal((error as { response?: unknown }).response, undefined);
  return true;
};

test('a repository_dispatch is answered 204, and starts a run of each workflow that reacts to its type', async () => {
  await using github = await aGitHub();
  github.addRepository('acme/tests', {
    workflows: [
      { path: '.github/workflows/a.yaml', repositoryDispatch: { types: ['postsync'] } },
      { path: '.github/workflows/b.yaml', repositoryDispatch: {} },
      { path: '.github/workflows/c.yaml', workflowDispatch: {} },
    ],
  });
  const octokit = octokitOf(github);
  const tests = { owner: 'acme', repo: 'tests', event_type: 'postsync' };
  const { status, data } = await octokit.repos.createDispatchEvent(tests);
  assert.equal(status, 204);
  assert.equal(data, '');
  assert.deepEqual(
    github.runs('acme/tests').map(({ workflow }) => workflow.path),
    ['.github/workflows/a.yaml', '.github/workflows/b.yaml'],
  );
  github.assertConforms();
});

test('a repository_dispatch that no workflow reacts to is answered 204 as well', async () => {
  await using github = await aGitHub();
  const { status } = await octokitOf(github).repos.createDispatchEvent({ ...SHOP, event_type: 'other' });
  assert.equal(status, 204);
  assert.deepEqual(github.runs(), []);
});

test('a run is listed with what its workflow makes of the payload as its title', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  await dispatch(octokit, 'one');
  await dispatch(octokit, 'two');
  assert.deepEqual(await titles(octokit), ['smoke two', 'smoke one']);
  github.assertConforms();
});

test('a run is listed late: after so many lists, or when the test says so', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  github.listing = { lists: 2 };
  await dispatch(octokit, 'one');
  assert.deepEqual(await titles(octokit), []);
  assert.deepEqual(await titles(octokit), []);
  assert.deepEqual(await titles(octokit), ['smoke one']);
  github.listing = 'by hand';
  await dispatch(octokit, 'two');
  assert.deepEqual(await titles(octokit), ['smoke one']);
  github.list(github.runs()[1]!.id);
  assert.deepEqual(await titles(octokit), ['smoke two', 'smoke one']);
});

test('a workflow_dispatch says which run it started when it is asked to', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  const { status, data } = await dispatchSmoke(octokit, { return_run_details: true });
  const [run] = github.runs();
  assert.equal(status, 200);
  assert.equal((data as { workflow_run_id?: number } | undefined)?.workflow_run_id, run?.id);
  assert.deepEqual(run?.start.inputs, { url: 'https://shop.example.com', level: 'full' });
  assert.equal((await dispatchSmoke(octokit)).status, 204);
  github.assertConforms();
});

test('answers point to where they were asked for', async () => {
  await using github = await aGitHub();
  const at = async (baseUrl: string) => {
    const { data } = await dispatchSmoke(octokitOf(github, 'secret', baseUrl), { return_run_details: true });
    const { workflow_run_id: id, run_url, html_url } = data as unknown as Record<string, string>;
    return { id, run_url, html_url };
  };
  const first = await at(github.url);
  assert.equal(first.run_url, `${github.url}/repos/acme/shop/actions/runs/${first.id}`);
  assert.equal(first.html_url, `https://github.com/acme/shop/actions/runs/${first.id}`);
  const second = await at(github.enterpriseUrl);
  assert.equal(second.run_url, `${github.enterpriseUrl}/repos/acme/shop/actions/runs/${second.id}`);
  assert.equal(second.html_url, `${github.url}/acme/shop/actions/runs/${second.id}`);
});

test('the newest version of the API always says which run it started', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  const headers = { 'x-github-api-version': '2026-03-10' };
  assert.equal((await dispatchSmoke(octokit, { headers })).status, 200);
  const unknown = { 'x-github-api-version': '2020-01-01' };
  await assert.rejects(dispatchSmoke(octokit, { headers: unknown }), refusal(400, /not supported/));
});

test('an old Enterprise Server refuses to be asked which run it started, and starts none', async () => {
  await using github = await aGitHub({ oldEnterprise: true });
  const octokit = octokitOf(github, 'secret', github.enterpriseUrl);
  await assert.rejects(
    dispatchSmoke(octokit, { return_run_details: true }),
    refusal(400, /"return_run_details" is not a permitted key/),
  );
  assert.deepEqual(github.runs(), []);
  assert.equal((await dispatchSmoke(octokit)).status, 204);
});

test('a workflow_dispatch is refused for what the workflow does not have', async () => {
  await using github = await aGitHub();
  github.addRepository('acme/tests', { workflows: [{ path: '.github/workflows/smoke.yaml' }] });
  const octokit = octokitOf(github);
  const refused: [object, number, string][] = [
    [{ workflow_id: 'other.yaml' }, 404, 'Not Found'],
    [{ repo: 'tests', inputs: {} }, 422, "Workflow does not have 'workflow_dispatch' trigger"],
    [{ ref: 'gone' }, 422, 'No ref found for: gone'],
    [{ inputs: {} }, 422, "Required input 'url' not provided"],
    [{ inputs: { url: 'x', more: 'y' } }, 422, 'Unexpected inputs provided: ["more"]'],
    [
      { inputs: { url: 'x', level: 'none' } },
      422,
      "Provided value 'none' for input 'level' not in the list of allowed values",
    ],
  ];
  for (const [given, status, message] of refused) {
    await assert.rejects(dispatchSmoke(octokit, given), refusal(status, message));
  }
  assert.deepEqual(github.runs(), []);
  github.assertConforms();
});

test("a dispatch is refused beyond GitHub's limits, which the description finds as well", async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  const send = (given: object) =>
    octokit.request('POST /repos/{owner}/{repo}/dispatches', { ...SHOP, event_type: 'postsync', ...given });
  const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`key${at}`, at]));
  await assert.rejects(send({ event_type: 'x'.repeat(101) }), refusal(422, /100 characters/));
  await assert.rejects(send({ client_payload: eleven }), refusal(422, /No more than 10 properties/));
  assert.deepEqual(
    github.violations.map(({ message }) => message),
    [
      'body/event_type must NOT have more than 100 characters',
      'body/client_payload must NOT have more than 10 properties',
    ],
  );
  assert.throws(
    () => github.assertConforms(),
    /POST \/repos\/acme\/shop\/dispatches: request: body\/event_type/,
  );
  await assert.rejects(
    send({ client_payload: { text: 'x'.repeat(65_530) } }),
    refusal(422, 'client_payload is too large.'),
  );
  const inputs = Object.fromEntries(Array.from({ length: 26 }, (_, at) => [`key${at}`, 'x']));
  await assert.rejects(dispatchSmoke(octokit, { inputs }), refusal(422, /No more than 25 properties/));
});

test('what the description does not know is a violation, but for the search syntax of `created`', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  await titles(octokit, { created: '>=2026-11-21T09:00:00Z' });
  await titles(octokit, { created: '2026-11-20..*' });
  github.assertConforms();
  await titles(octokit, { created: '>=yesterday', name: 'smoke' });
  await dispatchSmoke(octokit, { dry_run: true });
  await assert.rejects(octokit.request('GET /repos/acme/shop/pulls'), refusal(404, 'Not Found'));
  assert.deepEqual(
    github.violations.map(({ message }) => message),
    [
      'created must match format "date-time"',
      'query has an unknown name',
      'body has an unknown dry_run',
      'the description has no such operation',
    ],
  );
});

test('a token may do what it has the rights to, in the repositories that it may see', async () => {
  await using github = await aGitHub();
  github.addToken('reader', { rights: { actions: 'read' } });
  github.addToken('stranger', { repositories: ['acme/other'] });
  const reader = octokitOf(github, 'reader');
  assert.deepEqual(await titles(reader), []);
  await assert.rejects(
    dispatchSmoke(reader),
    refusal(403, 'Resource not accessible by personal access token'),
  );
  await assert.rejects(dispatch(octokitOf(github, 'stranger'), '1'), refusal(404, 'Not Found'));
  await assert.rejects(dispatch(octokitOf(github, 'wrong'), '1'), refusal(401, 'Bad credentials'));
  await assert.rejects(dispatch(octokitOf(github, ''), '1'), refusal(401, 'Requires authentication'));
  const gone = { owner: 'acme', repo: 'gone', event_type: 'postsync' };
  await assert.rejects(octokitOf(github).repos.createDispatchEvent(gone), refusal(404, 'Not Found'));
  github.revoke('reader');
  await assert.rejects(titles(reader), refusal(401, 'Bad credentials'));
  assert.ok(!JSON.stringify(github.exchanges).includes('reader'));
  github.assertConforms();
});

test('runs are filtered by event, status and the second they were created in', async () => {
  let now = Date.parse('2026-11-21T09:00:00.900Z');
  await using github = await aGitHub({ now: () => now });
  const octokit = octokitOf(github);
  await dispatch(octokit, 'old');
  now += 60_000;
  await dispatch(octokit, 'new');
  await dispatchSmoke(octokit);
  github.finish(github.runs()[0]!.id, 'failure');
  assert.deepEqual(await titles(octokit, { event: 'repository_dispatch' }), ['smoke new', 'smoke old']);
  assert.deepEqual(await titles(octokit, { status: 'failure' }), ['smoke old']);
  assert.deepEqual(await titles(octokit, { status: 'queued', event: 'repository_dispatch' }), ['smoke new']);
  assert.equal((await titles(octokit, { created: '>=2026-11-21T09:00:00Z' })).length, 3);
  assert.deepEqual(await titles(octokit, { created: '<=2026-11-21T09:00:00Z' }), ['smoke old']);
  assert.deepEqual(await titles(octokit, { created: '<2026-11-21T09:01:00Z' }), ['smoke old']);
  github.assertConforms();
});

test('long lists come in pages, with links to the others', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  for (let at = 0; at < 7; at++) await dispatch(octokit, String(at));
  assert.deepEqual(await titles(octokit, { per_page: 3, page: 3 }), ['smoke 0']);
  const all = await octokit.paginate(octokit.actions.listWorkflowRunsForRepo, { ...SHOP, per_page: 3 });
  assert.equal(all.length, 7);
  const { headers, data } = await octokit.actions.listWorkflowRunsForRepo({ ...SHOP, per_page: 3, page: 2 });
  assert.equal(data.total_count, 7);
  assert.match(
    headers.link ?? '',
    /page=1>; rel="prev".*page=3>; rel="next".*page=3>; rel="last".*page=1>; rel="first"/,
  );
  github.assertConforms();
});

test('what has not changed is answered 304 to who has its ETag, which costs nothing of the hour', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  const { headers } = await octokit.actions.listWorkflowRunsForRepo(SHOP);
  const again = () =>
    octokit.actions.listWorkflowRunsForRepo({ ...SHOP, headers: { 'if-none-match': headers.etag } });
  await assert.rejects(again(), ({ status, response }) => {
    assert.equal(response.headers['x-ratelimit-used'], '1');
    return status === 304;
  });
  await dispatch(octokit, '1');
  assert.equal((await again()).status, 200);
  assert.equal(measure(github.exchanges).notModified, 1);
});

test('a run ends by the hand of the test, or by itself after so many reads or so long', async () => {
  let now = 0;
  await using github = await aGitHub(
    { now: () => now },
    {
      ends: ({ payload }) => {
        if (payload['id'] === 'reads') return { conclusion: 'failure', reads: 2 };
        return payload['id'] === 'time' ? { conclusion: 'timed_out', ms: 1000 } : undefined;
      },
    },
  );
  const octokit = octokitOf(github);
  for (const id of ['hand', 'reads', 'time']) await dispatch(octokit, id);
  const [hand, reads, time] = github.runs().map(({ id }) => id);
  const state = async (run_id = 0) => {
    const { data } = await octokit.actions.getWorkflowRun({ ...SHOP, run_id });
    return [data.status, data.conclusion];
  };
  assert.deepEqual(await state(hand), ['queued', null]);
  github.progress(hand!, 'in_progress');
  assert.deepEqual(await state(hand), ['in_progress', null]);
  github.finish(hand!, 'startup_failure');
  assert.deepEqual(await state(hand), ['completed', 'startup_failure']);
  assert.deepEqual(await state(reads), ['in_progress', null]);
  assert.deepEqual(await state(reads), ['completed', 'failure']);
  now = 999;
  assert.deepEqual(await state(time), ['in_progress', null]);
  now = 1000;
  assert.deepEqual(await state(time), ['completed', 'timed_out']);
  github.assertConforms();
});

test('a run is cancelled once; then there is nothing to cancel', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  await dispatch(octokit, '1');
  const cancel = (run_id: number) => octokit.actions.cancelWorkflowRun({ ...SHOP, run_id });
  const [run] = github.runs();
  assert.equal((await cancel(run!.id)).status, 202);
  assert.equal(github.runs()[0]?.conclusion, 'cancelled');
  await assert.rejects(cancel(run!.id), refusal(409, 'Cannot cancel a workflow run that is completed'));
  await assert.rejects(cancel(1), refusal(404, 'Not Found'));
  github.assertConforms();
});

test('of a concurrency group one runs and one is pending, and a newer pending one cancels the older', async () => {
  await using github = await aGitHub(
    {},
    { concurrency: ({ payload: { id } }) => ({ group: id === '2' ? 'SHOP' : 'shop' }) },
  );
  const octokit = octokitOf(github);
  for (const id of ['1', '2', '3']) await dispatch(octokit, id);
  const states = () => github.runs().map(({ status, conclusion }) => conclusion ?? status);
  assert.deepEqual(states(), ['queued', 'cancelled', 'pending']);
  github.finish(github.runs()[0]!.id, 'success');
  assert.deepEqual(states(), ['success', 'cancelled', 'queued']);
});

test('a concurrency group with a queue keeps all, and one that cancels what is in progress keeps the newest', async () => {
  await using kept = await aGitHub({}, { concurrency: () => ({ group: 'shop', queue: 'max' }) });
  await using newest = await aGitHub({}, { concurrency: () => ({ group: 'shop', cancelInProgress: true }) });
  const states = async (github: typeof kept) => {
    for (const id of ['1', '2', '3']) await dispatch(octokitOf(github), id);
    return github.runs().map(({ status, conclusion }) => conclusion ?? status);
  };
  assert.deepEqual(await states(kept), ['queued', 'pending', 'pending']);
  assert.deepEqual(await states(newest), ['cancelled', 'cancelled', 'queued']);
});

test('what goes wrong is chosen for each request, before GitHub did what it was asked or after', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  const send = async (id: string, fault: Fault) => {
    github.fault = ({ method }) => (method === 'POST' ? fault : undefined);
    await dispatch(octokit, id);
  };
  await assert.rejects(send('cut before', { cut: 'before' }), noAnswer);
  await assert.rejects(send('cut after', { cut: 'after' }), noAnswer);
  await assert.rejects(send('503', { status: 503, when: 'before' }), { status: 503 });
  await assert.rejects(send('502', { status: 502, when: 'after', body: '<html>' }), { status: 502 });
  const gate = Promise.withResolvers<void>();
  const waiting = send('slow', { wait: gate.promise, when: 'before' });
  await github.until(() => github.exchanges.length === 5);
  assert.equal(github.runs().length, 2);
  gate.resolve();
  await waiting;
  assert.deepEqual(await titles(octokit), ['smoke slow', 'smoke 502', 'smoke cut after']);
  assert.deepEqual(
    github.exchanges.slice(0, 5).map(({ accepted, status }) => [accepted, status]),
    [
      [false, undefined],
      [true, undefined],
      [false, 503],
      [true, 502],
      [true, 204],
    ],
  );
  github.assertConforms();
});

test('a request that hangs ends when the client gives up, or when GitHub is closed', async () => {
  const github = await aGitHub();
  github.fault = () => ({ hang: 'after' });
  const octokit = octokitOf(github);
  const gone = new AbortController();
  const given = octokit.actions.listWorkflowRunsForRepo({ ...SHOP, request: { signal: gone.signal } });
  const dispatched = dispatch(octokit, '1');
  const ends = Promise.all([assert.rejects(given), assert.rejects(dispatched, noAnswer)]);
  await github.until(() => github.exchanges.length === 2 && github.runs().length === 1);
  gone.abort();
  await github.close();
  await ends;
});

test('it listens where it is told, with a certificate for the names that it is given', async () => {
  await using github = await openGitHub({ host: '127.0.0.2', names: ['127.0.0.2', 'github.test'] });
  github.addToken('secret');
  github.addRepository('acme/shop');
  assert.match(github.url, /^https:\/\/127\.0\.0\.2:\d+$/);
  assert.deepEqual(await titles(octokitOf(github)), []);
});
