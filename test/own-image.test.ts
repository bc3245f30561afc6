import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { describe, test } from 'node:test';
import type { Query, Target } from '../src/kubernetes.ts';
import { ownImage } from '../src/own-image.ts';

const NAMESPACE = 'postsync-system';

function listing(...containers: readonly object[]) {
  const asked: unknown[] = [];
  const items = containers.length > 0 ? [{ spec: { containers } }] : [];
  const list = async (target: Target, query?: Query) => {
    asked.push(target, query);
    return { items };
  };
  return { list, asked };
}

describe("postsync's own image", () => {
  test('is read off its container, whatever stands beside it', async () => {
    const kubernetes = listing(
      { name: 'proxy', image: 'proxy:1' },
      { name: 'postsync', image: 'mirror/postsync:2' },
    );

    assert.equal(await ownImage(kubernetes, NAMESPACE), 'mirror/postsync:2');
  });

  test("is that of the Pod with the host's name", async () => {
    const kubernetes = listing();

    await ownImage(kubernetes, NAMESPACE);

    const fieldSelector = `metadata.name=${hostname()}`;
    assert.deepEqual(kubernetes.asked, [{ resource: 'pods', namespace: NAMESPACE }, { fieldSelector }]);
  });

  test('is that of the first container where none has its name', async () => {
    assert.equal(await ownImage(listing({ name: 'main', image: 'ours:3' }), NAMESPACE), 'ours:3');
  });

  test('has a name outside of a cluster', async () => {
    assert.equal(await ownImage(listing(), NAMESPACE), 'postsync');
  });
});
