import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callbackToken, isCallbackToken, isTokenOf } from '../src/callback-token.ts';

const KEY = Buffer.from('0123456789abcdef0123456789abcdef');
const OLD = Buffer.from('fedcba9876543210fedcba9876543210');
const RUN = { namespace: 'apps', name: 'podinfo-e2e-v7-3f9a2c4105be77d1', uid: '1a2b' };

describe("a run's token", () => {
  test('is always the same one', () => {
    const token = callbackToken(KEY, RUN);

    assert.equal(token, 'pst_L5rvTn5mEbNaTzRdPjGeGaXEQMk91SebhrMG4HwmA0o');
    assert.ok(isCallbackToken(token));
  });

  test('is that of this run', () => {
    assert.ok(isTokenOf(RUN, callbackToken(KEY, RUN), [KEY]));
  });

  test('is still one when it was made with the key that is being replaced', () => {
    assert.ok(isTokenOf(RUN, callbackToken(OLD, RUN), [KEY, OLD]));
  });

  for (const [what, other] of [
    ['another run', { ...RUN, name: 'podinfo-e2e-v8-3f9a2c4105be77d1' }],
    ['a run in another namespace', { ...RUN, namespace: 'other' }],
    ['a run that had the name before', { ...RUN, uid: '1a2c' }],
  ] as const)
    test(`is not that of ${what}`, () => {
      assert.equal(isTokenOf(RUN, callbackToken(KEY, other), [KEY, OLD]), false);
    });

  test('is none under another key, or where there is no key', () => {
    assert.equal(isTokenOf(RUN, callbackToken(OLD, RUN), [KEY]), false);
    assert.equal(isTokenOf(RUN, callbackToken(KEY, RUN), []), false);
  });

  for (const text of [
    '',
    'pst_',
    callbackToken(KEY, RUN).slice(0, -1),
    `${callbackToken(KEY, RUN)}x`,
    'pst_é',
  ])
    test(`is not ${JSON.stringify(text)}`, () => assert.equal(isTokenOf(RUN, text, [KEY]), false));
});
