import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { keyOf, type Run } from '../../src/decide/model.ts';
import { type JobView, readJob } from '../../src/run/job-view.ts';
import { createJobs } from '../../src/run/jobs.ts';
import { JOB_KEYS } from '../../src/run/labels.ts';
import { type FailedCreate, type PodView, readFailedCreate, readPod } from '../../src/run/pod-view.ts';
import { createTable } from '../../src/table.ts';
import { aKubernetes } from '../support/kubernetes.ts';
import { aRun, LIMITS, NOON } from '../support/model.ts';

const RUN = aRun({ uid: 'run-uid' });

/** A Job that says it is the run's, and that it has ended well. */
function aJob(metadata: {
  readonly uid: string;
  readonly name?: string;
  readonly namespace?: string;
}): object {
  const limits = { ...LIMITS, inconclusiveExitCodes: [75], shareOutput: false, containers: ['test'] };
  return {
    metadata: {
      name: RUN.ref.name,
      namespace: 'apps',
      resourceVersion: '1',
      creationTimestamp: NOON.toISOString(),
      labels: { [JOB_KEYS.run]: RUN.ref.name, [JOB_KEYS.runUid]: RUN.uid },
      annotations: {
        [JOB_KEYS.release]: 'apps/podinfo',
        [JOB_KEYS.runNamespace]: 'apps',
        [JOB_KEYS.limits]: JSON.stringify(limits),
      },
      ...metadata,
    },
    spec: {},
  };
}

function theJobs(...known: readonly object[]) {
  const rest = { onChange: () => undefined, onUnreadable: () => undefined };
  const jobs = createTable<JobView>({ ...rest, read: readJob, groupOf: ({ release }) => keyOf(release) });
  const pods = createTable<PodView>({ ...rest, read: readPod, groupOf: ({ jobUid }) => jobUid });
  const complaints = createTable<FailedCreate>({
    ...rest,
    read: readFailedCreate,
    groupOf: ({ jobUid }) => jobUid,
  });
  for (const job of known) jobs.upsert(job);
  const settings = { image: 'postsync', clusterName: '', jobDefaults: {} };
  return createJobs(aKubernetes().kubernetes, { jobs, pods, complaints }, { settings });
}

function started(uid: string): Run {
  return { ...RUN, job: { ...RUN.ref, uid } };
}

describe('the Job of a run', () => {
  test('is the one of its name that carries its uid, before it is written down', () => {
    assert.equal(theJobs(aJob({ uid: 'job-uid' })).stateOf(RUN, NOON)?.phase, 'waiting');
    assert.equal(theJobs(aJob({ uid: 'job-uid', name: 'another' })).stateOf(RUN, NOON), undefined);
  });

  test('is the one that was written down, whatever another says of itself', () => {
    const forged = aJob({ uid: 'forged', namespace: 'elsewhere' });
    assert.equal(theJobs(forged).stateOf(started('job-uid'), NOON), undefined);
    assert.equal(
      theJobs(forged, aJob({ uid: 'job-uid' })).stateOf(started('job-uid'), NOON)?.phase,
      'waiting',
    );
  });

  test('is not one that has its name after it', () => {
    assert.equal(theJobs(aJob({ uid: 'later' })).stateOf(started('job-uid'), NOON), undefined);
  });
});
