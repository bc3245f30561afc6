import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { readRelease } from '../../src/record/release-object.ts';
import { readRun } from '../../src/record/run-object.ts';

const FILE = new URL('../fixtures/helmrelease-watch.jsonl', import.meta.url);
const CAPTURED = readFileSync(FILE, 'utf8').trim().split('\n');

/** As Flux left it after the upgrade, with what differs in a part. */
function aHelmRelease(
  differs: { readonly metadata?: object; readonly spec?: object; readonly status?: object } = {},
): Record<string, object> {
  const { metadata, spec, status } = JSON.parse(CAPTURED.at(-1) ?? '') as Record<string, object>;
  return {
    metadata: { ...metadata, ...differs.metadata },
    spec: { ...spec, ...differs.spec },
    status: { ...status, ...differs.status },
  };
}

function aSyncTestRun(
  differs: { readonly metadata?: object; readonly spec?: object; readonly status?: object } = {},
): object {
  return {
    metadata: {
      namespace: 'apps',
      name: 'podinfo-smoke-v7-0c7f82ad090814b6',
      uid: 'run-uid',
      resourceVersion: '12',
      creationTimestamp: '2026-11-21T12:00:00Z',
      ...differs.metadata,
    },
    spec: { release: 'podinfo', test: 'smoke', ...differs.spec },
    ...(differs.status && { status: differs.status }),
  };
}

describe('a HelmRelease', () => {
  test('is read as Flux made it, at every moment of its life', () => {
    for (const line of CAPTURED) assert.equal(readRelease(JSON.parse(line)).ref.name, 'dig');
  });

  test('has the newest entry of its history as revision', () => {
    const release = readRelease(aHelmRelease());
    assert.equal(release.revision?.version, 2);
    assert.equal(release.revision?.status, 'deployed');
    assert.equal(release.revision?.action, 'upgrade');
    assert.match(release.revision?.digest ?? '', /^sha256:/);
    assert.deepEqual(release.observedGeneration, release.generation);
    assert.equal(release.conditions.Ready?.status, 'True');
  });

  test('says where Helm keeps it and whether Helm runs all tests, where that is not as usual', () => {
    const { namespace } = readRelease(aHelmRelease()).ref;
    const keptIn = (storageNamespace: string) =>
      readRelease(aHelmRelease({ status: { storageNamespace } })).storageNamespace;
    assert.equal(keptIn(namespace), undefined);
    assert.equal(keptIn('flux-system'), 'flux-system');

    const filtered = (test: object) => readRelease(aHelmRelease({ spec: { test } })).testsFiltered;
    assert.equal(filtered({ enable: true }), undefined);
    assert.equal(filtered({ enable: true, filters: [] }), undefined);
    assert.equal(filtered({ enable: true, filters: [{ name: 'a' }] }), true);
  });

  test('before its first reconciliation has observed nothing', () => {
    const release = readRelease(JSON.parse(CAPTURED[0] ?? ''));
    assert.equal(release.observedGeneration, -1);
    assert.equal(release.revision, undefined);
    assert.equal(
      readRelease(aHelmRelease({ status: { observedGeneration: undefined } })).observedGeneration,
      -1,
    );
  });

  test('keeps only the annotations that are ours or that are passed on', () => {
    const annotations = {
      'postsync.dev/tests': 'smoke',
      'tests.postsync.dev/smoke': 'passed',
      'params.postsync.dev/port': '1',
      'event.toolkit.fluxcd.io/commit': 'abc',
      'notpostsync.dev/x': '1',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
    };
    const keys = Object.keys(readRelease(aHelmRelease({ metadata: { annotations } })).annotations);
    assert.deepEqual(keys, Object.keys(annotations).slice(0, 4));
  });

  test('says whether it is suspended, deleted, or of another cluster', () => {
    const release = readRelease(aHelmRelease());
    assert.deepEqual([release.suspended, release.remote, release.deleting], [false, false, false]);
    assert.ok(readRelease(aHelmRelease({ spec: { suspend: true } })).suspended);
    assert.ok(readRelease(aHelmRelease({ spec: { kubeConfig: { secretRef: { name: 'x' } } } })).remote);
    const deleted = { deletionTimestamp: '2026-11-21T12:00:00Z' };
    assert.ok(readRelease(aHelmRelease({ metadata: deleted })).deleting);
  });

  test('has the workloads of its inventory only where Helm does not wait and they are in this cluster', () => {
    const entries = [
      'apps_web_apps_Deployment',
      'apps_db_apps_StatefulSet',
      'apps_x__Service',
      '_ns__Namespace',
    ];
    const status = { inventory: { entries: entries.map((id) => ({ id, v: 'v1' })) } };
    assert.deepEqual(readRelease(aHelmRelease({ status })).workloads, []);
    const spec = { upgrade: { disableWait: true } };
    assert.deepEqual(readRelease(aHelmRelease({ status, spec })).workloads, [
      { namespace: 'apps', name: 'web', resource: 'deployments' },
      { namespace: 'apps', name: 'db', resource: 'statefulsets' },
    ]);
    const remote = { ...spec, kubeConfig: { secretRef: { name: 'x' } } };
    assert.deepEqual(readRelease(aHelmRelease({ status, spec: remote })).workloads, []);
  });

  test('of an older Flux, which does not say which action it was, is told by its version', () => {
    const { history } = aHelmRelease().status as { history: Record<string, unknown>[] };
    const first = { ...history[0], action: undefined, version: 1 };
    assert.equal(readRelease(aHelmRelease({ status: { history: [first] } })).revision?.action, 'install');
    const later = { ...first, version: 2 };
    assert.equal(readRelease(aHelmRelease({ status: { history: [later] } })).revision?.action, 'upgrade');
  });

  for (const garbage of [
    undefined,
    'text',
    {},
    { metadata: {} },
    aHelmRelease({ status: { history: 'none' } }),
  ]) {
    test(`that cannot be read is an error: ${JSON.stringify(garbage)?.slice(0, 40)}`, () => {
      assert.throws(() => readRelease(garbage), { code: 'OBJECT_INVALID' });
    });
  }

  test('that cannot be read says which field it is', () => {
    assert.throws(() => readRelease(aHelmRelease({ status: { history: 'none' } })), /status\.history/);
  });
});

describe('a SyncTestRun', () => {
  test('that a person creates needs no more than a release and a test', () => {
    assert.deepEqual(readRun(aSyncTestRun()), {
      ref: { namespace: 'apps', name: 'podinfo-smoke-v7-0c7f82ad090814b6' },
      uid: 'run-uid',
      resourceVersion: '12',
      createdAt: Date.parse('2026-11-21T12:00:00Z'),
      ours: false,
      release: 'podinfo',
      test: { namespace: 'apps', name: 'smoke' },
      testKind: 'SyncTest',
      attempt: 1,
      cause: 'manual',
      abort: false,
    });
  });

  test('of ours belongs to the release that owns it, before its status says so', () => {
    const ownerReferences = [{ kind: 'HelmRelease', uid: 'release-uid' }];
    const labels = { 'app.kubernetes.io/managed-by': 'postsync' };
    assert.equal(readRun(aSyncTestRun({ metadata: { ownerReferences, labels } })).releaseUid, 'release-uid');
    assert.equal(readRun(aSyncTestRun({ metadata: { ownerReferences } })).releaseUid, undefined);
  });

  test('is about what its status pinned', () => {
    const status = { digest: 'sha256:b', releaseUid: 'u', testGeneration: 3 };
    const run = readRun(aSyncTestRun({ spec: { digest: 'sha256:a', testGeneration: 2 }, status }));
    assert.deepEqual([run.digest, run.releaseUid, run.testGeneration], ['sha256:b', 'u', 3]);
  });

  test('has an outcome only when it has ended', () => {
    const ended = { reason: 'JobFailed', message: 'exit code 1', finishedAt: '2026-11-21T12:01:00Z' };
    const rows = [
      ['Passed', 'passed'],
      ['Failed', 'failed'],
      ['Inconclusive', 'inconclusive'],
      ['Running', undefined],
      ['Pending', undefined],
    ] as const;
    for (const [phase, verdict] of rows) {
      const { outcome } = readRun(aSyncTestRun({ status: { phase, ...ended } }));
      assert.equal(outcome?.verdict, verdict);
    }
  });

  test('of a built-in test is told by the reserved name', () => {
    assert.equal(readRun(aSyncTestRun({ spec: { test: 'http' } })).testKind, 'BuiltIn');
    assert.equal(
      readRun(aSyncTestRun({ spec: { test: 'http', testKind: 'SyncTest' } })).testKind,
      'SyncTest',
    );
  });

  test('holds a person’s decision only as an override', () => {
    const spec = { cause: 'override', verdict: 'passed', reason: 'known flake' };
    const decision = { verdict: 'passed', reason: 'known flake' };
    assert.deepEqual(readRun(aSyncTestRun({ spec })).override, decision);
    assert.equal(readRun(aSyncTestRun({ spec: { ...spec, cause: 'manual' } })).override, undefined);
  });

  for (const garbage of [
    undefined,
    {},
    aSyncTestRun({ spec: { attempt: 'one' } }),
    aSyncTestRun({ status: { phase: 'Odd' } }),
    aSyncTestRun({ status: { phase: 'Passed', finishedAt: 'yesterday' } }),
  ]) {
    test(`that cannot be read is an error, never an absent one: ${JSON.stringify(garbage)?.slice(-40)}`, () => {
      assert.throws(() => readRun(garbage), { code: 'OBJECT_INVALID' });
    });
  }
});
