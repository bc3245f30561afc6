import { setTimeout as delay } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { parseConfig } from '../../src/config.ts';
import { connect, type Kubernetes } from '../../src/kubernetes.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { followAll } from '../../src/tables.ts';
import { type Wired, wire } from '../../src/wire.ts';
import { type Recorder, recording } from './recorder.ts';

/** postsync in this process, wired as main.ts does it, with its calls to the API server written down. */
export interface Service extends Wired {
  readonly recorder: Recorder;
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly resync: string;
}

/** @returns when it has nothing more to do with what was there before */
export async function startService(client: Kubernetes, options: ServiceOptions): Promise<Service> {
  const parsed = parseConfig(['--max-runs=0', `--resync-interval=${options.resync}`], {});
  if (parsed.kind === 'text') throw new Error('no configuration');
  const { config } = parsed;
  const recorder = recording(client);
  const { kubernetes } = recorder;
  // What is logged is made and thrown away: a pipe's reader is not part of what is measured.
  const log = createLog(config.logLevel, { write: () => undefined });
  const metrics = createMetrics({ cluster: '', version: '0' });
  const wired = wire({
    config,
    image: 'postsync',
    kubernetes,
    log,
    metrics,
    heard: { since: () => undefined },
    isActive: () => true,
  });
  const following = new AbortController();
  await followAll(kubernetes, wired.tables, {
    signal: following.signal,
    resyncMs: config.resyncIntervalMs,
    testsNamespace: undefined,
    log,
  });
  wired.queue.start();
  await idle(recorder);
  return {
    ...wired,
    recorder,
    async stop() {
      await wired.queue.stop();
      following.abort();
    },
  };
}

/** Returns when nothing was called for a second. */
export async function idle({ calls }: Recorder): Promise<void> {
  for (let before = -1; calls.length !== before; ) {
    before = calls.length;
    await delay(1_000);
  }
}

/** A client with the pool, the limits and the counting that main.ts gives it. */
export function clientFor(config: KubeConfig): Kubernetes & { close(): Promise<void> } {
  const metrics = createMetrics({ cluster: '', version: '0' });
  return connect(config, { timeoutMs: 60_000, onCall: (...call) => metrics.apiCall(...call) });
}
