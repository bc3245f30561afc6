import { isCode, PostsyncError } from './errors.ts';

/** As package.json says. */
const NODE = 24;

/**
 * What the process is asked to do. Each command brings only what it needs: the built-in check runs in a Pod of its
 * own for every revision, and should start at once and small.
 *
 * @returns the exit code
 */
async function main(argv: readonly string[]): Promise<number> {
  // What is imported below fails with an older one, and does not say why.
  if (Number.parseInt(process.versions.node, 10) < NODE) {
    throw new PostsyncError(
      'CONFIG_INVALID',
      `postsync needs Node ${NODE} or later, this is ${process.version}`,
    );
  }
  if (argv[0] === 'check') return check();
  if (argv[0] === 'helm-test') return helmTests();
  if (argv[0] === 'run') return runTests(argv.slice(1));
  const { parseConfig } = await import('./config.ts');
  const parsed = parseConfig(argv, process.env);
  if (parsed.kind === 'text') {
    process.stdout.write(parsed.text);
    return 0;
  }
  const { createLog } = await import('./log.ts');
  const { serve } = await import('./serve.ts');
  const log = createLog(parsed.config.logLevel);
  for (const because of parsed.ignored) log.warn({ because }, 'environment variable ignored');
  try {
    return (await serve(parsed.config, log, stoppedBySignal())) === 'clean' ? 0 : 1;
  } catch (err) {
    log.fatal(isCode(err, 'CONFIG_INVALID') ? { because: err.message } : { err }, 'postsync cannot run');
    return 1;
  }
}

/** Makes HTTP checks, inside of a Job. */
async function check(): Promise<number> {
  const { runCheck } = await import('./run/check.ts');
  const { CHECK_VARIABLE } = await import('./run/check-container.ts');
  // The first process of a container is not ended by a signal that it does not handle.
  process.once('SIGTERM', () => process.exit(143));
  return runCheck(process.env[CHECK_VARIABLE], print);
}

/** Runs a chart's test hooks, inside of a Job. */
async function helmTests(): Promise<number> {
  const { loadKubeConfig } = await import('./kube-config.ts');
  const { connect } = await import('./kubernetes.ts');
  const { HELM_TEST_VARIABLE } = await import('./run/helm-test-container.ts');
  const { runHelmTests } = await import('./run/helm-tests/run.ts');
  const kubernetes = connect(loadKubeConfig());
  const task = process.env[HELM_TEST_VARIABLE];
  try {
    return await runHelmTests(task, { kubernetes, print, stopping: stoppedBySignal() });
  } finally {
    await kubernetes.close();
  }
}

/** Asks for tests to be run again, for the person at the keyboard. */
async function runTests(argv: readonly string[]): Promise<number> {
  const { loadKubeConfig } = await import('./kube-config.ts');
  const { connect } = await import('./kubernetes.ts');
  const { runCommand } = await import('./run-command.ts');
  const stopping = stoppedBySignal();
  return runCommand(argv, { connect: () => connect(loadKubeConfig()), print, complain, stopping });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

function stoppedBySignal(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort());
  return stopping.signal;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  complain(isCode(error, 'CONFIG_INVALID') ? error.message : String((error as Error).stack));
  // Of `postsync run`, 1 would say that a test failed.
  process.exitCode = process.argv[2] === 'run' ? 4 : 1;
}
