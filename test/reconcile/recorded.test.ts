import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anOutcome } from '../support/model.ts';
import { aWorld } from '../support/world.ts';

const recorded = anOutcome({ verdict: 'failed', reason: 'HookFailed' });

describe('a test whose outcome is known without a Job', () => {
  test('has its verdict in one look, and never a Job', async () => {
    const world = aWorld({ recorded });
    await world.look();
    assert.deepEqual(world.writes, ['create run', 'pin run', 'tell verdict', 'end run', 'write result']);
    assert.deepEqual(world.verdicts(), ['failed HookFailed']);
    assert.equal(world.result(), 'failed');

    await world.look();
    assert.equal(world.writes.length, 5);
    assert.deepEqual(world.created, []);
  });

  for (const when of ['before', 'after'] as const) {
    for (const at of [1, 2, 3, 4, 5]) {
      test(`has one, whatever happens: also when the process dies right ${when} write ${at}`, async () => {
        const world = aWorld({ recorded });
        world.restart({ at, when });
        await assert.rejects(world.look(), /died/);
        world.restart();
        await world.look();
        assert.deepEqual(world.verdicts(), ['failed HookFailed']);
        assert.equal(world.result(), 'failed');
      });
    }
  }
});
