import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { createLimits, type RateLimitAnswer } from '../../../src/run/github/limits.ts';

const START = Date.parse('2026-11-21T12:00:00Z');

function anAccount() {
  let at = START;
  const limits = createLimits({ now: () => at });
  return {
    limits,
    now: () => at,
    pass: (ms: number) => void (at += ms),
    /** When the turn of a key is, in seconds from now. */
    turn: (key: string) => (limits.turnOf(key) - at) / 1000,
    hear: (headers: RateLimitAnswer['headers'] = {}, limited = false) => limits.heard({ headers, limited }),
    blocked: () => (limits.blockedUntil === undefined ? undefined : (limits.blockedUntil - at) / 1000),
    readable: () => (limits.readableAt - at) / 1000,
  };
}

describe('writes of one account', () => {
  test('take turns, a second apart, in the order in which they asked', () => {
    const { turn } = anAccount();
    assert.deepEqual(['a', 'b', 'c'].map(turn), [0, 1, 2]);
    assert.deepEqual(['c', 'a'].map(turn), [2, 0]);
  });

  test('are not taken before their turn, nor twice', () => {
    const { limits, turn, pass } = anAccount();
    turn('a');
    turn('b');

    assert.equal(limits.take('b'), false);
    assert.equal(limits.take('a'), true);
    assert.equal(limits.take('a'), false);
    pass(1_000);
    assert.equal(limits.take('b'), true);
  });

  test('are not taken by who did not ask for a turn', () => {
    assert.equal(anAccount().limits.take('a'), false);
  });

  test('go on when the one whose turn it is does not come', () => {
    const { limits, turn, pass } = anAccount();
    turn('a');
    turn('b');
    pass(1_000);
    assert.equal(limits.take('b'), true);
  });

  test('stay a second apart when several come late', () => {
    const { limits, turn, pass } = anAccount();
    for (const key of ['a', 'b', 'c', 'd']) turn(key);
    pass(10_000);

    assert.equal(limits.take('b'), true);
    assert.equal(limits.take('a'), false);
    assert.deepEqual(['a', 'c', 'd'].map(turn), [1, 2, 3]);
  });

  test('lose a turn that nobody has asked for in a minute', () => {
    const { turn, pass } = anAccount();
    turn('a');
    turn('b');
    pass(62_000);
    assert.deepEqual(['b', 'a'].map(turn), [0, 1]);
  });

  test('come a second after one was sent or answered', () => {
    const { limits, turn, pass } = anAccount();
    limits.wrote();
    pass(400);
    assert.equal(turn('a'), 0.6);
  });

  test('of an hour are fewer than 500', () => {
    const { limits, turn, pass } = anAccount();
    for (let write = 0; write < 480; write++) {
      assert.equal(turn(`${write}`), 0);
      assert.equal(limits.take(`${write}`), true);
      pass(1_000);
    }
    const wait = turn('one more');
    assert.ok(wait > 3_600 - 481 && wait < 3_600 - 479, `${wait}`);
  });

  test('wait in their order until a limit has ended', () => {
    const { limits, turn, hear } = anAccount();
    for (const key of ['a', 'b']) turn(key);
    hear({ 'retry-after': '30' }, true);

    assert.equal(limits.take('a'), false);
    assert.deepEqual(['a', 'b', 'c'].map(turn), [30, 31, 32]);
  });
});

describe('reads of one account', () => {
  test('are 500 a minute', () => {
    const { limits, readable, pass } = anAccount();
    for (let read = 0; read < 500; read++) assert.equal(limits.read(), true);
    assert.equal(limits.read(), false);
    pass(60_001);
    assert.equal(readable(), 0);
    assert.equal(limits.read(), true);
  });

  test('wait when little is left, so that something can be dispatched', () => {
    const { limits, turn, hear, readable } = anAccount();
    const left = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '40' };
    hear({ ...left, 'x-ratelimit-reset': String(START / 1000 + 600) });
    assert.equal(readable(), 600);
    assert.equal(limits.read(), false);
    assert.equal(turn('a'), 0);
  });
});

describe('a limit of GitHub lasts', () => {
  const reset = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(START / 1000 + 900) };
  const CASES: readonly [string, RateLimitAnswer['headers'], number][] = [
    ['as long as retry-after says', { 'retry-after': '17', ...reset }, 17],
    ['as long as retry-after says as a date', { 'retry-after': 'Sat, 21 Nov 2026 12:00:09 GMT' }, 9],
    ['until the primary limit is reset', reset, 900],
    ['a minute when nothing is said', {}, 60],
    ['a minute when what is said makes no sense', { 'retry-after': 'soon' }, 60],
    ['a minute when the reset is past', { ...reset, 'x-ratelimit-reset': String(START / 1000 - 5) }, 60],
    ['a day at most', { 'retry-after': '999999999999' }, 86_400],
  ];
  for (const [name, headers, seconds] of CASES) {
    test(name, () => {
      const { hear, blocked, readable, turn } = anAccount();
      hear(headers, true);
      assert.deepEqual([blocked(), readable(), turn('a')], [seconds, seconds, seconds]);
    });
  }

  test('longer each time when nothing is said, until something is answered', () => {
    const { hear, blocked, pass } = anAccount();
    const waits = [1, 2, 3].map(() => {
      hear({}, true);
      const wait = blocked() ?? 0;
      pass(wait * 1000);
      return wait;
    });
    assert.deepEqual(waits, [60, 120, 240]);
    assert.equal(blocked(), undefined);

    hear();
    hear({}, true);
    assert.equal(blocked(), 60);
  });

  test('no longer because several requests that were on their way together are refused', () => {
    const { hear, blocked, pass } = anAccount();
    for (let request = 0; request < 4; request++) hear({}, true);
    assert.equal(blocked(), 60);
    pass(60_000);
    for (let request = 0; request < 4; request++) hear({}, true);
    assert.equal(blocked(), 120);
  });

  test('no longer because of refusals before that said how long', () => {
    const { hear, blocked, pass } = anAccount();
    for (let refusal = 0; refusal < 5; refusal++) {
      hear({ 'retry-after': '5' }, true);
      pass(5_000);
    }
    hear({}, true);
    assert.equal(blocked(), 60);
  });

  test('from the answer that takes the last of it', () => {
    const { hear, blocked } = anAccount();
    hear(reset);
    assert.equal(blocked(), 900);
  });

  test('not when it is the limit of something else, or there is none', () => {
    const { hear, blocked } = anAccount();
    hear({ ...reset, 'x-ratelimit-resource': 'graphql' });
    hear({});
    assert.equal(blocked(), undefined);
  });
});

type Step = (world: ReturnType<typeof anUser>) => void;

/** Somebody who uses an account as he may, and writes down what GitHub would count. */
function anUser() {
  const account = anAccount();
  const { limits, now } = account;
  const writes: number[] = [];
  const reads: number[] = [];
  let blockedUntil = 0;
  return {
    ...account,
    writes,
    reads,
    ask(key: string) {
      const turn = limits.turnOf(key);
      assert.ok(turn >= blockedUntil, 'a turn during a limit');
      return turn;
    },
    take(key: string) {
      if (!limits.take(key)) return;
      assert.ok(now() >= blockedUntil, 'a write during a limit');
      writes.push(now());
    },
    read() {
      if (!limits.read()) return;
      assert.ok(now() >= blockedUntil, 'a read during a limit');
      reads.push(now());
    },
    limit(seconds: number) {
      account.hear({ 'retry-after': `${seconds}` }, true);
      blockedUntil = Math.max(blockedUntil, now() + seconds * 1000);
    },
  };
}

function upTo(max: number): fc.Arbitrary<number> {
  return fc.integer({ min: 1, max });
}

function aStep(): fc.Arbitrary<Step> {
  const key = fc.nat(40).map(String);
  const weighed = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary });
  return fc.oneof(
    weighed(
      4,
      key.map((key) => (user) => void user.ask(key)),
    ),
    weighed(
      4,
      key.map((key) => (user) => user.take(key)),
    ),
    weighed(
      2,
      upTo(200).map((count) => (user) => {
        for (let index = 0; index < count; index++) user.read();
      }),
    ),
    weighed(
      4,
      upTo(5_000).map((ms) => (user) => user.pass(ms)),
    ),
    weighed(
      1,
      upTo(400_000).map((ms) => (user) => user.pass(ms)),
    ),
    weighed(
      1,
      upTo(90).map((seconds) => (user) => user.limit(seconds)),
    ),
    weighed(
      2,
      upTo(120).map((seconds) => (user) => crowd(user, seconds)),
    ),
  );
}

/** Twenty that come whenever it is their turn, and ask for the next at once. */
function crowd(user: ReturnType<typeof anUser>, seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    for (let key = 0; key < 20; key++) if (user.ask(`${key}`) <= user.now()) user.take(`${key}`);
    user.pass(1_000);
  }
}

test('whatever is asked, and whenever, GitHub counts nothing above its limits', () => {
  fc.assert(
    fc.property(fc.array(aStep(), { maxLength: 120 }), (steps) => {
      const user = anUser();
      for (const step of steps) step(user);

      const { writes, reads } = user;
      assert.ok(most(writes, 60_000) <= 80, 'content-creating requests a minute');
      assert.ok(most(writes, 3_600_000) <= 500, 'content-creating requests an hour');
      assert.ok(
        writes.every((at, index) => at - (writes[index - 1] ?? 0) >= 1_000),
        'a second apart',
      );
      const points = [...reads, ...writes.flatMap((at) => Array<number>(5).fill(at))];
      assert.ok(
        most(
          points.toSorted((a, b) => a - b),
          60_000,
        ) <= 900,
        'points a minute',
      );
    }),
    { numRuns: 150 },
  );
});

test('whoever comes at his turn gets it, in the end', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.nat(3_000), { minLength: 1, maxLength: 10 }),
      (keys, lates) => {
        const { limits, now, pass } = anAccount();
        const comes = new Map(Array.from({ length: keys }, (_, key) => [`${key}`, limits.turnOf(`${key}`)]));
        for (let event = 0; comes.size > 0; event++) {
          assert.ok(event < keys * 20, `${comes.size} of ${keys} still wait`);
          const [key = '', at = 0] = [...comes].toSorted(([, a], [, b]) => a - b)[0] ?? [];
          pass(Math.max(0, at - now()));
          if (limits.take(key)) comes.delete(key);
          else comes.set(key, limits.turnOf(key) + (lates[event % lates.length] ?? 0));
        }
        assert.ok(now() <= START + (keys + 5) * 4_000, 'it takes too long');
      },
    ),
    { numRuns: 100 },
  );
});

/** The most of these times that any window of that length holds. */
function most(times: readonly number[], windowMs: number): number {
  let from = 0;
  return times.reduce((count, at, index) => {
    while (at - (times[from] ?? at) >= windowMs) from++;
    return Math.max(count, index - from + 1);
  }, 0);
}

test('a read is let through though the clock goes on meanwhile', () => {
  let ms = 0;
  const limits = createLimits({ now: () => (ms += 1) });
  assert.ok(limits.read());
});
