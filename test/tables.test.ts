import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { keyOf } from '../src/decide/model.ts';
import type { Kubernetes } from '../src/kubernetes.ts';
import { createLog } from '../src/log.ts';
import { FAILED_MOUNT } from '../src/run/complaint.ts';
import { JOB_KEYS } from '../src/run/labels.ts';
import { createTables, followAll } from '../src/tables.ts';
import { aKubernetes } from './support/kubernetes.ts';
import { LIMITS } from './support/model.ts';

const metadata = (name: string, namespace = 'apps') => ({
  name,
  namespace,
  resourceVersion: '1',
  creationTimestamp: '2026-11-21T12:00:00Z',
});

const JOB = {
  metadata: {
    ...metadata('a-job'),
    uid: 'job-uid',
    labels: { [JOB_KEYS.run]: 'a-job', [JOB_KEYS.runUid]: 'run-uid' },
    annotations: {
      [JOB_KEYS.release]: 'apps/podinfo',
      [JOB_KEYS.runNamespace]: 'apps',
      [JOB_KEYS.limits]: JSON.stringify({
        ...LIMITS,
        inconclusiveExitCodes: [75],
        shareOutput: false,
        containers: ['test'],
      }),
    },
  },
  spec: {},
};

function aPod(name: string): object {
  return {
    metadata: { ...metadata(name), ownerReferences: [{ kind: 'Job', name: 'a-job', uid: 'job-uid' }] },
  };
}

function aMount(pod: string, namespace?: string): object {
  const { name, ...rest } = metadata(pod, namespace);
  return {
    metadata: { ...rest, name: `${name}.1` },
    involvedObject: { kind: 'Pod', name, namespace: rest.namespace, uid: `${pod}-uid` },
    message: 'secret "e2e" not found',
  };
}

const nothing = () => undefined;

/** Serves these lists, and watches that say nothing. */
function serving(lists: Readonly<Record<string, readonly object[]>>): Kubernetes {
  return {
    ...aKubernetes().kubernetes,
    async list({ resource }, query) {
      // Pods come late.
      if (resource === 'pods') await setImmediate();
      return {
        metadata: { resourceVersion: '1' },
        items: lists[String(query?.['fieldSelector'] ?? resource)] ?? [],
      };
    },
    async *watch(_target, _query, signal) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      yield* [];
    },
  };
}

test('of the volumes that cannot be mounted in a cluster, only those of Pods of tests are kept', async () => {
  const log = createLog('silent');
  const woken: string[] = [];
  const tables = createTables({
    log,
    testsNamespace: undefined,
    github: { refusal: nothing },
    onChange: (release) => woken.push(keyOf(release)),
    onTest: nothing,
    onRunGone: nothing,
  });
  const kubernetes = serving({
    jobs: [JOB],
    pods: [aPod('a-test')],
    [FAILED_MOUNT]: [aMount('a-test'), aMount('database'), aMount('a-test', 'elsewhere')],
  });
  const stop = new AbortController();
  await followAll(kubernetes, tables, { signal: stop.signal, resyncMs: 0, testsNamespace: undefined, log });
  stop.abort();
  assert.deepEqual(
    tables.mounts.in('apps/a-test').map(({ message }) => message),
    ['secret "e2e" not found'],
  );
  assert.equal(tables.mounts.size, 1);
  assert.equal(woken.at(-1), 'apps/podinfo');
  woken.length = 0;
  tables.mounts.remove(aMount('a-test'));
  assert.deepEqual(woken, ['apps/podinfo'], 'what is told of a Pod wakes the release of its Job');
});
