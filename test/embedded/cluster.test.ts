import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { loopbackCertificate } from '../../src/embedded/certificate.ts';
import {
  type EmbeddedCluster,
  type EmbeddedOptions,
  startEmbeddedCluster,
} from '../../src/embedded/cluster.ts';
import { PostsyncError } from '../../src/errors.ts';
import { connect, type Kubernetes } from '../../src/kubernetes.ts';

async function start(options: EmbeddedOptions = {}) {
  const cluster = await startEmbeddedCluster(options);
  const config = new KubeConfig();
  config.loadFromString(cluster.kubeconfig);
  const api = connect(config);
  const close = async () => {
    await api.close();
    await cluster.close();
  };
  return { cluster, config, api, [Symbol.asyncDispose]: close };
}

const jobs = { resource: 'jobs', namespace: 'default' } as const;
const job = (name: string, container: object) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name },
  spec: {
    backoffLimit: 0,
    template: {
      spec: {
        restartPolicy: 'Never',
        containers: [{ name: 'main', terminationMessagePolicy: 'FallbackToLogsOnError', ...container }],
      },
    },
  },
});
const hasCode = (code: string) => (error: unknown) => error instanceof PostsyncError && error.code === code;

interface Pod {
  readonly status: {
    readonly containerStatuses?: readonly { readonly state: { terminated?: Ended; running?: object } }[];
  };
}
interface Ended {
  readonly exitCode: number;
  readonly message?: string;
}

/** The state of the only Pod that is wanted, as soon as it is. */
async function podState(api: Kubernetes, wanted: 'terminated' | 'running') {
  const query = { timeoutSeconds: 20 };
  const pods = { resource: 'pods', namespace: 'default' } as const;
  for await (const { object } of api.watch(pods, query, AbortSignal.timeout(20_000))) {
    const state = (object as Pod).status.containerStatuses?.[0]?.state;
    if (state?.[wanted]) return state;
  }
  throw new Error(`no container was ${wanted}`);
}

test('the certificate is good for loopback, by name and by address, and for nothing else', () => {
  const { cert } = loopbackCertificate(new Date());
  const certificate = new X509Certificate(cert);
  assert.equal(certificate.checkHost('localhost'), 'localhost');
  assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1');
  assert.equal(certificate.checkIP('10.0.0.1'), undefined);
  assert.ok(certificate.verify(certificate.publicKey));
  assert.ok(certificate.ca);
});

test('an image that the cluster was told of runs as its command, with the arguments of the container', async () => {
  const images = { 'acme/e2e:1': [process.execPath, '-p', 'process.argv.length'] };
  await using running = await start({ images });
  await running.api.create(jobs, job('imaged', { image: 'acme/e2e:1', args: ['a', 'b'] }));
  assert.equal((await podState(running.api, 'terminated')).terminated?.exitCode, 0);
});

test("a container sees nothing of this process's environment", async () => {
  process.env['SECRET_OF_OURS'] = 'x';
  await using running = await start();
  await running.api.create(
    jobs,
    job('bare', { image: 'x:1', command: ['sh', '-c', 'env | sort >&2; exit 1'] }),
  );
  const { terminated } = await podState(running.api, 'terminated');
  delete process.env['SECRET_OF_OURS'];
  assert.match(terminated?.message ?? '', /^HOME=/);
  assert.doesNotMatch(terminated?.message ?? '', /SECRET_OF_OURS/);
});

test('closing the cluster kills what runs, its children too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-'));
  await using running = await start();
  const command = ['sh', '-c', `sleep 300 & echo $$$$ $! > ${folder}/pids; wait`];
  await running.api.create(jobs, job('long', { image: 'x:1', command }));
  await podState(running.api, 'running');
  let pids: number[] = [];
  while (pids.length < 2) {
    pids = (await readFile(`${folder}/pids`, 'utf8').catch(() => ''))
      .split(/\s+/)
      .filter(Boolean)
      .map(Number);
  }
  assert.ok(pids.every(isAlive));
  await running.cluster.close();
  const until = Date.now() + 10_000;
  while (pids.some(isAlive) && Date.now() < until) await sleep(10);
  assert.ok(!pids.some(isAlive));
  await rm(folder, { recursive: true });
});

/** Told by /proc, where what has ended but was not waited for is a `Z`. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('who watches or pages from before what is forgotten is told to begin again', async () => {
  await using running = await start();
  const events = { resource: 'namespaces' } as const;
  const page = (await running.api.list(events, { limit: 1 })) as {
    metadata: { continue: string; resourceVersion: string };
  };
  const { resourceVersion, continue: token } = page.metadata;
  await running.api.create(events, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'new' } });
  running.cluster.forget();
  await assert.rejects(running.api.list(events, { limit: 1, continue: token }), hasCode('API_GONE'));
  const lines = running.api.watch(events, { resourceVersion }, AbortSignal.timeout(5000));
  for await (const { type, object } of lines) {
    assert.equal(type, 'ERROR');
    assert.equal((object as { code: number }).code, 410);
  }
});

test('a user may do what its rights say, where they say it, and is told what it may not', async () => {
  const rights = [{ verbs: ['list'], groups: ['batch'], resources: ['jobs'], namespaces: ['default'] }];
  await using running = await start({ users: [{ name: 'reader', token: 'a-readers-token', rights }] });
  const config = new KubeConfig();
  const cluster = running.config.getCurrentCluster();
  assert.ok(cluster);
  config.loadFromClusterAndUser(cluster, { name: 'reader', token: 'a-readers-token' });
  const reader = connect(config);
  await reader.list(jobs);
  const refused =
    /jobs\.batch is forbidden: User "reader" cannot list resource "jobs" in API group "batch" in the namespace "kube-system"/;
  await assert.rejects(reader.list({ ...jobs, namespace: 'kube-system' }), refused);
  await assert.rejects(reader.create(jobs, job('x', { image: 'x' })), hasCode('API_FORBIDDEN'));
  await reader.close();
});

test('rules that are not understood are said, not passed over in silence', async () => {
  const rule = 'self.items.map(x, x.weight).sum() < 100';
  const schema = { type: 'object', 'x-kubernetes-validations': [{ rule }, { rule: 'self == oldSelf' }] };
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { kind: 'Thing', plural: 'things' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
  await using running: { cluster: EmbeddedCluster } & AsyncDisposable = await start({ crds: [crd] });
  assert.deepEqual(running.cluster.uncheckedRules(), [rule]);
});
