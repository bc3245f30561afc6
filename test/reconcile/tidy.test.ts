import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tidy } from '../../src/reconcile/tidy.ts';
import { aRelease, aTest } from '../support/model.ts';
import { aWorld } from '../support/world.ts';

test('a run that waits for room is not let in by what only says that it is its Job', async () => {
  const world = aWorld({ tests: [aTest('a'), aTest('b')], maxRuns: 1 });
  await world.look();
  const waiting = world.runs().find(({ job }) => !job)!;
  const deps = world.deps();
  const jobs = (uid: string) => ({
    ...deps.jobs,
    of: () => [{ ...world.jobs()[0]!, uid, run: waiting.ref, runUid: waiting.uid }],
  });
  await tidy({ ...deps, jobs: jobs('forged') }, aRelease().ref);
  assert.equal(deps.admission.running, 0);
  world.putRun({ ...waiting, job: { ...waiting.ref, uid: 'its-own' } });
  await tidy({ ...deps, jobs: jobs('its-own') }, aRelease().ref);
  assert.equal(deps.admission.running, 1);
});
