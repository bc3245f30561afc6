import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { aDispatchingWorld, type DispatchingWorld, REPOSITORY } from '../support/dispatching/world.ts';
import type { RunStatus } from '../support/github/model.ts';

const MINUTE = 60;

/** A test that was dispatched, and whose workflow run is in progress. */
async function inProgress(timeout: string) {
  const github = { repository: REPOSITORY, secretRef: { name: 'github' } };
  const world = await aDispatchingWorld({ tests: { smoke: { timeout, startTimeout: '5m', github } } });
  world.processes(1);
  await world.pass(10);
  const [workflow] = world.github.runs();
  assert.ok(workflow);
  const { id } = workflow;
  const becomes = (status: RunStatus) => world.github.progress(id, status);
  becomes('in_progress');
  await world.pass(MINUTE);
  return {
    world,
    becomes,
    finish: () => world.github.finish(id, 'success'),
    concludes: async () => {
      world.github.finish(id, 'success');
      await world.pass(MINUTE);
      return reasonOf(world);
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

function reasonOf(world: DispatchingWorld): string | undefined {
  const { runs } = world;
  assert.equal(runs().length, 1, 'it is not tried again');
  return runs()[0]?.outcome?.reason;
}

/** postsync dies, and is there again so many minutes later. */
async function restart(world: DispatchingWorld, minutes: number, meanwhile = () => {}): Promise<void> {
  world.die(0, { at: 1, when: 'before' });
  await world.pass(minutes * MINUTE);
  assert.ok(world.isAnyDead());
  meanwhile();
  world.processes(1);
}

describe('a workflow run that is in progress for long', () => {
  for (const status of ['waiting', 'queued'] as const) {
    test(`is followed to its end though it is ${status} for long before a later job`, async () => {
      await using run = await inProgress('1h');
      const { world, becomes, concludes } = run;
      await world.pass(8 * MINUTE);
      becomes(status);
      await world.pass(10 * MINUTE);
      assert.equal(reasonOf(world), undefined);
      becomes('in_progress');
      await world.pass(5 * MINUTE);
      assert.equal(await concludes(), 'Passed');
    });
  }

  test('is followed to its end by the next process, however long ago it was dispatched', async () => {
    await using run = await inProgress('1h');
    const { world, becomes, concludes } = run;
    await world.pass(15 * MINUTE);
    becomes('waiting');
    await restart(world, 10);
    await world.pass(MINUTE);
    assert.equal(reasonOf(world), undefined);
    assert.equal(await concludes(), 'Passed');
  });

  test('has its verdict where it concluded while no process was there, though its time was up by then', async () => {
    await using run = await inProgress('20m');
    const { world, finish } = run;
    await world.pass(5 * MINUTE);
    await restart(world, 60, finish);
    await world.pass(MINUTE);
    assert.equal(reasonOf(world), 'Passed');
  });

  test('has its timeout from when it was first in progress, whichever process saw that', async () => {
    await using run = await inProgress('20m');
    const { world } = run;
    await world.pass(10 * MINUTE);
    await restart(world, 5);
    await world.pass(3 * MINUTE);
    assert.equal(reasonOf(world), undefined);
    await world.pass(2 * MINUTE);
    assert.equal(reasonOf(world), 'TimedOut');
    assert.equal(world.github.runs()[0]?.conclusion, 'cancelled');
  });
});
