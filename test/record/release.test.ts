import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PostsyncError } from '../../src/errors.ts';
import { sentenceOf, tellVerdict } from '../../src/record/events.ts';
import { notRolledOut, writeProjection } from '../../src/record/release.ts';
import { aKubernetes } from '../support/kubernetes.ts';
import { anOutcome, aRelease, aRun } from '../support/model.ts';

describe('the keys of a release', () => {
  test('are one merge patch, which is refused when somebody else wrote', async () => {
    const { kubernetes, calls } = aKubernetes();
    await writeProjection(kubernetes, aRelease({ resourceVersion: '44' }), {
      annotations: { 'postsync.dev/result': 'passed', 'tests.postsync.dev/old': undefined },
      labels: { 'postsync.dev/result': undefined },
    });
    assert.deepEqual(calls, [
      {
        verb: 'patch',
        path: 'apps/helmreleases/podinfo',
        body: {
          metadata: {
            resourceVersion: '44',
            annotations: { 'postsync.dev/result': 'passed', 'tests.postsync.dev/old': null },
            labels: { 'postsync.dev/result': null },
          },
        },
      },
    ]);
  });
});

/** The first `partition` Pods stay as they are. */
function keeping(partition: number): object {
  return { type: 'RollingUpdate', rollingUpdate: { partition } };
}

describe('a workload', () => {
  const web = { resource: 'deployments', namespace: 'apps', name: 'web' } as const;
  const agent = { resource: 'daemonsets', namespace: 'apps', name: 'agent' } as const;
  const done = { observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };
  const rows: readonly [string, object, boolean][] = [
    ['is rolled out when all of its Pods are new and available', done, true],
    ['is not while its controller has not seen its newest spec', { ...done, observedGeneration: 1 }, false],
    ['is not while old Pods are there', { ...done, replicas: 3 }, false],
    ['is not while new Pods are missing', { ...done, updatedReplicas: 1 }, false],
    ['is not while a Pod is not available', { ...done, availableReplicas: 1 }, false],
    ['is not without a status', {}, false],
  ];
  for (const [what, status, isDone] of rows) {
    test(what, async () => {
      const object = { metadata: { generation: 2 }, spec: { replicas: 2 }, status };
      const { kubernetes } = aKubernetes({ 'get apps/deployments/web': object });
      assert.deepEqual(await notRolledOut(kubernetes, [web]), isDone ? undefined : web);
    });
  }

  const db = { resource: 'statefulsets', namespace: 'apps', name: 'db' } as const;
  const strategies: readonly [string, object, number, boolean][] = [
    ['that keeps some Pods as they are is rolled out when the others are new', keeping(2), 1, true],
    ['that keeps some Pods as they are is not while another is old', keeping(2), 0, false],
    ['that keeps more Pods than it has is rolled out with none new', keeping(9), 0, true],
    ['that keeps no Pod as it is is not rolled out while one is old', keeping(0), 2, false],
    ['whose Pods somebody has to delete is rolled out with none new', { type: 'OnDelete' }, 0, true],
  ];
  for (const [what, updateStrategy, updatedReplicas, isDone] of strategies) {
    test(what, async () => {
      const spec = { replicas: 3, updateStrategy };
      const status = { observedGeneration: 2, replicas: 3, availableReplicas: 3, updatedReplicas };
      const object = { metadata: { generation: 2 }, spec, status };
      const { kubernetes } = aKubernetes({ 'get apps/statefulsets/db': object });
      assert.deepEqual(await notRolledOut(kubernetes, [db]), isDone ? undefined : db);
    });
  }

  test('whose Pods somebody has to delete is not rolled out while one is not available', async () => {
    const spec = { replicas: 3, updateStrategy: { type: 'OnDelete' } };
    const status = { observedGeneration: 2, replicas: 3, availableReplicas: 2, updatedReplicas: 3 };
    const nodes = { observedGeneration: 2, desiredNumberScheduled: 3, updatedNumberScheduled: 0 };
    const { kubernetes } = aKubernetes({
      'get apps/statefulsets/db': { metadata: { generation: 2 }, spec, status },
      'get apps/daemonsets/agent': {
        metadata: { generation: 2 },
        spec,
        status: { ...nodes, numberAvailable: 3 },
      },
    });
    assert.deepEqual(await notRolledOut(kubernetes, [agent, db]), db);
  });

  test('that is not there is not rolled out, and one that cannot be read is not judged', async () => {
    assert.deepEqual(await notRolledOut(aKubernetes().kubernetes, [web]), web);
    const down = new PostsyncError('API_UNAVAILABLE', 'down');
    const { kubernetes } = aKubernetes({ 'get apps/deployments/web': down });
    await assert.rejects(notRolledOut(kubernetes, [web]), down);
  });

  test('of every node is rolled out when it is new and available on all', async () => {
    const status = {
      observedGeneration: 1,
      desiredNumberScheduled: 3,
      updatedNumberScheduled: 3,
      numberAvailable: 2,
    };
    const get = (numberAvailable: number) => ({
      'get apps/daemonsets/agent': { metadata: { generation: 1 }, status: { ...status, numberAvailable } },
    });
    assert.deepEqual(await notRolledOut(aKubernetes(get(2)).kubernetes, [agent]), agent);
    assert.deepEqual(await notRolledOut(aKubernetes(get(3)).kubernetes, [agent]), undefined);
  });
});

const PATH = 'create apps/events';

function tell(
  answers: Parameters<typeof aKubernetes>[0],
  outcome = anOutcome({ verdict: 'failed' }),
  run = aRun(),
) {
  const { kubernetes, calls } = aKubernetes(answers);
  return tellVerdict(kubernetes, aRelease(), run, outcome).then(() => calls);
}

describe('the Event of a verdict', () => {
  test('is named by its run and verdict: the same is told once, and another one as well', async () => {
    const [call] = await tell({});
    const body = call?.body as { metadata: { name: string }; type: string; involvedObject: { uid: string } };
    assert.equal(body.metadata.name, `${aRun().ref.name}.failed`);
    assert.equal(body.type, 'Warning');
    assert.equal(body.involvedObject.uid, 'release-uid');
  });

  test('has a name that Kubernetes takes, and of its own, however long a person has named the run', async () => {
    const names = new Set<string>();
    const runs = [`${'a'.repeat(199)}-${'b'.repeat(53)}`, `${'a'.repeat(199)}-${'c'.repeat(53)}`];
    for (const name of runs) {
      for (const verdict of ['failed', 'inconclusive'] as const) {
        const run = aRun({ ref: { namespace: 'apps', name } });
        const [call] = await tell({}, anOutcome({ verdict }), run);
        const body = call?.body as { metadata: { name: string } };
        names.add(body.metadata.name);
      }
    }
    assert.equal(names.size, 4);
    for (const name of names) {
      assert.ok(name.length <= 253, name);
      assert.match(name, /^[a-z0-9]+(\.[a-z0-9]+)+$/);
    }
  });

  test('says when it was told, as text', async () => {
    const [call] = await tell({});
    const body = call?.body as { firstTimestamp: string; lastTimestamp: string };
    assert.match(body.firstTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(body.lastTimestamp, body.firstTimestamp);
  });

  test('has all that lists show of it in its first line, and then what else was said', () => {
    const run = aRun({ ref: { namespace: 'apps', name: 'the-run' } });
    const outcome = anOutcome({ verdict: 'failed', message: 'exit code 1: FATAL\nstep 1\nFATAL' });
    assert.equal(
      sentenceOf(run, outcome),
      'test smoke failed: JobFailed: exit code 1: FATAL (run the-run)\nstep 1\nFATAL',
    );
  });

  test('that was told before is no failure, and any other refusal is one', async () => {
    await tell({ [PATH]: new PostsyncError('API_EXISTS', 'there') });
    await assert.rejects(tell({ [PATH]: new PostsyncError('API_UNAVAILABLE', 'down') }), {
      code: 'API_UNAVAILABLE',
    });
  });
});
