import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lineName, problemName, rolloutKey, rolloutRunName, runName } from '../../src/decide/identity.ts';

const RELEASE = { name: 'podinfo', uid: '4a6ceaa7-aa10-49ca-96c0-345d5f11f3ee' };
const REVISION = { digest: `sha256:${'ab'.repeat(32)}`, version: 7 };

function named(name: string, namespace = 'apps', kind: 'SyncTest' | 'BuiltIn' = 'SyncTest') {
  return { kind, ref: { namespace, name } };
}

const hash = (name: string) => name.slice(-16);

describe('a run’s name', () => {
  test('is frozen: another formula would run every test once more', () => {
    assert.equal(runName(RELEASE, REVISION, named('smoke'), 1), 'podinfo-smoke-v7-0c7f82ad090814b6');
    assert.equal(runName(RELEASE, REVISION, named('smoke'), 2), 'podinfo-smoke-v7-88f34f67957880ff');
    assert.equal(runName(RELEASE, REVISION, named('smoke', 'tests'), 1), 'podinfo-smoke-v7-395a5c60258d5968');
    assert.equal(
      runName(RELEASE, REVISION, named('http', 'apps', 'BuiltIn'), 1),
      'podinfo-http-v7-91e166cf9cc1adc7',
    );
    assert.equal(runName(RELEASE, REVISION, named('smoke'), 'key-1'), 'podinfo-smoke-v7-6d0ef24b288f1195');
  });

  test('fits a Job’s name however long the others are', () => {
    const long = { name: 'a.very-long.release-name-that-goes-on-and-on', uid: 'u' };
    const name = runName(long, { digest: 'd', version: 123 }, named('x'.repeat(40)), 1);
    assert.equal(name, 'a-very-long-release-name-that-goes-on-and-on-x-798ac34308b1b445');
    assert.match(name, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$/);
  });

  test('differs with the uid, the digest, the test, its kind, its namespace and the attempt', () => {
    const names = [
      runName(RELEASE, REVISION, named('smoke'), 1),
      runName({ ...RELEASE, uid: 'other' }, REVISION, named('smoke'), 1),
      runName(RELEASE, { ...REVISION, digest: 'other' }, named('smoke'), 1),
      runName(RELEASE, REVISION, named('smokes'), 1),
      runName(RELEASE, REVISION, named('smoke', 'apps', 'BuiltIn'), 1),
      runName(RELEASE, REVISION, named('smoke', 'other'), 1),
      runName(RELEASE, REVISION, named('smoke'), 2),
    ];
    assert.equal(new Set(names).size, names.length);
  });

  test('does not differ with what people are shown of it', () => {
    assert.equal(
      hash(runName(RELEASE, { ...REVISION, version: 8 }, named('smoke'), 1)),
      hash(runName(RELEASE, REVISION, named('smoke'), 1)),
    );
  });
});

describe('the name of a rollout’s run', () => {
  const rollout = { canary: { namespace: 'apps', name: 'podinfo' }, checksum: '7d4f9b6c5' };

  test('says the canary and the checksum, and has the identity of a run under that key', () => {
    const name = rolloutRunName(rollout, RELEASE, REVISION, named('smoke'));
    assert.equal(name, 'e2e-podinfo-7d4f9b6c5-f6544b3fe5a0f717');
    assert.equal(hash(name), hash(runName(RELEASE, REVISION, named('smoke'), rolloutKey(rollout))));
  });

  test('differs where the same checksum comes again', () => {
    const { canary } = rollout;
    const names = [
      rolloutRunName(rollout, RELEASE, REVISION, named('smoke')),
      rolloutRunName(rollout, RELEASE, { digest: 'after a revert' }, named('smoke')),
      rolloutRunName(rollout, RELEASE, REVISION, named('e2e')),
      rolloutRunName(rollout, { uid: 'other' }, REVISION, named('smoke')),
      rolloutRunName(
        { ...rollout, canary: { ...canary, namespace: 'b' } },
        RELEASE,
        REVISION,
        named('smoke'),
      ),
    ];
    assert.equal(new Set(names).size, names.length);
  });

  test('fits a Job’s name however long the others are', () => {
    const canary = { namespace: 'apps', name: `a.${'b-'.repeat(60)}c` };
    const name = rolloutRunName({ canary, checksum: 'x'.repeat(32) }, RELEASE, REVISION, named('smoke'));
    assert.match(name, /^e2e-a-[b-]+-x{32}-[0-9a-f]{16}$/);
    assert.match(name, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$/);
    assert.ok(rolloutKey({ canary, checksum: 'x'.repeat(32) }).length <= 256);
  });
});

describe('a line’s name', () => {
  const here = { namespace: 'apps', name: 'podinfo' };

  test('is the test’s, with the namespace of a shared one', () => {
    assert.equal(lineName(named('smoke'), here), 'smoke');
    assert.equal(lineName(named('smoke', 'tests'), here), 'tests.smoke');
    assert.equal(lineName(named('http', 'apps', 'BuiltIn'), here), 'http');
  });

  test('is cut and hashed to 63 characters', () => {
    const name = lineName(named('n'.repeat(40), 's'.repeat(40)), here);
    assert.equal(name, `${'s'.repeat(40)}.nnnnn-088ee71b2bd4ef3f`);
    assert.notEqual(name, lineName(named('n'.repeat(39), 's'.repeat(40)), here));
  });

  test('of what a person wrote is always one that Kubernetes takes', () => {
    assert.equal(problemName('e2e'), 'e2e');
    for (const name of ['smoke e2e', '--', 'x'.repeat(80), 'ä', 'a/b', '']) {
      assert.match(problemName(name), /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
    }
  });
});
