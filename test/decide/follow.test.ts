import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RunState, Time } from '../../src/decide/model.ts';
import { plan } from '../../src/decide/plan.ts';
import {
  A_JOB,
  after,
  aManualRun,
  aRelease,
  aRun,
  aTest,
  ended,
  LIMITS,
  moving,
  NOON,
  observed,
  POLICY,
  planned,
  running,
  type Scene,
} from '../support/model.ts';

const pending = aRun();
const started = aRun({ job: A_JOB });
const name = started.ref.name;

function withJob(job: RunState, scene: Scene = {}): Scene {
  return { runs: [started], jobs: { [name]: job }, ...scene };
}

describe('a run that was created', () => {
  test('is started while the release stands still', () => {
    assert.deepEqual(planned({ runs: [pending] }), [`start ${name}`]);
  });

  test('waits while the release moves, is suspended by Flux, or is not ready', () => {
    for (const release of [moving(), aRelease({ suspended: true }), aRelease({ ready: 'False' })]) {
      assert.deepEqual(planned({ runs: [pending], release }), []);
    }
  });

  test('waits while its test cannot work', () => {
    const tests = [aTest('smoke', { invalid: 'no body' })];
    assert.deepEqual(planned({ runs: [pending], tests }), []);
  });

  test('is inconclusive when its test is gone, or does not select the release any more', () => {
    assert.deepEqual(planned({ runs: [pending], tests: [] }), [`finish ${name} inconclusive TestGone`]);
    const tests = [aTest('smoke', { releases: { names: ['other'] } })];
    assert.deepEqual(planned({ runs: [pending], tests }), [`finish ${name} inconclusive NotSelected`]);
  });

  test('is inconclusive on a release of another cluster, unless its test can reach it', () => {
    const release = aRelease({ remote: true });
    assert.deepEqual(planned({ runs: [pending], release }), [`finish ${name} inconclusive RemoteCluster`]);
    const tests = [aTest('smoke', { remote: true })];
    assert.deepEqual(planned({ runs: [pending], release, tests }), [`start ${name}`]);
  });
});

describe('a run with a Job', () => {
  test('is not out of time before nodes could tell what happened while the API server did not answer', () => {
    const scene = observed(withJob(running()));
    const types = (at: Time, heardSince: Time) =>
      plan(scene, { ...POLICY, heardSince }, at).actions.map(({ type }) => type);
    assert.deepEqual(types(after(600), after(590)), []);
    assert.deepEqual(types(after(620), after(590)), ['finish']);
  });

  test('nor is one whose container has not been seen to run, which may have meanwhile', () => {
    for (const fatal of [false, true]) {
      const waiting = { phase: 'waiting', since: NOON, reason: 'StartTimedOut', message: '', fatal } as const;
      const scene = observed(withJob({ ...waiting, limits: LIMITS }));
      const types = (at: Time) =>
        plan(scene, { ...POLICY, heardSince: after(290) }, at).actions.map(({ type }) => type);
      assert.deepEqual(types(after(319)), []);
      assert.deepEqual(types(after(320)), ['finish']);
    }
  });

  test('goes on until its timeout, whatever suspends or changes its test', () => {
    const suspended = aRelease({ annotations: { 'postsync.dev/suspend': 'true' } });
    const other = [aTest('smoke', { suspended: true, generation: 2 })];
    for (const scene of [{}, { release: suspended }, { tests: other }, { tests: [] }]) {
      assert.deepEqual(planned(withJob(running(), scene), after(599)), []);
      assert.deepEqual(planned(withJob(running(), scene), after(600)), [`finish ${name} failed TimedOut`]);
    }
    assert.deepEqual(plan(observed(withJob(running())), POLICY, after(1)).wakeAt, after(600));
  });

  test('has its verdict when the Job has ended', () => {
    assert.deepEqual(planned(withJob(ended())), [`finish ${name} passed Passed`]);
    assert.deepEqual(planned(withJob(ended({ verdict: 'failed', reason: 'OOMKilled' }))), [
      `finish ${name} failed OOMKilled`,
    ]);
  });

  test('is inconclusive when no container ran within startTimeout, with what it waited for', () => {
    const waiting = { phase: 'waiting', since: NOON, reason: 'Unschedulable', message: 'no node' } as const;
    const job: RunState = { ...waiting, fatal: false, limits: LIMITS };
    assert.deepEqual(planned(withJob(job), after(299)), []);
    assert.deepEqual(planned(withJob(job), after(300)), [`finish ${name} inconclusive Unschedulable`]);
  });

  test('that cannot pull its image is given half a minute', () => {
    const waiting = { phase: 'waiting', since: NOON, reason: 'ImagePullFailed', message: '404' } as const;
    const job: RunState = { ...waiting, fatal: true, limits: LIMITS };
    assert.deepEqual(planned(withJob(job), after(29)), []);
    assert.deepEqual(planned(withJob(job), after(30)), [`finish ${name} inconclusive ImagePullFailed`]);
  });

  test('that is not known is looked for before it counts as lost', () => {
    assert.deepEqual(planned({ runs: [started] }), [`find ${name}`]);
  });

  test('that was created but not written down is adopted, so that it is never created twice', () => {
    for (const state of [running(), ended()]) {
      const scene = { runs: [pending], jobs: { [name]: state } };
      assert.deepEqual(planned(scene), [`adopt ${name}`]);
      assert.deepEqual(planned(scene, after(600)), [`adopt ${name}`]);
      const suspended = { ...scene, tests: [aTest('smoke', { suspended: true })] };
      assert.deepEqual(planned(suspended), [`adopt ${name}`]);
    }
  });
});

describe('a verdict', () => {
  test('waits while Helm may be at work', () => {
    const unknown = aRelease({ ready: 'Unknown', readyReason: 'Progressing' });
    for (const release of [moving(), aRelease({ reconciling: true }), unknown]) {
      assert.deepEqual(planned(withJob(ended(), { release })), []);
      assert.deepEqual(planned(withJob(running(), { release }), after(600)), []);
    }
  });

  for (const readyReason of ['DependencyNotReady', 'SourceNotReady', 'ArtifactFailed']) {
    test(`does not wait for ${readyReason}: nothing moves`, () => {
      const release = aRelease({ ready: 'False', readyReason, reconciling: true });
      assert.deepEqual(planned(withJob(ended(), { release })), [`finish ${name} passed Passed`]);
    });
  }

  test('is Superseded when the digest differs, though the Job passed', () => {
    const release = aRelease({ revision: { digest: 'sha256:eight', version: 8 } });
    assert.equal(planned(withJob(ended(), { release }))[0], `finish ${name} inconclusive Superseded`);
  });

  test('is Superseded when the release has no history any more', () => {
    const release = aRelease({ ready: 'False', readyReason: 'InstallFailed', revision: 'none' });
    assert.deepEqual(planned(withJob(ended(), { release })), [`finish ${name} inconclusive Superseded`]);
  });

  test('is Superseded when the release was deleted and made again with the same digest', () => {
    const release = aRelease({ uid: 'another-uid' });
    assert.equal(planned(withJob(ended(), { release }))[0], `finish ${name} inconclusive Superseded`);
  });
});

describe('a newer revision', () => {
  const release = aRelease({ revision: { digest: 'sha256:eight', version: 8 } });

  test('cancels a run that goes on, in the same plan', () => {
    assert.deepEqual(planned(withJob(running(), { release })), [`finish ${name} inconclusive Superseded`]);
    assert.deepEqual(planned({ runs: [pending], release }), [`finish ${name} inconclusive Superseded`]);
  });

  test('cancels it also while it is still being rolled out', () => {
    const release = moving({ revision: { digest: 'sha256:eight', version: 8 } });
    assert.deepEqual(planned(withJob(running(), { release })), [`finish ${name} inconclusive Superseded`]);
  });

  test('lets it end with onNewRevision: finish, Superseded all the same, and then tests only the newest', () => {
    const tests = [aTest('smoke', { onNewRevision: 'finish' })];
    assert.deepEqual(planned(withJob(running(), { release, tests })), []);
    assert.deepEqual(planned(withJob(ended(), { release, tests })), [
      `finish ${name} inconclusive Superseded`,
    ]);
    const done = aRun({ job: A_JOB, outcome: { verdict: 'inconclusive', reason: 'Superseded' } });
    assert.deepEqual(planned({ runs: [done], release, tests }), ['create smoke upgrade 1']);
  });

  test('cancels a run without a Job whatever onNewRevision says', () => {
    const tests = [aTest('smoke', { onNewRevision: 'finish' })];
    assert.deepEqual(planned({ runs: [pending], release, tests }), [
      `finish ${name} inconclusive Superseded`,
    ]);
  });
});

describe('a person', () => {
  test('ends a run by abort, and it is not tried again', () => {
    const aborted = { ...started, abort: true };
    assert.deepEqual(planned(withJob(running(), { runs: [aborted] })), [
      `finish ${name} inconclusive Aborted`,
    ]);
    const over = aRun({ outcome: { verdict: 'inconclusive', reason: 'Aborted', finishedAt: NOON } });
    assert.deepEqual(planned({ runs: [over] }, after(9999)), []);
  });

  test('creates a run about what is deployed then: it is pinned before it is started', () => {
    assert.deepEqual(planned({ runs: [aManualRun()] }), ['pin by-hand']);
    assert.deepEqual(planned({ runs: [aManualRun()], release: moving() }), []);
    const pinned = aManualRun({ digest: 'sha256:seven', releaseUid: 'release-uid' });
    assert.deepEqual(planned({ runs: [pinned] }), ['start by-hand']);
  });

  test('who names a digest has that one tested or none', () => {
    const older = aManualRun({ digest: 'sha256:six' });
    assert.equal(planned({ runs: [older] })[0], 'finish by-hand inconclusive Superseded');
    assert.deepEqual(planned({ runs: [aManualRun({ digest: 'sha256:seven' })] }), ['pin by-hand']);
  });

  test('is told that the digest is not deployed, or that nothing asks for the built-in test', () => {
    const bare = aManualRun({ digest: 'sha256:never' });
    const github = aManualRun({
      test: 'github',
      testKind: 'BuiltIn',
      releaseUid: 'release-uid',
      digest: 'sha256:seven',
    });
    const [first, second] = [bare, github].map((run) => {
      const [action] = plan(observed({ runs: [run] }), POLICY, after(60)).actions;
      return action?.type === 'finish' && action.outcome.message;
    });

    assert.equal(first, 'the digest that it names is not deployed: v7 (chart 1.2.0) is deployed now');
    assert.equal(second, 'the release does not ask for github: it has no annotation postsync.dev/github');
  });

  test('runs a test that is not due by itself, but only one that selects the release', () => {
    const tests = [aTest('smoke', { after: ['rollback'] })];
    const pinned = aManualRun({ digest: 'sha256:seven', releaseUid: 'release-uid' });
    assert.deepEqual(planned({ runs: [pinned], tests }), ['start by-hand']);
    const other = [aTest('smoke', { releases: { names: ['other'] } })];
    assert.deepEqual(planned({ runs: [pinned], tests: other }), ['finish by-hand inconclusive NotSelected']);
  });

  test('decides by an override, which counts as the verdict and is not tried again', () => {
    const decision = {
      cause: 'override',
      override: { verdict: 'passed', reason: 'known flake' },
      digest: 'sha256:seven',
      releaseUid: 'release-uid',
    } as const;
    assert.deepEqual(planned({ runs: [aManualRun(decision)] }), ['finish by-hand passed Overridden']);
  });
});

describe('a release that is being deleted', () => {
  test('ends its runs', () => {
    const release = aRelease({ deleting: true });
    assert.deepEqual(planned(withJob(running(), { release })), [`finish ${name} inconclusive ReleaseGone`]);
  });
});
