import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Outcome, Run } from '../../src/decide/model.ts';
import { createRequests } from '../../src/reconcile/requests.ts';
import { createRollouts } from '../../src/reconcile/rollouts.ts';
import { anOutcome, aRelease, aTest } from '../support/model.ts';
import { aServer } from '../support/server.ts';
import { aWorld } from '../support/world.ts';

const TOKEN = 'the-token-of-apps';
const CANARY = { namespace: 'apps', name: 'podinfo' };
const NAME = /^e2e-podinfo-7d4f9b6c5-[0-9a-f]{16}$/;

/** A cluster, the loop, and Flagger that asks for the test of its canary. */
function aStage(options: Parameters<typeof aWorld>[0] = {}) {
  const world = aWorld({ tests: [aTest('smoke', { after: [] })], ...options });
  const deps = world.deps();
  const rollouts = createRollouts(deps);
  const { ref } = aRelease();
  const ask = (given: { checksum?: string; tests?: string[]; start?: boolean; digest?: string } = {}) => {
    const { checksum = '7d4f9b6c5', tests = ['smoke'], start = true, digest } = given;
    return rollouts.ask(ref, { canary: CANARY, checksum }, { tests, start, digest });
  };
  /** What has begun ends so. */
  const end = async (outcome: Partial<Outcome> = {}) => {
    await world.look();
    world.endJobs(anOutcome(outcome));
    await world.look();
  };
  return { world, deps, ref, ask, end };
}

describe('a rollout', () => {
  test('is tested once, by a Job that has its name, however often it is asked about', async () => {
    const { world, ask, end } = aStage();

    const first = await ask();
    assert.equal(first.result, 'pending');
    assert.match(first.runs[0] ?? '', NAME);
    await world.look();
    assert.equal((await ask()).result, 'running');
    await end();

    const last = await ask();
    assert.equal(last.result, 'passed');
    assert.match(last.message, /^smoke passed \(Passed, run e2e-podinfo-7d4f9b6c5-/);
    assert.deepEqual(last.runs, first.runs);
    assert.deepEqual(world.created, first.runs);
  });

  test('says on its run who asked, and for what', async () => {
    const { world, ask } = aStage();
    await ask();

    const [run] = world.runs();

    assert.deepEqual([run?.cause, run?.request], ['manual', 'flagger apps/podinfo 7d4f9b6c5']);
  });

  test('that is asked about by another replica is the same', async () => {
    const { world, ask, ref } = aStage();
    const other = createRollouts(world.deps());

    const asked = { tests: ['smoke'], start: true };
    const answers = await Promise.all([
      ask(),
      other.ask(ref, { canary: CANARY, checksum: '7d4f9b6c5' }, asked),
    ]);

    assert.deepEqual(answers[0], answers[1]);
    assert.equal(world.runs().length, 1);
  });

  test('of another checksum, and of the same one after another deployment, is another', async () => {
    const { world, ask, end } = aStage();
    await ask();
    await end();
    assert.equal((await ask({ checksum: '5c6b9f4d7' })).result, 'pending');
    await end({ verdict: 'failed', reason: 'JobFailed' });

    world.putRelease(aRelease({ revision: { digest: 'sha256:9', version: 9 } }));
    assert.equal((await ask()).result, 'pending');
    await world.look();

    assert.equal(new Set(world.created).size, 3);
  });

  test('fails when one of its tests has failed, and says nothing of what that said', async () => {
    const tests = [aTest('smoke', { after: [] }), aTest('e2e', { after: [] })];
    const { ask, end } = aStage({ tests });
    await ask();
    await end();
    assert.equal((await ask({ tests: ['smoke', 'e2e'] })).result, 'pending');
    await end({ verdict: 'failed', reason: 'JobFailed', message: 'the password is 123' });

    const { result, message, runs } = await ask({ tests: ['smoke', 'e2e'] });

    assert.equal(result, 'failed');
    assert.match(message, /^smoke \w+ \(.*\); e2e failed \(JobFailed, run e2e-podinfo-/);
    assert.doesNotMatch(message, /password/);
    assert.equal(runs.length, 2);
  });

  test('that was inconclusive is decided by the retry', async () => {
    const { world, ask, end } = aStage({ tests: [aTest('smoke', { after: [], retries: 1 })] });
    await ask();
    await end({ verdict: 'inconclusive', reason: 'Disrupted' });
    const waiting = await ask();
    assert.deepEqual(
      [waiting.result, waiting.message],
      ['pending', 'smoke is pending, and will be tried again'],
    );

    world.pass(60);
    await end();

    assert.equal((await ask()).result, 'passed');
    assert.equal(world.created.length, 2);
  });

  test('that failed is let through by who may decide so, or by a run again', async () => {
    const { world, deps, ref, ask, end } = aStage();
    await ask();
    await end({ verdict: 'failed', reason: 'JobFailed' });
    assert.equal((await ask()).result, 'failed');

    world.pass(1);
    await createRequests(deps).run(ref, { by: 'jane' });
    assert.equal((await ask()).result, 'failed');
    await end();

    assert.equal((await ask()).result, 'passed');
  });

  test('is not decided by what was tested before it', async () => {
    const { world, ask } = aStage({ tests: [aTest()] });
    await world.look();
    world.endJobs(anOutcome());
    await world.look();
    assert.equal(world.result(), 'passed');
    world.pass(1);

    assert.equal((await ask()).result, 'pending');
  });
});

describe('nothing is started', () => {
  test('by one who only asks whether it has failed', async () => {
    const { world, ask } = aStage();

    const { result, message } = await ask({ start: false });

    assert.deepEqual([result, message], ['pending', 'smoke was not asked for']);
    assert.equal(world.runs().length, 0);
  });

  for (const [what, release, message] of [
    ['while the release moves', aRelease({ reconciling: true }), /apps\/podinfo: Flux is at work on it/],
    ['while nothing is deployed', aRelease({ revision: 'none' }), /nothing is deployed yet/],
  ] as const)
    test(what, async () => {
      const { world, ask } = aStage({ release });

      const told = await ask();

      assert.equal(told.result, 'pending');
      assert.match(told.message, message);
      assert.equal(world.runs().length, 0);
    });

  test('for one who means another deployment', async () => {
    const { world, ask } = aStage();

    const { result, message } = await ask({ digest: 'sha256:old' });

    assert.deepEqual([result, message], ['pending', 'apps/podinfo: another revision was deployed']);
    assert.equal(world.runs().length, 0);
  });

  test('of tests that do not select the release', async () => {
    const { ask } = aStage();
    await assert.rejects(ask({ tests: ['smoke', 'others'] }), { code: 'TEST_NOT_FOUND' });
  });

  test('under a name that somebody took for something else', async () => {
    const { world, ask } = aStage();
    const { runs } = await ask();
    world.putRun({ ...(world.runs()[0] as Run), test: { namespace: 'apps', name: 'others' } });

    await assert.rejects(ask(), {
      code: 'API_CONFLICT',
      message: `the run ${runs[0]} is about something else: delete it`,
    });
  });
});

test('a canary is held until its test has passed, and rolled back when it has failed', async () => {
  const { world, deps, end } = aStage();
  await using server = await aServer({
    flaggerTokens: { apps: TOKEN },
    rollouts: createRollouts(deps),
  });
  const post = async (role: 'gate?wait=0s' | 'rollback', checksum: string) => {
    const metadata = { token: TOKEN, tests: 'smoke' };
    const body = JSON.stringify({ ...CANARY, phase: 'Progressing', checksum, metadata });
    return (await fetch(`${server.url}/flagger/apps/podinfo/${role}`, { method: 'POST', body })).status;
  };

  assert.deepEqual([await post('rollback', 'aaa'), await post('gate?wait=0s', 'aaa')], [409, 408]);
  await world.look();
  assert.deepEqual([await post('rollback', 'aaa'), await post('gate?wait=0s', 'aaa')], [409, 408]);
  await end();
  assert.deepEqual([await post('rollback', 'aaa'), await post('gate?wait=0s', 'aaa')], [409, 200]);

  world.putRelease(aRelease({ revision: { digest: 'sha256:bad', version: 9 } }));
  assert.deepEqual([await post('rollback', 'bbb'), await post('gate?wait=0s', 'bbb')], [409, 408]);
  await end({ verdict: 'failed', reason: 'JobFailed' });
  assert.deepEqual([await post('gate?wait=0s', 'bbb'), await post('rollback', 'bbb')], [422, 200]);

  assert.equal(world.created.length, 2);
});
