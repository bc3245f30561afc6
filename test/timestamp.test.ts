import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { z } from 'zod';
import { Timestamp } from '../src/timestamp.ts';

test('a timestamp is read to the millisecond, whatever its offset', () => {
  const noon = Date.UTC(2026, 10, 21, 12);
  assert.equal(Timestamp.parse('2026-11-21T12:00:00Z'), noon);
  assert.equal(Timestamp.parse('2026-11-21T13:30:00.250123456+01:30'), noon + 250);
  assert.equal(Timestamp.parse('1970-01-01T00:00:00Z'), 0);
});

test('what is taken for a timestamp is always a time', () => {
  fc.assert(
    fc.property(fc.stringMatching(z.regexes.datetime({ offset: true })), (text) => {
      assert.ok(Number.isInteger(Timestamp.parse(text)), text);
    }),
    { numRuns: 1000 },
  );
});

test('what is no time is refused', () => {
  for (const text of ['', 'now', '2026-11-21', '2026-11-21T12:00:00', '2026-02-30T12:00:00Z', 0]) {
    assert.ok(!Timestamp.safeParse(text).success, String(text));
  }
});
