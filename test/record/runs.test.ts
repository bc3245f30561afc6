import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { claimRun, createRun, endRun, pinRun, removeRun, startRun } from '../../src/record/runs.ts';
import { aKubernetes } from '../support/kubernetes.ts';
import {
  A_JOB,
  aDispatch,
  after,
  aManualRun,
  anOutcome,
  aRelease,
  aRevision,
  aRun,
  aTest,
} from '../support/model.ts';

interface Body {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status: {
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  } & Readonly<Record<string, unknown>>;
}

type Write = (kubernetes: ReturnType<typeof aKubernetes>['kubernetes']) => Promise<unknown>;

async function written(write: Write): Promise<{ verb: string; path: string; body: Body }> {
  const { kubernetes, calls } = aKubernetes();
  await write(kubernetes);
  assert.equal(calls.length, 1);
  return calls[0] as { verb: string; path: string; body: Body };
}

function conditions({ status }: Body): readonly string[] {
  return status.conditions.map(({ type, status }) => `${type} ${status}`);
}

const RELEASE = aRelease();
const REVISION = aRevision();

describe('a run is written', () => {
  test('when it is intended: what must not change until it starts is in its spec', async () => {
    const { path, body } = await written((kubernetes) =>
      createRun(kubernetes, {
        name: 'the-run',
        release: RELEASE,
        test: aTest('smoke', { generation: 3 }),
        revision: REVISION,
        attempt: 2,
        cause: 'retry',
      }),
    );
    assert.equal(path, 'apps/synctestruns');
    assert.deepEqual(JSON.parse(JSON.stringify(body.spec)), {
      release: 'podinfo',
      test: 'smoke',
      testKind: 'SyncTest',
      testNamespace: 'apps',
      testGeneration: 3,
      digest: 'sha256:seven',
      attempt: 2,
      cause: 'retry',
    });
    assert.deepEqual(body.metadata.ownerReferences, [
      { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', name: 'podinfo', uid: 'release-uid' },
    ]);
    assert.equal(body.metadata.name, 'the-run');
  });

  test('when it is pinned: with the digest, and only as long as nobody else wrote', async () => {
    const run = aManualRun({ resourceVersion: '44' });
    const { path, body } = await written((kubernetes) =>
      pinRun(kubernetes, run, { release: RELEASE, revision: REVISION }),
    );
    assert.equal(path, 'apps/synctestruns/by-hand/status');
    assert.deepEqual(body.metadata, { resourceVersion: '44' });
    assert.equal(body.status.digest, 'sha256:seven');
    assert.equal(body.status.releaseUid, 'release-uid');
    assert.deepEqual(conditions(body), ['Reconciling True']);
  });

  test('when its Job is there: kstatus sees that it goes on', async () => {
    const started = { release: RELEASE, revision: REVISION, test: aTest(), job: A_JOB, url: 'https://logs' };
    const { body } = await written((kubernetes) => startRun(kubernetes, aRun(), started));
    assert.equal(body.status.phase, 'Running');
    assert.deepEqual(body.status.job, A_JOB);
    assert.equal(body.status.url, 'https://logs');
    assert.equal(body.status.revision, 'v7 (chart 1.2.0)');
    assert.deepEqual(conditions(body), ['Reconciling True']);
  });

  test('when it is claimed: by when it was, to the millisecond', async () => {
    const dispatch = aDispatch({ claimedAt: after(1.234) });
    const claim = { release: RELEASE, revision: REVISION, test: aTest(), dispatch };
    const { body } = await written((kubernetes) => claimRun(kubernetes, aRun(), claim));
    assert.equal(
      (body.status.dispatch as { readonly claimedAt?: unknown }).claimedAt,
      '2026-11-21T12:00:01.234Z',
    );
    assert.deepEqual(conditions(body), ['Reconciling True']);
  });

  test('when it passed: Ready, with how long it took', async () => {
    const { body } = await written((kubernetes) =>
      endRun(kubernetes, aRun(), anOutcome(), { startedAt: after(48.025) }),
    );
    assert.equal(body.status.phase, 'Passed');
    assert.equal(body.status.duration, '12s');
    assert.equal(body.status.startedAt, '2026-11-21T12:00:48.025Z');
    assert.equal(body.status.finishedAt, '2026-11-21T12:01:00.000Z');
    assert.deepEqual(conditions(body), ['Ready True']);
  });

  for (const verdict of ['failed', 'inconclusive'] as const) {
    test(`when it ${verdict === 'failed' ? 'failed' : 'was inconclusive'}: Stalled, and not Ready`, async () => {
      const outcome = anOutcome({ verdict, message: 'x'.repeat(9000) });
      const { body } = await written((kubernetes) => endRun(kubernetes, aRun(), outcome, undefined));
      assert.equal(body.status.phase, verdict === 'failed' ? 'Failed' : 'Inconclusive');
      assert.deepEqual(conditions(body), ['Stalled True', 'Ready False']);
      assert.equal((body.status.message as string).length, 4096);
      assert.equal(body.status.duration, undefined);
    });
  }

  test('no more when it is removed, unless another one has its name', async () => {
    const { verb, body } = await written((kubernetes) => removeRun(kubernetes, aRun({ uid: 'run-uid' })));
    assert.equal(verb, 'remove');
    assert.deepEqual(body, { uid: 'run-uid' });
  });
});
