import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import type { Ref } from '../../src/decide/model.ts';
import { isCode } from '../../src/errors.ts';
import { connect, type Kubernetes } from '../../src/kubernetes.ts';
import { ENDING_TEST, helmRelease, runPod, syncTest, TEST } from './flux.ts';
import { clientFor } from './service.ts';

const SYSTEM = 'postsync-system';

/** Where it is measured: an API server, and nobody but the benchmark who acts on HelmReleases there. */
export interface Stand {
  readonly name: string;
  /** Plays Flux's and Kubernetes' own controllers. */
  readonly admin: Kubernetes;
  /** postsync's client, with its rights. What postsync is compared with uses the same one. */
  readonly client: Kubernetes;
  /** Has a namespace of its own, removed at the end. */
  readonly namespace: string;
  /** Creates releases that name the test and are not installed yet. */
  releases(prefix: string, count: number, test?: string): Promise<readonly Ref[]>;
  /** Returns when the Pod of a Job has come to a good end, or is about to. */
  readonly run: (job: Ref) => Promise<void>;
  /** Leaves nothing behind. It may be called again. */
  close(): Promise<void>;
}

export async function openStand(): Promise<Stand> {
  const cluster = process.env['KUBECONFIG'] ? realCluster() : await embeddedCluster();
  const admin = connect(cluster.config);
  const client = clientFor(await cluster.service());
  const quiet = silence(admin);
  const namespace = `postsync-bench-${randomBytes(3).toString('hex')}`;
  try {
    await quiet.begin();
    await admin.create(
      { resource: 'namespaces' },
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    );
    for (const name of [TEST, ENDING_TEST]) {
      await admin.create({ resource: 'synctests', namespace }, syncTest(namespace, name));
    }
  } catch (error) {
    await quiet.restore();
    throw error;
  }

  let closed: Promise<void> | undefined;
  const close = async () => {
    await admin.remove({ resource: 'namespaces', name: namespace });
    // helm-controller would put its finalizer on what is left, and be missing when the next benchmark begins.
    if (quiet.isOn()) await untilGone(admin, namespace);
    await quiet.restore();
    await client.close();
    await admin.close();
    await cluster.close();
  };

  return {
    name: cluster.name,
    admin,
    client,
    namespace,
    run: (job) => cluster.run(admin, job),
    async releases(prefix, count, test) {
      const refs = Array.from({ length: count }, (_, at) => ({ namespace, name: `${prefix}-${at}` }));
      await inParallel(refs, 8, async (ref) => {
        await admin.create({ resource: 'helmreleases', namespace }, helmRelease(ref, test));
      });
      return refs;
    },
    close: () => (closed ??= close()),
  };
}

interface Cluster {
  readonly name: string;
  readonly config: KubeConfig;
  /** How postsync logs in. */
  service(): Promise<KubeConfig>;
  readonly run: (admin: Kubernetes, job: Ref) => Promise<void>;
  close(): Promise<void>;
}

/** manifests/ must be applied: their service account is used, as nobody else may create what postsync creates. */
function realCluster(): Cluster {
  const config = new KubeConfig();
  config.loadFromDefault();
  return {
    name: `the API server at ${config.getCurrentCluster()?.server}`,
    config,
    async service() {
      const { status } = await config.makeApiClient(CoreV1Api).createNamespacedServiceAccountToken({
        namespace: SYSTEM,
        name: 'postsync',
        body: { spec: { audiences: [], expirationSeconds: 3600 } },
      });
      const { server = '', caData, caFile } = config.getCurrentCluster() ?? {};
      const cluster = {
        name: 'c',
        server,
        skipTLSVerify: false,
        ...(caData && { caData }),
        ...(caFile && { caFile }),
      };
      const service = new KubeConfig();
      service.loadFromClusterAndUser(cluster, { name: 'postsync', token: status?.token ?? '' });
      return service;
    },
    run: runPod,
    close: async () => undefined,
  };
}

async function embeddedCluster(): Promise<Cluster> {
  const child = spawn(process.execPath, ['test/bench/embedded.ts'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const config = new KubeConfig();
  config.loadFromString(line);
  return {
    name: 'the embedded cluster',
    config,
    service: () => Promise.resolve(config),
    // It runs it by itself.
    run: async () => undefined,
    async close() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

interface Deployment {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: { readonly replicas?: number };
}

/** Stops helm-controller and postsync, if they run in the cluster, so that only the benchmark acts. */
function silence(admin: Kubernetes) {
  const stopped: Deployment[] = [];
  const scale = ({ metadata: { namespace, name } }: Deployment, replicas: number) =>
    admin.patch({ resource: 'deployments', namespace, name }, { spec: { replicas } });
  const restore = async () => {
    for (const deployment of stopped.splice(0)) await scale(deployment, deployment.spec.replicas ?? 1);
  };
  const begin = async () => {
    for (const [namespace, name] of [
      ['flux-system', 'helm-controller'],
      [SYSTEM, 'postsync'],
    ]) {
      const deployment = await find(admin, { namespace: namespace ?? '', name: name ?? '' });
      if (!deployment || deployment.spec.replicas === 0) continue;
      stopped.push(deployment);
      await scale(deployment, 0);
    }
    for (const { metadata } of stopped) await untilStopped(admin, metadata);
  };
  return { begin, restore, isOn: () => stopped.length > 0 };
}

async function find(admin: Kubernetes, ref: Ref): Promise<Deployment | undefined> {
  return (await unlessMissing(admin.get({ resource: 'deployments', ...ref }))) as Deployment | undefined;
}

async function unlessMissing(reading: Promise<unknown>): Promise<unknown> {
  try {
    return await reading;
  } catch (error) {
    if (isCode(error, 'API_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function untilStopped(admin: Kubernetes, { namespace, name }: Ref): Promise<void> {
  for (let tries = 0; tries < 120; tries += 1) {
    const { items } = (await admin.list({ resource: 'pods', namespace })) as {
      items: { metadata: { name: string } }[];
    };
    if (!items.some(({ metadata }) => metadata.name.startsWith(`${name}-`))) return;
    await delay(500);
  }
  throw new Error(`${namespace}/${name} does not stop`);
}

/** Not for ever: what was stopped must be started again. */
async function untilGone(admin: Kubernetes, namespace: string): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (!(await unlessMissing(admin.get({ resource: 'namespaces', name: namespace })))) return;
    await delay(1_000);
  }
  console.error(`the namespace ${namespace} is still being deleted`);
}

/** Does something with each item, so many at a time. */
export async function inParallel<T>(
  items: readonly T[],
  parallel: number,
  act: (item: T, at: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) await act(items[at] as T, at);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}
