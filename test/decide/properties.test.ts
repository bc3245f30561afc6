import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { Test } from '../../src/decide/model.ts';
import { plan } from '../../src/decide/plan.ts';
import { prune } from '../../src/decide/prune.ts';
import { after, aTest, POLICY } from '../support/model.ts';
import { type Counts, type Happening, type Simulation, simulate } from '../support/simulation.ts';

const which = fc.nat(9);

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant('look' as const), dies: fc.nat(20) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('job ends' as const),
      which,
      verdict: fc.constantFrom('passed', 'failed', 'inconclusive'),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constant('time passes' as const), seconds: fc.constantFrom(1, 40, 700) }),
  },
  { weight: 4, arbitrary: fc.constantFrom<Happening>({ type: 'upgrade begins' }, { type: 'upgrade ends' }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom('job is lost', 'abort', 'test changes'), which }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('run deleted' as const), which }) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(
        'Flux looks',
        'rolled back',
        'reinstalled',
        'asked',
        'suspend',
        'by hand',
        'keys removed',
        'test comes and goes',
      )
      .map((type): Happening => ({ type })),
  },
);

const tests: fc.Arbitrary<readonly Test[]> = fc
  .array(
    fc.record({
      required: fc.boolean(),
      retries: fc.nat(2),
      retryFailed: fc.nat(1),
      historyLimit: fc.integer({ min: 0, max: 2 }),
      onNewRevision: fc.constantFrom('cancel', 'finish'),
      after: fc.constantFrom<Test['after']>(
        ['install', 'upgrade'],
        ['install', 'upgrade', 'rollback'],
        ['rollback'],
      ),
      settleMs: fc.constantFrom(0, 0, 30_000),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((list) => list.map((differs, index) => aTest(`t${index}`, differs)));

/** Lets a history happen and looks after each part of it. @returns what it contained */
function check(promise: (simulation: Simulation) => void, numRuns = 200): Counts {
  const all: Counts = { created: 0, removed: 0, retried: 0, adopted: 0, finished: 0 };
  const history = fc.array(happening, { minLength: 1, maxLength: 80, size: 'max' });
  fc.assert(
    fc.property(tests, history, (tests, happenings) => {
      const simulation = simulate(tests, happenings);
      for (const it of happenings) {
        simulation.happen(it);
        promise(simulation);
      }
      for (const key of Object.keys(all) as (keyof Counts)[]) all[key] += simulation.counts[key];
    }),
    { numRuns },
  );
  return all;
}

describe('whatever the history', () => {
  test('a look comes to an end, and the next one has nothing to do and nothing to write', () => {
    const counts = check((simulation) => {
      assert.ok(simulation.look() <= 8, 'it does not come to an end');
      assert.deepEqual(simulation.plans().actions, []);
      assert.deepEqual(simulation.projection(), { annotations: {}, labels: {} });
    });
    // A generator without enough history would prove nothing.
    for (const [what, count] of Object.entries(counts)) {
      if (what !== 'adopted') assert.ok(count > 5, `${what}: ${count}`);
    }
  });

  test('no Job is created twice, and no revision is tested twice by itself, though the process dies anywhere', () => {
    const counts = check((simulation) => {
      assert.ok(simulation.starts().every((times) => times === 1));
      assert.ok(simulation.firsts().every((times) => times === 1));
    });
    for (const [what, count] of Object.entries(counts)) assert.ok(count > 2, `${what}: ${count}`);
  });

  test('at most one run of a test goes on by itself', () => {
    check((simulation) => {
      const open = simulation.runs().filter(({ outcome, ours }) => !outcome && ours);
      assert.equal(new Set(open.map(({ test }) => test.name)).size, open.length);
    });
  });

  test('the result is passed only where every required test has passed for exactly that digest', () => {
    let seen = 0;
    check((simulation) => {
      simulation.look();
      const { annotations, revision, uid } = simulation.release();
      if (annotations['postsync.dev/result'] !== 'passed') return;
      const digest = annotations['postsync.dev/digest'];
      for (const { test } of simulation.observed().selection.wanted.filter(({ test }) => test.required)) {
        const runs = simulation
          .runs()
          .filter(
            (run) => run.test.name === test.ref.name && run.digest === digest && run.releaseUid === uid,
          );
        const ended = runs.filter(({ outcome }) => outcome);
        if (ended.length === 0) continue;
        seen += 1;
        assert.ok(ended.some(({ outcome }) => outcome?.verdict === 'passed'));
      }
      assert.equal(typeof revision?.digest, 'string');
    });
    assert.ok(seen > 50);
  });

  test('a verdict that a Job gave is about what is deployed, and is never taken while it moves', () => {
    let known = new Set<string>();
    check((simulation) => {
      const verdicts = simulation
        .runs()
        .filter(({ outcome }) => outcome && outcome.verdict !== 'inconclusive');
      for (const run of verdicts.filter(({ uid }) => !known.has(uid))) {
        if (run.outcome?.reason === 'Overridden') continue;
        assert.equal(run.digest, simulation.release().revision?.digest);
        assert.ok(!simulation.isMoving());
      }
      known = new Set(verdicts.map(({ uid }) => uid));
    });
  });

  test('forgetting runs makes nothing due, and leaves those of the deployed revision', () => {
    let forgotten = 0;
    check((simulation) => {
      const before = simulation.observed();
      const deployed = before.release.revision?.digest;
      const gone = new Set(prune(before.runs, deployed, before.testOf));
      forgotten += gone.size;
      for (const run of gone) assert.ok(run.ours && run.outcome && run.digest !== deployed);
      const created = (runs: typeof before.runs) =>
        plan({ ...before, runs }, POLICY, after(1e6)).actions.filter(({ type }) => type === 'create');
      const rest = before.runs.filter((run) => !gone.has(run));
      assert.deepEqual(created(rest), created(before.runs));
    });
    assert.ok(forgotten > 9, `${forgotten}`);
  });
});
