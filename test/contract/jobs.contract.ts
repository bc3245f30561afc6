import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PostsyncError } from '../../src/errors.ts';
import { eventually, type Subject, type Thing } from './subject.ts';

/** An image that runs a shell on the real cluster. The embedded one runs the command wherever it is. */
const IMAGE = 'busybox:1';

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

interface State {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly reason: string;
    readonly message?: string;
    readonly startedAt: string;
    readonly finishedAt: string;
  };
}

/** The policy of postsync's own Jobs. */
const podFailurePolicy = {
  rules: [
    { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget' }] },
    { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0] } },
  ],
};

/** What postsync relies on of Jobs, Pods and Events. */
export function jobsContract(open: () => Promise<Subject>): void {
  describe('Jobs', { concurrency: true }, () => {
    let subject: Subject;
    before(async () => {
      subject = await open();
    });
    after(() => subject.close());

    const job = (
      name: string,
      command: readonly string[] | undefined,
      spec: object = {},
      container: object = {},
    ) => ({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name },
      spec: {
        backoffLimit: 0,
        podFailurePolicy,
        ...spec,
        template: {
          spec: {
            restartPolicy: 'Never',
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 1,
            containers: [
              {
                name: 'main',
                image: IMAGE,
                imagePullPolicy: 'IfNotPresent',
                terminationMessagePolicy: 'FallbackToLogsOnError',
                ...(command && { command }),
                ...container,
              },
            ],
          },
        },
      },
    });
    const jobs = (name?: string) => ({
      resource: 'jobs' as const,
      namespace: subject.namespace,
      ...(name !== undefined && { name }),
    });
    const pods = { resource: 'pods' as const };
    const start = async (...given: Parameters<typeof job>) =>
      (await subject.api.create(jobs(), job(...given))) as Thing;
    const shell = (script: string) => ['sh', '-c', script];
    const podsOf = async (name: string) => {
      const query = { labelSelector: `batch.kubernetes.io/job-name=${name}` };
      return ((await subject.api.list({ ...pods, namespace: subject.namespace }, query)) as Thing).items;
    };
    const stateOf = (pod: Thing | undefined): State => {
      const [container] = (pod?.status?.['containerStatuses'] ?? []) as readonly { state: State }[];
      return container?.state ?? {};
    };
    const conditionsOf = (object: Thing) => (object.status?.['conditions'] ?? []) as readonly Condition[];
    const ended = (name: string) =>
      eventually(`${name} has ended`, async () => {
        const now = (await subject.api.get(jobs(name))) as Thing;
        return conditionsOf(now).some(({ type }) => type === 'Complete' || type === 'Failed') && now;
      });
    const running = (name: string) =>
      eventually(`${name} runs`, async () => (await podsOf(name)).find((pod) => stateOf(pod).running));
    const isGone = (error: unknown) => error instanceof PostsyncError && error.code === 'API_NOT_FOUND';
    const gone = (name: string) =>
      eventually(`${name} is gone`, () => subject.api.get(jobs(name)).then(() => false, isGone));
    const says = ({ type, status, reason }: Condition) => `${type}=${status} ${reason}`;

    test('a Job whose container ends well is complete, in two steps', async () => {
      const made = await start('passes', shell('echo out; echo err >&2'));
      assert.equal(made.metadata.generation, 1);
      const { status, spec, ...rest } = await ended('passes');
      assert.deepEqual(conditionsOf({ status } as Thing).map(says), [
        'SuccessCriteriaMet=True CompletionsReached',
        'Complete=True CompletionsReached',
      ]);
      assert.equal(status?.['succeeded'], 1);
      assert.equal(status?.['failed'], undefined);
      assert.ok(status?.['startTime'] && status['completionTime']);
      assert.equal(rest.metadata.generation, 1);
      assert.equal(spec['backoffLimit'], 0);
      const [pod] = await podsOf('passes');
      const { terminated } = stateOf(pod);
      assert.equal(terminated?.exitCode, 0);
      assert.equal(terminated?.reason, 'Completed');
      assert.equal(terminated?.message, undefined);
      assert.match(terminated?.startedAt ?? '', /Z$/);
      const owners = (pod?.metadata as unknown as { ownerReferences: object[] }).ownerReferences;
      const { uid } = made.metadata;
      assert.deepEqual(owners, [
        {
          apiVersion: 'batch/v1',
          kind: 'Job',
          name: 'passes',
          uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ]);
      const log = await subject.raw(
        'GET',
        `/api/v1/namespaces/${subject.namespace}/pods/${pod?.metadata.name}/log`,
      );
      assert.deepEqual(log.text.split('\n').toSorted(), ['', 'err', 'out']);
    });

    test("an exit code is in the Pod, with the log's tail, and in the Job's own words", async () => {
      await start('three', shell('echo oops; exit 3'));
      const failed = await ended('three');
      const [pod] = await podsOf('three');
      const { exitCode, reason, message } = stateOf(pod).terminated ?? {};
      assert.deepEqual({ exitCode, reason, message }, { exitCode: 3, reason: 'Error', message: 'oops\n' });
      assert.deepEqual(conditionsOf(failed).map(says), [
        'FailureTarget=True PodFailurePolicy',
        'Failed=True PodFailurePolicy',
      ]);
      assert.equal(
        conditionsOf(failed)[0]?.message,
        `Container main for pod ${subject.namespace}/${pod?.metadata.name} failed with exit code 3 matching FailJob rule at index 1`,
      );
      assert.equal(failed.status?.['failed'], 1);
    });

    test('without a policy, one failure is one too many for a backoffLimit of 0', async () => {
      await start('soft', shell('exit 75'), { podFailurePolicy: undefined });
      const failed = await ended('soft');
      assert.deepEqual(conditionsOf(failed).map(says), [
        'FailureTarget=True BackoffLimitExceeded',
        'Failed=True BackoffLimitExceeded',
      ]);
      assert.equal(stateOf((await podsOf('soft'))[0]).terminated?.exitCode, 75);
    });

    test('of a long log, the message is the end, at most 2 KiB and 80 lines', async () => {
      await start('verbose', shell('i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo "line $i"; done; exit 1'));
      await ended('verbose');
      const message = stateOf((await podsOf('verbose'))[0]).terminated?.message ?? '';
      assert.ok(message.startsWith('line 121\n'), message.slice(0, 20));
      assert.ok(message.endsWith('line 200\n'));
    });

    test('variables reach the container, and those that Kubernetes knows are expanded', async () => {
      const env = [
        { name: 'A', value: 'one' },
        { name: 'B', value: '$(A) $$(A) $(NO)' },
        { name: 'C', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
      ];
      await start('expands', shell('echo "$B|$C|$0|$1"; exit 1'), {}, { env, args: ['$(A)', '$$(A)'] });
      await ended('expands');
      const { message } = stateOf((await podsOf('expands'))[0]).terminated ?? {};
      assert.equal(message, `one $(A) $(NO)|${subject.namespace}|one|$(A)\n`);
    });

    test('an image that cannot be pulled keeps its Pod waiting, and the Job active', async () => {
      await start('unpulled', undefined, {}, { image: 'registry.invalid/nothing:1' });
      const waiting = await eventually('the pull fails', async () => {
        const state = stateOf((await podsOf('unpulled'))[0]).waiting;
        return state && state.reason !== 'ContainerCreating' && state;
      });
      assert.match(waiting.reason, /^(ErrImagePull|ImagePullBackOff)$/);
      assert.match(waiting.message ?? '', /failed to pull and unpack image "registry\.invalid\/nothing:1"/);
      const now = (await subject.api.get(jobs('unpulled'))) as Thing;
      assert.equal(now.status?.['active'], 1);
      assert.equal(now.status?.['ready'], 0);
      assert.deepEqual(conditionsOf(now), []);
    });

    test('a Secret that is missing keeps its Pod waiting, which only the Pod tells', async () => {
      const env = [{ name: 'X', valueFrom: { secretKeyRef: { name: 'no-such', key: 'x' } } }];
      await start('unconfigured', shell('true'), {}, { env });
      const waiting = await eventually('the configuration fails', async () => {
        const state = stateOf((await podsOf('unconfigured'))[0]).waiting;
        return state && state.reason !== 'ContainerCreating' && state;
      });
      assert.equal(waiting.reason, 'CreateContainerConfigError');
      assert.equal(waiting.message, 'secret "no-such" not found');
    });

    test('a command that is not there is a start error with exit code 128', async () => {
      await start('unstarted', ['/no/such/command']);
      await ended('unstarted');
      const { exitCode, reason, message } = stateOf((await podsOf('unstarted'))[0]).terminated ?? {};
      assert.equal(exitCode, 128);
      assert.equal(reason, 'StartError');
      assert.match(
        message ?? '',
        /exec: "\/no\/such\/command": stat \/no\/such\/command: no such file or directory/,
      );
    });

    test('a deadline that is set while it runs stops it, and leaves no Pod', async () => {
      await start('stopped', ['sleep', '300'], { activeDeadlineSeconds: 600 });
      await running('stopped');
      const patched = (await subject.api.patch(jobs('stopped'), {
        spec: { activeDeadlineSeconds: 1 },
      })) as Thing;
      assert.equal(patched.metadata.generation, 2);
      const failed = await ended('stopped');
      assert.deepEqual(conditionsOf(failed).map(says), [
        'FailureTarget=True DeadlineExceeded',
        'Failed=True DeadlineExceeded',
      ]);
      assert.equal(conditionsOf(failed)[0]?.message, 'Job was active longer than specified deadline');
      assert.deepEqual(await podsOf('stopped'), []);
    });

    test('a Pod that somebody deletes looks like exit code 137', async () => {
      await start('bereft', ['sleep', '300']);
      const pod = await running('bereft');
      await subject.api.remove({ ...pods, namespace: subject.namespace, name: pod.metadata.name });
      const failed = await ended('bereft');
      assert.match(
        conditionsOf(failed)[0]?.message ?? '',
        /failed with exit code 137 matching FailJob rule at index 1/,
      );
    });

    test('a Job that is deleted with no word on its Pods orphans them', async () => {
      await start('orphans', ['sleep', '300']);
      await running('orphans');
      await subject.api.remove(jobs('orphans'));
      await gone('orphans');
      const [pod] = await podsOf('orphans');
      assert.ok(pod && stateOf(pod).running);
      assert.equal((pod.metadata as { ownerReferences?: unknown }).ownerReferences, undefined);
      await subject.api.remove({ ...pods, namespace: subject.namespace, name: pod.metadata.name });
    });

    test('a Job that is deleted in the background takes its Pods along', async () => {
      await start('cleared', ['sleep', '300']);
      await running('cleared');
      await subject.api.remove(jobs('cleared'), { propagationPolicy: 'Background' });
      await gone('cleared');
      await eventually('its Pod is gone', async () => (await podsOf('cleared')).length === 0);
    });

    test('a Job with a TTL goes by itself, its Pod too', async () => {
      await start('expires', shell('true'));
      await ended('expires');
      assert.equal((await podsOf('expires')).length, 1);
      await subject.api.patch(jobs('expires'), { spec: { ttlSecondsAfterFinished: 1 } });
      await gone('expires');
      await eventually('its Pod is gone', async () => (await podsOf('expires')).length === 0);
    });

    test('a service account that is missing is told by an Event on the Job, and by nothing else', async () => {
      const { spec } = job('refused', shell('true'));
      const pod = { ...spec.template.spec, serviceAccountName: 'no-such' };
      const body = { ...job('refused', shell('true')), spec: { ...spec, template: { spec: pod } } };
      await subject.api.create(jobs(), body);
      const fieldSelector = 'involvedObject.kind=Job,involvedObject.name=refused,reason=FailedCreate';
      const event = await eventually('the Event', async () => {
        const events = { resource: 'events', namespace: subject.namespace } as const;
        return ((await subject.api.list(events, { fieldSelector })) as Thing).items[0];
      });
      const account = `${subject.namespace}/no-such`;
      assert.match(
        event.message ?? '',
        new RegExp(
          `^Error creating: pods "refused-\\w*" is forbidden: error looking up service account ${account}: serviceaccount "no-such" not found$`,
        ),
      );
      const now = (await subject.api.get(jobs('refused'))) as Thing;
      assert.equal(now.status?.['active'], undefined);
      assert.deepEqual(await podsOf('refused'), []);
    });

    describe('before they run', () => {
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
        assert.match(error.message, /spec\.template: Invalid value: .*field is immutable/s);
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
        assert.deepEqual(await podsOf('suspended'), []);
        assert.equal(now.status?.['startTime'], undefined);
      });
    });
  });
}
