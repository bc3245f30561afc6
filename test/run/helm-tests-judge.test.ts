import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RunState } from '../../src/decide/model.ts';
import { tooLate } from '../../src/run/helm-tests/follow.ts';
import { stateOfHook } from '../../src/run/helm-tests/judge.ts';
import type { Prepared } from '../../src/run/helm-tests/objects.ts';

const NOON = '2026-11-21T12:00:00Z';

const HOOK: Prepared = {
  hook: 'a',
  kind: 'Pod',
  isJudged: true,
  resource: 'pods',
  name: 'a-1',
  containers: ['hook'],
  object: {},
};

function aPod(restartPolicy: string, exitCode: number, beside: object[] = []) {
  const terminated = { exitCode, reason: 'Error', startedAt: NOON, finishedAt: NOON, message: 'last words' };
  return {
    metadata: {
      name: 'a-1',
      namespace: 'apps',
      creationTimestamp: NOON,
      ownerReferences: [{ kind: 'Job', name: 'run', uid: 'job-1' }],
    },
    spec: { restartPolicy },
    status: { phase: 'Running', containerStatuses: [{ name: 'hook', state: { terminated } }, ...beside] },
  };
}

const stateOf = (pod: object) => stateOfHook(HOOK, pod, [], Date.parse(NOON));

describe('a hook that is a Pod', () => {
  test('has ended when its own containers have, whatever goes on beside them', () => {
    const proxy = { name: 'proxy', state: { running: { startedAt: NOON } } };
    const state = stateOf(aPod('Never', 0, [proxy]));
    assert.ok(state.phase === 'ended' && state.outcome.verdict === 'passed');
  });

  test('has not ended while Kubernetes starts it again', () => {
    assert.equal(stateOf(aPod('OnFailure', 1)).phase, 'running');
    assert.equal(stateOf(aPod('OnFailure', 0)).phase, 'ended');
    const state = stateOf(aPod('Never', 1));
    assert.ok(state.phase === 'ended');
    assert.equal(state.outcome.message, 'container hook exited with code 1: last words');
  });
});

const limits = { timeoutMs: 0, startTimeoutMs: 0 };
const since = Date.parse(NOON);
const waiting: RunState = {
  phase: 'waiting',
  since,
  reason: 'ImagePullFailed',
  message: 'no such image',
  fatal: true,
  limits,
};
const running: RunState = { phase: 'running', since, limits };
const at = (state: RunState | undefined, now: number, stuckSince?: number) =>
  tooLate(state, { began: 0, now, stuckSince }, { startTimeoutMs: 60_000, deadline: 100_000 })?.verdict;

describe('a hook that has not ended', () => {
  test('has half a minute where nothing will change by itself, else its time to start', () => {
    assert.equal(at(waiting, 39_999, 10_000), undefined);
    assert.equal(at(waiting, 40_000, 10_000), 'inconclusive');
    assert.equal(at(waiting, 59_999), undefined);
    assert.equal(at(waiting, 60_000), 'inconclusive');
  });

  test('has failed when it runs and the time of all of them is up', () => {
    assert.equal(at(running, 99_999), undefined);
    assert.equal(at(running, 100_000), 'failed');
  });

  test('is inconclusive when nobody says what it does', () => {
    assert.equal(at(undefined, 99_999), undefined);
    assert.equal(at(undefined, 100_000), 'inconclusive');
  });
});
