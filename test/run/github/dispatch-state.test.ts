import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dispatch } from '../../../src/decide/model.ts';
import { dispatchState, type Seen, seenBy } from '../../../src/run/github/dispatch-state.ts';
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

const NEW: Seen = { since: after(55), goneSince: undefined, runningSince: undefined };

function state(differs: Partial<WorkflowRun>, seen: Partial<Seen> = {}, dispatch: Partial<Dispatch> = {}) {
  const found = { ...known, run: workflow(differs) };
  return dispatchState(run, { ...DISPATCH, ...dispatch }, found, { ...NEW, ...seen });
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
    const running = state({ status: 'in_progress', startedAt: after(-900) }, { runningSince: after(40) });
    assert.ok(running.phase === 'running');
    assert.equal(running.since, after(40));
  });

  test('runs since then also where another process saw it', () => {
    const running = state(
      { status: 'in_progress' },
      { runningSince: after(900) },
      { runId: 7, runningSince: after(40) },
    );
    assert.ok(running.phase === 'running');
    assert.equal(running.since, after(40));
  });

  test('runs on while a later job of it waits for an approval, or for a runner', () => {
    for (const status of ['waiting', 'queued', 'pending']) {
      const running = state({ status }, { runningSince: after(40) });
      assert.ok(running.phase === 'running');
      assert.deepEqual([running.since, running.link?.runId], [after(40), 7]);
    }
  });

  test('runs on where it was not asked for yet', () => {
    const dispatch = aDispatch({ runId: 7, runningSince: after(40) });
    const running = dispatchState(run, dispatch, { nextAt: after(60), others: 0 }, NEW);
    assert.ok(running.phase === 'running');
    assert.equal(running.since, after(40));
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
  const waiting = dispatchState(run, { ...DISPATCH, ...dispatch }, { ...known, ...differs }, NEW);
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
    const dispatch = aDispatch({ runId: 7, runningSince: after(40) });
    const gone = dispatchState(run, dispatch, known, { ...NEW, goneSince: after(50) });
    assert.ok(gone.phase === 'waiting' && gone.fatal);
    assert.equal(gone.since, after(50));
    assert.match(gone.message, /workflow run 7 is not there/);
  });
});

function look(seconds: number, found: Parameters<typeof seenBy>[1], before?: Seen) {
  return seenBy(after(seconds), found, before);
}

describe('what a process has seen of a workflow run', () => {
  const unasked = { nextAt: after(60), others: 0 };
  const inProgress = { ...known, run: workflow({ status: 'in_progress' }) };

  test('is that it asks, since it did first', () => {
    const first = look(10, unasked);
    assert.deepEqual(first, { since: after(10), goneSince: undefined, runningSince: undefined });
    assert.equal(look(20, known, first).since, after(10));
  });

  test('is that it is gone since GitHub said so, until it is there again', () => {
    const gone = look(20, known, look(10, unasked));
    assert.equal(gone.goneSince, after(20));
    const still = look(30, known, gone);
    assert.equal(still.goneSince, after(20));
    assert.equal(look(40, inProgress, still).goneSince, undefined);
  });

  test('is that it is in progress since it was first, whatever it does later', () => {
    const first = look(20, inProgress, look(10, unasked));
    assert.equal(first.runningSince, after(20));
    const waits = look(30, { ...known, run: workflow({ status: 'waiting' }) }, first);
    assert.equal(look(40, inProgress, waits).runningSince, after(20));
  });
});
