import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Happening, type Played, play, type Trigger } from '../support/dispatching/schedule.ts';

const TRIGGERS: readonly Trigger[] = ['repository_dispatch', 'workflow_dispatch'];

/** From the verdict of the older run to the dispatch of the newer one. */
const STEPS = 9;

/** A release with a test that passes 3 s after it was dispatched, in the middle of which this happens. */
function dispatched(trigger: Trigger, given: readonly Happening[] = []): Promise<Played> {
  const happenings: Happening[] = [...given, { type: 'pass', seconds: 5 }, { type: 'pass', seconds: 30 }];
  const endsAfter = { seconds: 3, conclusion: 'success' } as const;
  return play({ happenings, trigger, endsAfter, oldEnterprise: false, retries: 0 });
}

/** The same, in the middle of which a newer one is deployed; nothing ends by itself. */
function superseded(trigger: Trigger, given: readonly Happening[]): Promise<Played> {
  const happenings: Happening[] = [
    { type: 'pass', seconds: 110 },
    ...given,
    { type: 'upgrade' },
    { type: 'pass', seconds: 1 },
    { type: 'sleep', seconds: 20 },
    { type: 'pass', seconds: 60 },
  ];
  return play({ happenings, trigger, oldEnterprise: false, retries: 0 });
}

function assertPassed({ runs, taken }: Played, about: string): void {
  assert.deepEqual([taken.length, runs[0]?.outcome?.reason], [1, 'Passed'], about);
}

function assertNotFound({ runs, taken }: Played, about: string): void {
  assert.deepEqual([taken.length, runs[0]?.outcome?.reason], [0, 'RunNotFound'], about);
}

for (const trigger of TRIGGERS) {
  test(`a ${trigger} is sent once though postsync is killed at any write or call`, async (t) => {
    const { steps } = await dispatched(trigger);
    for (const [index, what] of steps.entries()) {
      for (const when of ['before', 'during', 'after'] as const) {
        const about = `killed ${when} ${index + 1}: ${what}`;
        const played = await dispatched(trigger, [{ type: 'dies', which: 0, at: index + 1, when }]);
        const isSent =
          steps.slice(0, index + 1).includes('dispatch') && !(what === 'dispatch' && when === 'before');
        const isClaimed = steps[index + 1] === 'dispatch' && when !== 'before';
        // Nobody knows whether it was sent, so that it is looked for, and not sent.
        if (isClaimed || (what === 'dispatch' && !isSent)) assertNotFound(played, about);
        else assertPassed(played, about);
      }
    }
    t.diagnostic(`killed at ${steps.length} steps: ${steps.join(', ')}`);
  });

  test(`a ${trigger} is sent once though any write fails, or its answer is lost, or it arrives late`, async () => {
    const { steps } = await dispatched(trigger);
    const writes = steps.filter((what) => /^(create|patch|remove)/.test(what));
    for (const [index, what] of writes.entries()) {
      for (const when of ['before', 'after', 'before the next', 'after the next'] as const) {
        const trouble = { type: 'trouble', at: index + 1, code: 'API_UNAVAILABLE', when } as const;
        const about = `${when}: write ${index + 1}: ${what}`;
        const played = await dispatched(trigger, [trouble]);
        assertPassed(played, about);
      }
    }
  });

  test(`a ${trigger} of an older deployment is cancelled though postsync is killed at any write or call`, async () => {
    for (let at = 1; at <= STEPS; at += 1) {
      for (const when of ['before', 'after'] as const) {
        const played = await superseded(trigger, [{ type: 'dies', which: 0, at, when }]);
        assert.equal(played.cancelled, played.taken.length, `killed ${when} ${at}`);
      }
    }
  });
}
