import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, PostsyncError } from '../../src/errors.ts';
import type { Kubernetes, Query, Target } from '../../src/kubernetes.ts';
import { createJob, dryRun, sealJob, stopJob } from '../../src/run/job.ts';

const job = {
  metadata: {
    namespace: 'apps',
    name: 'r',
    labels: { 'postsync.dev/run-uid': 'run-1' },
    annotations: { 'postsync.dev/limits': '{}' },
  },
  spec: { template: { spec: { containers: [{ name: 'test', image: 'a' }] } } },
};
const ref = { namespace: 'apps', name: 'r', uid: 'job-1' };

type Refusal = ConstructorParameters<typeof PostsyncError>;

/** An API server with one Job at most. Whatever else is asked of it fails. */
function server({ found, refuses }: { found?: object; refuses?: Refusal } = {}) {
  const calls: { verb: string; target: Target; body?: object; query?: Query | undefined }[] = [];
  const kubernetes = {
    async create(target: Target, body: object, query?: Query) {
      calls.push({ verb: 'create', target, body, query });
      if (refuses) throw new PostsyncError(...refuses);
      if (found) throw new PostsyncError('API_EXISTS', 'cannot create jobs/apps: it exists');
      return body;
    },
    async get(target: Target) {
      calls.push({ verb: 'get', target });
      return found;
    },
    async patch(target: Target, body: object) {
      calls.push({ verb: 'patch', target, body });
      if (refuses) throw new PostsyncError(...refuses);
      return body;
    },
  };
  return { kubernetes: kubernetes as unknown as Kubernetes, calls };
}

test('a Job is created under its name, in its namespace', async () => {
  const { kubernetes, calls } = server();
  assert.equal(await createJob(kubernetes, job), job);
  assert.deepEqual(
    calls.map(({ verb, target }) => [verb, target]),
    [['create', { resource: 'jobs', namespace: 'apps' }]],
  );
});

test('a Job that was created before is found, with what the server added', async () => {
  const found = structuredClone({ ...job, spec: { ...job.spec, completions: 1 } });
  const { kubernetes, calls } = server({ found });
  assert.equal(await createJob(kubernetes, job), found);
  assert.deepEqual(
    calls.map(({ verb }) => verb),
    ['create', 'get'],
  );
});

test('a Job of that name that is not the one we would have written is a conflict', async () => {
  const labels = { 'postsync.dev/run-uid': 'run-2' };
  for (const found of [
    { ...job, metadata: { ...job.metadata, labels } },
    { ...job, metadata: { ...job.metadata, annotations: {} } },
    { ...job, spec: { template: { spec: { containers: [{ name: 'test', image: 'b' }] } } } },
    { ...job, spec: { ...job.spec, managedBy: 'somebody.else/x' } },
  ]) {
    await assert.rejects(createJob(server({ found }).kubernetes, job), { code: 'JOB_CONFLICT' });
  }
});

test('what the server says to a create is passed on', async () => {
  const { kubernetes } = server({ refuses: ['API_FORBIDDEN', 'exceeded quota'] });
  await assert.rejects(createJob(kubernetes, job), { code: 'API_FORBIDDEN' });
});

test('a Job is stopped by its deadline, and only that very Job', async () => {
  const { kubernetes, calls } = server();
  await stopJob(kubernetes, ref);
  assert.deepEqual(calls[0]?.body, { metadata: { uid: 'job-1' }, spec: { activeDeadlineSeconds: 1 } });
});

test('another Job that has its name by now is left alone', async () => {
  const words = 'Job.batch "r" is invalid: [metadata.uid: Invalid value: "job-1": field is immutable]';
  const { kubernetes } = server({ refuses: ['API_REJECTED', words] });
  await assert.rejects(stopJob(kubernetes, ref), { code: 'API_CONFLICT' });
  await assert.rejects(sealJob(kubernetes, ref), { code: 'API_CONFLICT' });
});

test('a Job goes an hour after its end, or when the test says, but never within ten minutes', async () => {
  const { kubernetes, calls } = server();
  for (const seconds of [undefined, 86_400, 0]) await sealJob(kubernetes, ref, seconds);
  assert.deepEqual(
    calls.map(
      ({ body }) => (body as { spec: { ttlSecondsAfterFinished: number } }).spec.ttlSecondsAfterFinished,
    ),
    [3600, 86_400, 600],
  );
});

test('a dry run is strict, changes nothing, and answers with the words of the server and whether they are its last', async () => {
  const { kubernetes, calls } = server();
  assert.equal(await dryRun(kubernetes, job), undefined);
  assert.deepEqual(calls[0]?.query, { dryRun: 'All', fieldValidation: 'Strict' });
  const words = 'Job in version "v1" cannot be handled: strict decoding error: unknown field "spec.foo"';
  const refuses: [ErrorCode, string] = ['API_REJECTED', `cannot create jobs/apps: ${words}`];
  assert.deepEqual(await dryRun(server({ refuses }).kubernetes, job), { words, isFinal: true });
  const quota: [ErrorCode, string] = ['API_FORBIDDEN', 'cannot create jobs/apps: exceeded quota: few'];
  assert.deepEqual(await dryRun(server({ refuses: quota }).kubernetes, job), {
    words: 'exceeded quota: few',
    isFinal: false,
  });
});

test('a dry run that a broken webhook fails says so, as it may be mended', async () => {
  const words = 'Internal error occurred: failed calling webhook "policy"';
  const refuses: Refusal = ['API_UNAVAILABLE', `cannot create jobs/apps: ${words}`, { isAnswer: true }];
  assert.deepEqual(await dryRun(server({ refuses }).kubernetes, job), { words, isFinal: false });
});

test('a dry run without an answer says nothing about the Job', async () => {
  const { kubernetes } = server({ refuses: ['API_UNAVAILABLE', 'no answer'] });
  await assert.rejects(dryRun(kubernetes, job), { code: 'API_UNAVAILABLE' });
});

test('a name that is taken speaks for the Job, not against it', async () => {
  const { kubernetes } = server({ found: job });
  assert.equal(await dryRun(kubernetes, job), undefined);
});
