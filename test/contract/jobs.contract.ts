import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { conditionsOf, isGone, job, says, shell, stateOf } from './job.ts';
import { eventually, type Subject, type Thing } from './subject.ts';

/** What postsync relies on of Jobs, Pods and Events. */
export function jobsContract(open: () => Promise<Subject>): void {
  describe('Jobs', { concurrency: true }, () => {
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
    const pods = { resource: 'pods' as const };
    const start = async (...given: Parameters<typeof job>) =>
      (await subject.api.create(jobs(), job(...given))) as Thing;
    const podsOf = async (name: string) => {
      const query = { labelSelector: `batch.kubernetes.io/job-name=${name}` };
      return ((await subject.api.list({ ...pods, namespace: subject.namespace }, query)) as Thing).items;
    };
    const ended = (name: string) =>
      eventually(`${name} has ended`, async () => {
        const now = (await subject.api.get(jobs(name))) as Thing;
        return conditionsOf(now).some(({ type }) => type === 'Complete' || type === 'Failed') && now;
      });
    const running = (name: string) =>
      eventually(`${name} runs`, async () => (await podsOf(name)).find((pod) => stateOf(pod).running));
    const gone = (name: string) =>
      eventually(`${name} is gone`, () => subject.api.get(jobs(name)).then(() => false, isGone));
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
      const { ownerReferences } = pod!.metadata;
      const { uid } = made.metadata;
      assert.deepEqual(ownerReferences, [
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
      await subject.raw('DELETE', `/apis/batch/v1/namespaces/${subject.namespace}/jobs/orphans`);
      await gone('orphans');
      const [pod] = await podsOf('orphans');
      assert.ok(pod && stateOf(pod).running);
      assert.equal(pod.metadata.ownerReferences, undefined);
      await subject.api.remove({ ...pods, namespace: subject.namespace, name: pod.metadata.name });
    });

    test('a Job that is deleted in the background takes its Pods along', async () => {
      await start('cleared', ['sleep', '300']);
      await running('cleared');
      await subject.api.remove(jobs('cleared'));
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
  });
}
