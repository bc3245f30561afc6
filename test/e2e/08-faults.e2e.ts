import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { need } from './support/env.ts';
import { assertOneJobPerDigest, startedFor } from './support/expect.ts';
import { command } from './support/install.ts';
import { type Scene, shell, sleeping } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

/** helm-controller and the others need their time too. */
const PATIENCE_MS = 240_000;

interface Trouble {
  readonly begin: string;
  readonly seconds?: number;
  readonly end?: string;
}

const TROUBLES: Readonly<Record<string, Trouble>> = {
  'the API server is stopped for a minute': {
    begin: 'pause-apiserver',
    seconds: 60,
    end: 'resume-apiserver',
  },
  'the API server is restarted': { begin: 'restart-apiserver' },
  'etcd is paused': { begin: 'pause-etcd', seconds: 20, end: 'resume-etcd' },
};

describe('postsync recovers by itself', () => {
  const world = aWorld({ name: 'faults', env: { POSTSYNC_RESYNC_INTERVAL: '10m' } });

  for (const [trouble, { begin, seconds = 0, end }] of Object.entries(TROUBLES)) {
    scenario(
      world,
      `when ${trouble}`,
      async (scene, t) => {
        const given = need(t, 'E2E_FAULTS_COMMAND');
        if (!given) return;
        const fault = (what: string) => command(given.E2E_FAULTS_COMMAND, what);
        await scene.syncTest('quick', { releases: {}, job: shell('exit 0'), timeout: '5m' });
        await scene.syncTest('slow', { releases: {}, job: shell(sleeping(15)), timeout: '5m' });
        await scene.release('app', { values: { message: '1' } });
        const { spec } = await scene.running('app', 'slow');

        await fault(begin);
        await sleep(seconds * 1000);
        if (end) await fault(end);

        const first = await scene.verdict('app', PATIENCE_MS);
        assert.deepEqual([first.result, first.digest], ['passed', spec.digest]);
        const second = await upgraded(scene);
        assert.deepEqual(startedFor(scene, 'app', second).toSorted(), [
          'quick upgrade #1',
          'slow upgrade #1',
        ]);
        assert.equal(scene.jobs('app').length, 4);
        assertOneJobPerDigest(scene, 'app');
        assert.deepEqual(scene.postsync.log('(exited'), [], 'it ended');
      },
      { timeoutMs: 3 * PATIENCE_MS },
    );
  }
});

async function upgraded(scene: Scene): Promise<string> {
  await scene.until(
    'the next revision can be asked for',
    () => scene.release('app', { values: { message: '2' } }).then(() => true),
    PATIENCE_MS,
  );
  await scene.until(
    'the next revision is deployed',
    () => scene.view.release(scene.namespace, 'app')?.status?.history?.[0]?.version === 2,
    PATIENCE_MS,
  );
  const told = await scene.verdict('app', PATIENCE_MS);
  assert.equal(told.result, 'passed');
  return told.digest;
}
