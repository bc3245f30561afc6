import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { iso } from '../../../src/decide/time.ts';
import { payloadOf, tooMuch } from '../../../src/run/github/payload.ts';
import { readSyncTest } from '../../../src/synctest.ts';
import { aRelease, aRun, NOON } from '../../support/model.ts';

const release = aRelease({ annotations: { 'event.toolkit.fluxcd.io/commit': 'abc123' } });
const run = aRun();

function sent(github: Record<string, unknown>, params: Record<string, string> = {}) {
  const metadata = {
    name: 'smoke',
    namespace: 'apps',
    generation: 1,
    creationTimestamp: iso(NOON),
  };
  const syncTest = readSyncTest({
    metadata,
    spec: { params, github: { repository: 'acme/e2e', ...github } },
  });
  if (syncTest.body.kind !== 'github') throw new Error(syncTest.test.invalid);
  return payloadOf({ run, syncTest, release, clusterName: 'prod' }, syncTest.body.github);
}

function keys(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 'v']));
}

const WORKFLOW = { trigger: 'workflow_dispatch', workflow: 'e2e.yaml', ref: 'main' };

describe('what is sent to GitHub', () => {
  test('says what is tested under one key, beside what the user gave', () => {
    const payload = sent({ payload: { suite: 'all' } });
    assert.deepEqual(payload, {
      trigger: 'repository_dispatch',
      eventType: 'postsync',
      payload: {
        suite: 'all',
        postsync: {
          run: run.ref.name,
          test: 'smoke',
          attempt: 1,
          cause: run.cause,
          release: 'podinfo',
          namespace: 'apps',
          helmRelease: release.revision?.helmRelease,
          targetNamespace: release.revision?.targetNamespace,
          revision: release.revision?.version,
          digest: release.revision?.digest,
          chart: release.revision?.chart,
          chartVersion: release.revision?.chartVersion,
          ...(release.revision?.appVersion !== undefined && { appVersion: release.revision.appVersion }),
          cluster: 'prod',
          meta: { commit: 'abc123' },
        },
      },
    });
  });

  test('is one input of a workflow that is dispatched by name, as JSON', () => {
    const payload = sent({ ...WORKFLOW, inputs: { suite: 'all' } });
    assert.ok(payload.trigger === 'workflow_dispatch');
    assert.equal(payload.inputs['suite'], 'all');
    assert.equal(JSON.parse(payload.inputs['postsync'] ?? '').run, run.ref.name);
  });

  test('has params and what is tested filled in, at any depth, and nothing else', () => {
    const payload = sent(
      { payload: { a: { b: ['$(PARAM_port) of $(POSTSYNC_RELEASE)', 5] }, c: '$(HOME) $$(PARAM_port)' } },
      { port: '9898' },
    );
    assert.ok(payload.trigger === 'repository_dispatch');
    const { postsync: _, ...users } = payload.payload as Record<string, unknown>;
    assert.deepEqual(users, { a: { b: ['9898 of podinfo', 5] }, c: '$(HOME) $(PARAM_port)' });
  });

  test('is within what GitHub takes, counted with our part', () => {
    assert.equal(tooMuch(sent({ payload: keys(9) })), undefined);
    assert.match(tooMuch(sent({ payload: keys(10) })) ?? '', /11 top-level keys .* takes 10/);
    assert.equal(tooMuch(sent({ ...WORKFLOW, inputs: keys(24) })), undefined);
    assert.match(tooMuch(sent({ ...WORKFLOW, inputs: keys(25) })) ?? '', /26 inputs .* takes 25/);
    assert.equal(tooMuch(sent({ payload: { text: 'x'.repeat(64_000) } })), undefined);
    assert.match(tooMuch(sent({ payload: { text: 'x'.repeat(65_535) } })) ?? '', /bytes long/);
    assert.match(tooMuch(sent({ payload: { text: '€'.repeat(22_000) } })) ?? '', /bytes long/);
    assert.match(tooMuch(sent({ ...WORKFLOW, inputs: { text: 'x'.repeat(65_535) } })) ?? '', /inputs are/);
  });
});
