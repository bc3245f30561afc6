import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import { assertOneJobPerDigest, startedFor } from './support/expect.ts';
import { conditionOf } from './support/objects.ts';
import type { Postsync } from './support/postsync.ts';
import type { Call, Fault } from './support/proxy.ts';
import { type Scene, shell, sleeping, toldBy } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

const MINUTES = 60_000;
/** Without a call for so long, postsync has done all that it does for a revision. */
const QUIET_MS = 700;
/** A look more or less: the number of calls is not the same each time. */
const MISSES = 2;
/** Seldom enough that a look, which makes a few calls one after the other, comes through at times. */
const EACH = 7;
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
        await killedAtEach(scene, t, when, WHILE_IT_RUNS);
      },
      { timeoutMs: 15 * MINUTES },
    );
  }

  scenario(
    world,
    'when it is killed after each call that it makes from its start, for a revision that came meanwhile',
    async (scene, t) => {
      await begin(scene);
      await killedAtEach(scene, t, 'after', AT_ITS_START);
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
        const isDisturbed = verb !== 'watch' && number % EACH === 0;
        return isDisturbed ? faults[(number / EACH) % faults.length] : undefined;
      };
      for (const message of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
        await scene.upgrade('app', { values: { message } });
        assert.equal((await scene.verdict('app', 2 * MINUTES)).result, 'passed');
      }
      scene.postsync.proxy.fault = () => undefined;
      t.diagnostic(`${Math.floor(number / EACH)} calls were disturbed`);
      assertOneJobPerDigest(scene, 'app');
      assert.equal(scene.jobs('app').length, 2 * 9);
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

/** A way for postsync to meet a new revision. Calls are counted from `go` on. */
interface Way {
  prepare(scene: Scene, message: string): Promise<void>;
  go(scene: Scene, message: string): Promise<void> | void;
  /** It may go again for the same revision, when it was killed before it had written anything. */
  readonly goesAgain: boolean;
}

const WHILE_IT_RUNS: Way = {
  prepare: async (scene) => {
    if (!scene.postsync.running) await scene.postsync.start();
    await scene.until('postsync has nothing to do', () => isQuiet(scene));
  },
  go: (scene, message) => scene.release('app', { values: { message } }),
  goesAgain: false,
};

const AT_ITS_START: Way = {
  prepare: async (scene, message) => {
    await scene.postsync.kill();
    await scene.upgrade('app', { values: { message } });
  },
  go: ({ postsync }) => postsync.launch(),
  goesAgain: true,
};

/**
 * For 1, 2, 3, …: brings a new revision, kills postsync at that many calls, starts it again, and expects one Job a
 * test and a verdict. Ends when postsync is through before so many calls.
 */
async function killedAtEach(scene: Scene, t: TestContext, when: 'before' | 'after', way: Way): Promise<void> {
  const { postsync } = scene;
  const killedAt: string[] = [];
  let misses = 0;
  let previous: string | undefined;
  for (let number = 1; misses < MISSES; number += 1) {
    const message = `${when} ${number}`;
    if (previous === undefined) {
      previous = toldBy(scene.view.release(scene.namespace, 'app'))?.digest ?? '';
      await way.prepare(scene, message);
    }
    const strike = strikeAt(postsync, number, when);
    await way.go(scene, message);
    const old = previous;
    await scene.until('postsync is killed, or through', () => {
      if (strike.call) return !postsync.running;
      return passedAnew(scene, old) && isQuiet(scene);
    });
    postsync.proxy.fault = () => undefined;
    if (strike.call) killedAt.push(strike.call.sort);
    if (strike.call && way.goesAgain && !strike.hasWritten) continue;

    // A call that postsync itself gave up is no sign of being through.
    if (strike.left > 0) misses += 1;
    if (!postsync.running) await postsync.start();
    const at = strike.call
      ? `killed ${when} call ${number}, ${strike.call.sort}`
      : `not killed by call ${number}`;
    const { digest } = await scene.until(`it has passed, ${at}`, () => passedAnew(scene, old), MINUTES);
    assert.deepEqual(startedFor(scene, 'app', digest).toSorted(), ['one upgrade #1', 'two upgrade #1'], at);
    previous = undefined;
  }

  t.diagnostic(`killed ${killedAt.length} times: ${killedAt.join(', ')}`);
  for (const sort of WRITES) assert.ok(killedAt.includes(sort), `never killed at: ${sort}`);
  assertOneJobPerDigest(scene, 'app');
}

/** Has postsync killed at a call from now on, and says at which. */
function strikeAt(postsync: Postsync, number: number, when: 'before' | 'after') {
  const strike: { left: number; hasWritten: boolean; call?: Call } = { left: number, hasWritten: false };
  postsync.proxy.fault = (call) => {
    strike.left -= 1;
    // Also what was under way beside the call that it was killed at.
    strike.hasWritten ||= isWrite(call);
    if (strike.left !== 0) return undefined;
    const kill = async () => {
      strike.call = call;
      await postsync.kill();
      return 'cut' as const;
    };
    return { [when]: kill };
  };
  return strike;
}

function isWrite({ verb, sort }: Call): boolean {
  return !['get', 'list', 'watch'].includes(verb) && !sort.includes('dry run');
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
