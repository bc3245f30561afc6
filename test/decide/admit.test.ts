import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { admit, type Candidate } from '../../src/decide/admit.ts';
import { after } from '../support/model.ts';

function candidate(run: string, at = 0, differs: Partial<Candidate> = {}): Candidate {
  const [namespace = ''] = run.split('/');
  return { run, namespace, test: `${namespace}/smoke`, maxParallel: 0, createdAt: after(at), ...differs };
}

function admitted(
  waiting: readonly Candidate[],
  running: readonly Candidate[],
  maxRuns: number,
): readonly string[] {
  return admit(waiting, running, maxRuns).map(({ run }) => run);
}

describe('who may start', () => {
  test('are the oldest, up to the cap', () => {
    const waiting = [candidate('a/3', 3), candidate('a/1', 1), candidate('a/2', 2)];
    assert.deepEqual(admitted(waiting, [candidate('a/0')], 3), ['a/1', 'a/2']);
    assert.deepEqual(admitted(waiting, [candidate('a/0')], 1), []);
    assert.deepEqual(admitted(waiting, [], 0), ['a/1', 'a/2', 'a/3']);
  });

  test('are the namespaces in turn, however many wait in one', () => {
    const waiting = [candidate('a/1', 1), candidate('a/2', 2), candidate('a/3', 3), candidate('b/1', 9)];
    assert.deepEqual(admitted(waiting, [], 3), ['a/1', 'b/1', 'a/2']);
  });

  test('is first the namespace that has the fewest under way', () => {
    assert.deepEqual(admitted([candidate('a/2', 1), candidate('b/1', 2)], [candidate('a/1')], 2), ['b/1']);
  });

  test('are no more of a test than its maxParallel, which holds up nobody else', () => {
    const one = { maxParallel: 1, test: 'tests/e2e' };
    const waiting = [candidate('a/1', 1, one), candidate('b/1', 2, one), candidate('b/2', 3)];
    assert.deepEqual(admitted(waiting, [], 0), ['a/1', 'b/2']);
    assert.deepEqual(admitted(waiting, [candidate('c/1', 0, one)], 0), ['b/2']);
  });

  test('never exceed a cap, never leave room that somebody could use, and are in order in a namespace', () => {
    const candidates = fc
      .array(
        fc.record({
          namespace: fc.constantFrom('a', 'b', 'c'),
          test: fc.constantFrom('x', 'y'),
          at: fc.nat(20),
        }),
        { maxLength: 30 },
      )
      .map((list) =>
        list.map(({ namespace, test, at }, index) =>
          candidate(`${namespace}/${index}`, at, { test, maxParallel: test === 'x' ? 2 : 0 }),
        ),
      );
    fc.assert(
      fc.property(candidates, fc.nat(12), fc.nat(5), (all, cap, started) => {
        const running = all.slice(0, started);
        const waiting = all.slice(started);
        const chosen = admit(waiting, running, cap);
        const now = [...running, ...chosen];
        if (cap > 0) assert.ok(chosen.length <= Math.max(0, cap - running.length));
        const ofX = now.filter(({ test }) => test === 'x').length;
        assert.ok(ofX <= Math.max(2, running.filter(({ test }) => test === 'x').length));
        const left = waiting.filter((one) => !chosen.includes(one));
        if (cap === 0 || now.length < cap) assert.ok(left.every(({ test }) => test === 'x' && ofX >= 2));
        for (const one of left) {
          const younger = chosen.filter(
            ({ namespace, test, createdAt }) =>
              namespace === one.namespace && test === one.test && createdAt > one.createdAt,
          );
          assert.deepEqual(younger, []);
        }
      }),
    );
  });
});
