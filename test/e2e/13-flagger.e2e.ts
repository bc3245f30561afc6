import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { type Scene, shell, sleeping } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

const TOKEN = 'a-token-of-one-namespace';

/** Flagger itself need not be there: what it posts is posted, as `CallWebhook` of its pkg/controller does. */
describe('a canary of Flagger', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postsync-e2e-'));
  const file = join(folder, 'tokens.yaml');
  const env = { POSTSYNC_FLAGGER_TOKENS_FILE: file };
  const world = aWorld({ name: 'flagger', started: false, env });
  after(() => rmSync(folder, { recursive: true }));

  /** Starts postsync with a token for the namespace, and deploys what a canary rolls out. */
  async function begin({ namespace, postsync, ...scene }: Scene, script: string): Promise<void> {
    await postsync.stop();
    writeFileSync(file, JSON.stringify({ [namespace]: TOKEN }));
    await postsync.start();
    await scene.syncTest('canary', { releases: { names: ['app'] }, after: [], job: shell(script) });
    await scene.release('app', { values: { message: '1' } });
    await scene.deployed('app');
  }

  scenario(
    world,
    'is held until its test has passed, which is one Job however often it asks',
    async (scene) => {
      await begin(scene, sleeping(4));
      assert.equal(await asks(scene, 'rollback', '7d4f9b6c5'), 409);
      assert.equal(scene.jobs('app').length, 0);

      assert.equal(await asks(scene, 'gate?wait=0s', '7d4f9b6c5'), 408);
      const calls = Array.from({ length: 5 }, () => asks(scene, 'gate?wait=60s', '7d4f9b6c5'));
      assert.deepEqual(await Promise.all(calls), Array(5).fill(200));

      assert.equal(await asks(scene, 'gate?wait=0s', '7d4f9b6c5'), 200);
      const [{ job, cause } = assert.fail(), ...others] = scene.jobs('app');
      assert.deepEqual([cause, others], ['manual', []]);
      assert.match(job.metadata.name, /^e2e-app-7d4f9b6c5-[0-9a-f]{16}$/);
      const [run] = scene.runs('app');
      assert.equal(run?.metadata.name, job.metadata.name);
      assert.equal(run?.spec.requestedBy, `Flagger, for the canary ${scene.namespace}/app`);
      assert.equal((await scene.verdict('app')).result, 'passed');
    },
  );

  scenario(world, 'is rolled back when its test has failed, and tested anew after a fix', async (scene) => {
    await begin(scene, 'exit 1');
    assert.equal(await asks(scene, 'gate?wait=60s', 'aaaa'), 422);
    assert.equal(await asks(scene, 'rollback', 'aaaa'), 200);

    await scene.syncTest('canary', { releases: { names: ['app'] }, after: [], job: shell('exit 0') });
    await scene.upgrade('app', { values: { message: '2' } });
    assert.equal(await asks(scene, 'rollback', 'bbbb'), 409);
    assert.equal(await asks(scene, 'gate?wait=60s', 'bbbb'), 200);

    // After a revert in git, Flagger's checksum is the old one again.
    const { digest } = await scene.upgrade('app', { values: { message: '1' } });
    assert.equal(await asks(scene, 'rollback', 'aaaa'), 409);
    assert.equal(await asks(scene, 'gate?wait=60s', 'aaaa'), 200);
    assert.deepEqual(scene.jobs('app').filter((started) => started.digest === digest).length, 1);
  });

  scenario(world, 'finds its run again when postsync was killed meanwhile', async (scene) => {
    await begin(scene, sleeping(6));
    const held = asks(scene, 'gate?wait=60s', 'cccc').catch(() => 'cut off');
    await scene.running('app', 'canary');
    await scene.postsync.kill();
    assert.equal(await held, 'cut off');

    await scene.postsync.start();
    assert.equal(await asks(scene, 'gate?wait=60s', 'cccc'), 200);
    assert.equal(scene.jobs('app').length, 1);
  });

  scenario(world, 'of another namespace is not listened to', async (scene) => {
    await begin(scene, 'exit 0');
    assert.equal(await asks(scene, 'gate?wait=0s', 'dddd', 'a-token-of-nobody'), 403);
    assert.equal(scene.runs('app').length, 0);
  });
});

/** @returns the status that Flagger would see */
async function asks(scene: Scene, role: string, checksum: string, token = TOKEN): Promise<number> {
  const { namespace, postsync } = scene;
  const metadata = { tests: 'canary', token };
  const response = await fetch(`${postsync.url}/flagger/${namespace}/app/${role}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'app', namespace, phase: 'Progressing', checksum, metadata }),
    signal: AbortSignal.timeout(90_000),
  });
  await response.text();
  return response.status;
}
