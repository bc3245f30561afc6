import { KubeConfig } from '@kubernetes/client-node';
import { PostsyncError } from './errors.ts';

/** What client-node takes where nothing names a cluster. */
const NOWHERE = 'http://localhost:8080';

/**
 * KUBECONFIG, `~/.kube/config`, or the service account of the Pod.
 *
 * @throws {PostsyncError} `CONFIG_INVALID`
 */
export function loadKubeConfig(): KubeConfig {
  const { KUBECONFIG = '' } = process.env;
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (cause) {
    const which = KUBECONFIG === '' ? '~/.kube/config' : `KUBECONFIG=${KUBECONFIG}`;
    throw new PostsyncError('CONFIG_INVALID', `cannot read ${which}: ${(cause as Error).message}`, { cause });
  }
  const cluster = config.getCurrentCluster();
  if (cluster?.server === NOWHERE && !cluster.skipTLSVerify) {
    const message = 'there is no cluster to talk to: set KUBECONFIG, or run in a cluster';
    throw new PostsyncError('CONFIG_INVALID', message);
  }
  return config;
}
