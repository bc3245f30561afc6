import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ErrorCode, PostsyncError } from '../../src/errors.ts';
import type { Rollouts, RolloutVerdict } from '../../src/ports.ts';
import { aServer } from '../support/server.ts';

const TOKEN = 'the-token-of-apps';
const RELEASE = { namespace: 'apps', name: 'podinfo' };
const GATE = '/flagger/apps/podinfo/gate';
const ROLLBACK = '/flagger/apps/podinfo/rollback';
const RUN = 'e2e-podinfo-7d4f9b6c5-0011223344556677';

/** What Flagger posts: `pkg/apis/flagger/v1beta1/canary.go`, CanaryWebhookPayload. */
const PAYLOAD = {
  name: 'podinfo',
  namespace: 'web',
  phase: 'Progressing',
  checksum: '7d4f9b6c5',
  metadata: { token: TOKEN, tests: 'smoke, e2e,smoke', other: 'theirs' },
};

function verdictOf(result: RolloutVerdict['result'], digest = 'sha256:1'): RolloutVerdict {
  return { result, message: `smoke ${result}`, runs: [RUN], digest };
}

/** Answers with one verdict after the other, and with the last for ever. */
async function aWorld(
  verdicts: readonly (RolloutVerdict | ErrorCode)[] = [verdictOf('passed')],
  options: Parameters<typeof aServer>[0] = {},
) {
  const asked: Parameters<Rollouts['ask']>[] = [];
  const rollouts: Rollouts = {
    async ask(...args) {
      const verdict = verdicts[Math.min(asked.length, verdicts.length - 1)] as RolloutVerdict | ErrorCode;
      asked.push(args);
      if (typeof verdict === 'string') throw new PostsyncError(verdict, 'a sentence');
      return verdict;
    },
  };
  const tokens = { apps: TOKEN, other: 'the-token-of-other' };
  const server = await aServer({ flaggerTokens: tokens, rollouts, ...options });

  async function call(path: string, body: unknown = PAYLOAD) {
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, json: JSON.parse(await response.text()) as Record<string, unknown> };
  }
  return { ...server, asked, call, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const without = (field: string) => ({ ...PAYLOAD, [field]: undefined });
const withMetadata = (metadata: object) => ({ ...PAYLOAD, metadata: { ...PAYLOAD.metadata, ...metadata } });

describe('the gate of a canary', () => {
  test('asks for the tests that the webhook names, each once, for what Flagger says it rolls out', async () => {
    await using world = await aWorld();

    const { status, json } = await world.call(GATE);

    assert.deepEqual([status, json], [200, { message: 'smoke passed', result: 'passed', runs: [RUN] }]);
    const [[release, { canary, checksum }, options] = assert.fail()] = world.asked;
    assert.deepEqual(release, RELEASE);
    assert.deepEqual(
      { canary, checksum },
      { canary: { namespace: 'web', name: 'podinfo' }, checksum: '7d4f9b6c5' },
    );
    assert.deepEqual(options, { tests: ['smoke', 'e2e'], start: true });
  });

  for (const [result, status] of [
    ['passed', 200],
    ['failed', 422],
    ['inconclusive', 424],
    ['pending', 408],
    ['running', 408],
  ] as const)
    test(`is ${status} when it is ${result}`, async () => {
      await using world = await aWorld([verdictOf(result)]);

      const answer = await world.call(`${GATE}?wait=0s`);

      assert.equal(answer.status, status);
      assert.deepEqual(answer.json, { message: `smoke ${result}`, result, runs: [RUN] });
    });

  test('waits for the verdict, and asks for nothing but what it began with', async () => {
    await using world = await aWorld([verdictOf('pending'), verdictOf('running'), verdictOf('failed')]);

    const answering = world.call(`${GATE}?wait=1m`);
    const telling = setInterval(() => world.changes.tell(RELEASE), 20);
    const { status } = await answering;
    clearInterval(telling);

    assert.equal(status, 422);
    const digests = world.asked.map(([, , { start, digest }]) => ({ start, digest }));
    const later = { start: true, digest: 'sha256:1' };
    assert.deepEqual(digests, [{ start: true, digest: undefined }, later, later]);
  });

  test('ends its wait when another revision was deployed: Flagger asks for that one by itself', {
    timeout: 20_000,
  }, async () => {
    await using world = await aWorld([verdictOf('running'), verdictOf('pending', 'sha256:2')]);

    assert.equal((await world.call(`${GATE}?wait=1h`)).status, 408);
  });

  test('waits on while the API server does not answer', async () => {
    await using world = await aWorld([verdictOf('running'), 'API_UNAVAILABLE', verdictOf('passed')]);

    const answering = world.call(`${GATE}?wait=1m`);
    const telling = setInterval(() => world.changes.tell(RELEASE), 20);
    const { status } = await answering;
    clearInterval(telling);

    assert.equal(status, 200);
  });

  test('does not say yes when it stops during the wait', async () => {
    await using world = await aWorld([verdictOf('running')]);

    const answering = world.call(`${GATE}?wait=1m`);
    while (world.asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
    world.stop();

    assert.equal((await answering).status, 503);
  });

  test('is told in the log, and the token is not', async () => {
    await using world = await aWorld();
    await world.call(GATE);
    await world.call(GATE, withMetadata({ token: 'the-token-of-other' }));

    assert.deepEqual(
      world.lines.map(({ msg }) => msg),
      ['canary asked', 'request refused'],
    );
    assert.doesNotMatch(JSON.stringify(world.lines), /the-token-of/);
  });
});

describe('the rollback of a canary', () => {
  for (const [result, status] of [
    ['failed', 200],
    ['passed', 409],
    ['inconclusive', 409],
    ['pending', 409],
    ['running', 409],
  ] as const)
    test(`is ${status === 200 ? '' : 'not '}asked for when a test is ${result}, and nothing is started`, async () => {
      await using world = await aWorld([verdictOf(result)]);

      assert.equal((await world.call(ROLLBACK)).status, status);
      assert.deepEqual(
        world.asked.map(([, , { start }]) => start),
        [false],
      );
    });
});

describe('a webhook of Flagger is refused, never by a code up to 202,', () => {
  for (const [what, body, status, message] of [
    ['with a wrong token', withMetadata({ token: `${TOKEN}x` }), 403, /not the token of the namespace apps/],
    ['with the token of another namespace', withMetadata({ token: 'the-token-of-other' }), 403, /apps/],
    ['without a token', withMetadata({ token: undefined }), 400, /metadata\.token/],
    ['without metadata', without('metadata'), 400, /metadata/],
    ['that names no test', withMetadata({ tests: ' , ' }), 400, /metadata\.tests: name the tests/],
    ['without tests', withMetadata({ tests: undefined }), 400, /metadata\.tests/],
    ['without a checksum', without('checksum'), 400, /checksum: Flagger sends one since/],
    ['with a checksum that is a path', { ...PAYLOAD, checksum: '../x' }, 400, /checksum/],
    ['without a name', without('name'), 400, /^name/],
    ['without a namespace', without('namespace'), 400, /^namespace/],
    ['whose body is not JSON', '{', 400, /not JSON/],
    ['without a body', '', 400, /name/],
    ['with too large a body', ' '.repeat(65_537), 413, /65536/],
  ] as [string, unknown, number, RegExp][])
    test(what, async () => {
      await using world = await aWorld([verdictOf('failed')]);

      for (const path of [GATE, ROLLBACK]) {
        const answer = await world.call(path, body);
        assert.equal(answer.status, status);
        assert.match(String(answer.json['message']), message);
      }
      assert.deepEqual(world.asked, []);
    });

  for (const [what, path, status] of [
    ['for a namespace that has no token', '/flagger/tenants/podinfo/gate', 403],
    ['for a namespace that is a word of JavaScript', '/flagger/constructor/podinfo/gate', 403],
    ['at a path that is none of a release', '/flagger/apps/..%2Fx/gate', 400],
    ['at an unknown path', '/flagger/apps/podinfo/approve', 404],
    ['with a wait that is none', `${GATE}?wait=10`, 400],
    ['with an unknown question', `${GATE}?waits=10s`, 400],
    ['with a wait for a rollback', `${ROLLBACK}?wait=10s`, 400],
  ] as const)
    test(what, async () => {
      await using world = await aWorld([verdictOf('passed')]);

      assert.equal((await world.call(path)).status, status);
      assert.deepEqual(world.asked, []);
    });

  for (const [code, status] of [
    ['RELEASE_NOT_FOUND', 404],
    ['TEST_NOT_FOUND', 404],
    ['API_CONFLICT', 409],
    ['API_UNAVAILABLE', 503],
  ] as const)
    test(`when it ends in ${code}`, async () => {
      await using world = await aWorld([code]);

      for (const path of [GATE, ROLLBACK]) assert.equal((await world.call(path)).status, status);
    });

  test('when it was not configured, with what to set', async () => {
    await using world = await aWorld([verdictOf('passed')], { flaggerTokens: undefined });

    const { status, json } = await world.call(GATE);

    assert.equal(status, 404);
    assert.match(String(json['message']), /POSTSYNC_FLAGGER_TOKENS_FILE/);
  });

  test('before everything was listed, and while it stops', async () => {
    let isReady = false;
    await using world = await aWorld([verdictOf('passed')], { isReady: () => isReady });
    assert.equal((await world.call(GATE)).status, 503);

    isReady = true;
    world.stop();

    assert.equal((await world.call(GATE)).status, 503);
  });

  test('when one namespace asks too often', async () => {
    await using world = await aWorld();

    const answers = await Promise.all(Array.from({ length: 60 }, () => world.call(GATE)));

    assert.ok(answers.some(({ status }) => status === 429));
  });
});
