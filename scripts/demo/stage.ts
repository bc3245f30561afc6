import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { startEmbeddedCluster } from '../../src/embedded/cluster.ts';
import { connect, type Kubernetes } from '../../src/kubernetes.ts';
import type { GitHub } from '../../test/support/github/github.ts';
import { openRepository, REPOSITORY } from './github.ts';
import { SHOP } from './objects.ts';
import { COMMAND, type Postsync, startPostsync } from './postsync.ts';
import { openShop } from './shop.ts';

/** What the story needs: a cluster, postsync, an application, and somebody who asks for a re-run. */
export interface Stage {
  readonly kubernetes: Kubernetes;
  readonly clusterUrl: string;
  readonly shopUrl: string;
  readonly github: GitHub;
  readonly postsync: Postsync;
  /** Signs Flux events. */
  readonly hmacKey: string;
  /** A person's token for postsync. */
  readonly token: string;
  readonly files: { readonly kubeconfig: string; readonly token: string };
  /** Ends every process and removes every file. */
  close(): Promise<void>;
}

const IMAGE = 'postsync';
const CRDS = ['synctests', 'synctestruns'];

export async function openStage(stop: AbortSignal): Promise<Stage> {
  stop.throwIfAborted();
  const folder = mkdtempSync(join(tmpdir(), 'postsync-demo-'));
  const clear = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clear);
  const closers: (() => void | Promise<void>)[] = [clear];
  const close = async () => {
    for (const one of closers.splice(0).toReversed()) await one();
    process.off('exit', clear);
  };
  const keep = (name: string, content: string) => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };

  try {
    const token = randomBytes(24).toString('base64url');
    const cluster = await startEmbeddedCluster({
      images: { [IMAGE]: COMMAND },
      crds: CRDS.map(crd),
      users: [{ name: 'ada', token, audiences: ['postsync'], rights: [mayAskForRuns] }],
    });
    closers.push(() => cluster.close());

    const config = new KubeConfig();
    config.loadFromString(cluster.kubeconfig);
    const kubernetes = connect(config);
    closers.push(() => kubernetes.close());
    const shop = await openShop(kubernetes);
    closers.push(() => shop.close());
    const { github, credential } = await openRepository();
    closers.push(() => github.close());
    mkdirSync(join(folder, 'github'));
    for (const [name, content] of Object.entries(credential)) keep(join('github', name), content);

    const hmacKey = randomBytes(24).toString('base64url');
    const files = { kubeconfig: keep('kubeconfig', cluster.kubeconfig), token: keep('token', token) };
    const postsync = await startPostsync(
      {
        KUBECONFIG: files.kubeconfig,
        POSTSYNC_IMAGE: IMAGE,
        POSTSYNC_CLUSTER_NAME: 'demo',
        POSTSYNC_LEADER_ELECTION: 'false',
        POSTSYNC_FLUX_HMAC_KEY_FILES: keep('flux-hmac-key', hmacKey),
        POSTSYNC_GITHUB_API_URL: github.url,
        POSTSYNC_GITHUB_CREDENTIAL_DIRECTORY: join(folder, 'github'),
        POSTSYNC_GITHUB_ALLOW: `${REPOSITORY}=${SHOP.namespace}`,
      },
      stop,
    );
    closers.push(() => postsync.close());
    const urls = { clusterUrl: cluster.url, shopUrl: shop.url };
    return { kubernetes, ...urls, github, postsync, hmacKey, token, files, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const mayAskForRuns = {
  verbs: ['get', 'create'],
  groups: ['postsync.dev'],
  resources: ['synctestruns'],
  namespaces: [SHOP.namespace],
};

function crd(plural: string): object {
  const file = new URL(`../../manifests/base/crds/${plural}.yaml`, import.meta.url);
  return parse(readFileSync(file, 'utf8')) as object;
}
