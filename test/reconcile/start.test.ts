import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PostsyncError } from '../../src/errors.ts';
import { aTest } from '../support/model.ts';
import { aWorld } from '../support/world.ts';

const WEBHOOK = new PostsyncError('API_UNAVAILABLE', 'failed calling webhook "policy"', { isAnswer: true });

describe('when a Job cannot be created', () => {
  const rows = [
    ['API_REJECTED', 'inconclusive JobRefused'],
    ['JOB_CONFLICT', 'inconclusive JobConflict'],
  ] as const;
  for (const [code, verdict] of rows) {
    test(`${code} ends the run at once, with the server's words`, async () => {
      const world = aWorld();
      world.failures.set('create job', new PostsyncError(code, 'no such field'));
      await world.look();
      assert.deepEqual(world.verdicts(), [verdict]);
      assert.equal(world.runs()[0]?.outcome?.message, 'no such field');
    });
  }

  const trouble = [
    ['a full quota', new PostsyncError('API_FORBIDDEN', 'exceeded quota')],
    ['a namespace that is not there', new PostsyncError('API_NOT_FOUND', 'no such namespace')],
    ['a broken webhook', WEBHOOK],
  ] as const;
  for (const [what, refusal] of trouble) {
    test(`for ${what}, it is tried again until the time to start is up`, async () => {
      const world = aWorld({ tests: [aTest('smoke', { retries: 0 })] });
      world.failures.set('create job', refusal);
      const wakeAt = await world.look();
      assert.equal(wakeAt, Date.parse('2026-11-21T12:01:03.000Z'));
      assert.deepEqual(world.verdicts(), [undefined]);
      world.pass(300);
      await world.look();
      assert.deepEqual(world.verdicts(), ['inconclusive PodRefused']);
      assert.equal(world.runs()[0]?.outcome?.message, refusal.message);
    });
  }

  test('and it was all the same, though the server says that it failed, there is only one', async () => {
    const world = aWorld();
    world.mistakes.set('create job', WEBHOOK);
    await world.look();
    assert.deepEqual(world.runs()[0]?.job, undefined);
    world.mistakes.clear();
    await world.look();
    assert.equal(world.created.length, 1);
    assert.equal(world.result(), 'running');
  });

  test('API_UNAVAILABLE fails the look, which is tried again', async () => {
    const world = aWorld();
    world.failures.set('create job', new PostsyncError('API_UNAVAILABLE', 'down'));
    await assert.rejects(world.look(), { code: 'API_UNAVAILABLE' });
    assert.equal(world.result(), 'pending');
    world.failures.clear();
    await world.look();
    assert.equal(world.created.length, 1);
  });
});
