import { createLog } from '../../src/log.ts';
import { createMetrics, type Metrics } from '../../src/metrics.ts';
import type { ReleaseVerdict, Requests, Rollouts } from '../../src/ports.ts';
import { type AppOptions, createApp } from '../../src/receive/app.ts';
import { createChanges } from '../../src/receive/changes.ts';
import { listen } from '../../src/receive/listen.ts';

export const REASONS = ['InstallSucceeded', 'UpgradeSucceeded', 'TestSucceeded', 'ReconciliationSucceeded'];

/** Requests that nothing was made for. */
const NO_REQUESTS: Requests = {
  run: () => Promise.resolve([]),
  override: () => Promise.resolve([]),
  verdict: () => Promise.resolve<ReleaseVerdict | undefined>(undefined),
};

/** Rollouts of nothing. */
const NO_ROLLOUTS: Rollouts = {
  ask: () => Promise.resolve({ result: 'pending', message: '', runs: [] }),
};

/** postsync's HTTP server on a free port, and what it did. */
export async function aServer(given: Partial<AppOptions> = {}) {
  const lines: Record<string, unknown>[] = [];
  const looks: string[] = [];
  const stop = new AbortController();
  const changes = createChanges();
  const metrics: Metrics = createMetrics({ cluster: '', version: '0' });
  const app = createApp({
    hmacKeys: [],
    bearerTokens: [],
    reasons: REASONS,
    githubApiUrl: 'https://api.github.com',
    onHint: ({ namespace, name }) => void looks.push(`${namespace}/${name}`),
    requests: NO_REQUESTS,
    kubernetes: { create: () => Promise.reject(new Error('no API server here')) },
    changes,
    rollouts: NO_ROLLOUTS,
    isReady: () => true,
    stopping: stop.signal,
    log: createLog('info', { write: (line) => void lines.push(JSON.parse(line)) }),
    metrics,
    ...given,
  });
  const { server, port } = await listen(app, 0);
  return {
    url: `http://127.0.0.1:${port}`,
    server,
    lines,
    looks,
    changes,
    metrics,
    stop: () => stop.abort(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
