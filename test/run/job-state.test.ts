import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { RunState } from '../../src/decide/model.ts';
import { type Complaint, readComplaint } from '../../src/run/complaint.ts';
import { jobStateOf } from '../../src/run/job-state.ts';
import { type JobView, readJob } from '../../src/run/job-view.ts';
import { type PodView, readPod } from '../../src/run/pod-view.ts';

/** What a watch on a real cluster (Kubernetes 1.36) showed of one Job, in order. */
function* replay(name: string): Generator<RunState> {
  const file = new URL(`../fixtures/jobs/${name}.jsonl`, import.meta.url);
  let job: JobView | undefined;
  let now = 0;
  const pods = new Map<string, PodView>();
  const complaints: Complaint[] = [];
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) {
    const { resource, type, object } = JSON.parse(line);
    for (const [time] of line.matchAll(/\d{4}-\d\d-\d\dT[\d:]{8}Z/g)) now = Math.max(now, Date.parse(time));
    if (resource === 'jobs') job = readJob(object);
    else if (resource === 'events') complaints.push(readComplaint(object));
    else if (type === 'DELETED') pods.delete(object.metadata.name);
    else pods.set(object.metadata.name, readPod(object));
    if (job) yield jobStateOf(job, [...pods.values()], { complaints, seenSince: () => now }, now);
  }
}

const ENDS: Readonly<Record<string, [says: string, reason: string, message: RegExp]>> = {
  'exit-0': ['exit code 0 passes', 'Passed', /succeeded/],
  'sidecar-goes-on': ['exit code 0 passes while a sidecar goes on', 'Passed', /succeeded/],
  'beside-others': ['exit code 0 of the named container passes while others go on', 'Passed', /succeeded/],
  'exit-3': ['another exit code fails, with what was said', 'JobFailed', /code 3: want 2, got 3$/],
  'init-fails': ['an init container can fail it', 'JobFailed', /before exited with code 4: no database$/],
  'oom-killed': ['too little memory fails', 'OOMKilled', /needed more memory/],
  'exit-75': ['exit code 75 is inconclusive', 'TestSaidSo', /mail server does not answer$/],
  'retried-by-kubernetes': ['a backoffLimit is used up before it fails', 'JobFailed', /code 5: no$/],
  'retried-by-kubernetes-75': ['exit code 75 ends a Job with a backoffLimit', 'TestSaidSo', /code 75$/],
  'no-such-command': [
    'a command that is not there is inconclusive',
    'ConfigError',
    /no such file or directory/,
  ],
  'pod-deleted': ['a Pod deleted by somebody is inconclusive', 'PodDeleted', /deleted|gone/],
  'pod-deleted-exits-0': ['… also when the test then ends with 0', 'PodDeleted', /deleted|gone/],
  'pod-evicted': ['an evicted Pod is inconclusive', 'Disrupted', /Eviction API: evicting|DisruptionTarget/],
};

describe('how a Job ended', () => {
  for (const [name, [says, reason, message]] of Object.entries(ENDS)) {
    test(says, () => {
      const ends = [...replay(name)].filter((state) => state.phase === 'ended');
      assert.notEqual(ends.length, 0);
      for (const { outcome } of ends) {
        assert.equal(outcome.reason, reason);
        assert.match(outcome.message, message);
        assert.ok(!Number.isNaN(outcome.finishedAt));
      }
    });

    test(`${name}: once ended, it stays so`, () => {
      const phases = [...replay(name)].map(({ phase }) => phase);
      assert.ok(!phases.slice(phases.indexOf('ended')).some((phase) => phase !== 'ended'), phases.join(' '));
    });
  }

  test('the deadline fails a test whose container ran, as long as its Pod can tell', () => {
    const ends = [...replay('job-deadline')].filter((state) => state.phase === 'ended');
    const reasons = new Set(ends.map(({ outcome }) => outcome.reason));
    assert.deepEqual([...reasons], ['TimedOut', 'StartTimedOut']);
  });

  test('a container that cannot be started was never run', () => {
    const ends = [...replay('no-such-command')].filter((state) => state.phase === 'ended');
    assert.deepEqual(new Set(ends.map(({ startedAt }) => startedAt)), new Set([undefined]));
  });

  test('the deadline is inconclusive where no container ran, and says what it waited for', () => {
    const ends = [...replay('job-deadline-waiting')].filter((state) => state.phase === 'ended');
    assert.deepEqual(new Set(ends.map(({ outcome }) => outcome.reason)), new Set(['StartTimedOut']));
    assert.match(ends[0]?.outcome.message ?? '', /ContainerCreating/);
  });
});

const WAITS: Readonly<Record<string, [reason: string, message: RegExp, fatal: boolean]>> = {
  'no-such-image': ['ImagePullFailed', /ErrImagePull|ImagePullBackOff/, true],
  'invalid-image-name': ['ImagePullFailed', /InvalidImageName/, true],
  'no-such-secret': ['ConfigError', /secret "absent" not found/, true],
  'runs-as-root': ['ConfigError', /non-root policy/, true],
  unschedulable: ['Unschedulable', /nodes are available/, false],
  'no-such-service-account': ['PodRefused', /^its Pod cannot be created: .*"absent" not found/, true],
};

describe('why no container has run yet', () => {
  for (const [name, [reason, message, fatal]] of Object.entries(WAITS)) {
    test(`${name} is ${reason}${fatal ? ', and waiting is no use' : ''}`, () => {
      const states = [...replay(name)];
      const last = states.at(-1);
      assert.ok(last?.phase === 'waiting');
      assert.equal(last.reason, reason);
      assert.match(last.message, message);
      assert.equal(last.fatal, fatal);
      assert.ok(states.every(({ phase }) => phase === 'waiting'));
    });
  }
});
