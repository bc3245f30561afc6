import assert from 'node:assert/strict';
import { test } from 'node:test';
import { earliest, iso, isoSeconds } from '../../src/decide/time.ts';

test('the first of some times is the earliest that is known, also when that is 1970', () => {
  assert.equal(earliest([5, undefined, 3]), 3);
  assert.equal(earliest([undefined, 5, 0]), 0);
  assert.equal(earliest([undefined]), undefined);
  assert.equal(earliest([]), undefined);
});

test('a time is written in UTC, with its milliseconds or in whole seconds', () => {
  const time = Date.UTC(2026, 10, 21, 12, 0, 9, 987);
  assert.equal(iso(time), '2026-11-21T12:00:09.987Z');
  assert.equal(isoSeconds(time), '2026-11-21T12:00:09Z');
});
