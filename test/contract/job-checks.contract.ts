import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { PostsyncError } from '../../src/errors.ts';
import { conditionsOf, IMAGE, isGone, job, says } from './job.ts';
import { eventually, type Subject, type Thing } from './subject.ts';

/** What postsync relies on of Jobs before a Pod of theirs runs. */
export function jobChecksContract(open: () => Promise<Subject>): void {
  describe('Jobs, before they run', () => {
    let subject: Subject;
    before(async () => {
      subject = await open();
    });
    after(() => subject.close());

    const jobs = (name?: string) => ({
      resource: 'jobs' as const,
      namespace: subject.namespace,
      ...(name !== undefined && { name }),
    });
    const dryRun = { dryRun: 'All', fieldValidation: 'Strict' };
    const check = (body: object) => subject.api.create(jobs(), body, dryRun);
    const refusal = async (body: object) => {
      const error = await check(body).then(
        () => assert.fail('it was taken'),
        (error: unknown) => error as PostsyncError,
      );
      assert.equal(error.code, 'API_REJECTED');
      return error.message.replace(/^cannot create jobs\/\S+: /, '');
    };

    test('a dry run answers with what would be stored, and stores nothing', async () => {
      const made = (await check(job('dry', ['true']))) as Thing;
      const { uid, labels = {}, resourceVersion } = made.metadata;
      assert.equal(resourceVersion, undefined);
      const owner = {
        'batch.kubernetes.io/controller-uid': uid,
        'batch.kubernetes.io/job-name': 'dry',
        'controller-uid': uid,
        'job-name': 'dry',
      };
      assert.deepEqual(labels, owner);
      assert.deepEqual(made.spec, {
        parallelism: 1,
        completions: 1,
        backoffLimit: 0,
        completionMode: 'NonIndexed',
        suspend: false,
        manualSelector: false,
        podReplacementPolicy: 'Failed',
        podFailurePolicy: {
          rules: [
            { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
            { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0] } },
          ],
        },
        selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } },
        template: {
          metadata: { labels: owner },
          spec: {
            restartPolicy: 'Never',
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 1,
            dnsPolicy: 'ClusterFirst',
            schedulerName: 'default-scheduler',
            securityContext: {},
            containers: [
              {
                name: 'main',
                image: IMAGE,
                imagePullPolicy: 'IfNotPresent',
                terminationMessagePath: '/dev/termination-log',
                terminationMessagePolicy: 'FallbackToLogsOnError',
                command: ['true'],
                resources: {},
              },
            ],
          },
        },
      });
      await assert.rejects(subject.api.get(jobs('dry')), isGone);
    });

    test('unknown fields are named, all of them', async () => {
      const body = job(
        'strict',
        ['true'],
        { backOffLimit: 3 },
        { imagee: 'x', env: [{ name: 'A', valu: 'x' }] },
      );
      assert.equal(
        await refusal(body),
        'Job in version "v1" cannot be handled as a Job: strict decoding error: unknown field "spec.backOffLimit", ' +
          'unknown field "spec.template.spec.containers[0].imagee", ' +
          'unknown field "spec.template.spec.containers[0].env[0].valu"',
      );
    });

    test('a field of the wrong type is named', async () => {
      const message = await refusal(job('typed', ['true'], { backoffLimit: 'x' }));
      assert.match(
        message,
        /cannot unmarshal string into Go struct field Job\w*\.spec\.backoffLimit of type int32$/,
      );
    });

    test('what is missing or out of range is named', async () => {
      const body = job('invalid', ['true'], { backoffLimit: -1 }, { image: undefined });
      assert.equal(
        await refusal(body),
        'Job.batch "invalid" is invalid: [spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0, ' +
          'spec.template.spec.containers[0].image: Required value]',
      );
      const { spec, ...head } = job('empty', ['true']);
      assert.equal(
        await refusal({ ...head, spec: { backoffLimit: 0, template: { spec: {} } } }),
        'Job.batch "empty" is invalid: [spec.template.spec.containers: Required value, ' +
          'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"]',
      );
      assert.ok(spec);
    });

    test('a name that is taken is refused in a dry run as well', async () => {
      await subject.api.create(jobs(), job('taken', ['true'], { suspend: true }));
      await assert.rejects(
        check(job('taken', ['true'])),
        (error: PostsyncError) => error.code === 'API_EXISTS',
      );
    });

    test("a Job's template is immutable, though its deadline is not", async () => {
      await subject.api.create(jobs(), job('settled', ['true'], { suspend: true }));
      const template = {
        spec: { terminationGracePeriodSeconds: 9, containers: [{ name: 'main', image: 'other:1' }] },
      };
      const error = await subject.api.patch(jobs('settled'), { spec: { template } }).then(
        () => assert.fail('it was taken'),
        (error: unknown) => error as PostsyncError,
      );
      assert.equal(error.code, 'API_REJECTED');
      assert.match(error.message, /spec\.template.*: Invalid value: .*field is immutable/s);
      await subject.api.patch(jobs('settled'), { spec: { activeDeadlineSeconds: 5 } });
    });

    test('a Job that is suspended has no Pod and no start', async () => {
      await subject.api.create(
        jobs(),
        job('suspended', ['true'], { suspend: true, activeDeadlineSeconds: 1 }),
      );
      const now = await eventually('the controller has seen it', async () => {
        const now = (await subject.api.get(jobs('suspended'))) as Thing;
        return conditionsOf(now).length > 0 && now;
      });
      assert.deepEqual(conditionsOf(now).map(says), ['Suspended=True JobSuspended']);
      const query = { labelSelector: 'batch.kubernetes.io/job-name=suspended' };
      const pods = await subject.api.list({ resource: 'pods', namespace: subject.namespace }, query);
      assert.deepEqual((pods as Thing).items, []);
      assert.equal(now.status?.['startTime'], undefined);
    });
  });
}
