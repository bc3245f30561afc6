import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHeard } from '../src/heard.ts';

const NOON = Date.parse('2026-11-21T12:00:00Z');

describe('the API server', () => {
  test('was heard all the time while it answered', () => {
    const heard = createHeard(() => NOON);

    heard.call(200, 0.01);
    heard.call(404, 0.01);

    assert.equal(heard.since(), undefined);
  });

  for (const [what, status, seconds] of [
    ['did not answer', 0, 0.1],
    ['could not answer', 503, 0.1],
    ['took long to answer', 200, 6],
  ] as const)
    test(`has been heard since it ${what} last`, () => {
      const heard = createHeard(() => NOON);

      heard.call(status, seconds);
      heard.call(200, 0.01);

      assert.equal(heard.since(), NOON);
    });
});
