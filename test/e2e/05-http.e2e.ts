import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { assertOneJobPerDigest, startedFor } from './support/expect.ts';
import { eventsAbout, type FluxEvent, fluxEvent, post } from './support/flux-event.ts';
import { type Scene, shell, sleeping } from './support/scene.ts';
import { aUser } from './support/users.ts';
import { aWorld, scenario } from './support/world.ts';

const TIMES = 10;

describe('what comes by HTTP', { concurrency: 4 }, () => {
  const world = aWorld({ name: 'http' });

  scenario(world, 'every event, ten times and out of order, causes nothing to run twice', async (scene) => {
    const { postsync } = scene;
    const send = async (events: readonly FluxEvent[]) => {
      for (const event of shuffled(events)) {
        const response = await post(postsync.url, postsync.hmacKey, event);
        assert.equal(response.status, 202, await response.text());
      }
    };
    await scene.syncTest('quick', { releases: {}, job: shell('exit 0') });
    await scene.syncTest('slow', { releases: {}, job: shell(sleeping(5)) });
    const spec = { test: { enable: true } };
    await scene.release('app', { values: { message: '1', helmTest: 'exit 0' }, spec });
    await scene.running('app', 'slow');
    await send(repeated(await eventsAbout(scene, 'app')));
    await scene.verdict('app');

    await scene.release('app', { values: { message: '2', helmTest: 'exit 0' }, spec });
    await send(repeated(await eventsAbout(scene, 'app')));
    await scene.running('app', 'slow');
    const told = scene.verdict('app');
    await send(repeated(await eventsAbout(scene, 'app')));
    assert.equal((await told).result, 'passed');
    const real = await eventsAbout(scene, 'app');
    await send(repeated([...real, ...everyReason(scene)]));

    assert.deepEqual(new Set(real.map(({ reason }) => reason)), new Set(REAL));
    await nothingMoreIsStarted(scene);
    assertOneJobPerDigest(scene, 'app');
    assert.equal(scene.jobs('app').length, 4);
  });

  scenario(world, 'an event that is signed with another key is refused', async (scene) => {
    const event = fluxEvent(scene, 'app', { reason: 'UpgradeSucceeded', type: 'Normal', message: 'm' });
    const response = await post(scene.postsync.url, 'not the key', event);
    assert.equal(response.status, 401);
  });

  scenario(
    world,
    'whoever may create runs may ask for them, and it is written down who did',
    async (scene) => {
      await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
      await scene.syncTest('other', { releases: {}, job: shell('exit 0') });
      await scene.release('app');
      const { digest } = await scene.verdict('app');
      const token = await aUser(scene, 'jo', ['create']);

      const { status, body } = await ask(scene, token, { tests: ['t'], reason: 'the disk was full' });

      assert.equal(status, 202, body);
      const run = await scene.until('the run has passed', () => {
        return scene
          .runs('app', 't')
          .find(({ spec, status }) => spec.cause === 'manual' && status?.phase === 'Passed');
      });
      assert.match(body, new RegExp(run.metadata.name));
      assert.equal(run.spec.requestedBy, `system:serviceaccount:${scene.namespace}:jo`);
      assert.equal(run.spec.reason, 'the disk was full');
      assert.deepEqual(startedFor(scene, 'app', digest).toSorted(), [
        'other install #1',
        't install #1',
        't manual #2',
      ]);
    },
  );

  scenario(world, 'asking twice with one Idempotency-Key runs it once', async (scene) => {
    await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
    await scene.release('app');
    await scene.verdict('app');
    const token = await aUser(scene, 'jo', ['create']);

    const answers = await Promise.all([1, 2].map(() => ask(scene, token, {}, { 'idempotency-key': 'one' })));

    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 202],
      JSON.stringify(answers),
    );
    assert.equal(answers[0]?.body, answers[1]?.body);
    await scene.until('the run has passed', () => {
      return scene
        .runs('app', 't')
        .find(({ spec, status }) => spec.cause === 'manual' && status?.phase === 'Passed');
    });
    await nothingMoreIsStarted(scene);
    assert.equal(scene.jobs('app').length, 2);
  });

  scenario(world, 'whoever may not create runs is refused, and nothing runs', async (scene) => {
    await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
    await scene.release('app');
    await scene.verdict('app');
    const reader = await aUser(scene, 'reader', ['get', 'list']);

    const answers = [
      await ask(scene, undefined, {}),
      await ask(scene, 'nonsense', {}),
      await ask(scene, reader, {}),
    ];

    assert.deepEqual(
      answers.map(({ status }) => status),
      [401, 401, 403],
      JSON.stringify(answers),
    );
    await nothingMoreIsStarted(scene);
    assert.equal(scene.jobs('app').length, 1);
  });

  scenario(world, 'the verdict of what is deployed can be waited for', async (scene) => {
    await scene.syncTest('t', { releases: {}, job: shell(sleeping(3, 'exit 1')) });
    await scene.release('app');
    await scene.running('app', 't');
    const token = await aUser(scene, 'jo', ['get', 'list', 'create']);

    const path = `/api/v1/releases/${scene.namespace}/app?wait=30s`;
    const response = await fetch(scene.postsync.url + path, {
      headers: { authorization: `Bearer ${token}` },
    });

    assert.equal(response.status, 422, await response.text());
  });
});

/** What helm-controller says of an install and an upgrade with tests. */
const REAL = ['InstallSucceeded', 'UpgradeSucceeded', 'TestSucceeded'];

/** All that it could say, also what it says of others and what it never says. */
function everyReason(scene: Scene): readonly FluxEvent[] {
  const reasons = [
    'ReconciliationSucceeded',
    'UpgradeFailed',
    'RollbackSucceeded',
    'TestFailed',
    'UninstallSucceeded',
  ];
  return reasons.map((reason) => {
    const type = reason.endsWith('Failed') ? 'Warning' : 'Normal';
    return fluxEvent(scene, 'app', { reason, type, message: `Helm said ${reason}` });
  });
}

function repeated(events: readonly FluxEvent[]): readonly FluxEvent[] {
  return events.flatMap((event) => Array.from({ length: TIMES }, () => event));
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

async function ask(
  scene: Scene,
  token: string | undefined,
  body: object,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${scene.postsync.url}/api/v1/releases/${scene.namespace}/app/runs`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...headers,
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  return { status: response.status, body: await response.text() };
}

/** Another release is deployed and tested: what has not begun by then does not begin. */
async function nothingMoreIsStarted(scene: Scene): Promise<void> {
  await scene.syncTest('last', { releases: { names: ['last'] }, job: shell('exit 0') });
  await scene.release('last');
  await scene.verdict('last');
}
