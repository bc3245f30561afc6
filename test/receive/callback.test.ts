import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callbackToken } from '../../src/callback-token.ts';
import { type ErrorCode, PostsyncError } from '../../src/errors.ts';
import type { CalledBack } from '../../src/ports.ts';
import { aKey, anIssuer } from '../support/issuer.ts';
import { aServer } from '../support/server.ts';

const KEY = Buffer.from('0123456789abcdef0123456789abcdef');
const OLD = Buffer.from('fedcba9876543210fedcba9876543210');
const NAME = 'podinfo-e2e-v7-3f9a2c4105be77d1';
const RUN = { namespace: 'apps', name: NAME, uid: 'uid-1' };
const STARTED = { runId: 4711, status: 'started' };

interface Given {
  readonly dispatch?: Partial<CalledBack>;
  readonly server?: Parameters<typeof aServer>[0];
  /** Why what is told cannot be used. */
  readonly failure?: ErrorCode;
}

/** A server that knows one run, dispatched to acme/app on a GitHub of the test's own. */
async function aWorld({ dispatch, server: options, failure }: Given = {}) {
  const issuer = await anIssuer();
  const known: CalledBack = {
    uid: RUN.uid,
    repository: 'acme/app',
    apiUrl: issuer.apiUrl,
    ended: false,
    ...dispatch,
  };
  const told: [string, number, string][] = [];
  const server = await aServer({
    callbackKeys: [KEY, OLD],
    githubApiUrl: issuer.apiUrl,
    callbacks: {
      dispatchOf: ({ namespace, name }) => (namespace === 'apps' && name === NAME ? known : undefined),
      async told({ namespace, name }, runId, status) {
        if (failure) throw new PostsyncError(failure, 'why it failed');
        told.push([`${namespace}/${name}`, runId, status]);
      },
    },
    ...options,
  });

  async function call(token: string, { body = STARTED, path = `apps/${NAME}`, method = 'POST' }: Call = {}) {
    const response = await fetch(`${server.url}/api/v1/runs/${path}`, {
      method,
      headers: { ...(token !== '' && { authorization: `Bearer ${token}` }) },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const json = JSON.parse(await response.text()) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, json };
  }
  return {
    ...server,
    issuer,
    told,
    call,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

interface Call {
  readonly body?: unknown;
  readonly path?: string;
  readonly method?: string;
}

describe('a callback of a workflow', () => {
  test("is taken with the job's token", async () => {
    await using world = await aWorld();

    const { status, json } = await world.call(await world.issuer.token());

    assert.equal(status, 202);
    assert.deepEqual(json, {
      accepted: true,
      because: 'GitHub was asked about the workflow run 4711',
    });
    assert.deepEqual(world.told, [[`apps/${NAME}`, 4711, 'started']]);
  });

  test("is taken with the run's token", async () => {
    await using world = await aWorld();

    assert.equal((await world.call(callbackToken(KEY, RUN))).status, 202);
    assert.deepEqual(world.told, [[`apps/${NAME}`, 4711, 'started']]);
    assert.deepEqual(world.issuer.asked, []);
  });

  test("is taken with the run's token of the key that is being replaced", async () => {
    await using world = await aWorld();

    assert.equal((await world.call(callbackToken(OLD, RUN))).status, 202);
  });

  test('may say how the workflow ended, and more than postsync knows of', async () => {
    await using world = await aWorld();

    const body = { runId: 4711, status: 'completed', conclusion: 'success', attempt: 2 };

    assert.equal((await world.call(callbackToken(KEY, RUN), { body })).status, 202);
  });

  test('may be sent again', async () => {
    await using world = await aWorld();
    const token = await world.issuer.token();

    const statuses = [(await world.call(token)).status, (await world.call(token)).status];

    assert.deepEqual(statuses, [202, 202]);
  });

  test('is of the same repository however its name is written', async () => {
    await using world = await aWorld({ dispatch: { repository: 'Acme/App' } });

    assert.equal((await world.call(await world.issuer.token())).status, 202);
  });

  test('is told in the log, without the token', async () => {
    await using world = await aWorld();
    const tokens = [
      await world.issuer.token(),
      callbackToken(KEY, RUN),
      callbackToken(KEY, { ...RUN, uid: '2' }),
    ];

    for (const token of tokens) await world.call(token, { body: { ...STARTED, conclusion: 'success' } });

    const text = JSON.stringify(world.lines);
    assert.match(text, /callback received/);
    assert.match(text, /request refused/);
    for (const token of tokens)
      assert.ok(!text.includes(token.slice(4, 40)) && !text.includes(token.slice(-20)));
  });
});

describe('a callback is refused, and nobody is told,', () => {
  const cases: readonly [string, (world: World) => Promise<string> | string, Call, number, RegExp][] = [
    ['without a token', () => '', {}, 401, /OIDC token for the audience postsync/],
    ['with a token of nothing', () => 'nothing', {}, 401, /OIDC token/],
    ["with another run's token", () => callbackToken(KEY, { ...RUN, name: 'other' }), {}, 401, /token/],
    [
      'with the token of a run that had its name before',
      () => callbackToken(KEY, { ...RUN, uid: 'uid-0' }),
      {},
      401,
      /token/,
    ],
    ['with a token of a job that is over', ({ issuer }) => issuer.token({ exp: 1 }), {}, 401, /token/],
    ['with a token for another audience', ({ issuer }) => issuer.token({ aud: 'acme' }), {}, 401, /token/],
    ['with a token of another issuer', ({ issuer }) => issuer.token({ iss: 'https://x' }), {}, 401, /token/],
    ['with a token that nobody signed', ({ issuer }) => issuer.unsigned(), {}, 401, /token/],
    ['with a token that another signed', ({ issuer }) => issuer.token({}, aKey('one', 1)), {}, 401, /token/],
    [
      'with the token of a job in another repository',
      ({ issuer }) => issuer.token({ repository: 'acme/other' }),
      {},
      403,
      /was dispatched to acme\/other$/,
    ],
    [
      'with the token of a job in another workflow run',
      ({ issuer }) => issuer.token({ run_id: '4712' }),
      {},
      403,
      /of the workflow run 4712, and runId is 4711/,
    ],
    ['whose body is not JSON', ownToken, { body: '{' }, 400, /not JSON/],
    ['with no body', ownToken, { body: '' }, 400, /^runId: /],
    ['without a workflow run', ownToken, { body: { status: 'started' } }, 400, /^runId: /],
    ['with a workflow run in quotes', ownToken, { body: { ...STARTED, runId: '4711' } }, 400, /^runId: /],
    ['with a workflow run below 1', ownToken, { body: { ...STARTED, runId: 0 } }, 400, /^runId: /],
    ['with a status of its own', ownToken, { body: { ...STARTED, status: 'done' } }, 400, /^status: /],
    ['whose body is too large', ownToken, { body: ' '.repeat(16_385) }, 413, /16384 bytes/],
    ['for what cannot be a run', ownToken, { path: 'apps/NO' }, 400, /^name: .*object/],
    ['by another method', ownToken, { method: 'PUT' }, 404, /there is no PUT/],
  ];
  for (const [what, token, call, status, message] of cases)
    test(what, async () => {
      await using world = await aWorld();

      const answer = await world.call(await token(world), call);

      assert.equal(answer.status, status);
      assert.match(String(answer.json['message']), message);
      assert.deepEqual(world.told, []);
    });

  test('when the run has ended', async () => {
    await using world = await aWorld({ dispatch: { ended: true } });

    const answers = [await world.call(ownToken()), await world.call(await world.issuer.token())];

    assert.deepEqual(
      answers.map(({ status, json }) => [status, json['error']]),
      [
        [409, 'Conflict'],
        [409, 'Conflict'],
      ],
    );
    assert.deepEqual(world.told, []);
  });

  test("with a run's token where there are no keys", async () => {
    await using world = await aWorld({ server: { callbackKeys: [] } });

    assert.equal((await world.call(ownToken())).status, 401);
  });

  test('where none are taken', async () => {
    await using world = await aWorld({ server: { callbacks: undefined } });

    const { status, json } = await world.call(ownToken());

    assert.equal(status, 404);
    assert.match(String(json['message']), /POSTSYNC_CALLBACK_URL/);
  });

  test('until it is known what runs there are', async () => {
    await using world = await aWorld({ server: { isReady: () => false } });

    const { status, headers } = await world.call(ownToken());

    assert.deepEqual([status, headers.get('retry-after')], [503, '2']);
  });

  test('while it stops', async () => {
    await using world = await aWorld();
    world.stop();

    assert.equal((await world.call(ownToken())).status, 503);
  });

  for (const failure of [
    'API_UNAVAILABLE',
    'GITHUB_UNANSWERED',
    'GITHUB_LIMITED',
    'CREDENTIALS_MISSING',
  ] as const)
    test(`for a while when what it says cannot be verified: ${failure}`, async () => {
      await using world = await aWorld({ failure });

      const { status, headers } = await world.call(ownToken());

      assert.deepEqual([status, headers.get('retry-after')], [503, '2']);
    });

  test('when GitHub knows better', async () => {
    await using world = await aWorld({ failure: 'OTHER_WORKFLOW_RUN' });

    const { status, json } = await world.call(ownToken());

    assert.deepEqual([status, json], [409, { error: 'Conflict', message: 'why it failed' }]);
  });

  test('when there are too many', async () => {
    await using world = await aWorld();

    const answers = await Promise.all(Array.from({ length: 12 }, () => world.call(ownToken())));

    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0 && world.told.length >= 10);
    assert.match(String(refused[0]?.headers.get('retry-after')), /^\d+$/);
  });

  test("for a while when a job's token cannot be checked, while the run's own is still taken", async () => {
    await using world = await aWorld();
    world.issuer.state.jwks = 500;

    const { status, headers, json } = await world.call(await world.issuer.token());

    assert.deepEqual([status, headers.get('retry-after')], [503, '2']);
    assert.doesNotMatch(JSON.stringify(json), /127\.0\.0\.1/);
    assert.match(JSON.stringify(world.lines), /jwks answered 500/);
    assert.equal((await world.call(ownToken())).status, 202);
  });
});

describe('whether a run is there', () => {
  for (const [what, token] of [
    ['who shows nothing', () => ''],
    ['who shows the token of another run', () => callbackToken(KEY, { ...RUN, name: 'other' })],
    ['who shows what no issuer signed', ({ issuer }) => issuer.unsigned()],
    ['who shows nonsense', () => 'x.y.z'],
  ] as [string, (world: World) => string][])
    test(`is not told to one ${what}`, async () => {
      await using world = await aWorld();

      const [there, gone] = [
        await world.call(token(world)),
        await world.call(token(world), { path: 'apps/gone' }),
      ];

      assert.equal(there.status, 401);
      assert.deepEqual([gone.status, gone.json], [there.status, there.json]);
      assert.equal(gone.headers.get('www-authenticate'), there.headers.get('www-authenticate'));
    });

  test('is not told to a job of another repository', async () => {
    await using world = await aWorld();
    const token = await world.issuer.token({ repository: 'acme/other' });

    const [there, gone] = [await world.call(token), await world.call(token, { path: 'apps/gone' })];

    assert.equal(there.status, 403);
    assert.equal(gone.status, 403);
    assert.equal(String(gone.json['message']).replace('gone', NAME), there.json['message']);
  });
});

type World = Awaited<ReturnType<typeof aWorld>>;

function ownToken(): string {
  return callbackToken(KEY, RUN);
}
