import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createBuckets } from '../../src/receive/buckets.ts';

function someBuckets(maxNames = 100) {
  let time = 0;
  const take = createBuckets({ burst: 3, perSecond: 0.5, maxNames, now: () => time });
  return { take, wait: (ms: number) => void (time += ms) };
}

describe('a bucket', () => {
  test('gives its burst, and then says how long to wait', () => {
    const { take } = someBuckets();

    assert.deepEqual(['jo', 'jo', 'jo', 'jo'].map(take), [0, 0, 0, 2]);
  });

  test('fills again with time, up to its burst', () => {
    const { take, wait } = someBuckets();
    for (let n = 0; n < 3; n++) take('jo');

    wait(2_000);
    assert.deepEqual(['jo', 'jo'].map(take), [0, 2]);

    wait(3_600_000);
    assert.deepEqual(['jo', 'jo', 'jo', 'jo'].map(take), [0, 0, 0, 2]);
  });

  test('is not emptied further by one who is refused', () => {
    const { take, wait } = someBuckets();
    for (let n = 0; n < 50; n++) take('jo');

    wait(2_000);

    assert.equal(take('jo'), 0);
  });

  test('is one for each name', () => {
    const { take } = someBuckets();
    for (let n = 0; n < 4; n++) take('jo');

    assert.equal(take('al'), 0);
  });

  test('stays as long as others were seen longer ago', () => {
    const { take } = someBuckets(2);
    for (let n = 0; n < 4; n++) take('jo');

    take('a');
    take('jo');
    take('b');

    assert.equal(take('jo'), 2);
  });

  test('is forgotten when too many others were seen since', () => {
    const { take } = someBuckets(2);
    for (let n = 0; n < 4; n++) take('jo');

    take('a');
    assert.equal(take('jo'), 2);
    take('b');
    take('c');

    assert.equal(take('jo'), 0);
  });
});
