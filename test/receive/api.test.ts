import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ErrorCode, PostsyncError } from '../../src/errors.ts';
import type { Asked, Decided, ReleaseVerdict, Requests } from '../../src/ports.ts';
import { anApiServer } from '../support/rbac.ts';
import { aServer } from '../support/server.ts';

const RIGHTS = { jo: ['create apps', 'get apps', 'override apps'], reader: ['get apps'], stranger: [] };
const RUNS = '/api/v1/releases/apps/podinfo/runs';
const OVERRIDE = '/api/v1/releases/apps/podinfo/override';
const RELEASE = '/api/v1/releases/apps/podinfo';

function someRequests(given: Partial<Requests> = {}) {
  const asked: (Asked | Decided)[] = [];
  const requests: Requests = {
    run: (_, wish) => Promise.resolve((asked.push(wish), ['podinfo-smoke-v1-0011223344556677'])),
    override: (_, wish) => Promise.resolve((asked.push(wish), ['podinfo-smoke-v1-0011223344556677'])),
    verdict: () => Promise.resolve<ReleaseVerdict | undefined>(undefined),
    ...given,
  };
  return { requests, asked };
}

async function aWorld(given: Partial<Requests> = {}, options: Parameters<typeof aServer>[0] = {}) {
  const api = anApiServer(RIGHTS);
  const { requests, asked } = someRequests(given);
  const server = await aServer({ kubernetes: api.kubernetes, requests, ...options });

  async function call(path: string, { as = 'jo', body, headers, method = 'POST' }: Call = {}) {
    const response = await fetch(server.url + path, {
      method,
      headers: { ...(as !== '' && { authorization: `Bearer token-of-${as}` }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const json = JSON.parse(await response.text()) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, json };
  }
  return { ...server, api, asked, call, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

interface Call {
  readonly as?: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

describe('asking for runs', () => {
  test('answers with their names, and hands on who asked, why and under which key', async () => {
    await using world = await aWorld();

    const body = { tests: ['smoke'], reason: 'the disk was full' };
    const { status, json } = await world.call(RUNS, { body, headers: { 'idempotency-key': 'one' } });

    assert.deepEqual(
      { status, json },
      { status: 202, json: { runs: ['podinfo-smoke-v1-0011223344556677'] } },
    );
    assert.deepEqual(world.asked, [{ ...body, by: 'jo', key: 'one' }]);
  });

  test('needs no body', async () => {
    await using world = await aWorld();

    assert.equal((await world.call(RUNS)).status, 202);
    assert.deepEqual(world.asked, [{ by: 'jo' }]);
  });

  test('asks Kubernetes with all that it said of the user', async () => {
    await using world = await aWorld();
    await world.call(RUNS);

    const [review, access] = world.api.seen;

    assert.deepEqual(review, { token: 'token-of-jo', audiences: ['postsync'] });
    assert.deepEqual(access, {
      user: 'jo',
      uid: 'uid of jo',
      groups: ['team'],
      extra: { node: ['n1'] },
      resourceAttributes: {
        group: 'postsync.dev',
        resource: 'synctestruns',
        verb: 'create',
        namespace: 'apps',
      },
    });
  });

  test('is told in the log with who asked, and without the token', async () => {
    await using world = await aWorld();
    await world.call(RUNS);

    const [line] = world.lines;

    assert.deepEqual([line?.['msg'], line?.['by']], ['runs asked for', 'jo']);
    assert.doesNotMatch(JSON.stringify(world.lines), /token-of/);
  });
});

describe('overriding a verdict', () => {
  test('hands on the decision', async () => {
    await using world = await aWorld();

    const body = { verdict: 'passed', reason: 'known to be flaky', test: 'smoke', digest: 'sha256:1' };
    const { status } = await world.call(OVERRIDE, { body });

    assert.equal(status, 202);
    assert.deepEqual(world.asked, [{ ...body, by: 'jo' }]);
  });

  test('asks for a right of its own', async () => {
    await using world = await aWorld();

    await world.call(OVERRIDE, { body: { verdict: 'passed', reason: 'x' } });

    assert.equal(world.api.seen[1]?.resourceAttributes?.verb, 'override');
  });

  test('needs a reason', async () => {
    await using world = await aWorld();

    const { status, json } = await world.call(OVERRIDE, { body: { verdict: 'passed' } });

    assert.equal(status, 400);
    assert.match(String(json['message']), /^reason: /);
  });
});

describe('a request is refused, with what to do,', () => {
  for (const [what, path, call, status, error, message] of [
    ['without a token', RUNS, { as: '' }, 401, 'Unauthorized', /kubectl create token .* --audience postsync/],
    ['with a token that is not valid', RUNS, { as: 'nobody' }, 401, 'Unauthorized', /audience postsync/],
    ['without the right', RUNS, { as: 'reader' }, 403, 'Forbidden', /reader may not create synctestruns/],
    ['without any right', RELEASE, { as: 'stranger', method: 'GET' }, 403, 'Forbidden', /may not get/],
    ['in another namespace', '/api/v1/releases/other/podinfo/runs', {}, 403, 'Forbidden', /namespace other/],
    ['whose body is not JSON', RUNS, { body: '{' }, 400, 'BadRequest', /not JSON/],
    ['whose body is a list', RUNS, { body: [] }, 400, 'BadRequest', /the body: /],
    ['whose tests are no list', RUNS, { body: { tests: 'smoke' } }, 400, 'BadRequest', /^tests: /],
    ['with no test in its list', RUNS, { body: { tests: [] } }, 400, 'BadRequest', /^tests: /],
    ['with an unknown field', RUNS, { body: { test: 'smoke' } }, 400, 'BadRequest', /test/],
    [
      'with a reason that is too long',
      RUNS,
      { body: { reason: 'x'.repeat(1025) } },
      400,
      'BadRequest',
      /^reason/,
    ],
    ['with a body that is too large', RUNS, { body: ' '.repeat(65_537) }, 413, 'TooLarge', /65536/],
    ['with a name that is a path', '/api/v1/releases/apps/..%2Fx/runs', {}, 400, 'BadRequest', /^name: /],
    [
      'with a namespace that is a path',
      '/api/v1/releases/a%2Fb/x/runs',
      {},
      400,
      'BadRequest',
      /^namespace: /,
    ],
    [
      'with a path that cannot be read',
      '/api/v1/releases/%ff/x/runs',
      {},
      400,
      'BadRequest',
      /cannot be read/,
    ],
    ['with an empty key', RUNS, { headers: { 'idempotency-key': '' } }, 400, 'BadRequest', /Idempotency-Key/],
    [
      'with too long a key',
      RUNS,
      { headers: { 'idempotency-key': 'x'.repeat(129) } },
      400,
      'BadRequest',
      /128/,
    ],
    ['with a wait without unit', `${RELEASE}?wait=10`, { method: 'GET' }, 400, 'BadRequest', /^wait: /],
    [
      'with a wait that is too long',
      `${RELEASE}?wait=61m`,
      { method: 'GET' },
      400,
      'BadRequest',
      /at most 1h/,
    ],
    [
      'with an unknown question',
      `${RELEASE}?version=1`,
      { method: 'GET' },
      400,
      'BadRequest',
      /the query: .*version/,
    ],
    [
      'for a release that is not there',
      RELEASE,
      { method: 'GET' },
      404,
      'NotFound',
      /no HelmRelease apps\/podinfo/,
    ],
    ['for an address that is not there', '/api/v1/nothing', {}, 404, 'NotFound', /POST \/api\/v1\/nothing/],
    ['by a method that is not there', '/flux', { method: 'PUT' }, 404, 'NotFound', /PUT \/flux/],
  ] as [string, string, Call, number, string, RegExp][])
    test(what, async () => {
      await using world = await aWorld();

      const answer = await world.call(path, call);

      assert.deepEqual([answer.status, answer.json['error']], [status, error]);
      assert.match(String(answer.json['message']), message);
      assert.deepEqual(Object.keys(answer.json), ['error', 'message']);
      assert.deepEqual(world.asked, []);
    });

  for (const [code, status] of [
    ['RELEASE_NOT_FOUND', 404],
    ['TEST_NOT_FOUND', 404],
    ['NOTHING_TO_TEST', 409],
    ['API_UNAVAILABLE', 503],
  ] as [ErrorCode, number][])
    test(`when it ends in ${code}`, async () => {
      await using world = await aWorld({ run: () => Promise.reject(new PostsyncError(code, 'a sentence')) });

      const answer = await world.call(RUNS);

      assert.equal(answer.status, status);
      assert.match(String(answer.json['message']), status === 503 ? /does not answer/ : /a sentence/);
    });

  test('without its stack, when something breaks', async () => {
    await using world = await aWorld({ run: () => Promise.reject(new Error('secret')) });

    const { status, json } = await world.call(RUNS);

    assert.deepEqual(
      [status, json],
      [500, { error: 'Internal', message: 'postsync failed; its log says why' }],
    );
    assert.equal(world.lines[0]?.['msg'], 'request failed');
  });

  test('when the token is one for the API server only', async () => {
    await using world = await aWorld();
    world.api.forgetAudiences();

    assert.equal((await world.call(RUNS)).status, 401);
  });

  test('when the API server does not say who it is, and not for longer', async () => {
    await using world = await aWorld();
    world.api.goDown(true);
    const { status, headers } = await world.call(RUNS);
    assert.deepEqual([status, headers.get('retry-after')], [503, '2']);

    world.api.goDown(false);

    assert.equal((await world.call(RUNS)).status, 202);
  });

  for (const forbidden of ['tokenreviews', 'subjectaccessreviews'])
    test(`when postsync itself may not create ${forbidden}, and its log says more`, async () => {
      const { kubernetes } = anApiServer(RIGHTS);
      await using world = await aWorld(
        {},
        {
          kubernetes: {
            async create(target, body) {
              if (target.resource !== forbidden) return kubernetes.create(target, body);
              throw new PostsyncError('API_FORBIDDEN', 'RBAC: the role is gone');
            },
          },
        },
      );

      const { status, json } = await world.call(RUNS);

      assert.deepEqual([status, json['error']], [500, 'Internal']);
      assert.match(String(json['message']), new RegExp(`may not create ${forbidden}: its administrator`));
      assert.match(
        JSON.stringify(world.lines),
        /request failed.*RBAC: the role is gone|RBAC: the role is gone.*request failed/,
      );
    });

  test('when one user asks too often, and only that one', async () => {
    await using world = await aWorld({ verdict: () => Promise.resolve({ isCurrent: false, tests: {} }) });

    const answers = await Promise.all(Array.from({ length: 60 }, () => world.call(RUNS)));
    const refused = answers.find(({ status }) => status === 429);

    assert.match(String(refused?.json['message']), /wait \d+ s/);
    assert.match(String(refused?.headers.get('retry-after')), /^\d+$/);
    assert.equal((await world.call(RELEASE, { method: 'GET', as: 'reader' })).status, 408);
  });

  test('before everything was listed, and while it stops', async () => {
    let isReady = false;
    await using world = await aWorld({}, { isReady: () => isReady });
    assert.match(String((await world.call(RUNS)).json['message']), /starting/);

    isReady = true;
    world.stop();

    const { status, headers, json } = await world.call(RUNS);
    assert.deepEqual([status, headers.get('retry-after')], [503, '2']);
    assert.match(String(json['message']), /stopping/);
  });
});

describe('a token', () => {
  test('is reviewed once for many requests at the same time', async () => {
    await using world = await aWorld();

    await Promise.all(Array.from({ length: 10 }, () => world.call(RUNS)));

    assert.equal(world.api.reviews(), 1);
  });

  test('that is not valid is not reviewed again and again either', async () => {
    await using world = await aWorld();

    await world.call(RUNS, { as: 'nobody' });
    await world.call(RUNS, { as: 'nobody' });

    assert.equal(world.api.reviews(), 1);
  });

  test('is one of not too many that come from one address', async () => {
    await using world = await aWorld();

    const answers = await Promise.all(
      Array.from({ length: 150 }, (_, index) => world.call(RUNS, { as: `nobody-${index}` })),
    );

    assert.ok(answers.some(({ status }) => status === 429));
    assert.ok(world.api.reviews() < 150);
  });
});

describe('the server', () => {
  test('lives, and is ready once everything was listed and until it stops', async () => {
    let isReady = false;
    await using world = await aWorld({}, { isReady: () => isReady });
    const probe = async (path: string) => (await fetch(world.url + path)).status;
    assert.deepEqual([await probe('/livez'), await probe('/readyz')], [200, 503]);

    isReady = true;
    assert.equal(await probe('/readyz'), 200);

    world.stop();
    assert.deepEqual([await probe('/livez'), await probe('/readyz')], [200, 503]);
  });

  test('shows its metrics', async () => {
    await using world = await aWorld();

    const response = await fetch(`${world.url}/metrics`);

    assert.match(String(response.headers.get('content-type')), /^text\/plain; version=0\.0\.4/);
    assert.match(await response.text(), /^postsync_build_info/m);
  });

  test('does not say what it is made of', async () => {
    await using world = await aWorld();

    assert.equal((await fetch(`${world.url}/livez`)).headers.get('x-powered-by'), null);
  });
});
