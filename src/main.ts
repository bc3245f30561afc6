import { once } from 'node:events';
import { KubeConfig } from '@kubernetes/client-node';
import { type Config, parseConfig } from './config.ts';
import { isCode } from './errors.ts';
import { connect } from './kubernetes.ts';
import { createLease } from './lease.ts';
import { createLog, type Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { ownImage } from './own-image.ts';
import { createApp } from './receive/app.ts';
import { listen } from './receive/listen.ts';
import { runCheck } from './run/check.ts';
import { CHECK_VARIABLE } from './run/check-container.ts';
import { HELM_TEST_VARIABLE } from './run/helm-test-container.ts';
import { runHelmTests } from './run/helm-tests/run.ts';
import { stop } from './shutdown.ts';
import { followAll } from './tables.ts';
import { VERSION } from './version.ts';
import { wire } from './wire.ts';

/** Runs the service until it is told to stop. */
async function serve(config: Config, log: Logger, stopping: AbortSignal): Promise<'clean' | 'forced'> {
  const metrics = createMetrics({ cluster: config.clusterName, version: VERSION });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  const kubernetes = connect(kubeConfig, {
    timeoutMs: config.apiServerTimeoutMs,
    onCall: (...call) => metrics.apiCall(...call),
  });
  const { namespace, leaseName: name, identity, resyncIntervalMs: resyncMs, testsNamespace } = config;
  const lease = createLease(kubernetes, { namespace, name, identity, log });
  const isActive = config.leaderElection ? () => lease.held() : () => true;
  const { queue, tables, requests, changes, onRelease } = wire({
    config,
    image: config.image ?? (await ownImage(kubernetes, { namespace, name: identity })),
    kubernetes,
    log,
    metrics,
    isActive,
  });

  let isReady = false;
  const app = createApp({
    hmacKeys: config.fluxHmacKeys,
    bearerTokens: config.fluxBearerTokens,
    reasons: config.fluxReasons,
    onRelease,
    requests,
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
  };
  const leading = config.leaderElection ? lease.run(stopping, lead) : lead(stopping);
  await Promise.race([leading, aborted]);
  const how = await stop({ server, drain: () => leading, log, graceMs: config.shutdownGraceMs });
  following.abort();
  await kubernetes.close();
  return how;
}

/** @returns the exit code */
async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === 'check') return runCheck(process.env[CHECK_VARIABLE], print);
  if (argv[0] === 'helm-test') return helmTests();
  const parsed = parseConfig(argv, process.env);
  if (parsed.kind === 'help') {
    process.stdout.write(parsed.text);
    return 0;
  }
  const { config } = parsed;
  const log = createLog(config.logLevel);
  return (await serve(config, log, stoppedBySignal())) === 'clean' ? 0 : 1;
}

/** Runs a chart's test hooks, inside of a Job. @returns the exit code */
async function helmTests(): Promise<number> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  const kubernetes = connect(kubeConfig);
  const task = process.env[HELM_TEST_VARIABLE];
  try {
    return await runHelmTests(task, { kubernetes, print, stopping: stoppedBySignal() });
  } finally {
    await kubernetes.close();
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function stoppedBySignal(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort());
  return stopping.signal;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(
    `${isCode(error, 'CONFIG_INVALID') ? error.message : String((error as Error).stack)}\n`,
  );
  process.exitCode = 1;
}
