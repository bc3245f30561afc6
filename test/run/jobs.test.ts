import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { keyOf, type Ref, type Run } from '../../src/decide/model.ts';
import { iso } from '../../src/decide/time.ts';
import { type ErrorCode, isCode, isServerError, PostsyncError } from '../../src/errors.ts';
import type { Kubernetes } from '../../src/kubernetes.ts';
import { type Complaint, readComplaint } from '../../src/run/complaint.ts';
import { type JobView, readJob } from '../../src/run/job-view.ts';
import { createJobs } from '../../src/run/jobs.ts';
import { JOB_KEYS } from '../../src/run/labels.ts';
import { type PodView, readPod } from '../../src/run/pod-view.ts';
import { readSyncTest, type SyncTest } from '../../src/synctest.ts';
import { createTable } from '../../src/table.ts';
import { aKubernetes } from '../support/kubernetes.ts';
import { after, aRelease, aRun, LIMITS, NOON } from '../support/model.ts';

const RUN = aRun({ uid: 'run-uid' });

/** A Job that says it is the run's, and that it has ended well. */
function aJob(metadata: {
  readonly uid: string;
  readonly name?: string;
  readonly resourceVersion?: string;
  readonly namespace?: string;
}): object {
  const limits = { ...LIMITS, inconclusiveExitCodes: [75], shareOutput: false, containers: ['test'] };
  return {
    metadata: {
      name: RUN.ref.name,
      namespace: 'apps',
      resourceVersion: '1',
      creationTimestamp: iso(NOON),
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
  return jobsOf(aKubernetes().kubernetes, known).jobs;
}

function jobsOf(kubernetes: Kubernetes, known: readonly object[] = []) {
  const rest = { onChange: () => undefined, onUnreadable: () => undefined };
  const jobs = createTable<JobView>({ ...rest, read: readJob, groupOf: ({ release }) => keyOf(release) });
  const pods = createTable<PodView>({ ...rest, read: readPod, groupOf: ({ jobUid }) => jobUid });
  const complaints = createTable<Complaint>({ ...rest, read: readComplaint, groupOf: ({ uid }) => uid });
  const mounts = createTable<Complaint>({ ...rest, read: readComplaint, groupOf: keyOf });
  for (const job of known) jobs.upsert(job);
  const put = (pod: object) => pods.upsert(pod);
  const complain = (event: object) => mounts.upsert(event);
  const settings = { image: 'postsync', clusterName: '', jobDefaults: {} };
  const told: string[] = [];
  const onRefused = (test: Ref, words: string) => void told.push(`${keyOf(test)}: ${words}`);
  return {
    jobs: createJobs(kubernetes, { jobs, pods, complaints, mounts }, { settings, onRefused }),
    told,
    put,
    complain,
  };
}

function started(uid: string): Run {
  return { ...RUN, job: { ...RUN.ref, uid } };
}

/** A SyncTest of this name, as the API serves it. */
function aSyncTest(name: string, spec: object): SyncTest {
  const metadata = { namespace: 'apps', name, generation: 1, creationTimestamp: iso(NOON) };
  return readSyncTest({ metadata, spec });
}

/** The Job of the run as it was created for a test, and as the API serves it then. */
async function createdBefore(syncTest: SyncTest): Promise<object> {
  const { kubernetes, calls } = aKubernetes();
  await jobsOf(kubernetes)
    .jobs.start(RUN, syncTest, aRelease(), NOON)
    .catch(() => undefined);
  const created = calls[0]?.body as { readonly metadata: object };
  const served = { uid: 'job-uid', resourceVersion: '1', creationTimestamp: iso(NOON) };
  return { ...created, metadata: { ...created.metadata, ...served } };
}

const smoke = aSyncTest('smoke', { job: { image: 'a' } });

describe('a Job that the API server refuses', () => {
  const words = 'jobs.batch "x" is forbidden: exceeded quota: hush';

  async function refused(
    namespace: string,
    spec: object = {},
    code: ErrorCode = 'API_FORBIDDEN',
    isAnswer = false,
  ) {
    const refusal = new PostsyncError(code, `cannot create jobs/${namespace}: ${words}`, { isAnswer });
    const { kubernetes } = aKubernetes({ [`create ${namespace}/jobs`]: refusal });
    const metadata = { namespace, name: 'smoke', generation: 1, creationTimestamp: iso(NOON) };
    const syncTest = readSyncTest({ metadata, spec: { job: { image: 'a' }, ...spec } });
    const { jobs, told } = jobsOf(kubernetes);
    const error: unknown = await jobs
      .start(RUN, syncTest, aRelease(), NOON)
      .catch((thrown: unknown) => thrown);
    assert.ok(isCode(error, code));
    assert.equal(isServerError(error), isAnswer);
    return { message: error.message, told };
  }

  test('in the namespace of its run, or where it may be shared, is so in its words', async () => {
    for (const given of [refused('apps'), refused('tests', { shareOutput: true })]) {
      const { message, told } = await given;
      assert.match(message, /hush/);
      assert.deepEqual(told, []);
    }
  });

  for (const [code, isAnswer] of [
    ['API_FORBIDDEN', false],
    ['API_REJECTED', false],
    ['API_NOT_FOUND', false],
    ['API_UNAVAILABLE', true],
  ] as const) {
    test(`in another namespace (${code}) keeps the words there, for the conditions of its test`, async () => {
      const { message, told } = await refused('tests', {}, code, isAnswer);
      const where = 'the conditions of the SyncTest tests/smoke say why';
      assert.equal(message, `the API server refuses its Job in namespace tests: ${where}`);
      assert.deepEqual(told, [`tests/smoke: ${words}`]);
    });
  }

  test('by not answering is no secret', async () => {
    assert.match((await refused('tests', {}, 'API_UNAVAILABLE')).message, /hush/);
  });
});

function isKnown(job: object, run = RUN): boolean {
  return theJobs(job).has(run, smoke, aRelease());
}

describe('the Job of a run', () => {
  test('is none before it is written down, whatever one says of itself', async () => {
    for (const namespace of ['apps', 'elsewhere']) {
      const { kubernetes, calls } = aKubernetes();
      const { jobs } = jobsOf(kubernetes, [aJob({ uid: 'job-uid', namespace })]);
      assert.equal(jobs.stateOf(RUN, NOON), undefined);
      await jobs.refresh(RUN);
      assert.deepEqual(calls, []);
    }
  });

  test('is judged without the Pods that a live read does not find, whatever was watched', async () => {
    const done = {
      ...aJob({ uid: 'job-uid', resourceVersion: '9' }),
      status: { conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: iso(after(40)) }] },
    };
    const { kubernetes } = aKubernetes({
      [`get apps/jobs/${RUN.ref.name}`]: done,
      'list apps/pods': { items: [] },
    });
    const { jobs, put } = jobsOf(kubernetes, [aJob({ uid: 'job-uid' })]);
    put({
      metadata: {
        name: 'p',
        namespace: 'apps',
        resourceVersion: '2',
        creationTimestamp: iso(NOON),
        ownerReferences: [{ kind: 'Job', name: RUN.ref.name, uid: 'job-uid' }],
      },
      status: {
        phase: 'Running',
        containerStatuses: [{ name: 'test', state: { running: { startedAt: iso(NOON) } } }],
      },
    });
    const run = started('job-uid');
    await jobs.refresh(run);
    const state = jobs.stateOf(run, after(41));
    assert.equal(state?.phase === 'ended' && state.outcome.reason, 'PodDeleted');
  });

  test('that was created, and not written down when postsync died, is found again by its start', async () => {
    const { kubernetes } = aKubernetes({
      'create apps/jobs': new PostsyncError('API_EXISTS', 'it is there'),
      [`get apps/jobs/${RUN.ref.name}`]: await createdBefore(smoke),
    });
    const start = await jobsOf(kubernetes).jobs.start(RUN, smoke, aRelease(), NOON);
    assert.equal('job' in start && start.job.uid, 'job-uid');
  });

  test('is adopted only where it is the one that would have been created', async () => {
    const adopt = (job: object | undefined) => {
      const { kubernetes } = aKubernetes(job && { [`get apps/jobs/${RUN.ref.name}`]: job });
      const { jobs } = jobsOf(kubernetes, [aJob({ uid: 'job-uid' })]);
      const has = () => jobs.has(RUN, smoke, aRelease());
      return { has, adopted: jobs.adopt(RUN, smoke, aRelease()) };
    };

    const ours = adopt(await createdBefore(smoke));
    assert.equal((await ours.adopted)?.job.uid, 'job-uid');
    await assert.rejects(adopt(aJob({ uid: 'job-uid' })).adopted, { code: 'JOB_CONFLICT' });
    const gone = adopt(undefined);
    assert.equal(gone.has(), true);
    assert.equal(await gone.adopted, undefined);
    assert.equal(gone.has(), false);
  });

  test('is not looked for where it would not be', () => {
    assert.equal(isKnown(aJob({ uid: 'job-uid' })), true);
    assert.equal(isKnown(aJob({ uid: 'job-uid' }), aRun({ uid: 'another' })), false);
    assert.equal(isKnown(aJob({ uid: 'job-uid', namespace: 'elsewhere' })), false);
    assert.equal(isKnown(aJob({ uid: 'job-uid', name: 'another' })), false);
  });

  test('is looked for under its name before a verdict that was recorded meanwhile is taken', async () => {
    const syncTest = aSyncTest('helm', { helmTest: {} });
    const release = aRelease({ revision: { testHooks: { hook: 'Succeeded' } } });
    const { kubernetes } = aKubernetes({
      'create apps/jobs': new PostsyncError('API_EXISTS', 'it is there'),
    });
    const start = (...known: readonly object[]) =>
      jobsOf(kubernetes, known).jobs.start(RUN, syncTest, release, NOON);
    assert.ok('outcome' in (await start()));
    assert.ok('outcome' in (await start(aJob({ uid: 'job-uid', namespace: 'elsewhere' }))));
    await assert.rejects(start(aJob({ uid: 'job-uid' })), /is not there/);
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

const waits = (reason: string) => ({ waiting: { reason } });

describe('a container that cannot be started', () => {
  const running = { running: { startedAt: iso(NOON) } };
  const done = { terminated: { exitCode: 0 } };
  let version = 0;
  const aPod = (name: string, [before = {}, main = {}]: readonly object[]) => ({
    metadata: {
      name,
      namespace: 'apps',
      resourceVersion: String((version += 1)),
      creationTimestamp: iso(NOON),
      ownerReferences: [{ kind: 'Job', name: RUN.ref.name, uid: 'job-uid' }],
    },
    status: {
      initContainerStatuses: [{ name: 'before', state: before }],
      containerStatuses: [{ name: 'test', state: main }],
    },
  });

  /** Shows a Pod to a postsync, and what that says of the run then: whether waiting is no use, and since when. */
  function watching() {
    const { jobs, put } = jobsOf(aKubernetes().kubernetes, [aJob({ uid: 'job-uid' })]);
    return (name: string, states: readonly object[], seconds: number) => {
      put(aPod(name, states));
      const state = jobs.stateOf(started('job-uid'), after(seconds));
      return state?.phase === 'waiting' && [state.fatal, state.since];
    };
  }

  test('has half a minute from when that was seen first, whatever was waited for before', () => {
    const since = watching();
    assert.deepEqual(since('a', [running, waits('PodInitializing')], 60), [false, NOON]);
    assert.deepEqual(since('a', [done, waits('ErrImagePull')], 90), [true, after(90)]);
    assert.deepEqual(since('a', [done, waits('ImagePullBackOff')], 100), [true, after(90)]);
  });

  test('is said to wait for a volume, where its Pod does', () => {
    const { jobs, put, complain } = jobsOf(aKubernetes().kubernetes, [aJob({ uid: 'job-uid' })]);
    put(aPod('a', [waits('PodInitializing'), waits('PodInitializing')]));
    complain({
      metadata: { name: 'a.1', namespace: 'apps', resourceVersion: '1', creationTimestamp: iso(NOON) },
      involvedObject: { kind: 'Pod', namespace: 'apps', name: 'a', uid: 'pod-uid' },
      message: 'secret "e2e" not found',
    });
    const state = jobs.stateOf(started('job-uid'), NOON);
    assert.ok(state?.phase === 'waiting');
    assert.match(state.message, /secret "e2e" not found/);
  });

  test('has it for each container, and for each Pod', () => {
    const since = watching();
    assert.deepEqual(since('a', [waits('ErrImagePull'), waits('PodInitializing')], 5), [true, after(5)]);
    assert.deepEqual(since('a', [running, waits('ErrImagePull')], 20), [true, after(20)]);
    assert.deepEqual(since('b', [running, waits('ErrImagePull')], 40), [true, after(40)]);
  });
});
