import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Kubernetes } from '../../src/kubernetes.ts';
import { type HelmRelease, SHOP } from './objects.ts';

/** The version with a mistake that a health check does not see. */
export const BROKEN = '1.1.0';

/**
 * The application that is deployed: a shop that knows the price of tea. It is always the version that Flux has deployed
 * last, so each answer begins with a look at the HelmRelease.
 */
export async function openShop(kubernetes: Pick<Kubernetes, 'get'>) {
  const server = createServer(async ({ url }, response) => {
    try {
      const release = (await kubernetes.get({ resource: 'helmreleases', ...SHOP })) as HelmRelease;
      const version = release.status?.history?.[0]?.chartVersion;
      const price = version === BROKEN ? 'NaN' : '4.20';
      const answer = url === '/healthz' ? 'ok' : url === '/tea' ? price : undefined;
      response.writeHead(answer === undefined ? 404 : 200).end(answer);
    } catch {
      response.writeHead(503).end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
