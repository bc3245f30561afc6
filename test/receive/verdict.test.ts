import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, test } from 'node:test';
import { PostsyncError } from '../../src/errors.ts';
import type { ReleaseVerdict } from '../../src/ports.ts';
import { tell, type Wanted } from '../../src/receive/verdict.ts';
import { anApiServer } from '../support/rbac.ts';
import { aServer } from '../support/server.ts';

const RELEASE = { namespace: 'apps', name: 'podinfo' };
const DEPLOYED = { digest: 'sha256:2', version: 7, chartVersion: '1.2.0', appVersion: '6.0' };
const PASSED: ReleaseVerdict = {
  result: 'passed',
  digest: 'sha256:2',
  isCurrent: true,
  deployed: DEPLOYED,
  tests: { smoke: 'passed in 12s' },
};

describe('the verdict of what is deployed', () => {
  for (const [result, status] of [
    ['passed', 200],
    ['failed', 422],
    ['inconclusive', 424],
    ['pending', 408],
    ['running', 408],
  ] as const)
    test(`is ${status} when it is ${result}`, () => {
      assert.equal(tell({ ...PASSED, result }, {}).status, status);
    });

  test('says which tests go on that cannot change it for the better', () => {
    const lines = { smoke: 'failed in 2s', e2e: 'running, v7', load: 'pending, v7: waits for smoke' };
    const { status, message } = tell({ ...PASSED, result: 'failed', tests: lines }, {});

    assert.equal(status, 422);
    assert.equal(message, 'the result of v7 (chart 1.2.0) is failed; not ended yet: e2e, load');
  });

  for (const [what, verdict, message] of [
    ['nothing is deployed', { isCurrent: false, tests: {} }, /nothing is deployed/],
    [
      'no result stands there',
      { isCurrent: false, deployed: DEPLOYED, tests: {} },
      /does it ask for any test/,
    ],
    [
      'it is about an older one',
      { ...PASSED, isCurrent: false, digest: 'sha256:1' },
      /another deployment than v7/,
    ],
    [
      'something newer is to come',
      { ...PASSED, isCurrent: false, because: 'asked for: podinfo-smoke-v7-1' },
      /^v7 \(chart 1\.2\.0\): asked for: podinfo-smoke-v7-1$/,
    ],
    ['Flux is at work on the release', { ...PASSED, isCurrent: false }, /is at work/],
  ] as [string, ReleaseVerdict, RegExp][])
    test(`is not there when ${what}`, () => {
      const { status, message: said } = tell(verdict, {});

      assert.equal(status, 408);
      assert.match(said, message);
    });
});

describe('the verdict that is asked for', () => {
  for (const [wanted, status] of [
    [{ chartVersion: '1.2.0' }, 200],
    [{ chartVersion: '1.1.0' }, 408],
    [{ appVersion: '6.0' }, 200],
    [{ appVersion: '5.0' }, 408],
    [{ afterDigest: 'sha256:1' }, 200],
    [{ afterDigest: 'sha256:2' }, 408],
    [{ chartVersion: '1.2.0', afterDigest: 'sha256:2' }, 408],
    [{ chartVersion: '1.2.0', appVersion: '5.0' }, 408],
  ] as [Wanted, number][])
    test(`${JSON.stringify(wanted)} is ${status}`, () => {
      assert.equal(tell(PASSED, wanted).status, status);
    });

  test('is found by the version of a chart from OCI, with and without its digest', () => {
    const deployed = { ...DEPLOYED, chartVersion: '1.2.0+0123456789ab' };

    for (const [chartVersion, status] of [
      ['1.2.0', 200],
      ['1.2.0+0123456789ab', 200],
      ['1.2.0+other', 408],
      ['1.2', 408],
    ] as const)
      assert.equal(tell({ ...PASSED, deployed }, { chartVersion }).status, status, chartVersion);
  });

  test('is not there when the app version is not known', () => {
    const { appVersion: _, ...deployed } = DEPLOYED;

    assert.match(tell({ ...PASSED, deployed }, { appVersion: '6.0' }).message, /not known/);
  });
});

async function aRelease(first: ReleaseVerdict | undefined, users: readonly string[] = []) {
  const state = { verdict: first, reads: 0, isDown: false, onRead: () => {} };
  const { kubernetes } = anApiServer(
    Object.fromEntries(['jo', ...users].map((user) => [user, ['get apps']])),
  );
  const api = { onReview: async () => {} };
  const server = await aServer({
    kubernetes: {
      async create(...call) {
        await api.onReview();
        return kubernetes.create(...call);
      },
    },
    requests: {
      run: () => Promise.resolve([]),
      override: () => Promise.resolve([]),
      async verdict() {
        state.reads++;
        const seen = state.verdict;
        state.onRead();
        if (state.isDown) throw new PostsyncError('API_UNAVAILABLE', 'connection refused');
        return seen;
      },
    },
  });
  async function ask(query: string, { as = 'jo', signal }: { as?: string; signal?: AbortSignal } = {}) {
    const response = await fetch(`${server.url}/api/v1/releases/apps/podinfo${query}`, {
      headers: { authorization: `Bearer token-of-${as}` },
      ...(signal && { signal }),
    });
    return { status: response.status, json: JSON.parse(await response.text()) as Record<string, unknown> };
  }
  return { ...server, api, state, ask, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Resolves when the release was read so often. */
async function reads(
  { state }: { state: { reads: number; onRead: () => void } },
  times: number,
): Promise<void> {
  while (state.reads < times) await new Promise<void>((resolve) => (state.onRead = resolve));
}

describe('asking for the verdict', () => {
  test('answers with all that stands on the release', async () => {
    await using release = await aRelease(PASSED);

    const { status, json } = await release.ask('');

    const message = 'the tests of v7 (chart 1.2.0) ended: passed';
    assert.deepEqual({ status, json }, { status: 200, json: { message, ...RELEASE, ...PASSED } });
  });

  test('answers at once with 408 when it is not to wait', async () => {
    await using release = await aRelease({ ...PASSED, result: 'running' });

    const { status, json } = await release.ask('');

    assert.deepEqual([status, json['error'], release.state.reads], [408, 'NotDecided', 1]);
  });

  test('says why it is none yet, where a newer one is to come', async () => {
    await using release = await aRelease({ ...PASSED, isCurrent: false, because: 'asked for: it' });

    const { status, json } = await release.ask('');

    assert.deepEqual(
      [status, json['message'], 'because' in json],
      [408, 'v7 (chart 1.2.0): asked for: it', false],
    );
  });

  test('waits until there is one', async () => {
    await using release = await aRelease({ ...PASSED, result: 'running' });
    const asked = release.ask('?wait=1m');
    await reads(release, 1);

    release.state.verdict = { ...PASSED, result: 'failed' };
    release.changes.tell(RELEASE);

    assert.equal((await asked).status, 422);
  });

  test('misses nothing that happens while it reads', async () => {
    await using release = await aRelease({ ...PASSED, result: 'running' });
    release.state.onRead = () => {
      release.state.verdict = PASSED;
      release.changes.tell(RELEASE);
    };

    assert.equal((await release.ask('?wait=10s')).status, 200);
    assert.equal(release.state.reads, 2);
  });

  test('waits for the deployment that is meant, though an older one has passed', async () => {
    await using release = await aRelease({ ...PASSED, deployed: { ...DEPLOYED, chartVersion: '1.1.0' } });
    const asked = release.ask('?wait=1m&chartVersion=1.2.0%2Bbuild');
    await reads(release, 1);

    release.state.verdict = { ...PASSED, deployed: { ...DEPLOYED, chartVersion: '1.2.0+build' } };
    release.changes.tell(RELEASE);

    assert.equal((await asked).status, 200);
  });

  test('takes the space that a + in a query stands for as the + that was meant', async () => {
    await using release = await aRelease({
      ...PASSED,
      deployed: { ...DEPLOYED, chartVersion: '1.2.0+build' },
    });

    assert.equal((await release.ask('?chartVersion=1.2.0+build')).status, 200);
  });

  test('takes its time as all durations are written', async () => {
    await using release = await aRelease(PASSED);

    for (const [wait, status] of [
      ['1m30s', 200],
      ['0', 200],
      ['1h', 200],
      ['59m60s', 200],
      ['1h1ms', 400],
      ['-1s', 400],
      ['1.5m', 400],
    ] as const)
      assert.equal((await release.ask(`?wait=${wait}`)).status, status, wait);
  });

  test('answers with 408 when its time is over', async () => {
    await using release = await aRelease({ ...PASSED, result: 'pending' });

    const { status, json } = await release.ask('?wait=300ms');

    assert.equal(status, 408);
    assert.equal(json['message'], 'the tests of v7 (chart 1.2.0) are pending');
  });

  test('waits on when the API server does not answer for a moment', async () => {
    await using release = await aRelease(PASSED);
    release.state.isDown = true;
    const asked = release.ask('?wait=1m');
    await reads(release, 1);

    release.state.isDown = false;
    release.changes.tell(RELEASE);

    assert.equal((await asked).status, 200);
  });

  test('answers with 503 when postsync stops', async () => {
    await using release = await aRelease({ ...PASSED, result: 'running' });
    const asked = release.ask('?wait=1m');
    await reads(release, 1);

    release.stop();

    assert.equal((await asked).status, 503);
  });

  test('ends when the one who asked has gone', async () => {
    await using release = await aRelease({ ...PASSED, result: 'running' });
    const leaving = new AbortController();
    const asked = release.ask('?wait=1m', { signal: leaving.signal });
    await reads(release, 1);

    leaving.abort();
    await assert.rejects(asked);
    await reads(release, 2);
    const before = release.state.reads;
    release.changes.tell(RELEASE);
    await release.ask('');

    assert.equal(release.state.reads, before + 1);
  });

  test('does not begin for one who has gone while Kubernetes was asked who they are', async (t) => {
    await using release = await aRelease({ ...PASSED, result: 'running' });
    const { server, url, changes } = release;
    const waits = t.mock.method(changes, 'wait');
    const asked = Promise.withResolvers<void>();
    const known = Promise.withResolvers<void>();
    release.api.onReview = () => {
      asked.resolve();
      return known.promise;
    };
    const leaving = new AbortController();
    const left = new Promise((resolve) =>
      server.once('request', (_req, res: ServerResponse) => void res.once('close', resolve)),
    );
    const asking = fetch(`${url}/api/v1/releases/apps/podinfo?wait=1m`, {
      headers: { authorization: 'Bearer token-of-jo' },
      signal: leaving.signal,
    });
    await asked.promise;
    leaving.abort();
    await assert.rejects(asking);
    await left;
    known.resolve();
    await reads(release, 1);

    assert.deepEqual(
      waits.mock.calls.map(({ arguments: [, , signal] }) => signal.aborted),
      [true],
    );
  });

  test('is refused to those who are too many to wait, until others have their answer', async () => {
    const users = Array.from({ length: 10 }, (_, index) => `user-${index}`);
    await using release = await aRelease({ ...PASSED, result: 'running' }, users);
    const waiting = users.flatMap((as) => Array.from({ length: 29 }, () => release.ask('?wait=1m', { as })));
    await reads(release, 256);

    const { status } = await release.ask('?wait=1m');
    assert.equal(status, 429);
    assert.equal((await release.ask('')).status, 408);

    release.state.verdict = PASSED;
    release.changes.tell(RELEASE);
    const statuses = new Set((await Promise.all(waiting)).map((answer) => answer.status));
    assert.deepEqual(statuses, new Set([200, 429]));
    assert.equal((await release.ask('?wait=1m')).status, 200);
  });

  test('says that a release is gone', async () => {
    await using release = await aRelease({ ...PASSED, result: 'running' });
    const asked = release.ask('?wait=1m');
    await reads(release, 1);

    release.state.verdict = undefined;
    release.changes.tell(RELEASE);

    assert.equal((await asked).status, 404);
  });
});
