import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { accessFor, type User } from './access.ts';
import { Api } from './api.ts';
import { loopbackCertificate } from './certificate.ts';
import type { Images } from './container.ts';
import { collectGarbage } from './garbage.ts';
import { handlerFor } from './handler.ts';
import { runHelmReleases } from './helm-controller.ts';
import { HELM_RELEASE_CRD } from './helmrelease-crd.ts';
import { runJobs } from './job-controller.ts';
import { runPods } from './kubelet.ts';
import { Owners } from './owners.ts';
import { CRDS, NAMESPACES, Registry } from './resources.ts';
import { uncheckedRules } from './schema.ts';
import { Store } from './store.ts';

export interface EmbeddedOptions {
  /** Images that can be run, each as a local command: `{ 'acme/e2e:1': ['/usr/bin/node', '/srv/e2e.js'] }`. */
  readonly images?: Images;
  /** What an install, upgrade or rollback takes. 200 ms unless told. */
  readonly helmDelayMs?: number;
  /** Who may call besides the kubeconfig's own administrator, and who can be asked about. */
  readonly users?: readonly User[];
  /** A free one unless told. */
  readonly port?: number;
  /** Parsed CRDs to begin with; that of HelmRelease is there already. */
  readonly crds?: readonly object[];
  /** Milliseconds between two bookmarks of a watch; 10,000 unless told. */
  readonly bookmarkMs?: number;
}

export interface EmbeddedCluster {
  readonly url: string;
  /** A kubeconfig (JSON, which is YAML) whose user may do everything. */
  readonly kubeconfig: string;
  /** Rules of CRDs (CEL) that are not understood, so hold for every object: a real API server checks them. */
  uncheckedRules(): readonly string[];
  /** Forgets all changes until now: who watches or pages from an older version gets 410. */
  forget(): void;
  /** Kills what runs and closes all connections. */
  close(): Promise<void>;
}

/**
 * Starts a small Kubernetes API on loopback, over TLS, for our own client, for client-node and for kubectl. It keeps
 * objects in memory and runs the first container of a Pod as a local process (see `runPods`); `runHelmReleases` stands
 * in for Flux. It covers what a program that runs Jobs for HelmReleases uses, and is no place for anybody's workloads:
 * containers are not isolated, there is no admission, no RBAC objects, no server-side apply, no OpenAPI.
 */
export async function startEmbeddedCluster(options: EmbeddedOptions = {}): Promise<EmbeddedCluster> {
  const { images = {}, helmDelayMs = 200, users = [], port = 0, crds = [], bookmarkMs = 10_000 } = options;
  const store = new Store();
  const registry = new Registry();
  const api = new Api(store, registry);
  const owners = new Owners(store);
  const manager = { manager: 'embedded' };
  for (const name of ['default', 'kube-system']) {
    api.create({ type: NAMESPACES }, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, manager);
  }
  for (const crd of [HELM_RELEASE_CRD, ...crds]) api.create({ type: CRDS }, structuredClone(crd), manager);
  const stopGarbage = collectGarbage(api, owners);
  const stopJobs = runJobs(api, owners);
  const kubelet = runPods(api, images);
  const releases = registry.find('helm.toolkit.fluxcd.io', 'v2', 'helmreleases');
  const stopHelm = releases && runHelmReleases(api, releases, helmDelayMs);

  const token = randomBytes(24).toString('base64url');
  const admin: User = { name: 'kubernetes-admin', groups: ['system:masters'], token };
  const certificate = loopbackCertificate(new Date());
  const access = accessFor([admin, ...users]);
  const server = createServer(
    { ...certificate, keepAliveTimeout: 60_000, requestTimeout: 0 },
    handlerFor({ api, access, kubelet, bookmarkMs }),
  );
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  let closing: Promise<void> | undefined;
  const close = async () => {
    for (const stop of [stopHelm, stopJobs, stopGarbage, () => kubelet.stop()]) stop?.();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    kubeconfig: kubeconfigFor(url, token, certificate.cert),
    uncheckedRules: () => registry.all.flatMap(({ schema }) => (schema ? uncheckedRules(schema) : [])),
    forget: () => store.forget(store.version),
    close: () => (closing ??= close()),
  };
}

/** A kubeconfig for one user of a cluster. */
function kubeconfigFor(server: string, token: string, certificate: string): string {
  const name = 'embedded';
  const ca = Buffer.from(certificate).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': ca } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
    'current-context': name,
  });
}
