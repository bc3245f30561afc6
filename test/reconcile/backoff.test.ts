import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from '../../src/reconcile/backoff.ts';

test('the back-off is a second, and doubles up to five minutes', () => {
  const delays = [1, 2, 3, 9, 10, 1000].map((attempt) => backoff(attempt, 0));
  assert.deepEqual(delays, [1_000, 2_000, 4_000, 256_000, 300_000, 300_000]);
});

test('the back-off is up to a fifth shorter, so that many do not come back at once', () => {
  assert.equal(backoff(1, 1), 800);
  assert.equal(backoff(1000, 0.5), 270_000);
});
