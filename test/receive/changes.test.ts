import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createChanges } from '../../src/receive/changes.ts';

const PODINFO = { namespace: 'apps', name: 'podinfo' };
const LONG_MS = 60_000;

describe('waiting for a release', () => {
  test('ends for all who wait for it when something is heard of it', async () => {
    const changes = createChanges();
    const { signal } = new AbortController();
    const waits = [changes.wait(PODINFO, LONG_MS, signal), changes.wait(PODINFO, LONG_MS, signal)];

    changes.tell({ ...PODINFO });

    await Promise.all(waits);
  });

  test('goes on when something is heard of another', async () => {
    const changes = createChanges();
    const leaving = new AbortController();
    let ended = false;
    const wait = changes.wait(PODINFO, LONG_MS, leaving.signal).then(() => (ended = true));

    changes.tell({ namespace: 'apps', name: 'other' });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(ended, false);

    leaving.abort();
    await wait;
  });

  test('ends with its time', async () => {
    await createChanges().wait(PODINFO, 1, new AbortController().signal);
  });

  test('does not begin when it is over already', async () => {
    await createChanges().wait(PODINFO, LONG_MS, AbortSignal.abort());
  });
});
