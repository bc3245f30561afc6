import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { writeFinding } from '../../src/record/tests.ts';
import { aKubernetes } from '../support/kubernetes.ts';

const REF = { namespace: 'apps', name: 'smoke' };
const PATH = 'get apps/synctests/smoke';

interface Status {
  readonly observedGeneration: number;
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly message: string;
    readonly lastTransitionTime: string;
  }[];
}

async function found(
  finding: Parameters<typeof writeFinding>[2],
  status?: object,
): Promise<Status | undefined> {
  const { kubernetes, calls } = aKubernetes({
    [PATH]: { metadata: { generation: 2 }, ...(status && { status }) },
  });
  await writeFinding(kubernetes, REF, finding);
  const patch = calls.find(({ verb }) => verb === 'patch');
  if (patch) assert.equal(patch.path, 'apps/synctests/smoke/status');
  return (patch?.body as { status: Status } | undefined)?.status;
}

function texts(status: Status | undefined): readonly string[] {
  return (status?.conditions ?? []).map(({ type, status }) => `${type} ${status}`);
}

const INVALID = { reason: 'Refused', message: 'unknown field "spec.imagee"' } as const;

describe('what is found out about a SyncTest', () => {
  test('is Ready, and says beside it what keeps its Job out and may mend itself', async () => {
    const status = await found({ generation: 2, matches: true, obstacle: 'exceeded quota: few' });
    assert.deepEqual(texts(status), ['Ready True', 'Accepted False', 'ReleasesSelected True']);
  });

  test('is Ready where its Job would be taken, also where no release is selected', async () => {
    assert.deepEqual(texts(await found({ generation: 2, matches: true })), [
      'Ready True',
      'ReleasesSelected True',
    ]);
    assert.deepEqual(texts(await found({ generation: 2, matches: false })), [
      'Ready True',
      'ReleasesSelected False',
    ]);
  });

  test('says when a release that is selected is tested first', async () => {
    for (const [skipsExisting, words] of [
      [true, /from its next deployment on \(existing: skip\)$/],
      [false, /^at least one release is selected$/],
    ] as const) {
      const status = await found({ generation: 2, matches: true, skipsExisting });
      assert.match(status?.conditions.at(-1)?.message ?? '', words);
    }
  });

  test('is Ready also where its namespaceSelector does not count, which is said beside it', async () => {
    const namespacesIgnored = 'it counts only in the tests namespace';
    const status = await found({ generation: 2, matches: true, namespacesIgnored });
    assert.deepEqual(texts(status), ['Ready True', 'ReleasesSelected True', 'NamespacesSelected False']);
    assert.equal(status?.conditions.at(-1)?.message, namespacesIgnored);
  });

  test('is Stalled and not Ready only where the spec can never work', async () => {
    const status = await found({ generation: 2, matches: true, invalid: INVALID });
    assert.deepEqual(texts(status), ['Ready False', 'Stalled True', 'ReleasesSelected True']);
    assert.equal(status?.observedGeneration, 2);
  });

  test('is not written twice', async () => {
    const status = await found({ generation: 2, matches: true });
    assert.equal(await found({ generation: 2, matches: true }, status), undefined);
  });

  test('keeps since when a condition holds', async () => {
    const since = '2020-01-01T00:00:00Z';
    const status = await found({ generation: 2, matches: true });
    const old = status!.conditions.map((condition) => ({ ...condition, lastTransitionTime: since }));
    const next = await found({ generation: 2, matches: false }, { ...status, conditions: old });
    const times = next!.conditions.map(({ lastTransitionTime }) => lastTransitionTime === since);
    assert.deepEqual(times, [true, false]);
  });

  test('is not written about a spec that has changed meanwhile', async () => {
    assert.equal(await found({ generation: 1, matches: true, invalid: INVALID }), undefined);
  });
});
