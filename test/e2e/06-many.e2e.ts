import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { assertOneJobPerDigest } from './support/expect.ts';
import { kubectl } from './support/install.ts';
import { shell } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

const RELEASES = 30;

describe('many releases', () => {
  const world = aWorld({ name: 'many' });

  scenario(
    world,
    'thirty releases at once are each tested once, and deleting all runs runs nothing again',
    async (scene) => {
      const { api, namespace, postsync, view } = scene;
      const names = Array.from({ length: RELEASES }, (_, index) => `app-${index}`);
      await scene.syncTest('t', { releases: {}, maxParallel: 8, job: shell('exit 0') });
      await Promise.all(names.map((name) => scene.release(name)));

      const told = await Promise.all(names.map((name) => scene.verdict(name, 200_000)));

      assert.deepEqual(new Set(told.map(({ result }) => result)), new Set(['passed']));
      for (const name of names) assertOneJobPerDigest(scene, name);

      await kubectl('delete', 'str', '--all', '--namespace', namespace);
      await scene.until('all runs are gone', () => view.runs(namespace).length === 0);
      await postsync.stop();
      await postsync.start();
      await scene.release('last');
      await scene.verdict('last');

      const started = names.flatMap((name) => scene.jobs(name));
      assert.equal(started.length, RELEASES);
      const after = names.map((name) => view.release(namespace, name)?.metadata.annotations ?? {});
      assert.deepEqual(
        after.map((annotations) => annotations['postsync.dev/digest']),
        told.map(({ digest }) => digest),
      );
      assert.deepEqual(new Set(after.map((one) => one['postsync.dev/result'])), new Set(['passed']));
      assert.equal((await api.list('SyncTestRun', namespace)).items.length, 1);
    },
    { timeoutMs: 360_000 },
  );
});
