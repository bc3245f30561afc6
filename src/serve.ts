import { once } from 'node:events';
import { createHeard } from './heard.ts';
import { loadKubeConfig } from './kube-config.ts';
import { connect } from './kubernetes.ts';
import { createLease } from './lease.ts';
import type { Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { ownImage } from './own-image.ts';
import { createApp } from './receive/app.ts';
import { listen } from './receive/listen.ts';
import type { Config } from './settings.ts';
import { stop } from './shutdown.ts';
import { followAll } from './tables.ts';
import { VERSION } from './version.ts';
import { wire } from './wire.ts';

/** Name of the Lease by which replicas agree on the active one. */
const LEASE = 'postsync';

/**
 * Runs the service until it is told to stop. The way of an event through it:
 * - enters: `followAll` (tables.ts, by receive/watch.ts) sees each change, `createApp` (receive/app.ts) hears of some; both queue a name
 * - decided: `reconcile` (reconcile/reconcile.ts) looks at that release, and `plan` (decide/plan.ts) says what is due
 * - run: `perform` (reconcile/perform.ts) starts it, as a Job (run/jobs.ts) or on GitHub (run/github/dispatches.ts)
 * - recorded: `finish` (reconcile/finish.ts) on the run, then `writeResult` (reconcile/reconcile.ts) on the HelmRelease, by record/
 */
export async function serve(config: Config, log: Logger, stopping: AbortSignal): Promise<'clean' | 'forced'> {
  const metrics = createMetrics({ cluster: config.clusterName, version: VERSION });
  const heard = createHeard(Date.now);
  const kubernetes = connect(loadKubeConfig(), {
    timeoutMs: config.apiServerTimeoutMs,
    onCall(verb, resource, status, seconds) {
      metrics.apiCall(verb, resource, status, seconds);
      heard.call({ verb, resource, status, seconds });
    },
  });
  const { namespace, identity, resyncIntervalMs: resyncMs, testsNamespace } = config;
  const lease = createLease(kubernetes, { namespace, name: LEASE, identity, log });
  const isActive = config.leaderElection ? () => lease.held() : () => true;
  const { queue, tables, requests, rollouts, callbacks, changes, onHint, flush } = wire({
    config,
    image: config.image ?? (await ownImage(kubernetes, namespace)),
    kubernetes,
    log,
    metrics,
    heard,
    isActive,
  });

  let isReady = false;
  const app = createApp({
    hmacKeys: config.fluxHmacKeys,
    bearerTokens: config.fluxBearerTokens,
    reasons: config.fluxReasons,
    onHint,
    requests,
    rollouts,
    flaggerTokens: config.flaggerTokens,
    callbacks,
    callbackKeys: config.callbackKeys,
    githubApiUrl: config.githubApiUrl,
    changes,
    kubernetes,
    isReady: () => isReady,
    stopping,
    log,
    metrics,
  });
  const { server, port } = await listen(app, config.port);
  log.info({ port, version: VERSION }, 'listening');

  const following = new AbortController();
  const listed = followAll(kubernetes, tables, { signal: following.signal, resyncMs, testsNamespace, log });
  const aborted = stopping.aborted ? Promise.resolve() : once(stopping, 'abort');
  await Promise.race([listed, aborted]);
  isReady = !stopping.aborted;
  log.info({ releases: tables.releases.size, tests: tables.tests.size }, isReady ? 'ready' : 'stopping');

  const lead = async (signal: AbortSignal) => {
    queue.start();
    if (!signal.aborted) await once(signal, 'abort');
    await queue.stop();
    // Another replica says what stands from now on.
    for (const { ref } of tables.releases.values()) metrics.releaseResult(ref, undefined);
  };
  const leading = config.leaderElection ? lease.run(stopping, lead) : lead(stopping);
  await Promise.race([leading, aborted]);
  const drain = () => leading.then(flush);
  const how = await stop({ server, drain, log, graceMs: config.shutdownGraceMs });
  following.abort();
  await kubernetes.close();
  return how;
}
