import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { callbackToken } from '../src/callback-token.ts';
import type { Callback } from '../src/run/github/payload.ts';
import { variablesOf } from '../src/run/job-env.ts';
import { CLUSTER, type Dispatched, RELEASE, shownAs } from './support/dispatched.ts';
import { anIssuer } from './support/issuer.ts';
import { aServer } from './support/server.ts';
import { environmentOf, isRun, Runner, stepOf } from './support/workflows.ts';

/** Answers each request by a status and a text, and keeps what was asked. */
async function anAnswerer(status = 200, text = '{}') {
  const asked: {
    readonly path: string;
    readonly authorization: string | undefined;
    readonly body: string;
  }[] = [];
  const server = createServer(async (req, res) => {
    const body = (await req.setEncoding('utf8').toArray()).join('');
    asked.push({ path: `${req.method} ${req.url}`, authorization: req.headers.authorization, body });
    res.writeHead(status, { 'content-type': 'application/json' }).end(text);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('the smoke test', () => {
  const { job, step } = stepOf('smoke.yaml', 'smoke', 'Ask');

  async function smoke(given: Dispatched, changed: Record<string, string>) {
    using runner = new Runner(given.event);
    const ran = await runner.run(step, { ...environmentOf(job, step, given.contexts), ...changed });
    return { ...ran, isHacked: existsSync(join(runner.folder, 'hacked')) };
  }

  for (const trigger of ['repository_dispatch', 'workflow_dispatch'] as const) {
    test(`passes by ${trigger} when the URL answers 200, and says of what`, async () => {
      await using server = await anAnswerer();
      const given = shownAs('smoke', trigger);
      assert.equal(environmentOf(job, step, given.contexts)['URL'], 'https://podinfo.example.com/healthz');

      const { code, summary } = await smoke(given, { URL: `${server.url}/healthz` });

      assert.equal(code, 0);
      assert.deepEqual(
        server.asked.map(({ path }) => path),
        ['GET /healthz'],
      );
      assert.match(summary, /^### Smoke test passed/);
      assert.match(summary, /`apps\/podinfo` on `prod`/);
      assert.match(summary, /v7 \(chart 1\.2\.0\)/);
      assert.match(summary, /\| 200 in [\d.]+ s \|/);
      assert.ok(summary.includes(`kubectl -n apps get synctestrun ${given.run.ref.name}`));
    });
  }

  test('fails when it answers 500 three times', async () => {
    await using server = await anAnswerer(500);
    const { code, summary } = await smoke(shownAs('smoke', 'workflow_dispatch'), { URL: server.url });
    assert.equal(code, 1);
    assert.equal(server.asked.length, 3);
    assert.match(summary, /^### Smoke test failed/);
    assert.match(summary, /\| 500 in/);
  });

  test('fails without a URL, and for one that is not asked over HTTP', async () => {
    for (const URL of ['', 'file:///etc/hostname']) {
      const { code, summary } = await smoke(shownAs('smoke', 'workflow_dispatch'), { URL });
      assert.equal(code, 1, URL);
      assert.match(summary, /^### Smoke test failed/);
    }
  });

  test('executes nothing of what it was sent', async () => {
    await using server = await anAnswerer();
    const hostile = '"; touch hacked; $(touch hacked) `touch hacked`';
    const changed = {
      RUN: hostile,
      CLUSTER: hostile,
      RELEASE: hostile,
      CHART_VERSION: hostile,
      URL: server.url,
    };
    const { code, summary, isHacked } = await smoke(shownAs('smoke', 'workflow_dispatch'), changed);
    assert.equal(code, 0);
    assert.equal(isHacked, false);
    assert.ok(summary.includes(`(chart ${hostile})`));
  });
});

describe('calling back', () => {
  const last = stepOf('smoke.yaml', 'call-back', 'Call back');
  const first = stepOf('reusable.yaml', 'started', 'Call back');
  const COMPLETED = { STATUS: 'completed', CONCLUSION: 'success' };

  async function callBack(
    given: Dispatched,
    variables: Record<string, string>,
    github: Record<string, string> = {},
  ) {
    using runner = new Runner(given.event, github);
    return await runner.run(last.step, variables);
  }

  test('is told by the result of the job before', () => {
    const { contexts } = shownAs('smoke', 'workflow_dispatch');
    const needs = { smoke: { result: 'failure' } };
    assert.deepEqual(environmentOf(last.job, last.step, { ...contexts, needs }), {
      STATUS: 'completed',
      CONCLUSION: 'failure',
    });
    assert.deepEqual(environmentOf(first.job, first.step, contexts), { STATUS: 'started' });
  });

  for (const trigger of ['repository_dispatch', 'workflow_dispatch'] as const) {
    test(`by ${trigger} is left out where postsync cannot be called`, () => {
      for (const { job } of [last, first]) {
        const callback = { url: 'https://postsync.example.com/' };
        assert.equal(isRun(job, shownAs('smoke', trigger).contexts), false);
        assert.equal(isRun(job, shownAs('smoke', trigger, callback).contexts), true);
      }
    });

    test(`by ${trigger} sends what is documented, with the token that was sent, which only the mask shows`, async () => {
      await using server = await anAnswerer(202);
      const given = shownAs('smoke', trigger, {
        url: `${server.url}/api/v1/runs/apps/x`,
        token: 'pst_secret',
      });

      const { code, log } = await callBack(given, COMPLETED);

      assert.equal(code, 0);
      assert.deepEqual(server.asked, [
        {
          path: 'POST /api/v1/runs/apps/x',
          authorization: 'Bearer pst_secret',
          body: '{"runId":4711,"status":"completed","conclusion":"success"}',
        },
      ]);
      assert.deepEqual(
        log.split('\n').filter((line) => line.includes('pst_secret')),
        ['::add-mask::pst_secret'],
      );
    });
  }

  test('says no conclusion at the start', async () => {
    await using server = await anAnswerer(202);
    await callBack(shownAs('smoke', 'workflow_dispatch', { url: server.url, token: 't' }), {
      STATUS: 'started',
    });
    assert.deepEqual(
      server.asked.map(({ body }) => body),
      ['{"runId":4711,"status":"started"}'],
    );
  });

  test("is taken by postsync, with the job's token and with the run's", async () => {
    await using issuer = await anIssuer();
    await using github = await anAnswerer(200, JSON.stringify({ value: await issuer.token() }));
    const { run } = shownAs('smoke', 'workflow_dispatch');
    const key = Buffer.from('0123456789abcdef0123456789abcdef');
    const known = { uid: run.uid, repository: 'acme/app', apiUrl: issuer.apiUrl, ended: false };
    const told: number[] = [];
    await using server = await aServer({
      callbackKeys: [key],
      callbacks: {
        dispatchOf: ({ name }) => (name === run.ref.name ? known : undefined),
        told: async (_: unknown, runId: number) => void told.push(runId),
      },
    });
    const url = `${server.url}/api/v1/runs/apps/${run.ref.name}`;
    const ofJob = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?v=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-job',
    };
    const token = callbackToken(key, { ...run.ref, uid: run.uid });

    const byJob = await callBack(shownAs('smoke', 'workflow_dispatch', { url }), COMPLETED, ofJob);
    const byRun = await callBack(shownAs('smoke', 'workflow_dispatch', { url, token }), COMPLETED);

    assert.deepEqual(told, [4711, 4711]);
    assert.deepEqual(github.asked, [
      { path: 'GET /token?v=2&audience=postsync', authorization: 'Bearer of-job', body: '' },
    ]);
    for (const { code, log } of [byJob, byRun]) {
      assert.equal(code, 0);
      assert.match(log, /"accepted":true/);
    }
  });

  test('never fails, and warns', async () => {
    await using broken = await anAnswerer(500);
    await using empty = await anAnswerer(200, '');
    const cases: readonly (readonly [string, Callback | undefined, Record<string, string>])[] = [
      ['postsync answers 500', { url: broken.url, token: 't' }, {}],
      ['nobody listens', { url: 'http://127.0.0.1:1/', token: 't' }, {}],
      ['the job may not have a token', { url: broken.url }, {}],
      [
        'GitHub gives an empty one',
        { url: broken.url },
        { ACTIONS_ID_TOKEN_REQUEST_URL: `${empty.url}/?`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 't' },
      ],
      ['there is no callback', undefined, {}],
    ];
    for (const [what, callback, variables] of cases) {
      const { code, log } = await callBack(
        shownAs('smoke', 'workflow_dispatch', callback),
        COMPLETED,
        variables,
      );
      assert.equal(code, 0, what);
      assert.match(log, /::warning::postsync was not reached/, what);
    }
    using runner = new Runner({ ref: 'refs/heads/main' });
    assert.equal((await runner.run(last.step, COMPLETED)).code, 0);
  });
});

describe('the reusable workflow', () => {
  const { step } = stepOf('reusable.yaml', 'test', 'Test');

  for (const trigger of ['repository_dispatch', 'workflow_dispatch'] as const) {
    test(`by ${trigger} gives the command the variables of a Job, and not the token of the callback`, async () => {
      const { run, event } = shownAs('smoke', trigger, {
        url: 'https://postsync.example.com',
        token: 'pst_secret',
      });
      using runner = new Runner(event);

      const { code, log, summary } = await runner.run(step, { COMMAND: 'env --null > variables' });

      assert.equal(code, 0, log);
      const written = readFileSync(join(runner.folder, 'variables'), 'utf8');
      const ours = written.split('\0').filter((line) => line.startsWith('POSTSYNC_'));
      const expected = [...variablesOf(run, RELEASE, CLUSTER)].map(([name, value]) => `${name}=${value}`);
      assert.deepEqual(new Set(ours), new Set(expected));
      assert.ok(!written.includes('pst_secret'));
      assert.match(summary, /^### Test smoke passed/);
      assert.equal(existsSync(join(runner.folder, 'hacked')), false);
    });
  }

  test('fails when a command of several does', async () => {
    using runner = new Runner(shownAs('e2e', 'workflow_dispatch').event);
    const { code, log, summary } = await runner.run(step, { COMMAND: 'echo one\nfalse | cat\necho two\n' });
    assert.equal(code, 1);
    assert.equal(log, 'one\n');
    assert.match(summary, /^### Test e2e failed/);
  });
});
