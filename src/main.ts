import { once } from 'node:events';
import { KubeConfig } from '@kubernetes/client-node';
import { type Config, parseConfig } from './config.ts';
import { isCode } from './errors.ts';
import { connect } from './kubernetes.ts';
import { createLease } from './lease.ts';
import { createLog, type Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { runCheck } from './run/check.ts';
import { followAll } from './tables.ts';
import { wire } from './wire.ts';

const VERSION = '0.1.0';

/** Runs the service until the signal aborts. */
async function serve(config: Config, log: Logger, stop: AbortSignal): Promise<void> {
  const metrics = createMetrics({ cluster: config.clusterName, version: VERSION });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  const kubernetes = connect(kubeConfig, {
    timeoutMs: config.apiServerTimeoutMs,
    onCall: (...call) => metrics.apiCall(...call),
  });
  const lease = createLease(kubernetes, {
    namespace: config.namespace,
    name: config.leaseName,
    identity: config.identity,
    log,
  });
  const isActive = config.leaderElection ? () => lease.held() : () => true;
  const wired = wire({ config, kubernetes, log, metrics, isActive });
  const { resyncIntervalMs: resyncMs, testsNamespace } = config;
  const following = new AbortController();
  await followAll(kubernetes, wired.tables, { signal: following.signal, resyncMs, testsNamespace, log });
  log.info({ releases: wired.tables.releases.size }, 'everything was listed');

  const lead = async (signal: AbortSignal) => {
    wired.queue.start();
    if (!signal.aborted) await once(signal, 'abort');
    await wired.queue.stop();
  };
  await (config.leaderElection ? lease.run(stop, lead) : lead(stop));
  following.abort();
  await kubernetes.close();
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === 'check') return runCheck(argv.at(-1), (line) => void process.stdout.write(`${line}\n`));
  const parsed = parseConfig(argv, process.env);
  if (parsed.kind === 'help') {
    process.stdout.write(parsed.text);
    return 0;
  }
  const log = createLog(parsed.config.logLevel);
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort());
  await serve(parsed.config, log, stopping.signal);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(
    `${isCode(error, 'CONFIG_INVALID') ? error.message : String((error as Error).stack)}\n`,
  );
  process.exitCode = 1;
}
