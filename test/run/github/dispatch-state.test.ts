import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dispatch } from '../../../src/decide/model.ts';
import { dispatchState } from '../../../src/run/github/dispatch-state.ts';
import type { WorkflowRun } from '../../../src/run/github/github.ts';
import { aDispatch, after, aRun } from '../../support/model.ts';

const DISPATCH = aDispatch();
const run = aRun({ dispatch: DISPATCH });

function workflow(differs: Partial<WorkflowRun>): WorkflowRun {
  return {
    id: 7,
    title: run.ref.name,
    event: 'repository_dispatch',
    status: 'completed',
    url: 'https://github.com/acme/e2e/actions/runs/7',
    createdAt: after(5),
    startedAt: after(5),
    updatedAt: after(50),
    ...differs,
  };
}

const known = { listedAt: after(55), nextAt: after(60), others: 0 };

function state(differs: Partial<WorkflowRun>, seenAt = after(55)) {
  return dispatchState(run, DISPATCH, { ...known, run: workflow(differs) }, seenAt);
}

describe('every conclusion of a workflow run has its verdict', () => {
  const rows = {
    success: 'passed Passed',
    failure: 'failed WorkflowFailed',
    timed_out: 'failed TimedOut',
    cancelled: 'inconclusive WorkflowCancelled',
    neutral: 'inconclusive TestSaidSo',
    skipped: 'inconclusive WorkflowNotRun',
    stale: 'inconclusive WorkflowNotRun',
    action_required: 'inconclusive WorkflowNotRun',
    startup_failure: 'inconclusive WorkflowNotRun',
    'one that GitHub will think of': 'inconclusive WorkflowNotRun',
  };
  for (const [conclusion, verdict] of Object.entries(rows)) {
    test(`${conclusion}: ${verdict}`, () => {
      const ended = state({ conclusion });
      assert.ok(ended.phase === 'ended');
      assert.equal(`${ended.outcome.verdict} ${ended.outcome.reason}`, verdict);
      assert.match(ended.outcome.message, /actions\/runs\/7/);
      assert.deepEqual(ended.outcome.finishedAt, after(50));
      assert.equal(ended.link?.runId, 7);
    });
  }
});

describe('a workflow run that goes on', () => {
  test('runs since it was first seen to: GitHub counts the wait for a runner as well', () => {
    const running = state({ status: 'in_progress', startedAt: after(-900) }, after(40));
    assert.ok(running.phase === 'running');
    assert.deepEqual(running.since, after(40));
  });

  test('waits while it is queued, pending or waiting for an approval', () => {
    for (const status of ['requested', 'queued', 'pending', 'waiting']) {
      const waiting = state({ status });
      assert.ok(waiting.phase === 'waiting');
      assert.equal(waiting.reason, 'StartTimedOut');
      assert.match(waiting.message, new RegExp(status));
    }
  });
});

function message(differs: object, dispatch: Partial<Dispatch> = {}): string {
  const waiting = dispatchState(run, { ...DISPATCH, ...dispatch }, { ...known, ...differs }, after(55));
  assert.ok(waiting.phase === 'waiting');
  assert.equal(waiting.reason, 'RunNotFound');
  return waiting.message;
}

describe('a workflow run that is not there', () => {
  test('may not have a workflow', () => {
    assert.match(
      message({}),
      /is there a workflow for it on the default branch of acme\/e2e\? no run .* has .* in its title/,
    );
  });

  test('may lack its run-name, which other runs show', () => {
    assert.match(
      message({ others: 2 }),
      /needs `run-name: \$\{\{ github\.event\.client_payload\.postsync\.run \}\}`: 2 came/,
    );
    assert.match(
      message({ others: 1 }, { trigger: 'workflow_dispatch' }),
      /fromJSON\(inputs\.postsync\)\.run/,
    );
  });

  test('may have been there, and is gone', () => {
    assert.match(message({ others: 2 }, { runId: 9 }), /its workflow run 9 is not there: was it deleted/);
  });

  test('may never have been asked for, which is said with what GitHub answered', () => {
    assert.match(
      message({}, { unanswered: '502 Bad Gateway' }),
      /did not confirm it \(502 Bad Gateway\), and it is not sent twice/,
    );
  });

  test('may be gone, which has to be seen for half a minute', () => {
    const gone = dispatchState(run, { ...DISPATCH, runId: 7 }, known, after(50));
    assert.ok(gone.phase === 'waiting' && gone.fatal);
    assert.deepEqual(gone.since, after(50));
    assert.match(gone.message, /workflow run 7 is not there/);
  });
});
