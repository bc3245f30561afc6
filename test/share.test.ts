import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSharing } from '../src/share.ts';

function said(own: string) {
  const at = new Date('2026-11-21T12:00:00Z');
  return { own, n: 1, no: undefined, none: null, at, list: ['text', { deep: 'text' }] };
}

test('what is shared says the same as before', () => {
  const value = said('text');
  assert.equal(createSharing()(value), value);
  assert.deepEqual(value, said('text'));
});

test('what is shared says the same though more texts come than are remembered', () => {
  const share = createSharing();
  for (let at = 0; at < 5000; at += 1) assert.deepEqual(share(said(`text ${at}`)), said(`text ${at}`));
});
