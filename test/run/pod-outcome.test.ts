import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunState } from '../../src/decide/model.ts';
import type { Complaint } from '../../src/run/complaint.ts';
import { jobStateOf } from '../../src/run/job-state.ts';
import type { JobView } from '../../src/run/job-view.ts';
import type { ContainerState, ContainerView, PodView } from '../../src/run/pod-view.ts';

const at = (seconds: number) => Date.UTC(2026, 10, 21, 10, 0, seconds);
const NOW = at(50);

function job(changes: Partial<JobView> = {}): JobView {
  return {
    namespace: 'apps',
    name: 'r',
    uid: 'job-1',
    runName: 'r',
    runUid: 'run-1',
    runNamespace: 'apps',
    release: { namespace: 'apps', name: 'podinfo' },
    limits: {
      timeoutMs: 600_000,
      startTimeoutMs: 300_000,
      inconclusiveExitCodes: [75],
      shareOutput: false,
      containers: ['test'],
    },
    createdAt: at(0),
    startTime: at(1),
    suspended: false,
    deleting: false,
    retriesPods: false,
    activeDeadlineSeconds: 960,
    finished: false,
    sealed: false,
    ...changes,
  };
}

function pod(containers: readonly ContainerView[], changes: Partial<PodView> = {}): PodView {
  return {
    namespace: 'apps',
    name: 'r-1',
    jobName: 'r',
    jobUid: 'job-1',
    createdAt: at(2),
    phase: 'Running',
    containers,
    ...changes,
  };
}

function complaint(changes: Partial<Complaint> = {}): Complaint {
  return { namespace: 'apps', name: 'r', uid: 'job-1', message: 'no', since: at(3), at: at(3), ...changes };
}

const main = (state: ContainerState, name = 'test'): ContainerView => ({ name, role: 'main', state });
const running: ContainerState = { kind: 'running', since: at(5) };
const ended = (exitCode: number, more: Partial<Extract<ContainerState, { kind: 'ended' }>> = {}) =>
  ({
    kind: 'ended',
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    startedAt: at(5),
    finishedAt: at(9),
    said: '',
    ...more,
  }) as const;
const failedWith = (message: string) => ({
  succeeded: false,
  reason: 'PodFailurePolicy',
  message,
  at: at(10),
});
const stateOf = (view: JobView, pods: readonly PodView[], complaints: readonly Complaint[] = []) =>
  jobStateOf(view, pods, { complaints, seenSince: () => NOW }, NOW);

function reasonOf(state: RunState): string {
  return state.phase === 'ended' ? state.outcome.reason : state.phase;
}

function messageOf(state: RunState): string {
  return state.phase === 'running' ? '' : state.phase === 'ended' ? state.outcome.message : state.message;
}

test('a Pod of another namespace is none of its Job, whatever owner it names', () => {
  const ends = [main(ended(0))];
  assert.equal(reasonOf(stateOf(job(), [pod(ends)])), 'Passed');
  assert.equal(reasonOf(stateOf(job(), [pod(ends, { namespace: 'elsewhere' })])), 'waiting');
});

test('a Pod on a lost node is inconclusive at once, though its Job waits for ever', () => {
  const lost = { deleted: { at: at(20) }, disrupted: { at: at(20), message: 'Taint manager: deleting' } };
  const state = stateOf(job(), [pod([main(running)], lost)]);
  assert.equal(reasonOf(state), 'Disrupted');
  assert.equal(messageOf(state), 'its Pod was taken away: Taint manager: deleting');
});

test('a DisruptionTarget whose deletion has not come is only an intention', () => {
  const state = stateOf(job(), [pod([main(running)], { disrupted: { at: at(20), message: 'evicting' } })]);
  assert.equal(state.phase, 'running');
});

test('a container that the kubelet lost says nothing about the software', () => {
  const { startedAt: _s, finishedAt: _f, ...unknown } = ended(137, { reason: 'ContainerStatusUnknown' });
  const state = stateOf(job({ end: failedWith('failed with exit code 137') }), [
    pod([main(unknown)], { phase: 'Failed' }),
  ]);
  assert.equal(reasonOf(state), 'Disrupted');
});

test('a Pod that was deleted after its container had ended is judged by its exit code', () => {
  const late = { deleted: { at: at(10) } };
  assert.equal(reasonOf(stateOf(job(), [pod([main(ended(3))], late)])), 'JobFailed');
  assert.equal(reasonOf(stateOf(job(), [pod([main(ended(0))], late)])), 'Passed');
});

test('a Pod that was deleted in the second in which its container ended is inconclusive', () => {
  for (const code of [0, 3, 137]) {
    assert.equal(
      reasonOf(stateOf(job(), [pod([main(ended(code))], { deleted: { at: at(9) } })])),
      'PodDeleted',
    );
    assert.equal(reasonOf(stateOf(job(), [pod([main(ended(code))], { deleted: {} })])), 'PodDeleted');
  }
});

test('a Pod that was deleted before any container ran is inconclusive', () => {
  const pending = pod([], { phase: 'Pending', deleted: { at: at(4) } });
  assert.equal(reasonOf(stateOf(job(), [pending])), 'PodDeleted');
});

test('a Pod that goes with the deadline is not one that somebody deleted', () => {
  const view = job({ activeDeadlineSeconds: 30 });
  assert.equal(stateOf(view, [pod([main(running)], { deleted: { at: at(31) } })]).phase, 'running');
  assert.equal(reasonOf(stateOf(view, [pod([main(running)], { deleted: { at: at(20) } })])), 'PodDeleted');
});

test("a Pod's own deadline is a timeout too", () => {
  const killed = pod([main(ended(137))], { phase: 'Failed', reason: 'DeadlineExceeded' });
  assert.equal(reasonOf(stateOf(job(), [killed])), 'TimedOut');
});

test('without its Pod, the condition of the Job tells the exit code', () => {
  const reasons = [3, 75, 137, 143].map((code) =>
    reasonOf(stateOf(job({ end: failedWith(`Container test failed with exit code ${code} matching`) }), [])),
  );
  assert.deepEqual(reasons, ['JobFailed', 'TestSaidSo', 'PodDeleted', 'PodDeleted']);
  const end = { ...failedWith(''), reason: 'BackoffLimitExceeded' };
  assert.equal(reasonOf(stateOf(job({ end }), [])), 'PodDeleted');
});

test('a Job that failed waits for the news of its Pod, until it is through with it', () => {
  const end = failedWith('failed with exit code 137 matching');
  assert.equal(stateOf(job({ end }), [pod([main(running)])]).phase, 'running');
  assert.equal(reasonOf(stateOf(job({ end, finished: true }), [pod([main(running)])])), 'PodDeleted');
});

test('a Pod that the kubelet refuses or evicts is inconclusive', () => {
  const refused = pod([], { phase: 'Failed', reason: 'OutOfcpu', message: 'node has no cpu' });
  const evicted = pod([], { phase: 'Failed', reason: 'Evicted', message: 'low on memory' });
  const end = { ...failedWith('limit'), reason: 'BackoffLimitExceeded' };
  assert.equal(messageOf(stateOf(job({ end }), [refused])), 'its Pod failed: OutOfcpu: node has no cpu');
  assert.equal(reasonOf(stateOf(job({ end }), [refused])), 'PodRefused');
  assert.equal(reasonOf(stateOf(job({ end }), [evicted])), 'Disrupted');
});

test('a Pod that Kubernetes will try again decides nothing', () => {
  const view = job({ retriesPods: true });
  assert.equal(stateOf(view, [pod([main(ended(3))], { phase: 'Failed' })]).phase, 'running');
  assert.equal(stateOf(view, [pod([main(running)], { deleted: { at: at(20) } })]).phase, 'running');
  assert.equal(reasonOf(stateOf(view, [pod([main(ended(0))])])), 'Passed');
});

test('the newest Pod is the one that counts, the oldest tells since when it runs', () => {
  const second = pod([main({ kind: 'running', since: at(25) })], { name: 'r-2', createdAt: at(22) });
  const state = stateOf(job({ retriesPods: true }), [second, pod([main(ended(3))], { phase: 'Failed' })]);
  assert.deepEqual(state.phase === 'running' && state.since, at(5));
});

test('a container that was put in beside the test neither delays nor passes it', () => {
  const proxy = main(running, 'istio-proxy');
  assert.equal(reasonOf(stateOf(job(), [pod([proxy, main(ended(0))])])), 'Passed');
  assert.equal(reasonOf(stateOf(job(), [pod([proxy, main(ended(3))])])), 'JobFailed');
  assert.equal(reasonOf(stateOf(job(), [pod([main(ended(0), 'istio-proxy'), main(running)])])), 'running');
  assert.equal(reasonOf(stateOf(job(), [pod([main(ended(1), 'istio-proxy'), main(ended(0))])])), 'running');
});

test('a container beside the test that runs before it is no start of the test', () => {
  const waiting: ContainerState = { kind: 'waiting', reason: 'ContainerCreating', message: '' };
  assert.equal(stateOf(job(), [pod([main(running, 'istio-proxy'), main(waiting)])]).phase, 'waiting');
});

test('several containers of the test must all end well', () => {
  const view = job({ limits: { ...job().limits, containers: ['a', 'b'] } });
  assert.equal(stateOf(view, [pod([main(ended(0), 'a'), main(running, 'b')])]).phase, 'running');
  assert.equal(reasonOf(stateOf(view, [pod([main(ended(0), 'a'), main(ended(4), 'b')])])), 'JobFailed');
});

test('the first line of a message has the last one of what the container said', () => {
  for (const reason of ['Error', 'OOMKilled']) {
    const failed = pod([main(ended(1, { reason, said: 'step 1\nstep 2\nFATAL: checkout is broken' }))]);
    const [first, ...rest] = messageOf(stateOf(job(), [failed])).split('\n');
    assert.match(first ?? '', /^container test .*: FATAL: checkout is broken$/);
    assert.deepEqual(rest, ['step 1', 'step 2', 'FATAL: checkout is broken']);
  }
});

test('what Kubernetes says of a container that it could not start is left as it is', () => {
  const failed = pod([main(ended(128, { reason: 'StartError', said: 'no such file\nsee the log' }))]);
  assert.match(messageOf(stateOf(job(), [failed])), /^container test cannot be started: no such file\n/);
});

test('output stays in its namespace unless it is shared', () => {
  const failed = pod([main(ended(3, { said: 'top secret' }))]);
  const foreign = job({ runNamespace: 'elsewhere' });
  assert.match(messageOf(stateOf(job(), [failed])), /top secret/);
  assert.doesNotMatch(messageOf(stateOf(foreign, [failed])), /top secret/);
  const shared = { ...foreign, limits: { ...foreign.limits, shareOutput: true } };
  assert.match(messageOf(stateOf(shared, [failed])), /top secret/);
});

test('so does what Kubernetes says of the Pod, which may name what is there', () => {
  const foreign = job({ runNamespace: 'elsewhere' });
  const shared = { ...foreign, limits: { ...foreign.limits, shareOutput: true } };
  const stuck = main({
    kind: 'waiting',
    reason: 'CreateContainerConfigError',
    message: 'secret "hush" not found',
  });
  const states = [
    (view: JobView) => stateOf(view, [pod([stuck], { phase: 'Pending' })]),
    (view: JobView) =>
      stateOf(
        view,
        [pod([], { phase: 'Pending' })],
        [complaint({ name: 'r-1', message: 'hush', at: at(40) })],
      ),
    (view: JobView) =>
      stateOf(view, [pod([], { phase: 'Pending', unschedulable: 'claim "hush" not found' })]),
    (view: JobView) => stateOf(view, [], [complaint({ uid: view.uid, message: 'hush' })]),
    (view: JobView) =>
      stateOf({ ...view, end: failedWith('hush') }, [
        pod([], { phase: 'Failed', reason: 'UnexpectedAdmissionError', message: 'hush' }),
      ]),
    (view: JobView) =>
      stateOf(view, [pod([main(running)], { deleted: {}, disrupted: { at: at(20), message: 'hush' } })]),
    (view: JobView) =>
      stateOf({ ...view, end: failedWith('Pod apps/hush has condition DisruptionTarget') }, []),
    (view: JobView) =>
      stateOf({ ...view, end: failedWith('hush failed with exit code 3'), finished: true }, []),
  ];
  for (const state of states) {
    assert.match(messageOf(state(job())), /hush/);
    assert.doesNotMatch(messageOf(state(foreign)), /hush/);
    assert.match(messageOf(state(shared)), /hush/);
  }
});

test("another Job's Pods and Events are passed over", () => {
  const foreign = pod([main(ended(0))], { jobUid: 'job-0' });
  const state = stateOf(job(), [foreign], [complaint({ uid: 'job-0' })]);
  assert.equal(messageOf(state), 'its Pod is not created yet');
});

test('a Job that is being deleted is lost', () => {
  assert.equal(reasonOf(stateOf(job({ deleting: true }), [])), 'JobLost');
});

test('a suspended Job waits since it was created, and counts anew when it is let go', () => {
  const { startTime: _, ...suspended } = job({ suspended: true });
  const state = stateOf(suspended, []);
  assert.deepEqual(state.phase === 'waiting' && [state.since, state.message], [
    at(0),
    'its Job is suspended',
  ]);
  const taken = stateOf(job({ suspended: true }), [pod([main(running)], { deleted: { at: at(20) } })]);
  assert.equal(reasonOf(taken), 'Disrupted');
});

test('a service account that is still missing after half a minute is not waited for; a quota is', () => {
  const missing = 'pods "r-" is forbidden: serviceaccount "e2e" not found';
  const fatal = (message: string, said: number) => {
    const state = stateOf(job(), [], [complaint({ message, since: at(3), at: at(said) })]);
    return state.phase === 'waiting' && [state.reason, state.since, state.fatal];
  };
  assert.deepEqual(fatal(missing, 18), ['PodRefused', at(1), false]);
  assert.deepEqual(fatal(missing, 34), ['PodRefused', at(3), true]);
  assert.deepEqual(fatal('exceeded quota: none', 34), ['PodRefused', at(1), false]);
});

const creating = main({ kind: 'waiting', reason: 'ContainerCreating', message: '' });

/** What is shown of a Pod whose volume could not be mounted from 3 s on, and that was said last at some second. */
function unmounted(message: string, said: number, { now = said, containers = [creating] } = {}) {
  const pending = pod(containers, { phase: 'Pending' });
  const mount = complaint({ name: pending.name, message, since: at(3), at: at(said) });
  const told = { complaints: [mount], seenSince: () => at(now) };
  const state = jobStateOf(job(), [pending], told, at(now));
  assert.ok(state.phase === 'waiting');
  return [state.reason, state.fatal, state.message];
}

const NO_SECRET = 'MountVolume.SetUp failed for volume "v" : secret "e2e" not found';

test('nor is a Secret or ConfigMap that a volume is of; what else keeps it from being mounted may pass', () => {
  for (const said of [NO_SECRET, NO_SECRET.replace('secret', 'configmap')]) {
    const young = `container test: ContainerCreating; the kubelet said: ${said}`;
    assert.deepEqual(unmounted(said, 18), ['StartTimedOut', false, young]);
    const message = `a volume of its Pod cannot be mounted: ${said}`;
    assert.deepEqual(unmounted(said, 34), ['ConfigError', true, message]);
  }
  const busy = 'Unable to attach or mount volumes: timed out waiting for the condition';
  const message = `a volume of its Pod cannot be mounted: ${busy}`;
  assert.deepEqual(unmounted(busy, 34), ['StartTimedOut', false, message]);
  const init: ContainerView = { name: 'before', role: 'init', state: running };
  const passed = 'init container before is still running';
  assert.deepEqual(unmounted(busy, 34, { containers: [creating, init] }), ['StartTimedOut', false, passed]);
});

test('a volume that is not complained of any more is mounted: what is waited for is the image', () => {
  const pulling = ['StartTimedOut', false, 'container test: ContainerCreating'];
  assert.deepEqual(unmounted(NO_SECRET, 3, { now: 60 }), pulling);
  assert.deepEqual(unmounted(NO_SECRET, 34, { now: 120 }), pulling);
});

test('a volume is not taken for mounted between two complaints, which come in growing pauses', () => {
  for (const [said, next] of [
    [34, 66],
    [66, 130],
    [130, 252],
    [252, 374],
  ] as const) {
    assert.equal(unmounted(NO_SECRET, said, { now: next })[0], 'ConfigError');
  }
});

test('what is missing is so since it was said first, in whichever Event', () => {
  const message = 'pods "r-" is forbidden: serviceaccount "e2e" not found';
  const twice = [3, 34].map((second) => complaint({ message, since: at(second), at: at(second) }));
  const state = stateOf(job(), [], twice);
  assert.ok(state.phase === 'waiting' && state.fatal);
  assert.equal(state.since, at(3));
});
