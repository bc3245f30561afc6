import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KEYS } from '../../src/decide/keys.ts';
import type { LabelSelector, Test } from '../../src/decide/model.ts';
import { asksFor, matches, select } from '../../src/decide/select.ts';
import { aRelease, aTest, POLICY } from '../support/model.ts';

function selected(
  tests: readonly Test[],
  { annotations = {}, testsNamespace = 'tests', labels = { tier: 'web' } } = {},
): readonly string[] {
  const offer = {
    testsIn: (namespace: string) => tests.filter(({ ref }) => ref.namespace === namespace),
    labelsOf: (namespace: string) => (namespace === 'apps' ? { team: 'web' } : undefined),
    builtIn: [],
  };
  const { wanted, problems } = select(aRelease({ annotations, labels }), offer, {
    ...POLICY,
    testsNamespace,
  });
  return [
    ...wanted.map(({ test, named }) => `${test.ref.namespace}/${test.ref.name}${named ? ' named' : ''}`),
    ...problems.map(({ name, reason }) => `${name} ${reason}`),
  ];
}

/** What a release is told of what it cannot get. */
function told(
  annotations: Readonly<Record<string, string>>,
  builtIn: readonly Test[] = [],
): readonly string[] {
  const offer = { testsIn: () => [], labelsOf: () => undefined, builtIn };
  return select(aRelease({ annotations }), offer, POLICY).problems.map(({ message }) => message);
}

function without(test: Test): Test {
  const { releases: _, ...rest } = test;
  return rest;
}

const labelsOf = () => ({ team: 'web' });

describe('a release asks for', () => {
  test('the tests of its namespace that select it', () => {
    assert.deepEqual(selected([aTest(), aTest('other', { ref: { namespace: 'x', name: 'other' } })]), [
      'apps/smoke',
    ]);
  });

  test('the tests that it names, spaces and repetitions aside, once each', () => {
    const annotations = { 'postsync.dev/tests': ' smoke, e2e,,smoke' };
    assert.deepEqual(selected([without(aTest()), aTest('e2e')], { annotations }), [
      'apps/smoke named',
      'apps/e2e named',
    ]);
  });

  test('no test without `releases` that it does not name', () => {
    assert.deepEqual(selected([without(aTest())]), []);
  });

  test('what fulfils names and labels together', () => {
    const releases = { names: ['podinfo'], labels: { matchLabels: { tier: 'web' } } };
    assert.deepEqual(selected([aTest('smoke', { releases })]), ['apps/smoke']);
    assert.deepEqual(selected([aTest('smoke', { releases })], { labels: { tier: 'db' } }), []);
    assert.deepEqual(selected([aTest('smoke', { releases: { ...releases, names: ['x'] } })]), []);
  });

  test('a missing test, an unknown key and a test that cannot work as problems', () => {
    const annotations = {
      'postsync.dev/tests': 'gone',
      'postsync.dev/typo': '1',
      'tests.postsync.dev/x': '',
    };
    assert.deepEqual(selected([aTest('bad', { invalid: 'no' })], { annotations }), [
      'typo UnknownKey',
      'gone TestNotFound',
      'bad InvalidTest',
    ]);
  });
});

describe('what a release cannot get is told', () => {
  test('once, where an annotation itself says what is wrong', () => {
    const invalid = 'the annotation postsync.dev/http is not an http or https URL';
    assert.deepEqual(told({}, [aTest('http', { kind: 'BuiltIn', invalid })]), [invalid]);
  });

  test('with the key that a mistyped one is likely to mean', () => {
    const known = 'is not one that this version of postsync knows';
    for (const [key, meant] of [
      ['postsync.dev/htpp', 'postsync.dev/http'],
      ['postsync.dev/helm-tests', 'postsync.dev/helm-test'],
      ['param.postsync.dev/port', 'params.postsync.dev/port'],
      ['parmas.postsync.dev/port', 'params.postsync.dev/port'],
      ['test.postsync.dev/http', 'postsync.dev/http'],
    ] as const) {
      assert.deepEqual(told({ [key]: '1' }), [`the annotation ${key} ${known}; did you mean ${meant}?`]);
    }
  });

  test('and with none where no key is alike', () => {
    const message = told({ 'postsync.dev/owner': 'me' });
    assert.deepEqual(message, [
      'the annotation postsync.dev/owner is not one that this version of postsync knows',
    ]);
  });

  test('where it is not clear whether anything is to be started', () => {
    for (const suspend of ['yes', 'True', '']) {
      const [message, ...more] = told({ [KEYS.suspend]: suspend });
      assert.match(message ?? '', /postsync\.dev\/suspend is neither "true" nor "false": nothing is started/);
      assert.deepEqual(more, []);
    }
    for (const suspend of ['true', 'false']) assert.deepEqual(told({ [KEYS.suspend]: suspend }), []);
  });

  test('no more than can stand on it, of each kind', () => {
    const many = Array.from({ length: 2_000 }, (_, at) => `postsync.dev/typo-${at}`);
    const unknown = told(Object.fromEntries(many.map((key) => [key, '1'])));
    const missing = told({ 'postsync.dev/tests': many.map((key) => key.replaceAll(/\W/g, '-')).join(',') });
    for (const messages of [unknown, missing]) assert.equal(messages.length, 20);
  });

  test('and nothing is said of what others wrote, nor of params and lines', () => {
    const keys = [
      'event.toolkit.fluxcd.io/x',
      'params.postsync.dev/x',
      'tests.postsync.dev/x',
      ...Object.values(KEYS),
    ];
    const annotations = Object.fromEntries(keys.map((key) => [key, key === KEYS.suspend ? 'true' : '']));
    assert.deepEqual(told(annotations), []);
  });
});

describe('a test of the tests namespace', () => {
  const ref = { namespace: 'tests', name: 'smoke' };
  const shared = aTest('smoke', { ref, namespaces: { matchLabels: { team: 'web' } } });

  test('reaches the namespaces that its namespaceSelector selects', () => {
    assert.deepEqual(selected([shared]), ['tests/smoke']);
    assert.deepEqual(selected([{ ...shared, namespaces: { matchLabels: { team: 'db' } } }]), []);
    const { namespaces: _, ...local } = shared;
    assert.deepEqual(selected([local]), []);
  });

  test('reaches nothing when the administrator named another one', () => {
    assert.deepEqual(selected([shared], { testsNamespace: 'others' }), []);
  });

  test('is not named by a release elsewhere', () => {
    assert.deepEqual(selected([without(shared)], { annotations: { 'postsync.dev/tests': 'smoke' } }), [
      'smoke TestNotFound',
    ]);
  });

  test('counts as asked for in the same cases', () => {
    const policy = { ...POLICY, testsNamespace: 'tests' };
    assert.ok(asksFor(aRelease(), shared, labelsOf, policy));
    assert.ok(!asksFor(aRelease(), shared, labelsOf, POLICY));
    assert.ok(!asksFor(aRelease(), shared, () => ({}), policy));
    assert.ok(asksFor(aRelease(), aTest(), labelsOf, policy));
    const annotations = { 'postsync.dev/tests': 'smoke' };
    assert.ok(asksFor(aRelease({ annotations }), without(aTest()), labelsOf, policy));
    assert.ok(!asksFor(aRelease(), without(aTest()), labelsOf, policy));
  });
});

describe('a label selector', () => {
  const rows: readonly [LabelSelector | undefined, boolean][] = [
    [undefined, true],
    [{}, true],
    [{ matchLabels: { a: '1' } }, true],
    [{ matchLabels: { a: '2' } }, false],
    [{ matchLabels: { b: '1' } }, false],
    [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['1', '2'] }] }, true],
    [{ matchExpressions: [{ key: 'b', operator: 'In', values: ['1'] }] }, false],
    [{ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, false],
    [{ matchExpressions: [{ key: 'b', operator: 'NotIn', values: ['1'] }] }, true],
    [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }, true],
    [{ matchExpressions: [{ key: 'b', operator: 'Exists' }] }, false],
    [{ matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }, false],
    [{ matchLabels: { a: '1' }, matchExpressions: [{ key: 'b', operator: 'Exists' }] }, false],
  ];
  for (const [selector, expected] of rows) {
    test(`${JSON.stringify(selector)} ${expected ? 'holds' : 'does not hold'} for a=1`, () => {
      assert.equal(matches(selector, { a: '1' }), expected);
    });
  }
});
