import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Trigger } from '../support/dispatching/schedule.ts';
import { aDispatchingWorld, aHelmRelease, REPOSITORY, WORKFLOWS } from '../support/dispatching/world.ts';
import { PUBLISHED } from '../support/github/limits.ts';
import { type Exchange, measure } from '../support/github/log.ts';

const RELEASES = 100;
const MINUTE_MS = 60_000;

/** 100 releases are deployed at once; each has a test, all of the same repository. */
async function deployed(trigger: Trigger) {
  const github = { secretRef: { name: 'github' }, repository: REPOSITORY, trigger };
  const world = await aDispatchingWorld({
    releases: Array.from({ length: RELEASES }, (_, index) => aHelmRelease(`release-${index}`)),
    tests: {
      smoke: {
        github: trigger === 'workflow_dispatch' ? { ...github, workflow: 'e2e.yaml', ref: 'main' } : github,
      },
    },
    workflows: WORKFLOWS.map((workflow) => ({
      ...workflow,
      ends: () => ({ ms: 90_000, conclusion: 'success' }),
    })),
  });
  world.github.listing = { ms: 4_000 };
  world.processes(1);
  await world.pass(600);
  return world;
}

/** The most points, and the most that was made, in any minute. */
function busiestMinute(exchanges: readonly Exchange[]) {
  const weights = exchanges.map(({ at, method }) => ({
    at,
    points: method === 'GET' ? 1 : 5,
    made: method === 'GET' ? 0 : 1,
  }));
  const minutes = weights.map(({ at }) => weights.filter((one) => one.at >= at && one.at < at + MINUTE_MS));
  const most = (of: 'points' | 'made') =>
    Math.max(...minutes.map((minute) => minute.reduce((sum, one) => sum + one[of], 0)));
  return { points: most('points'), made: most('made') };
}

for (const trigger of ['repository_dispatch', 'workflow_dispatch'] as const) {
  test(`${RELEASES} releases at once are each sent once by ${trigger}, within GitHub's limits`, async (t) => {
    await using world = await deployed(trigger);
    const { exchanges } = world.github;
    const { limited, notModified, atOnce, betweenWritesMs = 0, operations } = measure(exchanges);
    const { points, made } = busiestMinute(exchanges);
    const counted = exchanges.length - notModified;
    t.diagnostic(
      `${exchanges.length / RELEASES} requests a run (${counted / RELEASES} of them count), ${JSON.stringify(operations)}; ` +
        `at most ${atOnce} at once, ${made} writes and ${points} points a minute, ${betweenWritesMs} ms between writes`,
    );
    assert.equal(new Set(world.taken()).size, RELEASES);
    assert.equal(world.taken().length, RELEASES);
    assert.deepEqual(new Set(world.runs().map(({ outcome }) => outcome?.reason)), new Set(['Passed']));
    world.github.assertConforms();
    assert.equal(limited, 0);
    assert.ok(betweenWritesMs >= 1000);
    assert.ok(made <= PUBLISHED.contentPerMinute);
    assert.ok(points <= PUBLISHED.pointsPerMinute);
    assert.ok(atOnce <= PUBLISHED.atOnce);
    assert.ok(exchanges.length <= 2 * RELEASES, 'requests a run');
  });
}
