import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PostsyncError } from '../src/errors.ts';
import type { Kubernetes } from '../src/kubernetes.ts';
import { createLease } from '../src/lease.ts';
import { createLog } from '../src/log.ts';
import { aClock, type Clock } from './support/clock.ts';

type Line = 'open' | 'refused' | 'hangs' | 'answer lost' | 'slow answer';

interface Stored {
  metadata: { resourceVersion: string };
  spec: Record<string, unknown>;
}

/** One Lease on a server, with a line to it for each candidate. */
function aServer(clock: Clock) {
  let stored: Stored | undefined;
  let version = 0;
  let writes = 0;

  function write(body: object, before?: Stored): Stored {
    const { metadata, spec } = body as Stored;
    if (before && metadata.resourceVersion !== before.metadata.resourceVersion)
      throw new PostsyncError('API_CONFLICT', 'it changed');
    if (!before && stored) throw new PostsyncError('API_EXISTS', 'there is one');
    writes++;
    stored = { metadata: { resourceVersion: String(++version) }, spec: { ...before?.spec, ...spec } };
    return stored;
  }

  function read(): Stored {
    if (!stored) throw new PostsyncError('API_NOT_FOUND', 'no lease');
    return stored;
  }

  return {
    holder: () => stored?.spec.holderIdentity,
    lease: () => stored,
    writes: () => writes,
    delete: () => void (stored = undefined),
    line() {
      const line = { state: 'open' as Line };
      async function call<T>(act: () => T): Promise<T> {
        if (line.state === 'refused') throw new PostsyncError('API_UNAVAILABLE', 'connection refused');
        if (line.state === 'hangs') return stuck() as Promise<T>;
        const answer = structuredClone(act());
        if (line.state === 'slow answer') await clock.delay(9_000, new AbortController().signal);
        if (line.state === 'answer lost') throw new PostsyncError('API_UNAVAILABLE', 'timeout');
        return answer;
      }
      const kubernetes: Pick<Kubernetes, 'get' | 'create' | 'patch'> = {
        get: () => call(read),
        create: (_, body) => call(() => write(body)),
        patch: (_, body) => call(() => write(body, read())),
      };
      return { kubernetes, cut: (state: Line) => void (line.state = state) };
    },
  };
}

const stuck = () => new Promise<void>(() => undefined);

function aWorld() {
  const clock = aClock();
  const server = aServer(clock);
  const log = createLog('silent');

  function aCandidate(identity: string) {
    const { kubernetes, cut } = server.line();
    const { now, delay } = clock;
    const lease = createLease(kubernetes, { namespace: 'ns', name: 'postsync', identity, log, now, delay });
    const stop = new AbortController();
    const terms: { readonly from: number; to?: number }[] = [];
    const finish = { afterMs: 0 };
    const ended = lease.run(stop.signal, async (signal) => {
      const term: { from: number; to?: number } = { from: now() };
      terms.push(term);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      term.to = now();
      if (finish.afterMs > 0) await delay(finish.afterMs, new AbortController().signal);
    });
    return { ...lease, cut, terms, finish, ended, stop: () => stop.abort() };
  }
  return { clock, server, aCandidate };
}

async function twoCandidates() {
  const { clock, server, aCandidate } = aWorld();
  const a = aCandidate('a');
  await clock.advance(1000);
  const b = aCandidate('b');
  await clock.advance(30_000);
  assert.deepEqual([a.held(), b.held(), server.holder()], [true, false, 'a']);
  return { clock, server, a, b };
}

describe('the lease', () => {
  test('is made and taken by the only candidate, and kept as long as it is renewed', async () => {
    const { clock, server, aCandidate } = aWorld();

    const a = aCandidate('a');
    await clock.advance(120_000);

    assert.equal(a.held(), true);
    assert.deepEqual(a.terms, [{ from: 0 }]);
    assert.match(String(server.lease()?.spec.renewTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    assert.equal(server.lease()?.spec.leaseTransitions, 0);
  });

  for (const line of ['refused', 'hangs'] as const)
    test(`is lost by a holder whose line is ${line}, before another takes it`, async () => {
      const { clock, server, a, b } = await twoCandidates();

      a.cut(line);
      let both = 0;
      for (let step = 0; step < 200; step++) {
        await clock.advance(100);
        if (a.held() && b.held()) both++;
      }

      assert.equal(both, 0);
      assert.deepEqual([a.held(), b.held(), server.holder()], [false, true, 'b']);
      assert.ok((a.terms[0]?.to ?? Number.POSITIVE_INFINITY) < (b.terms[0]?.from ?? 0));
      assert.equal(server.lease()?.spec.leaseTransitions, 1);
    });

  test('does not come back to the one that lost it, while the other renews it', async () => {
    const { clock, a, b } = await twoCandidates();
    a.cut('refused');
    await clock.advance(20_000);

    a.cut('open');
    await clock.advance(60_000);

    assert.deepEqual([a.held(), b.held(), a.terms.length], [false, true, 1]);
  });

  test('is kept through a short failure', async () => {
    const { clock, a, b } = await twoCandidates();

    a.cut('refused');
    await clock.advance(6_000);
    a.cut('open');
    await clock.advance(30_000);

    assert.deepEqual([a.held(), b.held(), a.terms.length], [true, false, 1]);
  });

  test('is kept when a renewal was carried out and its answer was lost', async () => {
    const { clock, a, b } = await twoCandidates();

    a.cut('answer lost');
    await clock.advance(2_000);
    a.cut('open');
    await clock.advance(30_000);

    assert.deepEqual([a.held(), b.held(), a.terms.length], [true, false, 1]);
  });

  test('counts from when a renewal was sent, not from when it was answered', async () => {
    const { clock, a } = await twoCandidates();

    a.cut('slow answer');
    await clock.advance(11_500);

    assert.equal(a.held(), false);
  });

  test('is no longer held once its time is over, though the loop did not notice yet', async () => {
    const clock = aClock();
    const { kubernetes } = aServer(clock).line();

    const lease = createLease(kubernetes, {
      namespace: 'ns',
      name: 'postsync',
      identity: 'a',
      log: createLog('silent'),
      now: clock.now,
      delay: stuck,
    });
    void lease.run(new AbortController().signal, stuck);
    await clock.advance(9_999);
    assert.equal(lease.held(), true);

    await clock.advance(1);

    assert.equal(lease.held(), false);
  });

  test('is given back on stop, so that another need not wait for it to run out', async () => {
    const { clock, server, a, b } = await twoCandidates();

    a.stop();
    await clock.advance(0);
    await a.ended;
    assert.equal(server.holder(), '');
    await clock.advance(3_000);

    assert.deepEqual([a.held(), b.held(), server.holder()], [false, true, 'b']);
  });

  test('is renewed on stop until what was begun has ended', async () => {
    const { clock, server, a, b } = await twoCandidates();
    a.finish.afterMs = 25_000;

    a.stop();
    await clock.advance(24_000);
    assert.deepEqual([a.held(), b.held(), server.holder()], [true, false, 'a']);
    await clock.advance(5_000);

    assert.deepEqual([a.held(), b.held()], [false, true]);
  });

  test('is lost at once when somebody else stands in it', async () => {
    const { clock, server, a, b } = await twoCandidates();
    const { kubernetes } = server.line();
    const resourceVersion = server.lease()?.metadata.resourceVersion;

    const spec = { holderIdentity: 'admin', renewTime: 'now' };
    await kubernetes.patch({ resource: 'leases' }, { metadata: { resourceVersion }, spec });
    await clock.advance(2_000);

    assert.deepEqual([a.held(), b.held()], [false, false]);
    assert.notEqual(a.terms[0]?.to, undefined);
  });

  test('is made again when somebody deleted it', async () => {
    const { clock, server, a, b } = await twoCandidates();

    server.delete();
    await clock.advance(5_000);

    assert.equal([a, b].filter((candidate) => candidate.held()).length, 1);
    assert.ok(server.holder() === 'a' || server.holder() === 'b');
  });

  test('is given back at once by one that was told to stop while it took it', async () => {
    const { clock, server, aCandidate } = aWorld();
    const a = aCandidate('a');
    a.cut('slow answer');
    await clock.advance(1_000);

    a.stop();
    await clock.advance(30_000);

    assert.deepEqual([a.terms, server.holder()], [[], '']);
  });

  test('goes to one of many that want it at the same time', async () => {
    const { clock, aCandidate } = aWorld();

    const candidates = ['a', 'b', 'c', 'd'].map(aCandidate);
    await clock.advance(60_000);

    assert.equal(candidates.filter((candidate) => candidate.held()).length, 1);
    assert.equal(candidates.flatMap(({ terms }) => terms).length, 1);
  });

  test('is taken at once by a process that comes back under the same identity', async () => {
    const { clock, server, aCandidate } = aWorld();
    const before = aCandidate('a');
    await clock.advance(10_000);
    before.cut('hangs');

    const after = aCandidate('a');
    await clock.advance(100);

    assert.equal(after.held(), true);
    assert.equal(server.lease()?.spec.leaseTransitions, 0);
  });

  test('is judged by when it was seen to change, whatever its times say', async () => {
    const { clock, server, aCandidate } = aWorld();
    const { kubernetes } = server.line();
    const spec = { holderIdentity: 'x', leaseDurationSeconds: 15, renewTime: '1999-01-01T00:00:00.000000Z' };
    await kubernetes.create({ resource: 'leases' }, { metadata: {}, spec });

    const a = aCandidate('a');
    await clock.advance(14_000);
    assert.equal(a.held(), false);
    await clock.advance(3_000);

    assert.equal(a.held(), true);
  });

  test('is given back when what it was held for fails, and the failure is told', async () => {
    const clock = aClock();
    const server = aServer(clock);
    const { kubernetes } = server.line();
    const log = createLog('silent');
    const lease = createLease(kubernetes, {
      namespace: 'ns',
      name: 'postsync',
      identity: 'a',
      log,
      ...clock,
    });

    const running = lease.run(new AbortController().signal, () => Promise.reject(new Error('broken')));

    await assert.rejects(running, /broken/);
    assert.equal(server.holder(), '');
  });
});
