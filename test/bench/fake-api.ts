import { once } from 'node:events';
import { createSecureServer, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { runName } from '../../src/decide/identity.ts';
import { loopbackCertificate } from '../../src/embedded/certificate.ts';
import { deployed, digestOf, helmRelease, syncTest, TEST } from './flux.ts';

/**
 * An API server, by HTTP/2 as the real one, with many releases, all tested and passed, in which nothing ever happens. Objects are made when they are
 * asked for, so that ten thousand of them cost nothing here.
 */
export interface FakeApi {
  readonly kubeconfig: string;
  /** Requests that would have changed something: `PATCH /apis/…`. */
  readonly writes: readonly string[];
  close(): Promise<void>;
}

export interface FakeOptions {
  readonly releases: number;
  /** The newest is of what is deployed, the others of earlier revisions. */
  readonly runsEach: number;
}

const NAMESPACE = 'apps';
const AT = '2026-11-21T10:00:00Z';

export async function startFakeApi({ releases, runsEach }: FakeOptions): Promise<FakeApi> {
  const lists: Readonly<Record<string, { readonly size: number; readonly make: (at: number) => object }>> = {
    helmreleases: { size: releases, make: (at) => releaseOf(at, runsEach) },
    synctestruns: {
      size: releases * runsEach,
      make: (at) => runOf(Math.floor(at / runsEach), (at % runsEach) + 1),
    },
    synctests: { size: 1, make: () => readyTest() },
  };
  const writes: string[] = [];
  const { key, cert } = loopbackCertificate(new Date());
  const page = (name: string, query: URLSearchParams) => {
    const { size, make } = lists[name] ?? { size: 0, make: () => ({}) };
    const from = Number(query.get('continue') ?? 0);
    const to = Math.min(size, from + Number(query.get('limit') ?? 500));
    const items = Array.from({ length: to - from }, (_, at) => make(from + at));
    return { metadata: { resourceVersion: '1000000', ...(to < size && { continue: String(to) }) }, items };
  };
  const server = createSecureServer({ key, cert }, ({ url, method }, res) => {
    const { pathname, searchParams: query } = new URL(url, 'https://localhost');
    const [, release] = /\/helmreleases\/podinfo-(\d+)$/.exec(pathname) ?? [];
    if (method !== 'GET') {
      if (!query.has('dryRun')) writes.push(`${method} ${pathname}`);
      reply(res, {}, query.has('dryRun') ? 200 : 409);
    } else if (query.has('watch')) watch(res);
    else if (pathname.endsWith(`/synctests/${TEST}`)) reply(res, readyTest());
    else if (release !== undefined) reply(res, releaseOf(Number(release), runsEach));
    else reply(res, page(pathname.split('/').at(-1) ?? '', query));
  });
  // The session of a client that was killed.
  server.on('sessionError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    writes,
    kubeconfig: kubeconfigFor(url, cert),
    async close() {
      server.close();
      await once(server, 'close');
    },
  };
}

function reply(res: Http2ServerResponse, body: object, status = 200): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Says nothing but where it stands, once. */
function watch(res: Http2ServerResponse): void {
  res.writeHead(200, { 'content-type': 'application/json' });
  res.write(
    `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '1000000' } } })}\n`,
  );
}

function condition(type: string, reason: string, message: string): object {
  return { type, status: 'True', reason, message, observedGeneration: 1, lastTransitionTime: AT };
}

function readyTest(): object {
  const conditions = [
    condition('Ready', 'Checked', 'it would be accepted'),
    condition('ReleasesSelected', 'Selected', 'at least one release is selected'),
  ];
  const object = syncTest(NAMESPACE) as { metadata: object };
  return {
    ...object,
    metadata: { ...object.metadata, ...identity('synctest'), generation: 1 },
    status: { observedGeneration: 1, conditions },
  };
}

function identity(text: string) {
  const hex = digestOf(text).slice(7);
  const uid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
  return {
    uid,
    resourceVersion: String(1 + (Number.parseInt(hex.slice(0, 5), 16) % 900_000)),
    creationTimestamp: AT,
  };
}

function refOf(at: number) {
  return { namespace: NAMESPACE, name: `podinfo-${at}` };
}

function releaseOf(at: number, version: number): object {
  const ref = refOf(at);
  const object = helmRelease(ref) as { metadata: { annotations: object } };
  const status = deployed(ref, Date.parse(AT)) as { history: { digest: string }[] };
  const [newest] = status.history;
  const history = Array.from({ length: Math.min(5, version) }, (_, back) => ({
    ...newest,
    digest: digestAt(at, version - back),
    version: version - back,
    status: back === 0 ? 'deployed' : 'superseded',
  }));
  return {
    ...object,
    metadata: {
      ...object.metadata,
      ...identity(`release ${at}`),
      generation: 1,
      finalizers: ['finalizers.fluxcd.io'],
      labels: {
        'app.kubernetes.io/part-of': 'shop',
        'kustomize.toolkit.fluxcd.io/name': 'apps',
        'kustomize.toolkit.fluxcd.io/namespace': 'flux-system',
        'postsync.dev/result': 'passed',
      },
      annotations: {
        ...object.metadata.annotations,
        'postsync.dev/result': 'passed',
        'postsync.dev/digest': digestAt(at, version),
        [`tests.postsync.dev/${TEST}`]: `passed in 12s, v${version} (chart 6.9.1), ${AT}`,
      },
    },
    status: { ...status, history },
  };
}

function digestAt(at: number, version: number): string {
  return digestOf(`release ${at} version ${version}`);
}

function runOf(at: number, version: number): object {
  const { namespace, name: release } = refOf(at);
  const { uid } = identity(`release ${at}`);
  const digest = digestAt(at, version);
  const test = { kind: 'SyncTest', ref: { namespace, name: TEST } } as const;
  const name = runName({ name: release, uid }, { digest, version }, test, 1);
  const own = identity(`run ${at} ${version}`);
  return {
    apiVersion: 'postsync.dev/v1alpha1',
    kind: 'SyncTestRun',
    metadata: {
      namespace,
      name,
      ...own,
      generation: 1,
      labels: { 'app.kubernetes.io/managed-by': 'postsync', 'postsync.dev/test': TEST },
      ownerReferences: [{ apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', name: release, uid }],
    },
    spec: {
      release,
      test: TEST,
      testKind: 'SyncTest',
      testNamespace: namespace,
      testGeneration: 1,
      digest,
      attempt: 1,
      cause: version === 1 ? 'install' : 'upgrade',
    },
    status: {
      phase: 'Passed',
      reason: 'Passed',
      message: 'its Job succeeded',
      releaseUid: uid,
      digest,
      revision: `v${version} (chart 6.9.1)`,
      testGeneration: 1,
      job: { namespace, name, uid: identity(`job ${at} ${version}`).uid },
      startedAt: '2026-11-21T09:59:48.000Z',
      finishedAt: '2026-11-21T10:00:00.000Z',
      duration: '12s',
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'Passed',
          message: 'its Job succeeded',
          lastTransitionTime: AT,
        },
      ],
    },
  };
}

function kubeconfigFor(server: string, certificate: string): string {
  const ca = Buffer.from(certificate).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'fake', cluster: { server, 'certificate-authority-data': ca } }],
    users: [{ name: 'fake', user: { token: 'none' } }],
    contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'fake' } }],
    'current-context': 'fake',
  });
}
