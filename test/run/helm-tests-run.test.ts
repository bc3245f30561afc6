import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { type EmbeddedCluster, startEmbeddedCluster } from '../../src/embedded/cluster.ts';
import { PostsyncError } from '../../src/errors.ts';
import { connect, type Kubernetes } from '../../src/kubernetes.ts';
import { runHelmTests } from '../../src/run/helm-tests/run.ts';
import type { HelmTestTask } from '../../src/run/helm-tests/task.ts';
import { helmSecret, podHook, type StoredHook } from '../support/helm-release.ts';

const namespace = 'apps';
const RUN = 'app-chart-v7-3f9a2c4105be77d1';

describe("a chart's test hooks", () => {
  let cluster: EmbeddedCluster;
  let kubernetes: Kubernetes & { close(): Promise<void> };
  before(async () => {
    cluster = await startEmbeddedCluster();
    const config = new KubeConfig();
    config.loadFromString(cluster.kubeconfig);
    kubernetes = connect(config);
    await kubernetes.create({ resource: 'namespaces' }, { metadata: { name: namespace } });
    await kubernetes.create({ resource: 'jobs', namespace }, ownJob());
  });
  after(async () => {
    await kubernetes.close();
    await cluster.close();
  });

  let lines: string[] = [];
  beforeEach(() => {
    lines = [];
  });

  async function run(hooks: readonly StoredHook[], given: Given = {}): Promise<number> {
    const { task = {}, api = kubernetes, stopping = AbortSignal.timeout(30_000) } = given;
    const secret = helmSecret({ hooks });
    await kubernetes.create({ resource: 'secrets', namespace }, secret);
    try {
      const text = JSON.stringify({ ...TASK, ...task });
      const print = (line: string) => void lines.push(line.replaceAll(/ in \d+s/g, ''));
      return await runHelmTests(text, { kubernetes: api, print, stopping, pollMs: 20 });
    } finally {
      await kubernetes.remove({ resource: 'secrets', namespace, name: secret.metadata.name });
    }
  }

  /** Objects of hooks that are there and are not about to go. */
  async function left(): Promise<readonly string[]> {
    const lists = ['pods', 'jobs', 'configmaps', 'secrets'] as const;
    const labelSelector = `postsync.dev/run=${RUN}`;
    const found = await Promise.all(
      lists.map((resource) => kubernetes.list({ resource, namespace }, { labelSelector })),
    );
    return found
      .flatMap((list) => (list as { items: { metadata: Record<string, string> }[] }).items)
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(({ metadata }) => metadata.name ?? '');
  }

  test('pass when each of them has ended well, and leave nothing behind', async () => {
    const config = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {GREETING: hello}\n';
    const env = '      envFrom: [{configMapRef: {name: own}}]';
    const code = await run([
      { name: 'second', kind: 'Job', manifest: jobHook('second', 'exit 0'), weight: 2 },
      { name: 'first', manifest: podHook('first', 'test "$GREETING" = hello', env), weight: 1 },
      { name: 'own', kind: 'ConfigMap', manifest: config },
    ]);
    assert.deepEqual(lines, ['hook own: ConfigMap created', 'hook first: passed', 'hook second: passed']);
    assert.equal(code, 0);
    assert.deepEqual(await left(), []);
  });

  test('end with the first that fails, whose last words are the last that is said', async () => {
    const code = await run([
      { name: 'a', manifest: podHook('a', 'exit 0') },
      { name: 'b', manifest: podHook('b', 'echo 3 of 40 wrong; exit 75') },
      { name: 'c', manifest: podHook('c', 'exit 0') },
    ]);
    assert.deepEqual(lines, [
      'hook a: passed',
      'hook b: failed: container hook exited with code 75: 3 of 40 wrong',
    ]);
    assert.equal(code, 1);
    assert.deepEqual(await left(), []);
  });

  test('say last which hook failed, and by which of its words', async () => {
    await run([{ name: 'a', manifest: podHook('a', 'echo one; echo two; exit 1') }]);
    assert.deepEqual(lines, ['one', 'two', 'hook a: failed: container hook exited with code 1: two']);
  });

  test('fail as a Job does', async () => {
    const manifest = jobHook('a', 'echo no such table; exit 2');
    assert.equal(await run([{ name: 'a', kind: 'Job', manifest }]), 1);
    assert.deepEqual(lines, ['hook a: failed: container hook exited with code 2: no such table']);
    assert.deepEqual(await left(), []);
  });

  test('fail when they still run and the time is up', async () => {
    const code = await run([{ name: 'slow', manifest: podHook('slow', 'sleep 60') }], {
      task: { timeoutMs: 500 },
    });
    assert.deepEqual(lines, ["hook slow: failed: it still ran when the test's time was up"]);
    assert.equal(code, 1);
    assert.deepEqual(await left(), []);
  });

  test('are inconclusive when their image cannot be pulled', async () => {
    const manifest = podHook('nowhere', '').replace(/ +command.*\n/, '');
    assert.equal(await run([{ name: 'nowhere', manifest }], { task: { startTimeoutMs: 500 } }), 75);
    assert.match(lines.join(), /^hook nowhere: inconclusive: no container ran: container hook: ErrImagePull/);
    assert.deepEqual(await left(), []);
  });

  test('are inconclusive, and gone, when it is told to stop', async () => {
    const stopping = new AbortController();
    const api: Kubernetes = {
      ...kubernetes,
      get: async (target) => {
        if (target.resource === 'pods') stopping.abort();
        return kubernetes.get(target);
      },
    };
    const hooks = [{ name: 'stopped', manifest: podHook('stopped', 'sleep 60') }];
    assert.equal(await run(hooks, { api, stopping: stopping.signal }), 75);
    assert.deepEqual(lines, ['it was told to stop']);
    assert.deepEqual(await left(), []);
  });

  test('are inconclusive when somebody deletes them', async () => {
    const api: Kubernetes = {
      ...kubernetes,
      async get(target) {
        if (target.resource === 'pods') throw new PostsyncError('API_NOT_FOUND', 'gone');
        return kubernetes.get(target);
      },
    };
    const hooks = [{ name: 'deleted', manifest: podHook('deleted', 'sleep 60') }];
    assert.equal(await run(hooks, { api }), 75);
    assert.deepEqual(lines, ['hook deleted: inconclusive: somebody deleted it']);
  });

  test('are not begun where one of them cannot be run', async () => {
    const role = 'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: b}\n';
    const code = await run([
      { name: 'a', manifest: podHook('a', 'exit 1') },
      { name: 'b', kind: 'Role', manifest: role },
    ]);
    assert.deepEqual(lines, ['hook b is a rbac.authorization.k8s.io/v1 Role, which postsync does not run']);
    assert.equal(code, 75);
  });

  test('go on when the API server is away for a moment, and are deleted though it comes back late', async () => {
    const failing = flaky(kubernetes, { get: 2, remove: 1 });
    assert.equal(await run([{ name: 'flaky', manifest: podHook('flaky', 'exit 0') }], { api: failing }), 0);
    assert.deepEqual(await left(), []);
  });

  test('that may have been created are deleted, those of another are not', async () => {
    const lost: Kubernetes = {
      ...kubernetes,
      async create(target, body) {
        await kubernetes.create(target, body);
        throw new PostsyncError('API_UNAVAILABLE', 'no answer');
      },
    };
    const hooks = [{ name: 'lost', manifest: podHook('lost', 'sleep 60') }];
    assert.equal(await run(hooks, { api: lost }), 75);
    assert.deepEqual(await left(), []);

    const taken: Kubernetes = {
      ...kubernetes,
      create: () => Promise.reject(new PostsyncError('API_EXISTS', 'it is there')),
      remove: () => Promise.reject(new Error('this is not its own')),
    };
    assert.equal(await run(hooks, { api: taken }), 75);
    assert.deepEqual(lines, ['no answer', 'it is there']);
  });

  test('are inconclusive where the release is not there or may not be read', async () => {
    assert.equal(await run([{ name: 'a' }], { task: { version: 8 } }), 75);
    assert.match(lines.join(), /cannot get secrets\/apps\/sh\.helm\.release\.v1\.app\.v8/);
    const forbidding: Kubernetes = {
      ...kubernetes,
      get: () => Promise.reject(new PostsyncError('API_FORBIDDEN', 'no')),
    };
    assert.equal(await run([{ name: 'a' }], { api: forbidding }), 75);
    assert.equal(lines.at(-1), 'no (see manifests/components/helm-test)');
  });

  test('need a task', async () => {
    const print = (line: string) => void lines.push(line);
    const stopping = AbortSignal.timeout(1000);
    assert.equal(await runHelmTests(undefined, { kubernetes, print, stopping }), 75);
    assert.deepEqual(lines, ['there is no task']);
  });
});

interface Given {
  readonly task?: Partial<HelmTestTask>;
  readonly api?: Kubernetes;
  readonly stopping?: AbortSignal;
}

const TASK: HelmTestTask = {
  job: RUN,
  namespace,
  storageNamespace: namespace,
  helmRelease: 'app',
  version: 7,
  filters: [],
  timeoutMs: 20_000,
  startTimeoutMs: 20_000,
};

/** The Job that the program would run in. */
function ownJob() {
  const containers = [{ name: 'helm-test', image: 'postsync' }];
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: RUN, namespace },
    spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers } } },
  };
}

function jobHook(name: string, script: string): string {
  const command = JSON.stringify(['sh', '-c', script]);
  return `
apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: hook, image: busybox, command: ${command}}]
`;
}

/** Does not answer the first calls of a kind; of those that read, only those about Pods. */
function flaky(kubernetes: Kubernetes, failures: { get: number; remove: number }): Kubernetes {
  const left = { ...failures };
  const fails = (verb: 'get' | 'remove', resource: string) => {
    if (resource !== 'pods' || left[verb] === 0) return false;
    left[verb] -= 1;
    return true;
  };
  const away = new PostsyncError('API_UNAVAILABLE', 'no answer');
  return {
    ...kubernetes,
    get: (target) => (fails('get', target.resource) ? Promise.reject(away) : kubernetes.get(target)),
    remove: (target) => (fails('remove', target.resource) ? Promise.reject(away) : kubernetes.remove(target)),
  };
}
