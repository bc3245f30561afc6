import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Time } from '../../../src/decide/model.ts';
import { answering, type Reply } from '../../support/answering.ts';
import { connected, failureOf, SINCE } from './given.ts';

describe('a limit of GitHub', () => {
  const LIMITS: readonly [string, Reply, number][] = [
    [
      'secondary, with retry-after',
      {
        status: 403,
        headers: { 'retry-after': '30' },
        body: { message: 'You have exceeded a secondary rate limit' },
      },
      30,
    ],
    [
      'secondary, by its words',
      { status: 403, body: { message: 'You have exceeded a secondary rate limit' } },
      60,
    ],
    [
      'told only by retry-after',
      { status: 403, headers: { 'retry-after': '7' }, body: { message: 'Please wait' } },
      7,
    ],
    [
      'told only by what is left',
      {
        status: 403,
        headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(SINCE / 1000 + 9) },
      },
      9,
    ],
    ['told by 429', { status: 429 }, 60],
    [
      'primary',
      {
        status: 403,
        headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(SINCE / 1000 + 600) },
        body: { message: 'API rate limit exceeded' },
      },
      600,
    ],
  ];
  for (const [name, reply, seconds] of LIMITS) {
    test(`that is ${name} ends one call, and all others are not even sent until it is over`, async () => {
      let now = SINCE;
      await using server = await answering((_, index) => (index === 0 ? reply : { status: 204 }));
      const github = connected(server.url, { now: () => now });

      const calls = [
        () => github.dispatchRepository('acme/shop', 'postsync', {}),
        () => github.dispatchRepository('acme/shop', 'postsync', {}),
        () => github.cancelRun('acme/shop', 7),
        () => github.readRun('acme/shop', 7),
      ];
      for (const call of calls) assert.equal((await failureOf(call())).code, 'GITHUB_LIMITED');
      assert.equal(server.seen.length, 1);
      assert.equal(github.limits.blockedUntil, SINCE + seconds * 1000);

      now = SINCE + seconds * 1000;
      await github.dispatchRepository('acme/shop', 'postsync', {});
      assert.equal(server.seen.length, 2);
    });
  }

  test('is kept by the answer that uses the last of it', async () => {
    const headers = {
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(SINCE / 1000 + 600),
    };
    await using server = await answering(() => ({ status: 204, headers }));
    const github = connected(server.url, { now: () => SINCE });
    await github.dispatchRepository('acme/shop', 'postsync', {});
    assert.equal(github.limits.blockedUntil, SINCE + 600_000);
    assert.equal(
      (await failureOf(github.dispatchRepository('acme/shop', 'postsync', {}))).message,
      "cannot dispatch to acme/shop: not before 2026-11-21T10:10:00.000Z, by GitHub's limits",
    );
  });

  test('is not what keeps somebody without a right out', async () => {
    await using server = await answering(() => ({
      status: 403,
      headers: { 'x-ratelimit-remaining': '4999', 'x-ratelimit-reset': '1' },
      body: { message: 'Resource not accessible by personal access token' },
    }));
    const github = connected(server.url);
    const error = await failureOf(github.dispatchRepository('acme/shop', 'postsync', {}));
    assert.equal(error.code, 'GITHUB_FORBIDDEN');
    assert.equal(github.limits.blockedUntil, undefined);
  });

  test('of a write each second holds from when it is sent', async () => {
    const turns: Time[] = [];
    await using server = await answering(() => {
      turns.push(github.limits.turnOf('next'));
      return { status: 204 };
    });
    const github = connected(server.url, { now: () => SINCE });
    await github.dispatchRepository('acme/shop', 'postsync', {});
    assert.deepEqual(turns, [SINCE + 1_000]);
  });

  test('of a write each second holds from its answer on', async () => {
    let now = SINCE;
    await using server = await answering(() => {
      now = SINCE + 3_000;
      return { status: 204 };
    });
    const github = connected(server.url, { now: () => now });
    await github.dispatchRepository('acme/shop', 'postsync', {});
    assert.equal(github.limits.turnOf('next'), SINCE + 4_000);
  });
});
