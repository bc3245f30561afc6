import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RunState, Time } from '../../src/decide/model.ts';
import { plan } from '../../src/decide/plan.ts';
import {
  aDispatch,
  after,
  aRelease,
  aRun,
  aTest,
  ended,
  LIMITS,
  NOON,
  observed,
  POLICY,
  planned,
  type Scene,
} from '../support/model.ts';

const CLAIM = aDispatch();
const LINK = { runId: 7, url: 'https://github.com/acme/e2e/actions/runs/7' };
const claimed = aRun({ dispatch: CLAIM });
const found = aRun({ dispatch: { ...CLAIM, runId: 7 } });
const { name } = claimed.ref;

function waiting(askedAt: Time | undefined, again = after(65)): RunState {
  return {
    phase: 'waiting',
    since: NOON,
    reason: 'RunNotFound',
    message: 'not there',
    fatal: false,
    limits: LIMITS,
    asked: { since: NOON, ...(askedAt !== undefined && { at: askedAt }), again },
  };
}

function inProgress(askedAt: Time, again: Time): RunState {
  return {
    phase: 'running',
    since: NOON,
    limits: LIMITS,
    link: LINK,
    asked: { since: NOON, at: askedAt, again },
  };
}

function dispatched(state: RunState, scene: Scene = {}): Scene {
  return { runs: [claimed], jobs: { [name]: state }, ...scene };
}

describe('a run that was dispatched', () => {
  test('is asked for again when what is known of it is old', () => {
    const { actions, wakeAt } = plan(observed(dispatched(waiting(after(55)))), POLICY, after(60));
    assert.deepEqual(actions, []);
    assert.deepEqual(wakeAt, after(65));
  });

  test('is never started again, however long nothing is heard of it', () => {
    for (const seconds of [1, 100, 299, 301, 899]) {
      assert.deepEqual(planned(dispatched(waiting(undefined)), after(seconds)), []);
    }
  });

  test('is not found when GitHub was asked after its time to start was up', () => {
    assert.deepEqual(planned(dispatched(waiting(after(299))), after(301)), []);
    assert.deepEqual(planned(dispatched(waiting(after(300))), after(301)), [
      `finish ${name} inconclusive RunNotFound`,
    ]);
  });

  test('is written down with its workflow run once that is found, and only then', () => {
    const state = inProgress(after(55), after(65));
    assert.deepEqual(planned(dispatched(state)), [`link ${name}`]);
    assert.deepEqual(planned(dispatched(state, { runs: [found] })), []);
  });

  test('is written down with when its workflow run was first in progress, once', () => {
    const state = { ...inProgress(after(55), after(65)), link: { ...LINK, runningSince: after(50) } };
    assert.deepEqual(planned(dispatched(state, { runs: [found] })), [`link ${name}`]);
    const written = aRun({ dispatch: { ...CLAIM, runId: 7, runningSince: after(50) } });
    assert.deepEqual(planned(dispatched(state, { runs: [written] })), []);
  });

  test('has failed when it was seen to run after its time was up', () => {
    const before = dispatched(inProgress(after(590), after(630)), { runs: [found] });
    assert.deepEqual(planned(before, after(601)), []);
    const since = dispatched(inProgress(after(600), after(630)), { runs: [found] });
    assert.deepEqual(planned(since, after(601)), [`finish ${name} failed TimedOut`]);
  });

  test('is not called failed when GitHub could not be asked: in the end it is inconclusive', () => {
    const scene = dispatched(inProgress(after(10), after(2000)), { runs: [found] });
    assert.deepEqual(planned(scene, after(1199)), []);
    assert.deepEqual(planned(scene, after(1200)), [`finish ${name} inconclusive RunNotFound`]);
  });

  test('is asked for after a restart, however long its time has been up by then', () => {
    const state = waiting(undefined);
    const asked = { since: after(5000), again: after(5005) };
    const scene = dispatched({ ...state, asked } as RunState, { runs: [found] });
    assert.deepEqual(planned(scene, after(5599)), []);
    assert.deepEqual(planned(scene, after(5600)), [`finish ${name} inconclusive RunNotFound`]);
  });

  test('has the verdict that GitHub tells', () => {
    assert.deepEqual(planned(dispatched(ended({ verdict: 'failed', reason: 'WorkflowFailed' }))), [
      `finish ${name} failed WorkflowFailed`,
    ]);
  });

  test('is superseded by a newer revision, unless it may come to its end', () => {
    const release = aRelease({ revision: { digest: 'sha256:newer' } });
    const state = inProgress(after(55), after(65));
    assert.ok(planned(dispatched(state, { release })).includes(`finish ${name} inconclusive Superseded`));
    const tests = [aTest('smoke', { onNewRevision: 'finish' })];
    const others = planned(dispatched(state, { release, tests }));
    assert.ok(!others.some((line) => line.startsWith(`finish ${name}`)), String(others));
  });

  test('is not tried again by itself where a person has to decide', () => {
    for (const reason of [
      'RunNotFound',
      'DispatchRefused',
      'CredentialsMissing',
      'WorkflowNotRun',
    ] as const) {
      const outcome = { verdict: 'inconclusive', reason, message: 'm', finishedAt: after(1) } as const;
      assert.deepEqual(planned({ runs: [aRun({ outcome })] }, after(9000)), [], reason);
    }
    const outcome = {
      verdict: 'inconclusive',
      reason: 'WorkflowCancelled',
      message: 'm',
      finishedAt: after(1),
    } as const;
    assert.deepEqual(planned({ runs: [aRun({ outcome })] }, after(9000)), ['create smoke retry 2']);
  });
});
