import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { prepare } from '../../src/run/helm-tests/objects.ts';
import { hooksOf } from '../../src/run/helm-tests/release.ts';
import type { HelmTestTask } from '../../src/run/helm-tests/task.ts';
import { helmSecret, podHook, type StoredHook } from '../support/helm-release.ts';

const TASK: HelmTestTask = {
  job: 'app-chart-v7-3f9a2c4105be77d1',
  namespace: 'apps',
  storageNamespace: 'apps',
  helmRelease: 'app',
  version: 7,
  filters: [],
  timeoutMs: 60_000,
  startTimeoutMs: 30_000,
};

const task = (...names: string[]): HelmTestTask => ({
  ...TASK,
  filters: names.map((name) => ({ name: name.replace(/^!/, ''), exclude: name.startsWith('!') })),
});
const namesOf = (hooks: readonly StoredHook[], ...filters: string[]) =>
  hooksOf(helmSecret({ hooks }), task(...filters)).map(({ name }) => name);

describe('the hooks of a release as Helm stored it', () => {
  test('are those with the event test, by weight and then by name', () => {
    const hooks = [
      { name: 'c' },
      { name: 'b', weight: 5 },
      { name: 'z', weight: -5 },
      { name: 'a', weight: 5 },
      { name: 'migrate', events: ['pre-upgrade'] },
      { name: 'both', events: ['post-install', 'test'] },
    ];
    assert.deepEqual(namesOf(hooks), ['z', 'both', 'c', 'a', 'b']);
  });

  test('are filtered by exact names, first by what is left out', () => {
    const hooks = [{ name: 'a' }, { name: 'ab' }, { name: 'b' }];
    assert.deepEqual(namesOf(hooks, 'a'), ['a']);
    assert.deepEqual(namesOf(hooks, '!a'), ['ab', 'b']);
    assert.deepEqual(namesOf(hooks, 'a', 'b', '!a'), ['b']);
  });

  test('are read also where Helm did not pack them', () => {
    const secret = helmSecret({ hooks: [{ name: 'a' }] }, (json) => Buffer.from(json));
    assert.equal(hooksOf(secret, TASK).length, 1);
  });

  test('are YAML 1.1, as Helm reads it', () => {
    const manifest =
      'apiVersion: v1\nkind: ConfigMap\ndata: {mode: 0755, on: yes, at: 12:30, day: 2026-11-21}\n';
    const [hook] = hooksOf(helmSecret({ hooks: [{ name: 'a', manifest }] }), TASK);
    assert.deepEqual(hook?.object.data, { mode: 493, true: true, at: '12:30', day: '2026-11-21' });
  });

  const refused: [name: string, secret: unknown, why: string][] = [
    [
      'of another version',
      helmSecret({ version: 8 }),
      'the Secret holds apps/app.v8, which is not the release',
    ],
    ['of another name', helmSecret({ name: 'other' }), 'the Secret holds apps/other.v7'],
    ['of another namespace', helmSecret({ namespace: 'web' }), 'the Secret holds web/app.v7'],
    ['that was replaced', helmSecret({ status: 'superseded' }), 'v7 of app is superseded, not deployed'],
    ['without test hooks', helmSecret(), 'the release has no test hooks'],
    ['that cannot be read', { data: { release: 'bm9wZQ==' } }, 'the Secret does not hold a release'],
    ['that is no Secret', {}, 'the Secret does not hold a release'],
  ];
  for (const [name, secret, why] of refused) {
    test(`are none of a release ${name}`, () => {
      assert.throws(
        () => hooksOf(secret, TASK),
        ({ code, message }) => code === 'OBJECT_INVALID' && message.startsWith(why),
      );
    });
  }

  test('are not enough where one is asked for that is not there, or all are left out', () => {
    const secret = helmSecret({ hooks: [{ name: 'a' }] });
    assert.throws(() => hooksOf(secret, task('a', 'x')), { message: 'the release has no test hook x' });
    assert.throws(() => hooksOf(secret, task('!a')), { message: 'the filters leave no test hook' });
  });

  test('do not show what they hold when they cannot be read', () => {
    const secret = helmSecret({ hooks: [{ name: 'a', manifest: 'password: "hunter2\n b: {' }] });
    assert.throws(() => hooksOf(secret, TASK), { message: 'the manifest of hook a cannot be read' });
  });
});

const prepared = (...hooks: StoredHook[]) =>
  prepare(hooksOf(helmSecret({ hooks }), TASK), TASK, { uid: 'job-1' });

const helper = (kind: string) => `apiVersion: v1\nkind: ${kind}\nmetadata: {name: own}\n`;

describe('a hook becomes an object', () => {
  test('of the run, under a name of its own, and none that postsync takes for a test', () => {
    const [pod] = prepared({ name: 'app-test' });
    assert.match(pod?.name ?? '', /^app-test-[0-9a-f]{16}$/);
    assert.deepEqual(pod?.object.metadata, {
      name: pod?.name,
      namespace: 'apps',
      labels: { app: 'app', 'postsync.dev/run': TASK.job },
      annotations: { team: 'a' },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: TASK.job, uid: 'job-1' }],
    });
  });

  test('of at most 63 characters, with another name for another run', () => {
    const name = `${'x'.repeat(70)}.test`;
    const hooks = hooksOf(helmSecret({ hooks: [{ name }] }), TASK);
    const [one] = prepare(hooks, TASK, { uid: 'u' });
    const [two] = prepare(hooks, { ...TASK, job: 'another' }, { uid: 'u' });
    assert.equal(one?.name.length, 63);
    assert.notEqual(one?.name, two?.name);
  });

  test('that ends, says how its containers failed, and is left as it is otherwise', () => {
    const [pod] = prepared({ name: 'a', manifest: podHook('a', 'true').replace('Never', 'Always') });
    assert.deepEqual(pod?.object.spec, {
      restartPolicy: 'Never',
      activeDeadlineSeconds: 120,
      containers: [
        {
          terminationMessagePolicy: 'FallbackToLogsOnError',
          name: 'hook',
          image: 'busybox:1',
          command: ['sh', '-c', 'true'],
        },
      ],
    });
    assert.deepEqual(pod?.containers, ['hook']);
  });

  test('that refers to the others by the names that they have now', () => {
    const manifest = `
apiVersion: batch/v1
kind: Job
metadata: {name: check}
spec:
  activeDeadlineSeconds: 30
  template:
    spec:
      serviceAccountName: own
      imagePullSecrets: [{name: own}, {name: other}]
      containers:
        - name: check
          envFrom: [{configMapRef: {name: own}}, {secretRef: {name: other}}]
          env: [{name: own, valueFrom: {secretKeyRef: {name: own, key: own}}}]
      volumes:
        - {name: own, configMap: {name: own}}
        - {name: a, secret: {secretName: own}}
        - {name: b, projected: {sources: [{secret: {name: own}}, {configMap: {name: other}}]}}
`;
    const made = prepared(
      { name: 'own', kind: 'ConfigMap', manifest: helper('ConfigMap'), weight: -1 },
      { name: 'own', kind: 'Secret', manifest: helper('Secret'), weight: -1 },
      { name: 'own', kind: 'ServiceAccount', manifest: helper('ServiceAccount'), weight: -1 },
      { name: 'check', kind: 'Job', manifest },
    );
    const nameOf = (kind: string) => made.find((one) => one.kind === kind)?.name;
    const [config, secret, account] = ['ConfigMap', 'Secret', 'ServiceAccount'].map(nameOf);
    assert.equal(new Set([config, secret, account]).size, 3);
    assert.deepEqual(made.at(-1)?.object.spec, {
      activeDeadlineSeconds: 30,
      template: {
        spec: {
          serviceAccountName: account,
          imagePullSecrets: [{ name: secret }, { name: 'other' }],
          containers: [
            {
              terminationMessagePolicy: 'FallbackToLogsOnError',
              name: 'check',
              envFrom: [{ configMapRef: { name: config } }, { secretRef: { name: 'other' } }],
              env: [{ name: 'own', valueFrom: { secretKeyRef: { name: secret, key: 'own' } } }],
            },
          ],
          volumes: [
            { name: 'own', configMap: { name: config } },
            { name: 'a', secret: { secretName: secret } },
            {
              name: 'b',
              projected: { sources: [{ secret: { name: secret } }, { configMap: { name: 'other' } }] },
            },
          ],
        },
      },
    });
  });

  test('unless it is of a kind that needs rights of its own, or for elsewhere', () => {
    const role = 'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\n';
    assert.throws(() => prepared({ name: 'a', kind: 'Role', manifest: role }), {
      message: 'hook a is a rbac.authorization.k8s.io/v1 Role, which postsync does not run',
    });
    const elsewhere = podHook('a', 'true').replace('  name: a', '  name: a\n  namespace: kube-system');
    assert.throws(() => prepared({ name: 'a', manifest: elsewhere }), {
      message: 'hook a is for namespace kube-system, the release is in apps',
    });
  });
});
