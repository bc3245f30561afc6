import assert from 'node:assert/strict';
import { describe } from 'node:test';
import {
  deletePod,
  evict,
  ghostSelector,
  needsSlot,
  preempt,
  withGhostNode,
  withSlot,
} from './support/disturb.ts';
import { TEST_IMAGE } from './support/env.ts';
import { assertOneJobPerDigest } from './support/expect.ts';
import { conditionOf } from './support/objects.ts';
import { type Phase, type Scene, shell, sleeping } from './support/scene.ts';
import { aWorld, scenario } from './support/world.ts';

interface Row {
  readonly spec: object;
  readonly phase: Phase;
  readonly reason: string;
  readonly message?: RegExp;
  readonly labels?: Readonly<Record<string, string>>;
  /** Before the release is there. */
  readonly prepare?: (scene: Scene) => Promise<void>;
  /** While the test runs. */
  readonly disturb?: (scene: Scene) => Promise<void>;
  /** How the Job itself is to end, where nobody stops it. */
  readonly ended?: 'Complete' | 'Failed';
}

/** A whole template whose one container is called as postsync calls it in the short form. */
function template(script: string, more: object = {}): object {
  const securityContext = { runAsUser: 65534 };
  const container = {
    name: 'test',
    image: TEST_IMAGE,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-c', script],
  };
  return {
    template: { spec: { template: { spec: { securityContext, containers: [container], ...more } } } },
  };
}

const sidecar = {
  name: 'sidecar',
  image: TEST_IMAGE,
  imagePullPolicy: 'IfNotPresent',
  restartPolicy: 'Always',
  command: ['sh', '-c', sleeping(600)],
};

const running = { job: shell(sleeping(600)) };

const ROWS: Readonly<Record<string, Row>> = {
  'exit code 0 is passed': {
    spec: { job: shell('exit 0') },
    phase: 'Passed',
    reason: 'Passed',
    ended: 'Complete',
  },
  'exit code 0 is passed, though a sidecar goes on': {
    spec: { job: template('exit 0', { initContainers: [sidecar] }) },
    phase: 'Passed',
    reason: 'Passed',
  },
  'another exit code is failed, with the end of what the container said': {
    spec: { job: shell('echo "no such page: /cart" >&2; exit 3') },
    phase: 'Failed',
    reason: 'JobFailed',
    message: /no such page: \/cart/,
    ended: 'Failed',
  },
  'OOMKilled is failed': {
    spec: { job: shell('exec tail /dev/zero', { resources: { limits: { memory: '32Mi' } } }) },
    phase: 'Failed',
    reason: 'OOMKilled',
  },
  'exit code 75 is inconclusive': {
    spec: { job: shell('echo "the database is read-only"; exit 75') },
    phase: 'Inconclusive',
    reason: 'TestSaidSo',
    message: /the database is read-only/,
  },
  'time that ran out after the container ran is failed': {
    spec: { timeout: '5s', job: shell(`echo still waiting; ${sleeping(600)}`) },
    phase: 'Failed',
    reason: 'TimedOut',
    message: /5s/,
  },
  'an image that cannot be pulled is inconclusive': {
    spec: { job: shell('exit 0', { image: 'registry.invalid/nothing:here' }) },
    phase: 'Inconclusive',
    reason: 'ImagePullFailed',
    message: /registry\.invalid\/nothing/,
  },
  'a Secret that is not there is inconclusive': {
    spec: {
      job: shell('exit 0', {
        env: [{ name: 'KEY', valueFrom: { secretKeyRef: { name: 'missing', key: 'key' } } }],
      }),
    },
    phase: 'Inconclusive',
    reason: 'ConfigError',
    message: /missing/,
  },
  'a Secret that is not there for a volume is inconclusive, long before the time to start is up': {
    spec: { job: shell('exit 0', { secrets: [{ name: 'missing', mountPath: '/missing' }] }) },
    phase: 'Inconclusive',
    reason: 'ConfigError',
    message: /secret "missing" not found/,
  },
  'a service account that is not there is inconclusive, long before the time to start is up': {
    spec: { job: shell('exit 0', { serviceAccountName: 'missing' }) },
    phase: 'Inconclusive',
    reason: 'PodRefused',
    message: /serviceaccount "missing" not found/,
  },
  'a Pod that fits on no node is inconclusive': {
    spec: { startTimeout: '10s', job: template('exit 0', { nodeSelector: { 'no-such': 'node' } }) },
    phase: 'Inconclusive',
    reason: 'Unschedulable',
  },
  'a quota that leaves no Pod is inconclusive': {
    spec: { startTimeout: '15s', job: shell('exit 0') },
    phase: 'Inconclusive',
    reason: 'PodRefused',
    message: /quota/,
    prepare: ({ api, namespace }) =>
      api.apply({
        kind: 'ResourceQuota',
        metadata: { name: 'none', namespace },
        spec: { hard: { pods: '0' } },
      }),
  },
  'a Pod that Pod Security refuses is inconclusive': {
    spec: {
      startTimeout: '15s',
      job: shell('exit 0', { securityContext: { allowPrivilegeEscalation: true } }),
    },
    phase: 'Inconclusive',
    reason: 'PodRefused',
    message: /PodSecurity/,
    labels: { 'pod-security.kubernetes.io/enforce': 'restricted' },
  },
  'a Pod under restricted Pod Security runs as it is made by default': {
    spec: { job: shell('exit 0') },
    phase: 'Passed',
    reason: 'Passed',
    labels: { 'pod-security.kubernetes.io/enforce': 'restricted' },
  },
  'a Pod that was evicted is inconclusive': {
    spec: running,
    phase: 'Inconclusive',
    reason: 'Disrupted',
    disturb: (scene) => evict(scene, 'app'),
  },
  'a Pod that somebody deleted is inconclusive': {
    spec: running,
    phase: 'Inconclusive',
    reason: 'PodDeleted',
    disturb: (scene) => deletePod(scene, 'app'),
  },
  'a Job that is gone before its outcome was written is inconclusive': {
    spec: running,
    phase: 'Inconclusive',
    reason: 'JobLost',
    disturb: async (scene) => {
      const [job] = scene.jobs('app');
      await scene.api.remove('Job', scene.namespace, job?.job.metadata.name ?? '');
    },
  },
};

describe('what the end of a Job means', { concurrency: 6 }, () => {
  const world = aWorld({ name: 'outcomes' });

  for (const [title, row] of Object.entries(ROWS)) {
    scenario(world, title, (scene) => shows(scene, row), row.labels ? { labels: row.labels } : {});
  }

  scenario(world, 'a Pod that a more important one displaced is inconclusive', (scene) =>
    withSlot(scene, () =>
      shows(scene, {
        spec: { job: shell(sleeping(600), { resources: needsSlot }) },
        phase: 'Inconclusive',
        reason: 'Disrupted',
        disturb: () => preempt(scene, TEST_IMAGE),
      }),
    ),
  );

  scenario(world, 'a Pod whose node went away is inconclusive', (scene) =>
    withGhostNode(scene, async (ghost) => {
      await scene.syncTest('t', {
        releases: {},
        timeout: '5m',
        job: template('exit 0', { nodeSelector: ghostSelector }),
      });
      await scene.release('app');
      const pod = await scene.until('its Pod is on the node', () =>
        scene.livePods('app').find(({ spec }) => spec.nodeName),
      );
      await ghost.run(pod.metadata.name);
      await scene.running('app', 't');
      await ghost.vanish();
      const run = await scene.run('app', 't', 'Inconclusive', { ms: 150_000 });
      assert.equal(run.status?.reason, 'Disrupted', run.status?.message);
    }),
  );

  scenario(world, 'an inconclusive run is tried again as often as the test allows', async (scene) => {
    await scene.syncTest('t', { releases: {}, retries: 1, job: shell('exit 75') });
    await scene.release('app');

    const { result } = await scene.verdict('app');

    assert.equal(result, 'inconclusive');
    assert.deepEqual(
      scene.jobs('app').map(({ attempt, cause }) => [attempt, cause]),
      [
        ['1', 'install'],
        ['2', 'retry'],
      ],
    );
  });

  scenario(world, 'a failed run is tried again where the test says that it is flaky', async (scene) => {
    await scene.syncTest('t', { releases: {}, retryFailed: 1, job: shell('[ "$POSTSYNC_ATTEMPT" = 2 ]') });
    await scene.release('app');

    const { result, line } = await scene.verdict('app');

    assert.equal(result, 'passed');
    assert.match(line('t') ?? '', /^passed \(attempt 2 of 2\)/);
    assert.equal(scene.jobs('app').length, 2);
  });
});

/** Runs the row's test for a release of its own, and expects its verdict on both, and one Job. */
async function shows(
  scene: Scene,
  { spec, phase, reason, message, prepare, disturb, ended }: Row,
): Promise<void> {
  await prepare?.(scene);
  await scene.syncTest('t', { releases: {}, ...spec });
  await scene.release('app');
  if (disturb) {
    await scene.running('app', 't');
    await disturb(scene);
  }

  const run = await scene.run('app', 't', phase, { ms: 90_000 });
  const { result, line } = await scene.verdict('app');

  assert.equal(run.status?.reason, reason, run.status?.message);
  if (message) assert.match(run.status?.message ?? '', message);
  assert.equal(result, phase.toLowerCase());
  assert.match(line('t') ?? '', new RegExp(`^${result}\\b.*\\bv1 \\(chart 1\\.0\\.0\\)`));
  assertOneJobPerDigest(scene, 'app');
  await scene.until('no Pod of the test is left', () => scene.livePods('app').length === 0);
  if (ended) await endedByItself(scene, ended);
}

/** The Job was not stopped, and its log can be read. */
async function endedByItself(scene: Scene, condition: 'Complete' | 'Failed'): Promise<void> {
  const { namespace, view } = scene;
  const job = await scene.until('the Job has ended', () =>
    view.jobs(namespace).find((job) => conditionOf(job, 'Complete') ?? conditionOf(job, 'Failed')),
  );
  assert.equal(conditionOf(job, condition)?.status, 'True', JSON.stringify(job.status));
  assert.notEqual(conditionOf(job, 'Failed')?.reason, 'DeadlineExceeded');
  const pods = view.pods(namespace).map(({ metadata }) => metadata.deletionTimestamp);
  assert.deepEqual(pods, [undefined]);
}
