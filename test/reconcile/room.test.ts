import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Run } from '../../src/decide/model.ts';
import { PostsyncError } from '../../src/errors.ts';
import { reconcile } from '../../src/reconcile/reconcile.ts';
import { aDispatch, anOutcome, aRelease, aRun, aTest, NOON } from '../support/model.ts';
import { aWorld } from '../support/world.ts';

describe('the room of a run, where only one may go on,', () => {
  test('is free when another replica has ended it', async () => {
    const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')], maxRuns: 1 });
    await world.look();
    assert.equal(world.created.length, 1);
    world.putRun({ ...world.runs().find(({ job }) => job)!, outcome: anOutcome() });
    await world.look();
    await world.look();
    assert.equal(world.created.length, 2);
  });

  test('is free while a start that failed waits to be tried again', async () => {
    const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')], maxRuns: 1 });
    world.failures.set('create job', new PostsyncError('API_UNAVAILABLE', 'no answer'));
    await assert.rejects(world.look(), { code: 'API_UNAVAILABLE' });
    assert.deepEqual(world.told, ['podinfo']);
  });

  test('is not free while its Job goes on, though that could not be written down', async () => {
    const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')], maxRuns: 1 });
    world.failures.set('start run', new PostsyncError('API_UNAVAILABLE', 'no answer'));
    await assert.rejects(world.look(), { code: 'API_UNAVAILABLE' });
    assert.deepEqual(world.told, []);
  });

  test('is free when it was not started and must not start any more', async () => {
    const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')], maxRuns: 1 });
    world.failures.set('create job', new PostsyncError('API_FORBIDDEN', 'exceeded quota'));
    await world.look();
    world.failures.clear();
    world.putTest(aTest('smoke', { suspended: true }));
    await world.look();
    await world.look();
    assert.deepEqual(
      world.created.map((name) => name.replace(/-v7.*/, '')),
      ['podinfo-e2e'],
    );
  });
});

test('there is room where a claim was taken back', async () => {
  const world = aWorld({ maxRuns: 1 });
  const dispatches = { ...world.deps().dispatches, stateOf: () => undefined };
  const deps = { ...world.deps(), dispatches };
  world.failures.set('create job', new PostsyncError('API_FORBIDDEN', 'exceeded quota'));
  await reconcile(deps, aRelease().ref);
  assert.equal(deps.admission.running, 1);
  world.putRun({ ...world.runs()[0]!, dispatch: aDispatch() });
  world.putTest(aTest('smoke', { suspended: true }));
  await reconcile(deps, aRelease().ref);
  assert.equal(deps.admission.running, 0);
});

describe('runs that wait for room', () => {
  test('let others go first whose release can be read', async () => {
    const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')], maxRuns: 1 });
    const deps = world.deps();
    const { ref } = aRelease();
    await reconcile(deps, ref);
    const other = aRun({ ref: { namespace: 'apps', name: 'other-run' }, createdAt: NOON + 3_600_000 });
    assert.ok(!deps.admission.ask({ ...other, release: 'other' }, aTest('other')));
    deps.admission.leave(world.runs().find(({ job }) => job) as Run);
    assert.deepEqual(world.told, ['podinfo']);

    const down = new PostsyncError('API_UNAVAILABLE', 'down');
    const records = { ...deps.records, readRelease: () => Promise.reject(down) };
    world.endJobs(anOutcome());
    assert.equal((await reconcile({ ...deps, records }, ref)).failure, down);
    assert.deepEqual(world.told, ['podinfo', 'other']);
  });

  test('let others go first when what is due for their release fails', async () => {
    const world = aWorld({ tests: [aTest('a'), aTest('b')], maxRuns: 1 });
    const deps = world.deps();
    await reconcile(deps, aRelease().ref);
    assert.equal(deps.admission.waiting, 1);
    world.endJobs(anOutcome());
    world.failures.set('end run', new PostsyncError('API_FORBIDDEN', 'no'));
    assert.ok((await reconcile(deps, aRelease().ref)).failure);
    assert.equal(deps.admission.waiting, 0);
  });

  test('keep their turn when only writing down what is known fails', async () => {
    const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')], maxRuns: 1 });
    world.failures.set('write result', new PostsyncError('API_UNAVAILABLE', 'down'));
    const deps = world.deps();
    assert.ok((await reconcile(deps, aRelease().ref)).failure);
    assert.equal(deps.admission.waiting, 1);
  });

  test('are started when there is some, one after the other', async () => {
    const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')], maxRuns: 1 });
    await world.look();
    assert.equal(world.created.length, 1);
    world.endJobs(anOutcome());
    await world.look();
    assert.equal(world.told[0], 'podinfo');
    await world.look();
    assert.equal(world.created.length, 2);
  });

  test('do not wait for one whose test was suspended meanwhile', async () => {
    const world = aWorld({ tests: [aTest('a'), aTest('b'), aTest('c')], maxRuns: 1 });
    await world.look();
    world.putTest(aTest('b', { suspended: true }));
    world.endJobs(anOutcome());
    await world.look();
    await world.look();
    assert.deepEqual(
      world.created.map((name) => name.split('-')[1]),
      ['a', 'c'],
    );
  });
});
