import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PostsyncError } from '../../src/errors.ts';
import { createRecords } from '../../src/record/records.ts';
import { readRelease } from '../../src/record/release-object.ts';
import { readRun } from '../../src/record/run-object.ts';
import { readSyncTest } from '../../src/synctest.ts';
import { createTable } from '../../src/table.ts';
import { aKubernetes } from '../support/kubernetes.ts';
import { aRelease, aRevision, aTest } from '../support/model.ts';

const RUN = {
  metadata: {
    namespace: 'apps',
    name: 'the-run',
    uid: 'run-uid',
    resourceVersion: '12',
    creationTimestamp: '2026-11-21T12:00:00Z',
  },
  spec: { release: 'podinfo', test: 'smoke' },
};
const NEW = {
  name: 'the-run',
  release: aRelease(),
  test: aTest(),
  revision: aRevision(),
  attempt: 1,
  cause: 'upgrade',
} as const;
const TAKEN = new PostsyncError('API_EXISTS', 'the name is taken');

function theRecords(answers: Parameters<typeof aKubernetes>[0]) {
  const rest = { groupOf: () => '', onChange: () => undefined, onUnreadable: () => undefined };
  const runs = createTable({ ...rest, read: readRun });
  const releases = createTable({ ...rest, read: readRelease });
  const tests = createTable({ ...rest, read: readSyncTest });
  const { kubernetes } = aKubernetes(answers);
  return { runs, releases, tests, records: createRecords(kubernetes, { runs, releases, tests }) };
}

describe('what is written', () => {
  test('is known from then on, before any watch tells', async () => {
    const { records, runs } = theRecords({ 'create apps/synctestruns': RUN });
    assert.equal((await records.createRun(NEW)).uid, 'run-uid');
    assert.equal(runs.get('apps/the-run')?.uid, 'run-uid');
  });

  test('and was there before, is the one that was there', async () => {
    const { records } = theRecords({
      'create apps/synctestruns': TAKEN,
      'get apps/synctestruns/the-run': RUN,
    });
    assert.equal((await records.createRun(NEW)).uid, 'run-uid');
  });

  test('and was there a moment ago only, is a reason to look again', async () => {
    const { records } = theRecords({ 'create apps/synctestruns': TAKEN });
    await assert.rejects(records.createRun(NEW), { code: 'API_CONFLICT' });
  });

  test('and cannot be read back, is an error and not an absent run', async () => {
    const garbage = { ...RUN, spec: {} };
    const { records } = theRecords({
      'create apps/synctestruns': TAKEN,
      'get apps/synctestruns/the-run': garbage,
    });
    await assert.rejects(records.createRun(NEW), { code: 'OBJECT_INVALID' });
  });
});

describe('what somebody else wrote first', () => {
  const changed = new PostsyncError('API_CONFLICT', 'changed');

  test('to a run is known after the conflict, though no watch tells of it', async () => {
    const newer = {
      metadata: { ...RUN.metadata, resourceVersion: '13' },
      spec: { ...RUN.spec, abort: true },
    };
    const { records, runs } = theRecords({
      'patch apps/synctestruns/the-run/status': changed,
      'get apps/synctestruns/the-run': newer,
    });
    const run = runs.upsert(RUN);
    assert.ok(run);
    await assert.rejects(records.pinRun(run, aRelease(), aRevision()), changed);
    assert.equal(runs.get('apps/the-run')?.abort, true);
  });

  test('to a release is known after the conflict, too', async () => {
    const metadata = { ...RUN.metadata, name: 'podinfo', resourceVersion: '99' };
    const { records, releases } = theRecords({
      'patch apps/helmreleases/podinfo': changed,
      'get apps/helmreleases/podinfo': { metadata },
    });
    await assert.rejects(records.writeProjection(aRelease(), { annotations: {}, labels: {} }), changed);
    assert.equal(releases.get('apps/podinfo')?.resourceVersion, '99');
  });

  test('is a conflict also when it cannot be read', async () => {
    const { records } = theRecords({
      'patch apps/helmreleases/podinfo': changed,
      'get apps/helmreleases/podinfo': new PostsyncError('API_UNAVAILABLE', 'down'),
    });
    await assert.rejects(records.writeProjection(aRelease(), { annotations: {}, labels: {} }), changed);
  });
});

describe('a run that is to be removed', () => {
  test('and is gone already, is forgotten', async () => {
    const gone = new PostsyncError('API_NOT_FOUND', 'it is gone');
    const { records, runs } = theRecords({ 'remove apps/synctestruns/the-run': gone });
    const run = runs.upsert(RUN);
    assert.ok(run);
    await records.removeRun(run);
    assert.equal(runs.size, 0);
  });
});

describe('what is read live', () => {
  test('of all runs of a release, is known from then on', async () => {
    const { records, runs } = theRecords({ 'list apps/synctestruns': { items: [RUN] } });
    const found = await records.readRuns({ namespace: 'apps', name: 'podinfo' });
    assert.deepEqual(found, [...runs.values()]);
    assert.equal(found[0]?.ref.name, 'the-run');
  });

  test('and is not there, is forgotten', async () => {
    const { records, runs } = theRecords({});
    runs.upsert(RUN);
    assert.equal(await records.readRun({ namespace: 'apps', name: 'the-run' }), undefined);
    assert.equal(runs.size, 0);
  });

  test('and does not answer, is not taken for absent', async () => {
    const down = new PostsyncError('API_UNAVAILABLE', 'down');
    const { records, runs } = theRecords({ 'get apps/synctestruns/the-run': down });
    runs.upsert(RUN);
    await assert.rejects(records.readRun({ namespace: 'apps', name: 'the-run' }), {
      code: 'API_UNAVAILABLE',
    });
    assert.equal(runs.size, 1);
  });

  test('and finds its run deleted, takes it out of what is known', async () => {
    const gone = new PostsyncError('API_NOT_FOUND', 'it is gone');
    const { records, runs } = theRecords({ 'patch apps/synctestruns/the-run/status': gone });
    const run = runs.upsert(RUN);
    assert.ok(run);

    await assert.rejects(records.pinRun(run, aRelease(), aRevision()), { code: 'API_NOT_FOUND' });

    assert.equal(runs.get('apps/the-run'), undefined);
  });

  test('about a SyncTest that is read live is known, and that it is gone as well', async () => {
    const metadata = { namespace: 'apps', name: 'smoke', generation: 1, resourceVersion: '9' };
    const spec = { job: { image: 'busybox:1' } };
    const found = { metadata: { ...metadata, creationTimestamp: '2026-11-21T10:00:00Z' }, spec };
    const { records, tests } = theRecords({ 'get apps/synctests/smoke': found });
    await records.readTest({ namespace: 'apps', name: 'smoke' });
    assert.equal(tests.get('apps/smoke')?.test.generation, 1);

    const gone = theRecords({});
    gone.tests.upsert(found);
    await gone.records.readTest({ namespace: 'apps', name: 'smoke' });
    assert.equal(gone.tests.get('apps/smoke'), undefined);
  });
});
