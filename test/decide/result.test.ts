import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Run } from '../../src/decide/model.ts';
import { project, resultOf } from '../../src/decide/result.ts';
import {
  A_JOB,
  after,
  aManualRun,
  aRelease,
  aRun,
  aTest,
  moving,
  observed,
  POLICY,
  planned,
  type Scene,
} from '../support/model.ts';

const RESULT = 'postsync.dev/result';
const DIGEST = 'postsync.dev/digest';
const HANDLED = 'postsync.dev/lastHandledRequestedAt';
const SMOKE = 'tests.postsync.dev/smoke';

function says(scene: Scene = {}): Readonly<Record<string, string | undefined>> {
  return project(observed(scene), POLICY).annotations;
}

const PASSED = aRun({ startedAt: after(48), outcome: { verdict: 'passed', finishedAt: after(60) } });
const FAILED = aRun({
  startedAt: after(55),
  outcome: { verdict: 'failed', message: 'exit code 1\nstack', finishedAt: after(60) },
});

describe('a release says', () => {
  test('pending, with the digest it is about, as soon as a test is due', () => {
    assert.deepEqual(project(observed(), POLICY), {
      annotations: {
        [RESULT]: 'pending',
        [DIGEST]: 'sha256:seven',
        [SMOKE]: 'pending, v7 (chart 1.2.0)',
      },
      labels: { [RESULT]: 'pending' },
    });
  });

  test('for which other test one waits', () => {
    const keys = says({ tests: [aTest('migrations'), aTest('smoke', { needs: ['migrations'] })] });
    assert.equal(keys[SMOKE], 'pending, v7 (chart 1.2.0): waits for migrations');
  });

  test('that a test waits for one that nobody asks for', () => {
    const keys = says({ tests: [aTest('smoke', { needs: ['nobody'] })] });
    assert.match(String(keys[SMOKE]), /: waits for nobody, which is not a test of this release$/);
  });

  test('running while its Job is there', () => {
    const keys = says({ runs: [aRun({ job: A_JOB })] });
    assert.equal(keys[RESULT], 'running');
    assert.equal(keys[SMOKE], 'running, v7 (chart 1.2.0), since 2026-11-21T12:00:01Z');
  });

  test('passed, in a line for people', () => {
    const keys = says({ runs: [PASSED] });
    assert.equal(keys[RESULT], 'passed');
    assert.equal(keys[SMOKE], 'passed in 12s, v7 (chart 1.2.0), 2026-11-21T12:01:00Z');
  });

  test('failed, with the reason and the first line of what was said', () => {
    const keys = says({ runs: [FAILED] });
    assert.equal(keys[RESULT], 'failed');
    assert.equal(keys[SMOKE], 'failed in 5s, v7 (chart 1.2.0), 2026-11-21T12:01:00Z: JobFailed: exit code 1');
  });

  test('which attempt it was, where it was tried again by itself', () => {
    const second = aRun({ attempt: 2, startedAt: after(48), outcome: {} });
    assert.match(says({ runs: [FAILED, second] })[SMOKE] ?? '', /^passed \(attempt 2 of 2\) in 12s, /);
    const open = aRun({ attempt: 2, job: A_JOB });
    assert.match(says({ runs: [FAILED, open] })[SMOKE] ?? '', /^running \(attempt 2 of 2\), /);
  });

  test('no attempt of what somebody asked for, however often it ran before', () => {
    const second = aRun({ attempt: 2, outcome: {} });
    const asked = { cause: 'manual', createdAt: after(90) } as const;
    const byRequest = aRun({ attempt: 3, ...asked, outcome: {} });
    assert.match(says({ runs: [FAILED, second, byRequest] })[SMOKE] ?? '', /^passed \(re-run\), /);
    const byHand = aManualRun({ ...asked, digest: 'sha256:seven', releaseUid: 'release-uid', outcome: {} });
    assert.match(says({ runs: [FAILED, second, byHand] })[SMOKE] ?? '', /^passed \(re-run\), /);
    assert.match(says({ runs: [byHand] })[SMOKE] ?? '', /^passed, /);
    const changed = aRun({ attempt: 3, cause: 'test-changed', createdAt: after(90), outcome: {} });
    assert.match(says({ runs: [FAILED, second, changed] })[SMOKE] ?? '', /^passed, /);
    const goesOn = aRun({ attempt: 4, ...asked, createdAt: after(99), job: A_JOB });
    assert.match(says({ runs: [FAILED, second, goesOn] })[SMOKE] ?? '', /^passed \(attempt 2 of 2\), /);
  });

  test('attempts since somebody asked, where that was tried again', () => {
    const asked = aRun({ attempt: 2, cause: 'manual', outcome: { verdict: 'inconclusive' } });
    const again = aRun({ attempt: 3, outcome: {} });
    assert.match(says({ runs: [FAILED, asked, again] })[SMOKE] ?? '', /^passed \(attempt 2 of 2\), /);
  });

  test('why it will be tried again', () => {
    const message = 'its Pod cannot be created: no such account\nand more';
    const runs = [aRun({ outcome: { verdict: 'inconclusive', reason: 'PodRefused', message } })];
    const keys = says({ runs });
    assert.equal(keys[RESULT], 'pending');
    assert.equal(
      keys[SMOKE],
      'pending, v7 (chart 1.2.0): inconclusive: PodRefused: its Pod cannot be created: no such account; will be tried again',
    );
  });

  test('who decided otherwise', () => {
    const message = 'known flake';
    const override: Run = aManualRun({
      digest: 'sha256:seven',
      releaseUid: 'release-uid',
      createdAt: after(90),
      outcome: { reason: 'Overridden', message },
    });
    const keys = says({ runs: [FAILED, override] });
    assert.equal(keys[RESULT], 'passed');
    assert.match(keys[SMOKE] ?? '', /: Overridden: known flake$/);
  });

  test('nothing new when all of it stands there already', () => {
    const { annotations, labels } = project(observed({ runs: [PASSED] }), POLICY) as {
      annotations: Record<string, string>;
      labels: Record<string, string>;
    };
    const release = aRelease({ annotations, labels });
    assert.deepEqual(project(observed({ release, runs: [PASSED] }), POLICY), { annotations: {}, labels: {} });
  });

  test('it again when somebody removed a key, also while the release moves', () => {
    for (const release of [aRelease(), moving()]) {
      assert.equal(says({ release, runs: [PASSED] })[RESULT], 'passed');
      assert.equal(says({ release, runs: [PASSED] })[DIGEST], 'sha256:seven');
    }
  });

  test('what it said while nothing new is deployed', () => {
    const annotations = { [RESULT]: 'passed', [DIGEST]: 'sha256:six', [SMOKE]: 'passed' };
    assert.deepEqual(says({ release: moving({ annotations }) }), {});
    const failed = aRelease({ annotations, ready: 'False', revision: { status: 'failed' } });
    assert.deepEqual(says({ release: failed }), {});
    assert.deepEqual(says({ release: aRelease({ annotations, revision: 'none' }) }), {});
  });

  test('nothing of a run about another digest or another uid', () => {
    const other = { ...PASSED, digest: 'sha256:six' };
    assert.equal(says({ runs: [other] })[RESULT], 'pending');
    assert.equal(says({ runs: [{ ...PASSED, releaseUid: 'before' }] })[RESULT], 'pending');
  });
});

describe('the result', () => {
  test('is the first that holds of failed, inconclusive, running, pending, passed', () => {
    const all = ['failed', 'inconclusive', 'running', 'pending', 'passed'] as const;
    for (const [index, result] of all.entries()) {
      assert.equal(resultOf(all.slice(index).toReversed()), result);
    }
    assert.equal(resultOf([]), undefined);
  });

  test('is not changed by an optional test, which has a line all the same', () => {
    const tests = [aTest('smoke'), aTest('nice', { required: false })];
    const nice = aRun({ test: 'nice', outcome: { verdict: 'failed' } });
    const keys = says({ tests, runs: [PASSED, nice] });
    assert.equal(keys[RESULT], 'passed');
    assert.match(keys['tests.postsync.dev/nice'] ?? '', /^failed/);
  });

  test('is absent where all tests are optional', () => {
    const tests = [aTest('smoke', { required: false })];
    const keys = says({ tests, runs: [FAILED] });
    assert.equal(keys[RESULT], undefined);
    assert.equal(keys[DIGEST], 'sha256:seven');
    assert.match(keys[SMOKE] ?? '', /^failed/);
  });

  test('stands, once final, until a re-run of the same digest has ended', () => {
    const open = aRun({ attempt: 2, cause: 'manual', job: A_JOB });
    assert.equal(says({ runs: [FAILED, open] })[RESULT], 'failed');
    assert.equal(says({ runs: [PASSED, open] })[RESULT], 'passed');
    const done = aRun({ attempt: 2, cause: 'manual', outcome: {} });
    assert.equal(says({ runs: [FAILED, done] })[RESULT], 'passed');
  });

  test('is not final while a retry is to come or goes on', () => {
    const first = aRun({ outcome: { verdict: 'inconclusive' } });
    assert.equal(says({ runs: [first] })[RESULT], 'pending');
    assert.equal(says({ runs: [first, aRun({ attempt: 2, job: A_JOB })] })[RESULT], 'running');
  });

  test('is what a person decides while a retry goes on, or what a run says finally that was asked for since', () => {
    const first = aRun({ outcome: { verdict: 'inconclusive' } });
    const retry = aRun({ attempt: 2, createdAt: after(120), job: A_JOB });
    const decided = aRun({
      attempt: 3,
      cause: 'override',
      createdAt: after(200),
      outcome: { verdict: 'passed', reason: 'Overridden', finishedAt: after(201) },
    });
    assert.equal(says({ runs: [first, retry, decided] })[RESULT], 'passed');

    const asked = { attempt: 3, cause: 'manual', createdAt: after(200) } as const;
    const broken = aRun({ ...asked, outcome: { verdict: 'inconclusive' } });
    assert.equal(says({ runs: [first, retry, broken] })[RESULT], 'running');
    const failed = aRun({ ...asked, outcome: { verdict: 'failed' } });
    assert.equal(says({ runs: [first, retry, failed] })[RESULT], 'failed');
  });

  test('counts a test that was added to a release that is tested, and is not meant for this revision, for nothing', () => {
    const tests = [aTest('smoke'), aTest('late', { createdAt: after(7200) })];
    const keys = says({ tests, runs: [PASSED] });
    assert.equal(keys[RESULT], 'passed');
    assert.equal(keys['tests.postsync.dev/late'], undefined);
  });

  test('of a rollback does not flicker while Flux looks at it', () => {
    const tests = [aTest('undo', { after: ['rollback'] }), aTest('smoke')];
    const revision = { action: 'rollback' } as const;
    const runs = [aRun({ test: 'undo', cause: 'rollback', outcome: {} })];
    const release = aRelease({ ready: 'False', stalled: true, revision });
    assert.equal(says({ release, tests, runs })[RESULT], 'passed');
    assert.equal(says({ release: moving({ revision }), tests, runs })[RESULT], 'passed');
  });
});

describe('what a release asks for and cannot get', () => {
  test('an unknown key is pending with a reason, never passed', () => {
    const release = aRelease({ annotations: { 'postsync.dev/smokes': 'yes' } });
    const keys = says({ release, runs: [PASSED] });
    assert.equal(keys[RESULT], 'pending');
    assert.match(
      keys['tests.postsync.dev/smokes'] ?? '',
      /^pending: the annotation postsync.dev\/smokes is not/,
    );
  });

  test('a test that does not exist is pending with a reason, never passed', () => {
    const release = aRelease({ annotations: { 'postsync.dev/tests': 'smoke,e2e' } });
    const keys = says({ release, runs: [PASSED] });
    assert.equal(keys[RESULT], 'pending');
    assert.match(
      keys['tests.postsync.dev/e2e'] ?? '',
      /^pending: there is no SyncTest e2e in namespace apps/,
    );
  });

  test('a test that cannot work is pending with a reason, never passed', () => {
    const tests = [aTest('smoke'), aTest('bad', { invalid: 'spec needs a body' })];
    const keys = says({ tests, runs: [PASSED] });
    assert.equal(keys[RESULT], 'pending');
    assert.match(
      keys['tests.postsync.dev/bad'] ?? '',
      /^pending: the SyncTest bad cannot work: spec needs a body/,
    );
  });

  test('a name as long as all annotations may be leaves room for the rest', () => {
    const release = aRelease({ annotations: { 'postsync.dev/tests': `smoke,${'x'.repeat(200_000)}` } });
    assert.ok(JSON.stringify(says({ release })).length < 1_000);
  });

  test('a name that no key may have does not keep the rest from being written', () => {
    const release = aRelease({ annotations: { 'postsync.dev/tests': `smoke e2e,${'x'.repeat(80)}` } });
    const keys = Object.keys(says({ release }));
    assert.equal(keys.length, 5);
    for (const key of keys) assert.match(key, /^[a-z.]+\/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
  });
});

describe('where no test is left', () => {
  const annotations = {
    [RESULT]: 'passed',
    [DIGEST]: 'sha256:seven',
    [HANDLED]: 'a',
    [SMOKE]: 'passed',
    'postsync.dev/suspend': 'true',
  };

  test('our keys are removed, and only ours', () => {
    const release = aRelease({ annotations, labels: { [RESULT]: 'passed', tier: 'web' } });
    assert.deepEqual(project(observed({ release, tests: [], runs: [PASSED] }), POLICY), {
      annotations: { [RESULT]: undefined, [DIGEST]: undefined, [HANDLED]: undefined, [SMOKE]: undefined },
      labels: { [RESULT]: undefined },
    });
  });

  test('nothing is written on a release that never had one', () => {
    assert.deepEqual(project(observed({ tests: [] }), POLICY), { annotations: {}, labels: {} });
  });

  test('the line of a single test that is gone is removed', () => {
    const release = aRelease({ annotations: { ...annotations, 'tests.postsync.dev/old': 'failed' } });
    const keys = says({ release, runs: [PASSED] });
    assert.ok('tests.postsync.dev/old' in keys);
    assert.equal(keys['tests.postsync.dev/old'], undefined);
  });
});

describe('where runs were deleted', () => {
  const line = 'passed in 12s, v7 (chart 1.2.0), 2026-11-21T12:01:00Z';
  const annotations = { [RESULT]: 'passed', [DIGEST]: 'sha256:seven', [SMOKE]: line };

  test('the result stands, and the label is written again', () => {
    const release = aRelease({ annotations });
    const projection = project(observed({ release }), POLICY);
    assert.deepEqual(projection, { annotations: {}, labels: { [RESULT]: 'passed' } });
  });

  test('the line of one whose runs are gone stands beside the others', () => {
    const tests = [aTest('smoke'), aTest('other')];
    const runs = [aRun({ test: 'other', outcome: {} })];
    const keys = says({ release: aRelease({ annotations }), tests, runs });
    assert.deepEqual(Object.keys(keys), ['tests.postsync.dev/other']);
  });

  test('no line stands that says of a run that is gone that it goes on', () => {
    const running = 'running, v7 (chart 1.2.0), since 2026-11-21T12:00:01Z';
    const failed = { ...annotations, [RESULT]: 'failed', [SMOKE]: 'failed in 5s' };
    const release = aRelease({ annotations: { ...failed, 'tests.postsync.dev/other': running } });
    const tests = [aTest('smoke'), aTest('other')];
    assert.deepEqual(says({ release, tests }), { 'tests.postsync.dev/other': 'pending, v7 (chart 1.2.0)' });
    assert.deepEqual(planned({ release, tests }), ['create other upgrade 1']);
    const late = aTest('other', { createdAt: after(7200) });
    assert.deepEqual(says({ release, tests: [aTest('smoke'), late] }), {
      'tests.postsync.dev/other': undefined,
    });
  });

  test('a line about another digest does not stand', () => {
    const release = aRelease({ annotations: { ...annotations, [DIGEST]: 'sha256:six' } });
    const keys = says({ release });
    assert.equal(keys[RESULT], 'pending');
    assert.equal(keys[DIGEST], 'sha256:seven');
  });
});

describe('a served request', () => {
  test('is written down once every test has a run that it asked for', () => {
    const tests = [aTest('smoke'), aTest('other')];
    const release = aRelease({ annotations: { 'postsync.dev/requestedAt': 'a' } });
    const one = [aRun({ request: 'a', outcome: {} })];
    assert.equal(says({ release, tests, runs: one })[HANDLED], undefined);
    const both = [...one, aRun({ test: 'other', request: 'a' })];
    assert.equal(says({ release, tests, runs: both })[HANDLED], 'a');
    assert.equal(
      says({ release: { ...moving(), annotations: release.annotations }, tests, runs: both })[HANDLED],
      undefined,
    );
  });

  test('is not forgotten when the request is', () => {
    const release = aRelease({ annotations: { [HANDLED]: 'a' } });
    assert.ok(!(HANDLED in says({ release, runs: [PASSED] })));
  });
});
