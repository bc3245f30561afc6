import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ownImage } from '../src/own-image.ts';

const ref = { namespace: 'postsync-system', name: 'postsync-0' };

function listing(...containers: readonly object[]) {
  return { list: () => Promise.resolve({ items: containers.length > 0 ? [{ spec: { containers } }] : [] }) };
}

describe("postsync's own image", () => {
  test('is read off its container, whatever stands beside it', async () => {
    const kubernetes = listing(
      { name: 'proxy', image: 'proxy:1' },
      { name: 'postsync', image: 'mirror/postsync:2' },
    );

    assert.equal(await ownImage(kubernetes, ref), 'mirror/postsync:2');
  });

  test('is that of the first container where none has its name', async () => {
    assert.equal(await ownImage(listing({ name: 'main', image: 'ours:3' }), ref), 'ours:3');
  });

  test('has a name outside of a cluster', async () => {
    assert.equal(await ownImage(listing(), ref), 'postsync');
  });
});
