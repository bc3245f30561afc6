import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import { assertOneJobPerDigest, startedFor } from './support/expect.ts';
import { conditionOf } from './support/objects.ts';
import type { Call, Fault } from './support/proxy.ts';
import { type Scene, shell, sleeping, toldBy } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

const MINUTES = 60_000;
/** Without a call for so long, postsync has done all that it does for a revision. */
const QUIET_MS = 700;
/** A look more or less: the number of calls is not the same each time. */
const MISSES = 3;
/** A sweep that met none of these was none. */
const WRITES = [
  'create synctestruns',
  'create jobs',
  'patch synctestruns/status',
  'patch helmreleases',
  'create events',
];

describe('whatever moment postsync is killed, each test runs once and there is a verdict', () => {
  const world = aWorld({ name: 'kill', started: false });

  for (const when of ['before', 'after'] as const) {
    scenario(
      world,
      `when it is killed ${when} each call that it makes for a new revision`,
      async (scene, t) => {
        await begin(scene);
        await killedAtEach(scene, t, when, async (message, arm) => {
          if (!scene.postsync.running) await scene.postsync.start();
          await scene.until('postsync has nothing to do', () => isQuiet(scene));
          arm();
          await scene.release('app', { values: { message } });
        });
      },
      { timeoutMs: 15 * MINUTES },
    );
  }

  scenario(
    world,
    'when it is killed after each call that it makes from its start, for a revision that came meanwhile',
    async (scene, t) => {
      await begin(scene);
      await killedAtEach(scene, t, 'after', async (message, arm) => {
        await scene.postsync.kill();
        await scene.upgrade('app', { values: { message } });
        arm();
        scene.postsync.launch();
      });
    },
    { timeoutMs: 15 * MINUTES },
  );

  scenario(world, 'a Job that ended and went while it was down is inconclusive', async (scene) => {
    await scene.postsync.kill();
    await scene.postsync.start();
    await scene.syncTest('t', { releases: {}, job: shell(sleeping(4)) });
    await scene.release('app');
    await scene.running('app', 't');
    await scene.postsync.kill();
    const name = scene.jobs('app')[0]?.job.metadata.name ?? assert.fail('no Job');
    await scene.until('the Job has ended', async () => {
      return conditionOf(await scene.api.get('Job', scene.namespace, name), 'Complete')?.status === 'True';
    });
    await scene.api.remove('Job', scene.namespace, name);
    await scene.until('the Job is gone', () => scene.view.jobs(scene.namespace).length === 0);

    await scene.postsync.start();

    const run = await scene.run('app', 't', 'Inconclusive');
    assert.equal(run.status?.reason, 'JobLost');
    assert.equal(scene.jobs('app').length, 1);
  });

  scenario(
    world,
    'nor does it matter which of its calls are refused, or answered and not heard',
    async (scene, t) => {
      await begin(scene);
      const faults: readonly Fault[] = [
        { before: async () => 503 },
        { before: async () => 'cut' },
        { after: async () => 'cut' },
        { after: async () => 500 },
        { before: () => new Promise((resolve) => setTimeout(resolve, 1500, undefined)) },
      ];
      let number = 0;
      scene.postsync.proxy.fault = ({ verb }) => {
        number += 1;
        return verb !== 'watch' && number % 3 === 0 ? faults[(number / 3) % faults.length] : undefined;
      };
      for (const message of ['a', 'b', 'c', 'd', 'e', 'f']) {
        await scene.upgrade('app', { values: { message } });
        assert.equal((await scene.verdict('app', 2 * MINUTES)).result, 'passed');
      }
      scene.postsync.proxy.fault = () => undefined;
      t.diagnostic(`${Math.floor(number / 3)} calls were disturbed`);
      assertOneJobPerDigest(scene, 'app');
      assert.equal(scene.jobs('app').length, 2 * 7);
    },
    { timeoutMs: 10 * MINUTES },
  );
});

async function begin(scene: Scene): Promise<void> {
  scene.postsync.proxy.fault = () => undefined;
  if (!scene.postsync.running) await scene.postsync.start();
  await scene.syncTest('one', { releases: {}, job: shell('exit 0') });
  await scene.syncTest('two', { releases: {}, job: shell('exit 0') });
  await scene.release('app', { values: { message: 'first' } });
  await scene.verdict('app');
}

/** Brings a new revision. From `arm` on, calls are counted. */
type Bring = (message: string, arm: () => void) => Promise<void>;

/**
 * For 1, 2, 3, …: brings a new revision, kills postsync at that many calls, starts it again, and expects one Job a
 * test and a verdict. Ends when postsync is through before so many calls.
 */
async function killedAtEach(
  scene: Scene,
  t: TestContext,
  when: 'before' | 'after',
  bring: Bring,
): Promise<void> {
  const { postsync } = scene;
  const killedAt: string[] = [];
  let misses = 0;
  for (let number = 1; misses < MISSES; number += 1) {
    const previous = toldBy(scene.view.release(scene.namespace, 'app'))?.digest ?? '';
    let struck: Call | undefined;
    let left = number;
    const strike = async (call: Call) => {
      struck = call;
      await postsync.kill();
      return 'cut' as const;
    };
    await bring(`${when} ${number}`, () => {
      postsync.proxy.fault = (call) => {
        left -= 1;
        return left === 0 ? { [when]: () => strike(call) } : undefined;
      };
    });

    await scene.until('postsync is killed, or through', () => {
      if (struck) return !postsync.running;
      return passedAnew(scene, previous) && isQuiet(scene);
    });
    postsync.proxy.fault = () => undefined;
    if (struck) killedAt.push(struck.sort);
    misses = struck ? 0 : misses + 1;
    if (!postsync.running) await postsync.start();

    const at = struck ? `killed ${when} call ${number}, ${struck.sort}` : `not killed by call ${number}`;
    const { digest } = await scene.until(`it has passed, ${at}`, () => passedAnew(scene, previous), MINUTES);
    assert.deepEqual(startedFor(scene, 'app', digest).toSorted(), ['one upgrade #1', 'two upgrade #1'], at);
  }

  t.diagnostic(`killed ${killedAt.length} times: ${killedAt.join(', ')}`);
  for (const sort of WRITES) assert.ok(killedAt.includes(sort), `never killed at: ${sort}`);
  assertOneJobPerDigest(scene, 'app');
}

/** What the release says, when it says passed of another revision than the previous. */
function passedAnew(scene: Scene, previous: string) {
  const release = scene.view.release(scene.namespace, 'app');
  const told = toldBy(release);
  const isNew = told?.digest !== previous && told?.digest === release?.status?.history?.[0]?.digest;
  return isNew && told?.result === 'passed' && told;
}

function isQuiet({ postsync: { proxy } }: Scene): boolean {
  return Date.now() - proxy.lastCallAt > QUIET_MS;
}
