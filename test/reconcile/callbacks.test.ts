import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dispatch, Link, Ref, Run } from '../../src/decide/model.ts';
import { isCode, PostsyncError } from '../../src/errors.ts';
import { createCallbacks } from '../../src/reconcile/callbacks.ts';
import { anOutcome, aRun, LIMITS, NOON } from '../support/model.ts';
import { aWorld, noDispatches } from '../support/world.ts';

const DISPATCH: Dispatch = {
  repository: 'acme/app',
  trigger: 'repository_dispatch',
  apiUrl: 'https://api.github.com',
  claimedAt: NOON,
  limits: LIMITS,
  settled: false,
};
const URL_OF = 'https://github.com/acme/app/actions/runs/4711';
const isOther = (error: unknown) => isCode(error, 'OTHER_WORKFLOW_RUN');

interface Given {
  readonly run?: Partial<Run>;
  readonly untilEndedMs?: readonly number[];
}

/** One run; GitHub knows of the workflow run 4711, which may be its. */
function theCallbacks({ run: differs, untilEndedMs = [] }: Given = {}) {
  const world = aWorld();
  const run: Run = { ...aRun(), dispatch: DISPATCH, ...differs };
  world.putRun(run);
  const looks: string[] = [];
  const asked: number[] = [];
  let reads = 0;
  const github = {
    answer: (): Promise<Link | undefined> => Promise.resolve({ runId: 4711, url: URL_OF }),
    /** Told of each question. */
    onAsked: (_times: number) => {},
    /** Told of each time that the run was read. */
    onRead: (_times: number) => {},
  };
  const dispatches = {
    ...noDispatches(),
    confirm(_: Run, id: number) {
      asked.push(id);
      github.onAsked(asked.length);
      return id === 4711 ? github.answer() : Promise.resolve(undefined);
    },
  };
  const options = { onRelease: ({ name }: { name: string }) => void looks.push(name), untilEndedMs };
  const log = { debug: () => undefined } as never;
  const deps = world.deps();
  const records = {
    ...deps.records,
    readRun(ref: Ref) {
      github.onRead((reads += 1));
      return deps.records.readRun(ref);
    },
  };
  const callbacks = createCallbacks({ ...deps, records, dispatches, log }, options);
  /** Resolves when GitHub was asked so often. */
  const askedTimes = (times: number) =>
    new Promise<void>((resolve) => {
      github.onAsked = (count) => count >= times && resolve();
    });
  return { world, run, callbacks, looks, asked, github, askedTimes };
}

describe('who may call back', () => {
  test('is told of a run that was dispatched', () => {
    const { callbacks, run } = theCallbacks();

    assert.deepEqual(callbacks.dispatchOf(run.ref), {
      uid: run.uid,
      repository: 'acme/app',
      apiUrl: 'https://api.github.com',
      ended: false,
    });
  });

  test('is told that it is over', () => {
    const { callbacks, run } = theCallbacks({ run: { outcome: anOutcome() } });

    assert.equal(callbacks.dispatchOf(run.ref)?.ended, true);
  });

  test('is nobody for what is no dispatch, or not there', () => {
    const { callbacks, world } = theCallbacks();
    const job = aRun({ test: 'job' });
    world.putRun(job);

    assert.equal(callbacks.dispatchOf(job.ref), undefined);
    assert.equal(callbacks.dispatchOf({ namespace: 'apps', name: 'gone' }), undefined);
  });
});

describe('a callback', () => {
  test('is verified, written down, and looked at', async () => {
    const { callbacks, run, world, looks } = theCallbacks();

    await callbacks.told(run.ref, 4711, 'started');

    assert.deepEqual(world.writes, ['note dispatch']);
    assert.equal(world.runs()[0]?.dispatch?.runId, 4711);
    assert.deepEqual(looks, ['podinfo']);
  });

  test('of the workflow run that is known already writes nothing', async () => {
    const { callbacks, run, world, looks } = theCallbacks({
      run: { dispatch: { ...DISPATCH, runId: 4711 } },
    });

    await callbacks.told(run.ref, 4711, 'started');

    assert.deepEqual([world.writes, looks], [[], ['podinfo']]);
  });

  test('of a workflow run that GitHub does not know so is refused', async () => {
    const { callbacks, run, world, looks } = theCallbacks();

    await assert.rejects(callbacks.told(run.ref, 4712, 'started'), isOther);
    assert.deepEqual([world.writes, looks], [[], []]);
  });

  test('of another workflow run than the one that is followed is refused, and GitHub is not asked', async () => {
    const { callbacks, run, asked } = theCallbacks({ run: { dispatch: { ...DISPATCH, runId: 4700 } } });

    await assert.rejects(callbacks.told(run.ref, 4711, 'started'), isOther);
    assert.deepEqual(asked, []);
  });

  test('changes nothing once the run has ended, or is gone', async () => {
    const { callbacks, run, asked } = theCallbacks({ run: { outcome: anOutcome() } });

    await callbacks.told(run.ref, 4711, 'completed');
    await callbacks.told({ namespace: 'apps', name: 'gone' }, 4711, 'started');

    assert.deepEqual(asked, []);
  });

  test('fails where GitHub does not answer', async () => {
    const { callbacks, run, github, looks } = theCallbacks();
    github.answer = () => Promise.reject(new PostsyncError('GITHUB_UNANSWERED', '502'));

    await assert.rejects(callbacks.told(run.ref, 4711, 'started'), (error) =>
      isCode(error, 'GITHUB_UNANSWERED'),
    );
    assert.deepEqual(looks, []);
  });

  test('of its last job has GitHub asked again, as the workflow run goes on until that job has ended', async () => {
    const { callbacks, run, looks, askedTimes } = theCallbacks({ untilEndedMs: [1, 1] });
    const all = askedTimes(3);

    await callbacks.told(run.ref, 4711, 'completed');
    await all;
    await afterTimers();

    assert.deepEqual(looks, ['podinfo', 'podinfo', 'podinfo']);
  });

  test('of its last job that comes twice has GitHub asked again once', async () => {
    const { callbacks, run, asked, askedTimes } = theCallbacks({ untilEndedMs: [1] });
    const all = askedTimes(3);

    await Promise.all([
      callbacks.told(run.ref, 4711, 'completed'),
      callbacks.told(run.ref, 4711, 'completed'),
    ]);
    await all;
    await afterTimers();

    assert.equal(asked.length, 3);
  });

  test('of its first job has GitHub asked once', async () => {
    const { callbacks, run, asked } = theCallbacks({ untilEndedMs: [1] });

    await callbacks.told(run.ref, 4711, 'started');
    await afterTimers();

    assert.equal(asked.length, 1);
  });

  test('of its last job asks no more when the run has ended meanwhile', async () => {
    const { callbacks, run, asked, world, github } = theCallbacks({ untilEndedMs: [1, 1, 1] });
    github.onAsked = (times) => times === 2 && world.putRun({ ...run, outcome: anOutcome() });

    const read = new Promise<void>((resolve) => {
      github.onRead = (times) => times === 3 && resolve();
    });

    await callbacks.told(run.ref, 4711, 'completed');
    await read;
    await afterTimers();

    assert.deepEqual(asked, [4711, 4711]);
  });
});

/** Timers of the same length come in their order, so those that were set before have come. */
async function afterTimers(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise(setImmediate);
}
