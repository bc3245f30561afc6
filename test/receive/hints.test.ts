import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { createHints } from '../../src/receive/hints.ts';

const PODINFO = { namespace: 'apps', name: 'podinfo' };

function someHints() {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout'] });
  const told: string[] = [];
  const hint = createHints(({ name }) => void told.push(name), 500);
  return { hint, told, pass: (ms: number) => mock.timers.tick(ms) };
}

describe('what is heard of a release', () => {
  test('is handed on at once', () => {
    const { hint, told } = someHints();

    hint(PODINFO);
    hint({ namespace: 'apps', name: 'other' });

    assert.deepEqual(told, ['podinfo', 'other']);
  });

  test('many times is handed on once more after a pause, so that the last is not lost', () => {
    const { hint, told, pass } = someHints();
    for (let n = 0; n < 10; n++) hint(PODINFO);
    assert.equal(told.length, 1);

    pass(500);
    assert.equal(told.length, 2);

    pass(10_000);
    assert.equal(told.length, 2);
  });

  test('is handed on at once again after the pause', () => {
    const { hint, told, pass } = someHints();
    hint(PODINFO);

    pass(500);
    hint(PODINFO);

    assert.equal(told.length, 2);
  });

  test('all the time, for ten seconds, is handed on at once and then once a pause', () => {
    const { hint, told, pass } = someHints();

    for (let n = 0; n < 100; n++) {
      hint(PODINFO);
      pass(100);
    }

    assert.equal(told.length, 21);
  });
});
