import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Run } from '../../src/decide/model.ts';
import { createAdmission } from '../../src/reconcile/admission.ts';
import { after, aRun, aTest, NOON } from '../support/model.ts';

function run(release: string, at = 0): Run {
  return { ...aRun({ createdAt: after(at) }), release, ref: { namespace: 'apps', name: `run-${release}` } };
}

function anAdmission(maxRuns: number) {
  const told: string[] = [];
  let now = NOON;
  const pass = (ms: number) => (now += ms);
  const admission = createAdmission({ maxRuns, now: () => now, onRoom: ({ name }) => told.push(name) });
  return { admission, told, pass };
}

const TEST = aTest();
const [A, B, C] = [run('a', 1), run('b', 2), run('c', 3)];

describe('admission', () => {
  test('lets everything start where there is no cap', () => {
    const { admission } = anAdmission(0);
    assert.ok([A, B, C].every((run) => admission.ask(run, TEST)));
    assert.equal(admission.running, 3);
  });

  test('lets as many start as may, and tells the next when one has left', () => {
    const { admission, told } = anAdmission(1);
    assert.ok(admission.ask(A, TEST));
    assert.ok(admission.ask(A, TEST), 'asking again costs nothing');
    assert.ok(!admission.ask(C, TEST));
    assert.ok(!admission.ask(B, TEST));
    assert.equal(admission.waiting, 2);
    admission.leave(A);
    assert.deepEqual(told, ['b']);
    assert.ok(!admission.ask(C, TEST), 'it is not its turn');
    assert.ok(admission.ask(B, TEST));
    assert.deepEqual(admission.admittedAt(B), NOON);
    assert.equal(admission.admittedAt(C), undefined);
  });

  test('offers the room that is given back, and counts on from the time that was spent in it', () => {
    const { admission, told, pass } = anAdmission(1);
    admission.ask(A, TEST);
    admission.ask(B, TEST);
    pass(1000);
    admission.giveBack(A);
    assert.deepEqual(told, ['b']);
    assert.ok(admission.ask(B, TEST));
    assert.ok(!admission.ask(A, TEST), 'it asks as all do');
    pass(5000);
    admission.leave(B);
    assert.ok(admission.ask(A, TEST));
    assert.equal(admission.admittedAt(A), NOON + 5000);
  });

  test('counts a run that was started before, above the cap too', () => {
    const { admission } = anAdmission(1);
    admission.count(A, TEST);
    admission.count(B, undefined);
    assert.equal(admission.running, 2);
    assert.ok(!admission.ask(C, TEST));
    admission.leave(A);
    assert.ok(!admission.ask(C, TEST));
    admission.leave(B);
    assert.ok(admission.ask(C, TEST));
  });

  test('holds a test to its own maxParallel', () => {
    const { admission } = anAdmission(0);
    const one = aTest('smoke', { maxParallel: 1 });
    assert.ok(admission.ask(A, one));
    assert.ok(!admission.ask(B, one));
  });

  test('offers the room to the next when the one whose turn it was is ended before it started', () => {
    const { admission, told } = anAdmission(1);
    for (const run of [A, B, C]) admission.ask(run, TEST);
    admission.leave(A);
    admission.leave(B);
    assert.deepEqual(told, ['b', 'c']);
  });

  test('offers the room to the next when the one whose turn it was does not ask any more', () => {
    const { admission, told } = anAdmission(1);
    for (const run of [A, B, C]) admission.ask(run, TEST);
    admission.leave(A);
    admission.withdraw(B);
    assert.deepEqual(told, ['b', 'c']);
    assert.ok(admission.ask(C, TEST));
    admission.withdraw(C);
    assert.equal(admission.running, 1, 'one that goes on is not withdrawn');
  });
});
