import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { Release } from '../src/decide/model.ts';
import { helmTest, httpTest, readSyncTest } from '../src/synctest.ts';

const metadata = {
  name: 'smoke',
  namespace: 'apps',
  generation: 3,
  creationTimestamp: '2026-11-21T10:00:00Z',
};
const job = { image: 'ghcr.io/acme/e2e:1.4' };
const read = (spec: unknown, more: object = {}) => readSyncTest({ metadata: { ...metadata, ...more }, spec });
const invalid = (spec: unknown, more?: object) => read(spec, more).test.invalid ?? '';

test('a spec that says only what to run has the defaults of the documentation', () => {
  assert.deepEqual(read({ job }), {
    test: {
      ref: { namespace: 'apps', name: 'smoke' },
      kind: 'SyncTest',
      generation: 3,
      createdAt: Date.parse('2026-11-21T10:00:00Z'),
      suspended: false,
      after: ['install', 'upgrade'],
      existing: 'skip',
      required: true,
      needs: [],
      retries: 2,
      retryFailed: 0,
      onNewRevision: 'cancel',
      settleMs: 0,
      maxParallel: 0,
      historyLimit: 10,
      remote: false,
    },
    body: { kind: 'job', job },
    params: {},
    limits: { timeoutMs: 600_000, startTimeoutMs: 300_000 },
    runIn: 'test',
    shareOutput: false,
    inconclusiveExitCodes: [75],
  });
});

test('an absent selector selects nothing, an empty one everything in scope', () => {
  assert.equal(read({ job }).test.releases, undefined);
  assert.deepEqual(read({ job, releases: {} }).test.releases, {});
  const releases = { names: ['a'], matchLabels: { tier: 'web' } };
  assert.deepEqual(read({ job, releases }).test.releases, {
    names: ['a'],
    labels: { matchLabels: { tier: 'web' } },
  });
  const namespaceSelector = { matchExpressions: [{ key: 'env', operator: 'Exists' }] };
  assert.deepEqual(read({ job, namespaceSelector }).test.namespaces, namespaceSelector);
});

test('durations are read as Flux writes them', () => {
  const { limits, test } = read({ job, timeout: '1h30m', startTimeout: '90s', settle: '500ms' });
  assert.deepEqual([limits.timeoutMs, limits.startTimeoutMs, test.settleMs], [5_400_000, 90_000, 500]);
});

test('a template is passed on as it is', () => {
  const template = {
    spec: { backoffLimit: 2, template: { spec: { containers: [{ name: 'a', tty: true }] } } },
  };
  assert.deepEqual(read({ job: { template } }).body, { kind: 'template', template });
});

test('an HTTP check wants 200 of a GET, asked every 5 s for a minute', () => {
  assert.deepEqual(read({ check: { http: [{ url: 'http://podinfo:9898/healthz' }] } }).body, {
    kind: 'check',
    http: [
      {
        url: 'http://podinfo:9898/healthz',
        method: 'GET',
        status: [200],
        intervalMs: 5000,
        timeoutMs: 60_000,
      },
    ],
  });
});

const template = (spec: object, pod: object = {}) => ({
  job: { template: { spec: { ...spec, template: { spec: { containers: [{ name: 'a' }] }, ...pod } } } },
});

describe('a spec that cannot work says why', () => {
  const cases: [spec: unknown, why: string][] = [
    [{}, 'spec needs exactly one of job, check, helmTest, github: none is given'],
    [undefined, 'spec needs exactly one of job, check, helmTest, github: none is given'],
    [
      { job, helmTest: {} },
      'spec needs exactly one of job, check, helmTest, github: job and helmTest are given',
    ],
    [{ job: {} }, 'spec.job.image is missing'],
    [{ job: { ...job, imag: 1 } }, 'spec.job has no field "imag"'],
    [{ job, retrys: 1 }, 'spec has no field "retrys"'],
    [{ job, retries: -1 }, 'spec.retries: too small: expected number to be >=0'],
    [{ job, timeout: '0s' }, 'spec.timeout is too short'],
    [{ job, needs: ['smoke'] }, 'spec.needs names the test itself'],
    [
      { job, inconclusiveExitCodes: [0] },
      'spec.inconclusiveExitCodes.0: too small: expected number to be >=1',
    ],
    [
      template({ managedBy: 'x' }),
      'spec.job.template.spec.managedBy is refused: the Job would have no status',
    ],
    [
      template({ suspend: true }),
      'spec.job.template.spec.suspend is refused: postsync decides when the Job starts',
    ],
    [
      template({ manualSelector: true }),
      'spec.job.template.spec.manualSelector is refused: the Job must own its Pods alone',
    ],
    [
      template({ completions: 2 }),
      'spec.job.template.spec.completions is over 1: a run is one Pod that ends well',
    ],
    [
      template({}, { metadata: { finalizers: ['x'] } }),
      'spec.job.template.spec.template.metadata.finalizers is refused: a finalizer would keep the object for ever',
    ],
    [{ job: { image: 'a', template: { spec: {} } } }, 'spec.job.template.spec.template is missing'],
    [{ check: { http: [{ url: 'ftp://a' }] } }, 'spec.check.http.0.url is not an http or https URL'],
    [
      { check: { http: [{ url: 'http://169.254.169.254/' }] } },
      'spec.check.http.0.url is a link-local address',
    ],
    [{ check: { http: [{ url: 'http://a:b@c/' }] } }, 'spec.check.http.0.url holds credentials'],
    [
      { check: { http: [{ url: 'http://a', bodyMatch: '(' }] } },
      'spec.check.http.0.bodyMatch is not a regular expression',
    ],
    [{ helmTest: { filters: [{}] } }, 'spec.helmTest.filters.0.name is missing'],
    [
      { github: { repository: 'acme/e2e', apiUrl: 'https://github.example.com/api/v3' } },
      "spec.github: apiUrl needs secretRef: the administrator's credential goes to the administrator's address only",
    ],
    [
      { github: { repository: 'acme/e2e', payload: { postsync: 1 } } },
      'spec.github: the key postsync of a payload or of inputs is what postsync sends itself',
    ],
    [
      { github: { repository: 'acme/e2e', apiUrl: 'http://github.example.com', secretRef: { name: 's' } } },
      'spec.github.apiUrl is not an https:// address',
    ],
    [{ github: { repository: 'acme' } }, 'spec.github.repository is not OWNER/REPOSITORY'],
  ];
  for (const [spec, why] of cases) test(why, () => assert.ok(invalid(spec).startsWith(why), invalid(spec)));

  test('all of it in one sentence', () => {
    assert.equal(
      invalid({ job: {}, existing: 'maybe', x: 1 }, { name: 'http' }),
      'the name http is reserved; spec has no field "x"; ' +
        'spec.existing: invalid option: expected one of "skip"|"test"; spec.job.image is missing',
    );
  });

  test('a name over 40 characters', () => {
    assert.equal(invalid({ job }, { name: 'x'.repeat(40) }), '');
    assert.equal(invalid({ job }, { name: 'x'.repeat(41) }), 'its name is longer than 40 characters');
  });
});

test('what is sound of a spec with mistakes stands', () => {
  const { test, body } = read({ job: {}, releases: { names: ['a'] }, required: false, timeout: 'soon' });
  assert.deepEqual(test.releases, { names: ['a'] });
  assert.equal(test.required, false);
  assert.deepEqual(body, { kind: 'none' });
});

test('no spec whatever makes reading fail', () => {
  const field = fc.constantFrom(
    'job',
    'check',
    'github',
    'releases',
    'after',
    'timeout',
    'params',
    'needs',
    'x',
  );
  fc.assert(
    fc.property(fc.dictionary(field, fc.anything()), (spec) => {
      const { test, body } = read(spec);
      assert.equal(test.invalid === undefined, body.kind !== 'none');
    }),
  );
});

test('values of a spec are not quoted in what is said of it', () => {
  const secret = 'hunter2';
  assert.doesNotMatch(
    invalid({ job: { image: 'a', env: secret, command: secret }, timeout: secret, existing: secret }),
    /hunter2/,
  );
});

test('an object without metadata is no SyncTest', () => {
  assert.throws(() => readSyncTest({ spec: { job } }), { code: 'OBJECT_INVALID' });
});

test("the chart's own tests are run where the release is, by a program with exit codes of its own", () => {
  const helmTest = { filters: [{ name: 'app-test' }], reuse: false };
  const { body, runIn, inconclusiveExitCodes } = read({
    helmTest,
    runIn: 'test',
    inconclusiveExitCodes: [3],
  });
  assert.deepEqual(body, {
    kind: 'helmTest',
    helmTest: { filters: [{ name: 'app-test', exclude: false }], reuse: false },
  });
  assert.deepEqual([runIn, inconclusiveExitCodes], ['release', [75]]);
});

test('a check that cannot work is inconclusive whatever other exit codes are', () => {
  const check = { http: [{ url: 'http://a' }] };
  for (const [given, codes] of [
    [[], [75]],
    [[1], [1, 75]],
    [[75], [75]],
  ]) {
    assert.deepEqual(read({ check, inconclusiveExitCodes: given }).inconclusiveExitCodes, codes);
  }
});

const release = (url: string) =>
  ({
    ref: { namespace: 'apps', name: 'podinfo' },
    annotations: { 'postsync.dev/http': url },
  }) as unknown as Release;

test('the annotation makes a built-in test of the namespace of its release', () => {
  const { test, body } = httpTest(release('http://podinfo:9898/healthz'));
  assert.deepEqual(test.ref, { namespace: 'apps', name: 'http' });
  assert.deepEqual([test.kind, test.generation, test.invalid], ['BuiltIn', 0, undefined]);
  assert.ok(body.kind === 'check');
  assert.equal(body.http[0]?.url, 'http://podinfo:9898/healthz');
});

function asked(value: string) {
  const annotations = { 'postsync.dev/helm-test': value };
  return helmTest({ ref: { namespace: 'apps', name: 'podinfo' }, annotations } as unknown as Release);
}

function filtersOf(value: string) {
  const { body } = asked(value);
  return body.kind === 'helmTest' ? body.helmTest.filters.map(({ name }) => name) : undefined;
}

describe('the annotation for the tests of the chart', () => {
  test('asks for all of them, or for some by name', () => {
    assert.deepEqual(asked('true').test.ref, { namespace: 'apps', name: 'helm-test' });
    assert.deepEqual(filtersOf('true'), []);
    assert.deepEqual(filtersOf('app-grpc, app.jwt'), ['app-grpc', 'app.jwt']);
  });

  test('says what is wrong with anything else', () => {
    for (const value of ['', 'a,', 'Yes', 'a b']) {
      const invalid = 'the annotation postsync.dev/helm-test is neither true nor a list of hook names';
      assert.equal(asked(value).test.invalid, invalid, value);
    }
  });
});

const problem = (url: string) => httpTest(release(url)).test.invalid;

test('an annotation that is no URL makes an invalid test', () => {
  assert.equal(problem('podinfo:9898'), 'the annotation postsync.dev/http is not an http or https URL');
  assert.equal(problem(''), 'the annotation postsync.dev/http is not an http or https URL');
  assert.equal(problem('http://[fe80::1]/'), 'the annotation postsync.dev/http is a link-local address');
  assert.equal(problem('http://2851995648/'), 'the annotation postsync.dev/http is a link-local address');
});
