import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requestOf } from '../../src/decide/due.ts';
import type { Release, Time } from '../../src/decide/model.ts';
import { plan } from '../../src/decide/plan.ts';
import {
  A_JOB,
  after,
  aManualRun,
  aRelease,
  aRun,
  aTest,
  moving,
  NOON,
  observed,
  POLICY,
  planned,
  running,
  type Scene,
} from '../support/model.ts';

function wakeAt(scene: Scene, now: Time): Time | undefined {
  return plan(observed(scene), POLICY, now).wakeAt;
}

const shared = (name: string, needs: readonly string[] = []) =>
  aTest(name, { ref: { namespace: 'tests', name }, namespaces: {}, needs });

const inconclusive = (attempt: number, at: number) =>
  aRun({ attempt, outcome: { verdict: 'inconclusive', finishedAt: after(at) } });

const asked = (value: string, handled?: string) =>
  aRelease({
    annotations: {
      'postsync.dev/requestedAt': value,
      ...(handled !== undefined && { 'postsync.dev/lastHandledRequestedAt': handled }),
    },
  });

const told = (result: string, digest = 'sha256:seven', line = 'passed in 12s, v7 (chart 1.2.0)') =>
  aRelease({
    annotations: {
      'postsync.dev/result': result,
      'postsync.dev/digest': digest,
      'tests.postsync.dev/smoke': line,
    },
  });

describe('a revision is due', () => {
  test('when it is deployed, Ready, and Flux has finished with it', () => {
    assert.deepEqual(planned(), ['create smoke upgrade 1']);
  });

  test('as an install when it was one', () => {
    const release = aRelease({ revision: { action: 'install', version: 1 } });
    assert.deepEqual(planned({ release }), ['create smoke install 1']);
  });

  const not: Readonly<Record<string, Release>> = {
    'while Ready is Unknown': aRelease({ ready: 'Unknown', readyReason: 'Progressing' }),
    'while Ready is True but Reconciling is too': aRelease({ reconciling: true }),
    'while observedGeneration lags': aRelease({ generation: 2 }),
    'while Ready is False': aRelease({ ready: 'False', readyReason: 'UpgradeFailed' }),
    'without a Ready condition': aRelease({ ready: 'absent' }),
    'when history[0] failed': aRelease({ revision: { status: 'failed' } }),
    'when nothing was deployed yet': aRelease({ revision: 'none' }),
    'while Flux is told to suspend it': aRelease({ suspended: true }),
    'while it is being deleted': aRelease({ deleting: true }),
    'when a rollback is neither Ready nor Stalled': aRelease({
      ready: 'False',
      revision: { action: 'rollback' },
    }),
  };
  for (const [why, release] of Object.entries(not)) {
    test(`not ${why}`, () => {
      const tests = [aTest('smoke', { after: ['install', 'upgrade', 'rollback'] })];
      assert.deepEqual(planned({ release, tests }), []);
      assert.notEqual(plan(observed({ release, tests }), POLICY, NOON).because, '');
    });
  }
});

describe('a rollback', () => {
  const stalled = aRelease({
    ready: 'False',
    readyReason: 'RollbackSucceeded',
    stalled: true,
    revision: { action: 'rollback' },
  });

  test('that failed for good is not tested by default', () => {
    assert.deepEqual(planned({ release: stalled }), []);
  });

  test('that failed for good is tested by a test with after: rollback', () => {
    const tests = [aTest('smoke', { after: ['rollback'] })];
    assert.deepEqual(planned({ release: stalled, tests }), ['create smoke rollback 1']);
  });

  test('that is Ready, because somebody reverted in git, counts as an upgrade', () => {
    const release = aRelease({ revision: { action: 'rollback' } });
    assert.deepEqual(planned({ release }), ['create smoke upgrade 1']);
    assert.deepEqual(planned({ release, tests: [aTest('smoke', { after: ['rollback'] })] }), []);
  });
});

describe('after', () => {
  test('install does not run after an upgrade', () => {
    assert.deepEqual(planned({ tests: [aTest('smoke', { after: ['install'] })] }), []);
  });
});

describe('a revision that was there before the test', () => {
  const late = { createdAt: after(1800) };

  test('is not tested', () => {
    assert.deepEqual(planned({ tests: [aTest('smoke', late)] }), []);
  });

  test('is not tested either when it was Ready only minutes before', () => {
    assert.deepEqual(planned({ tests: [aTest('smoke', { createdAt: after(300) })] }), []);
  });

  test('is tested with existing: test', () => {
    const tests = [aTest('smoke', { ...late, existing: 'test' })];
    assert.deepEqual(planned({ tests }), ['create smoke upgrade 1']);
  });

  test('is tested when requestedAt asks for it, as the README says', () => {
    const tests = [aTest('smoke', late)];
    assert.deepEqual(planned({ release: asked('now'), tests }), ['create smoke manual 1']);
  });

  test('is tested when the release names the test itself', () => {
    const release = aRelease({ annotations: { 'postsync.dev/tests': 'smoke' } });
    assert.deepEqual(planned({ release, tests: [aTest('smoke', late)] }), ['create smoke upgrade 1']);
  });

  test('is new when it was not Ready yet: a commit often brings both', () => {
    const release = aRelease({ revision: { deployedAt: after(-60) } });
    const tests = [aTest('smoke', { createdAt: after(-30) })];
    assert.deepEqual(planned({ release, tests }), ['create smoke upgrade 1']);
  });

  test('is not made new by a Ready that flaps much later', () => {
    const release = aRelease({ revision: { deployedAt: after(-7200) } });
    assert.deepEqual(planned({ release, tests: [aTest('smoke', { createdAt: after(-3600) })] }), []);
  });
});

describe('needs', () => {
  const tests = [aTest('migrations'), aTest('smoke', { needs: ['migrations'] })];

  test('holds a test back until the other has passed', () => {
    assert.deepEqual(planned({ tests }), ['create migrations upgrade 1']);
    const open = [aRun({ test: 'migrations', job: A_JOB })];
    const jobs = { [open[0]!.ref.name]: running() };
    assert.deepEqual(planned({ tests, runs: open, jobs }), []);
    const runs = [aRun({ test: 'migrations', outcome: { verdict: 'passed' } })];
    assert.deepEqual(planned({ tests, runs }), ['create smoke upgrade 1']);
  });

  test('is not fulfilled by a failure, by an older revision, or by a test that is not there', () => {
    const failed = [aRun({ test: 'migrations', outcome: { verdict: 'failed' } })];
    assert.deepEqual(planned({ tests, runs: failed }), []);
    const old = [aRun({ test: 'migrations', digest: 'sha256:six', outcome: { verdict: 'passed' } })];
    assert.deepEqual(planned({ tests, runs: old }), ['create migrations upgrade 1']);
    assert.deepEqual(planned({ tests: [aTest('smoke', { needs: ['nobody'] })] }), []);
  });

  test('of a shared test prefers the test of its own namespace', () => {
    const policy = { ...POLICY, testsNamespace: 'tests' };
    const scene = { policy, tests: [aTest('db'), shared('db'), shared('smoke', ['db'])] };
    const local = aRun({ test: 'db', outcome: {} });
    const other = aRun({ test: 'db', outcome: {}, ref: { namespace: 'apps', name: 'shared-db' } });
    const far = { ...other, test: { namespace: 'tests', name: 'db' } };
    assert.deepEqual(planned({ ...scene, runs: [local] }), ['create db upgrade 1']);
    assert.deepEqual(planned({ ...scene, runs: [local, far] }), ['create smoke upgrade 1']);
  });
});

describe('settle', () => {
  const tests = [aTest('smoke', { settleMs: 300_000 })];

  test('waits until nothing newer came for so long, and wakes up then', () => {
    assert.deepEqual(planned({ tests }, after(299)), []);
    assert.deepEqual(wakeAt({ tests }, after(299)), after(300));
    assert.deepEqual(planned({ tests }, after(300)), ['create smoke upgrade 1']);
  });
});

describe('suspend', () => {
  test('of a release holds where it is mistyped, and not where it says false', () => {
    for (const [suspend, actions] of [
      ['yes', []],
      ['', []],
      ['false', ['create smoke upgrade 1']],
    ] as const) {
      const release = aRelease({ annotations: { 'postsync.dev/suspend': suspend } });
      assert.deepEqual(planned({ release }), actions);
    }
  });

  test('of the test or by annotation starts nothing new', () => {
    const release = aRelease({ annotations: { 'postsync.dev/suspend': 'true' } });
    assert.deepEqual(planned({ release }), []);
    assert.deepEqual(planned({ release, runs: [aRun()] }), []);
    assert.deepEqual(planned({ tests: [aTest('smoke', { suspended: true })] }), []);
    assert.deepEqual(planned({ tests: [aTest('smoke', { suspended: true })], runs: [aRun()] }), []);
  });
});

describe('a retry', () => {
  test('comes by itself after an inconclusive run, with a back-off that doubles', () => {
    const runs = [inconclusive(1, 0)];
    assert.deepEqual(planned({ runs }, after(29)), []);
    assert.deepEqual(wakeAt({ runs }, after(29)), after(30));
    assert.deepEqual(planned({ runs }, after(30)), ['create smoke retry 2']);
    const two = [...runs, inconclusive(2, 100)];
    assert.deepEqual(planned({ runs: two }, after(159)), []);
    assert.deepEqual(planned({ runs: two }, after(160)), ['create smoke retry 3']);
  });

  test('comes no more often than `retries`', () => {
    const runs = [inconclusive(1, 0), inconclusive(2, 100), inconclusive(3, 200)];
    assert.deepEqual(planned({ runs }, after(9999)), []);
    assert.deepEqual(
      planned({ runs: runs.slice(0, 1), tests: [aTest('smoke', { retries: 0 })] }, after(999)),
      [],
    );
  });

  test('does not come after a failed run, but with retryFailed', () => {
    const runs = [aRun({ outcome: { verdict: 'failed', finishedAt: NOON } })];
    assert.deepEqual(planned({ runs }, after(9999)), []);
    const tests = [aTest('smoke', { retryFailed: 1 })];
    assert.deepEqual(planned({ runs, tests }, after(30)), ['create smoke retry 2']);
    const two = [...runs, aRun({ attempt: 2, outcome: { verdict: 'failed', finishedAt: after(60) } })];
    assert.deepEqual(planned({ runs: two, tests }, after(9999)), []);
  });

  for (const reason of ['Aborted', 'Superseded', 'JobRefused', 'RemoteCluster', 'TestGone'] as const) {
    test(`does not come after ${reason}`, () => {
      const runs = [aRun({ outcome: { verdict: 'inconclusive', reason, finishedAt: NOON } })];
      assert.deepEqual(planned({ runs }, after(9999)), []);
    });
  }

  test('is counted anew from what a person asked for', () => {
    const spent = [inconclusive(1, 0), inconclusive(2, 100), inconclusive(3, 200)];
    const byHand = aRun({
      attempt: 4,
      cause: 'manual',
      outcome: { verdict: 'inconclusive', finishedAt: after(300) },
    });
    assert.deepEqual(planned({ runs: [...spent, byHand] }, after(330)), ['create smoke retry 5']);
  });
});

describe('a SyncTest whose spec changed', () => {
  const tests = [aTest('smoke', { generation: 2 })];

  test('runs again where it failed or was inconclusive, once per generation', () => {
    for (const verdict of ['failed', 'inconclusive'] as const) {
      const reason = verdict === 'failed' ? 'JobFailed' : 'JobRefused';
      const runs = [aRun({ outcome: { verdict, reason } })];
      assert.deepEqual(planned({ tests, runs }), ['create smoke test-changed 2']);
      const again = aRun({
        attempt: 2,
        cause: 'test-changed',
        testGeneration: 2,
        outcome: { verdict, reason },
      });
      assert.deepEqual(planned({ tests, runs: [...runs, again] }), []);
    }
  });

  test('does not run again where it passed, or where a person decided', () => {
    assert.deepEqual(planned({ tests, runs: [aRun({ outcome: { verdict: 'passed' } })] }), []);
    const decided = aRun({ outcome: { verdict: 'failed', reason: 'Overridden' } });
    assert.deepEqual(planned({ tests, runs: [decided] }), []);
  });
});

describe('requestedAt', () => {
  const passed = aRun({ outcome: { verdict: 'passed' } });

  test('asks for a re-run when its value is new', () => {
    assert.deepEqual(planned({ release: asked('a'), runs: [passed] }), ['create smoke manual 2']);
    const { request: _, ...before } = aRun({ request: 'a' });
    const runs = [{ ...before, request: 'a', outcome: passed.outcome! }];
    assert.deepEqual(planned({ release: asked('b'), runs }), ['create smoke manual 2']);
  });

  test('is served once, by the run that stood when it was created', () => {
    const runs = [passed, aRun({ attempt: 2, cause: 'manual', request: 'a', outcome: {} })];
    assert.deepEqual(planned({ release: asked('a'), runs }), []);
  });

  test('that is too long for a run is told from another one by its hash', () => {
    const long = (end: string) => requestOf(asked('x'.repeat(300) + end)) ?? '';
    assert.equal(requestOf(asked('x'.repeat(256))), 'x'.repeat(256));
    assert.equal(long('a').length, 256);
    assert.equal(long('a'), long('a'));
    assert.notEqual(long('a'), long('b'));
    // No half of a character: the API server would store another text than it was given.
    assert.ok((requestOf(asked(`x${'🦊'.repeat(300)}`)) ?? '').isWellFormed());
    assert.ok((requestOf(asked('🦊'.repeat(300))) ?? '').isWellFormed());
  });

  test('waits for a run that goes on, and is served afterwards', () => {
    const open = aRun({ job: A_JOB });
    assert.deepEqual(
      planned({ release: asked('a'), runs: [open], jobs: { [open.ref.name]: running() } }),
      [],
    );
  });

  test('is not held up by the back-off of a retry', () => {
    const runs = [aRun({ outcome: { verdict: 'inconclusive', finishedAt: NOON } })];
    assert.deepEqual(planned({ release: asked('a'), runs }, after(1)), ['create smoke manual 2']);
  });

  test('that stands in git is no request of a newer revision', () => {
    const runs = [aRun({ digest: 'sha256:six', request: 'a', outcome: {} })];
    assert.deepEqual(planned({ release: asked('a'), runs }), ['create smoke upgrade 1']);
  });

  test('that was handled asks for nothing, when all its runs were forgotten or deleted', () => {
    assert.deepEqual(planned({ release: asked('a', 'a'), runs: [passed] }), []);
    assert.deepEqual(planned({ release: asked('a', 'a') }), ['create smoke upgrade 1']);
    const release = asked('a', 'a');
    const told = { 'postsync.dev/result': 'passed', 'postsync.dev/digest': 'sha256:seven' };
    const calm = { ...release, annotations: { ...release.annotations, ...told } };
    assert.deepEqual(planned({ release: calm }), []);
  });

  test('runs all tests of the release, whatever they run after', () => {
    const tests = [aTest('smoke'), aTest('other', { after: ['rollback'] })];
    assert.deepEqual(planned({ release: asked('a'), tests, runs: [passed] }), [
      'create smoke manual 2',
      'create other manual 1',
    ]);
  });

  test('does not count while the release moves or is suspended', () => {
    assert.deepEqual(planned({ release: { ...moving(), annotations: asked('a').annotations } }), []);
    const release = asked('a');
    const annotations = { ...release.annotations, 'postsync.dev/suspend': 'true' };
    assert.deepEqual(planned({ release: { ...release, annotations }, runs: [passed] }), []);
  });
});

describe('where runs were deleted', () => {
  test('a final result for that very digest stands, and nothing is started', () => {
    for (const result of ['passed', 'failed', 'inconclusive']) {
      assert.deepEqual(planned({ release: told(result) }), []);
    }
  });

  test('a result that is not final, or of another digest, does not stand', () => {
    for (const result of ['pending', 'running']) {
      assert.deepEqual(planned({ release: told(result, 'sha256:seven', 'running') }), [
        'create smoke upgrade 1',
      ]);
    }
    assert.deepEqual(planned({ release: told('passed', 'sha256:six') }), ['create smoke upgrade 1']);
  });

  test('nothing is started either when only some of them are gone yet', () => {
    const release = told('passed');
    const tests = [aTest('smoke'), aTest('other')];
    const runs = [aRun({ test: 'other', outcome: { verdict: 'passed' } })];
    assert.deepEqual(planned({ release, tests, runs }), []);
  });

  test('a test without a final line is started though others have run', () => {
    const release = told('failed', 'sha256:seven', 'pending, v7 (chart 1.2.0)');
    const tests = [aTest('smoke'), aTest('other')];
    const runs = [aRun({ test: 'other', outcome: { verdict: 'failed' } })];
    assert.deepEqual(planned({ release, tests, runs }), ['create smoke upgrade 1']);
  });

  test('a restored cluster, where runs are of a release that had the name before, stays calm', () => {
    const runs = [aRun({ releaseUid: 'before-the-restore', outcome: {} })];
    assert.deepEqual(planned({ release: told('passed'), runs }), []);
  });

  test('a person may still ask', () => {
    const release = told('passed');
    const annotations = { ...release.annotations, 'postsync.dev/requestedAt': 'now' };
    assert.deepEqual(planned({ release: { ...release, annotations } }), ['create smoke manual 1']);
  });

  test('what needs a test that passed is not held back', () => {
    const tests = [aTest('smoke'), aTest('other', { needs: ['smoke'] })];
    const runs = [aRun({ test: 'third', outcome: {} })];
    assert.deepEqual(planned({ release: told('running'), tests, runs }), ['create other upgrade 1']);
  });
});

describe('at most one run of a test goes on', () => {
  test('a newer revision waits for the run of an older one that may end', () => {
    const old = aRun({ digest: 'sha256:six', job: A_JOB });
    const tests = [aTest('smoke', { onNewRevision: 'finish' })];
    assert.deepEqual(planned({ tests, runs: [old], jobs: { [old.ref.name]: running() } }), []);
  });

  test('also when the other one is a person’s that is not pinned yet', () => {
    assert.deepEqual(planned({ runs: [aManualRun()] }), ['pin by-hand']);
  });
});

describe('uninstalled and installed again', () => {
  test('the same digest under another uid is tested anew', () => {
    const release = aRelease({ uid: 'another-uid' });
    assert.deepEqual(planned({ release, runs: [aRun({ outcome: {} })] }), ['create smoke upgrade 1']);
  });
});
