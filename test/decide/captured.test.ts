import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { plan } from '../../src/decide/plan.ts';
import { isMoving } from '../../src/decide/rest.ts';
import { readRelease } from '../../src/record/release-object.ts';
import { A_JOB, aRun, aTest, created, ended, observed, POLICY, planned } from '../support/model.ts';

const FILE = new URL('../fixtures/helmrelease-watch.jsonl', import.meta.url);
const SEEN = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => readRelease(JSON.parse(line)));
const NOW = Date.parse('2026-11-21T12:30:00Z');
const FIRST = SEEN[13]!;
const SECOND = SEEN[24]!;

describe('a release as a real Flux made it, an install and an upgrade', () => {
  test('is due twice, each time with the digest that stays, and not before Flux has finished', () => {
    const due = SEEN.flatMap((release, line) =>
      plan(observed({ release, tests: [aTest()] }), POLICY, NOW).actions.flatMap((action) =>
        action.type === 'create' ? [{ line, cause: action.cause, digest: action.revision.digest }] : [],
      ),
    );
    assert.deepEqual(due, [
      { line: 13, cause: 'install', digest: FIRST.revision?.digest },
      { line: 24, cause: 'upgrade', digest: SECOND.revision?.digest },
    ]);
    assert.notEqual(FIRST.revision?.digest, SECOND.revision?.digest);
  });

  test('starts nothing that was created for the first revision once the second is on its way', () => {
    const run = created(
      FIRST,
      { test: aTest(), revision: FIRST.revision!, attempt: 1, cause: 'install' },
      NOW,
    );
    const lines = SEEN.map((release) => planned({ release, tests: [aTest()], runs: [run] }, NOW)[0]);
    assert.deepEqual(lines.slice(13, 15), [`start ${run.ref.name}`, undefined]);
    assert.ok(lines.slice(14).every((line) => !line?.startsWith('start')));
    assert.equal(lines[19], `finish ${run.ref.name} inconclusive Superseded`);
  });

  test('takes no verdict about the first revision from where Helm is at work on the second', () => {
    const { revision, uid } = FIRST;
    const run = aRun({ digest: revision!.digest, releaseUid: uid, job: A_JOB });
    const jobs = { [run.ref.name]: ended() };
    const outcomes = SEEN.slice(13).map(
      (release) => planned({ release, runs: [run], jobs }, NOW)[0] ?? 'waits',
    );
    const passed = `finish ${run.ref.name} passed Passed`;
    const superseded = `finish ${run.ref.name} inconclusive Superseded`;
    assert.deepEqual(outcomes.slice(0, 2), [passed, passed]);
    assert.deepEqual(outcomes.slice(2, 6), ['waits', 'waits', 'waits', 'waits']);
    assert.ok(outcomes.slice(6).every((outcome) => outcome === superseded));
    assert.ok(SEEN.slice(15, 19).every(isMoving));
  });

  test('keeps its digest when helm’s own tests have run', () => {
    assert.equal(SEEN[10]?.revision?.digest, SEEN[11]?.revision?.digest);
    assert.deepEqual(SEEN[10]?.revision?.testHooks, undefined);
    assert.equal(Object.keys(SEEN[11]?.revision?.testHooks ?? {}).length, 1);
  });
});
