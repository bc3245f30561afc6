import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Run } from '../../src/decide/model.ts';
import { prune } from '../../src/decide/prune.ts';
import { after, aManualRun, aRun, aTest } from '../support/model.ts';

/** One ended run a revision, oldest first; the last is of the deployed one, `sha256:N`. */
function history(length: number, test = 'smoke'): readonly Run[] {
  return Array.from({ length }, (_, index) =>
    aRun({ test, digest: `sha256:${index + 1}`, createdAt: after(index), outcome: {} }),
  );
}

function forgotten(
  runs: readonly Run[],
  historyLimit: number,
  deployed: string | undefined,
): readonly string[] {
  return prune(runs, deployed, () => aTest('smoke', { historyLimit })).map(({ digest = '' }) => digest);
}

describe('what is forgotten', () => {
  test('are the oldest runs of a test beyond its limit', () => {
    assert.deepEqual(forgotten(history(5), 3, 'sha256:5'), ['sha256:2', 'sha256:1']);
  });

  test('is counted for each test', () => {
    const runs = [...history(3), ...history(3, 'other')];
    assert.deepEqual(forgotten(runs, 3, 'sha256:3'), []);
    assert.deepEqual(forgotten(runs, 2, 'sha256:3'), ['sha256:1', 'sha256:1']);
  });

  test('is never a run of the deployed revision', () => {
    const attempts = [1, 2, 3].map((attempt) => aRun({ attempt, outcome: {} }));
    assert.deepEqual(forgotten(attempts, 1, 'sha256:seven'), []);
    assert.deepEqual(forgotten(history(5), 1, 'sha256:1'), ['sha256:4', 'sha256:3', 'sha256:2']);
  });

  test('is never the newest of a test', () => {
    assert.deepEqual(forgotten(history(2), 0, 'sha256:9'), ['sha256:1']);
  });

  test('is never the newest that was asked for, or it would be asked for again', () => {
    const outcome = {};
    const runs = [
      aRun({ digest: 'sha256:1', createdAt: after(0), request: 'x', outcome }),
      aRun({ digest: 'sha256:2', createdAt: after(5), outcome }),
      aRun({ digest: 'sha256:3', createdAt: after(5), request: 'y', outcome }),
    ];
    assert.deepEqual(forgotten(runs, 0, 'sha256:9'), ['sha256:1']);
  });

  test('is never a run that goes on, or that a person created', () => {
    const [first, second] = history(2) as [Run, Run];
    const { outcome: _, ...open } = first;
    assert.deepEqual(forgotten([open, second], 1, 'sha256:9'), []);
    const byHand = aManualRun({ digest: 'sha256:0', outcome: {} });
    assert.deepEqual(forgotten([byHand, second], 1, 'sha256:9'), []);
  });

  test('is nothing while nothing is deployed', () => {
    assert.deepEqual(forgotten(history(5), 1, undefined), []);
  });

  test('of a test that is gone are all runs beyond ten', () => {
    assert.equal(prune(history(13), 'sha256:13', () => undefined).length, 3);
  });
});
