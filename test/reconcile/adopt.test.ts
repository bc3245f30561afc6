import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PostsyncError } from '../../src/errors.ts';
import { reconcile } from '../../src/reconcile/reconcile.ts';
import { anOutcome, aRelease, aRun, aTest, NOON } from '../support/model.ts';
import { aWorld } from '../support/world.ts';

const { ref } = aRelease();

/** A Job was created, and postsync was killed before it wrote that down. */
async function killedAfterCreate(given: Parameters<typeof aWorld>[0] = {}) {
  const world = aWorld({ tests: [aTest('smoke', { retries: 0 })], ...given });
  world.failures.set('start run', new PostsyncError('API_UNAVAILABLE', 'killed'));
  await assert.rejects(world.look());
  world.failures.clear();
  world.restart();
  return world;
}

describe('a Job that was created and not written down', () => {
  test('is followed to its end though its test was suspended meanwhile', async () => {
    const world = await killedAfterCreate();
    world.putTest(aTest('smoke', { suspended: true }));
    world.endJobs(anOutcome());
    await world.look();
    assert.deepEqual(world.verdicts(), ['passed Passed']);
  });

  test('is not created again when it is deleted, though the release was suspended when it was found', async () => {
    const world = await killedAfterCreate();
    world.putRelease({ suspended: true });
    await world.look();
    world.loseJobs();
    world.putRelease({ suspended: false });
    await world.look();
    assert.equal(world.created.length, 1);
    assert.deepEqual(world.verdicts(), ['inconclusive JobLost']);
  });

  test('is written down though there is no room for another', async () => {
    const world = await killedAfterCreate({ maxRuns: 1 });
    const deps = world.deps();
    const other = aRun({ ref: { namespace: 'apps', name: 'other-run' }, createdAt: NOON - 3_600_000 });
    deps.admission.count({ ...other, release: 'other' }, aTest('other'));
    await reconcile(deps, ref);
    assert.ok(world.runs()[0]?.job);
    assert.equal(deps.admission.running, 2);
  });

  test('ends the run where it is not the one that would have been created', async () => {
    const world = await killedAfterCreate();
    world.putTest(aTest('smoke', { suspended: true, retries: 0 }));
    world.failures.set('adopt job', new PostsyncError('JOB_CONFLICT', 'it is not ours'));
    await world.look();
    assert.deepEqual(world.verdicts(), ['inconclusive JobConflict']);
  });

  test('and that is gone is created when its turn has come', async () => {
    const world = await killedAfterCreate();
    world.putTest(aTest('smoke', { suspended: true }));
    world.loseJobs();
    await world.look();
    assert.equal(world.created.length, 1);
    world.putTest(aTest('smoke'));
    await world.look();
    assert.equal(world.created.length, 2);
  });
});
