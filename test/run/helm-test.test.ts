import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Cause, Release, Run } from '../../src/decide/model.ts';
import { iso } from '../../src/decide/time.ts';
import { recordedOutcome } from '../../src/run/helm-test.ts';
import { jobFor } from '../../src/run/job-template.ts';
import { readJob } from '../../src/run/job-view.ts';
import { waitingFor } from '../../src/run/waiting.ts';
import { helmTest, readSyncTest } from '../../src/synctest.ts';

const NOON = Date.parse('2026-11-21T12:00:00Z');

const metadata = {
  name: 'chart',
  namespace: 'tests',
  generation: 1,
  creationTimestamp: '2026-11-21T10:00:00Z',
};
const aTest = (spec: object = {}) => readSyncTest({ metadata, spec: { helmTest: spec, timeout: '5m' } });
const filter = (...names: string[]) => ({
  filters: names.map((name) =>
    name.startsWith('!') ? { name: name.slice(1), exclude: true } : { name, exclude: false },
  ),
});

const aRelease = (testHooks?: Record<string, string>, more: Partial<Release> = {}) =>
  ({
    ref: { namespace: 'apps', name: 'podinfo' },
    annotations: {},
    revision: {
      digest: 'sha256:abc',
      version: 7,
      helmRelease: 'web-podinfo',
      targetNamespace: 'web',
      chart: 'podinfo',
      chartVersion: '1.2.0',
      ...(testHooks && { testHooks }),
    },
    ...more,
  }) as unknown as Release;

const aRun = (cause: Cause = 'install') =>
  ({
    ref: { namespace: 'apps', name: 'podinfo-chart-v7-3f9a2c4105be77d1' },
    uid: 'run-1',
    test: { namespace: 'tests', name: 'chart' },
    attempt: 1,
    cause,
  }) as unknown as Run;

const recorded = (hooks: Record<string, string> | undefined, spec = {}, more?: Partial<Release>) =>
  recordedOutcome(aRun(), aTest(spec), aRelease(hooks, more), NOON);

const verdictOf = (...given: Parameters<typeof recorded>) => recorded(...given)?.verdict;

describe('what helm-controller recorded is the verdict', () => {
  test('passed when all of it succeeded', () => {
    assert.deepEqual(recorded({ a: 'Succeeded', b: 'Succeeded' }), {
      verdict: 'passed',
      reason: 'Passed',
      message: "helm-controller ran the chart's tests: a, b succeeded",
      finishedAt: NOON,
    });
  });

  test('failed when one failed, though the rest never ran', () => {
    assert.deepEqual(recorded({ a: 'Succeeded', b: 'Failed', c: '' }), {
      verdict: 'failed',
      reason: 'HookFailed',
      message: "helm-controller ran the chart's tests: hook b failed",
      finishedAt: NOON,
    });
  });

  test('of the hooks that the test asks for', () => {
    const hooks = { a: 'Succeeded', b: 'Failed', c: 'Running' };
    assert.equal(verdictOf(hooks, filter('a')), 'passed');
    assert.equal(verdictOf(hooks, filter('b')), 'failed');
    assert.equal(verdictOf(hooks, filter('!b')), undefined);
    assert.equal(verdictOf(hooks, filter('!b', '!c')), 'passed');
    assert.equal(verdictOf(hooks, filter('a', 'd')), undefined);
  });

  test('but nothing is proven by names alone, nor by nothing', () => {
    for (const phase of ['', 'Unknown', 'Running']) {
      assert.equal(verdictOf({ a: 'Succeeded', b: phase }), undefined, phase);
    }
    assert.equal(verdictOf({}), undefined);
    assert.equal(verdictOf(undefined), undefined);
    assert.equal(verdictOf({ a: 'Succeeded' }, filter('!a')), undefined);
  });

  test('nor by a part, where the HelmRelease leaves hooks out and the test does not name its own', () => {
    assert.equal(verdictOf({ a: 'Succeeded' }, {}, { testsFiltered: true }), undefined);
    assert.equal(verdictOf({ a: 'Succeeded' }, filter('!b'), { testsFiltered: true }), undefined);
    assert.equal(verdictOf({ a: 'Succeeded' }, filter('a'), { testsFiltered: true }), 'passed');
    assert.equal(verdictOf({ a: 'Failed' }, {}, { testsFiltered: true }), 'failed');
  });

  test('unless the test wants them run, or somebody asked again', () => {
    const hooks = { a: 'Failed' };
    assert.equal(verdictOf(hooks, { reuse: false }), undefined);
    const byCause = (cause: Cause) => recordedOutcome(aRun(cause), aTest(), aRelease(hooks), NOON)?.verdict;
    for (const cause of ['manual', 'retry'] as const) assert.equal(byCause(cause), undefined, cause);
    for (const cause of ['upgrade', 'rollback', 'test-changed'] as const) {
      assert.equal(byCause(cause), 'failed', cause);
    }
  });

  test('never for a test of another kind', () => {
    const check = readSyncTest({ metadata, spec: { job: { image: 'busybox:1' } } });
    assert.equal(recordedOutcome(aRun(), check, aRelease({ a: 'Failed' }), NOON), undefined);
  });
});

describe('the Job that runs the hooks', () => {
  const settings = { image: 'example.com/postsync:1', clusterName: '', jobDefaults: {} };
  const job = (release = aRelease(), syncTest = aTest(filter('a', '!b'))) =>
    jobFor({ run: aRun(), syncTest, release, settings });

  test('is where the release deploys to, wherever the test is', () => {
    assert.equal(job().metadata?.namespace, 'web');
  });

  test('is the one kind of Job that gets a token without asking', () => {
    const { serviceAccountName, automountServiceAccountToken, containers } = job().spec?.template.spec ?? {};
    assert.deepEqual([serviceAccountName, automountServiceAccountToken], ['postsync-helm-test', true]);
    assert.deepEqual(
      containers?.map(({ image, args }) => [image, args]),
      [['example.com/postsync:1', ['helm-test']]],
    );
  });

  const taskOf = (release: Release) => {
    const env = job(release).spec?.template.spec?.containers[0]?.env ?? [];
    return JSON.parse(env.find(({ name }) => name === 'POSTSYNC_HELM_TEST')?.value ?? '') as object;
  };

  test('is told which revision it is about, and where Helm keeps it', () => {
    assert.deepEqual(taskOf(aRelease()), {
      job: 'podinfo-chart-v7-3f9a2c4105be77d1',
      namespace: 'web',
      storageNamespace: 'apps',
      helmRelease: 'web-podinfo',
      version: 7,
      filters: [
        { name: 'a', exclude: false },
        { name: 'b', exclude: true },
      ],
      timeoutMs: 290_000,
      startTimeoutMs: 300_000,
    });
    const elsewhere = taskOf(aRelease(undefined, { storageNamespace: 'flux-system' }));
    assert.equal((elsewhere as { storageNamespace: string }).storageNamespace, 'flux-system');
  });

  test('fails as a hook that failed, and says with 75 that it could not find out', () => {
    const served = job();
    Object.assign(served.metadata ?? {}, { uid: 'u', creationTimestamp: iso(NOON) });
    const { failure, inconclusiveExitCodes } = readJob(served).limits;
    assert.deepEqual([failure, inconclusiveExitCodes], ['HookFailed', [75]]);
  });

  test('says what to apply where the account is missing', () => {
    const served = job();
    Object.assign(served.metadata ?? {}, { uid: 'u', creationTimestamp: iso(NOON) });
    const refusal = (account: string) => ({
      namespace: 'web',
      name: 'x',
      uid: 'u',
      message: `pods "x" is forbidden: serviceaccount "${account}" not found`,
      since: NOON,
      at: NOON,
    });
    const told = (account: string) => ({ complaints: [refusal(account)], seenSince: () => NOON });
    const said = (account: string) => waitingFor(readJob(served), undefined, told(account), NOON).message;
    assert.match(said('postsync-helm-test'), /; apply manifests\/components\/helm-test in namespace web$/);
    assert.equal(said('other'), 'its Pod cannot be created');
  });

  test('is the same for the annotation', () => {
    const release = aRelease(undefined, { annotations: { 'postsync.dev/helm-test': 'true' } });
    assert.equal(
      job(release, helmTest(release)).spec?.template.spec?.serviceAccountName,
      'postsync-helm-test',
    );
  });
});
