import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import { keyOf, type Ref, type Result, type Time } from './decide/model.ts';
import { addProcessMetrics } from './process-metrics.ts';

/** How an event was answered. */
export type EventAnswer =
  | 'accepted'
  | 'ignored'
  | 'unauthorized'
  | 'invalid'
  | 'too_large'
  | 'busy'
  | 'stopping';

/** What became of an event for notification-controller: it took it, would not, did not answer, or was spared it. */
export type Delivery = 'delivered' | 'refused' | 'failed' | 'dropped';

/** A finished run, as it is counted. `kind` is the kind of test: job, check, … */
export interface FinishedRun {
  readonly kind: string;
  readonly verdict: string;
  readonly reason: string;
  /** From the start of its container to its end; absent when none ran. */
  readonly seconds?: number;
}

/** How a credential stands with GitHub's limits. */
export interface GithubLimit {
  /** `NAMESPACE/NAME` of its Secret, or `default`. */
  readonly credential: string;
  /** Requests that are left of the primary limit, where GitHub told. */
  readonly remaining: number | undefined;
  /** Dispatches that wait for their turn. */
  readonly waiting: number;
  /** GitHub refuses everything for now. */
  readonly isBlocked: boolean;
}

/** What is asked when somebody reads the metrics. */
export interface Gauges {
  readonly leaseHeld: () => boolean;
  readonly runs: () => { readonly waiting: number; readonly running: number };
  readonly github: () => readonly GithubLimit[];
  /** When the oldest revision without a verdict was deployed; undefined when all are decided. */
  readonly oldestUndecidedAt: () => Time | undefined;
}

/** What postsync counts. Names are API: dashboards and alerts read them. */
export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  event(answer: EventAnswer): void;
  look(result: 'ok' | 'conflict' | 'error', seconds: number): void;
  run(finished: FinishedRun): void;
  /** A verdict was told to Flux, or could not be. */
  told(delivery: Delivery): void;
  /** The result that stands on a release; undefined when the release, or its last test, is gone. */
  releaseResult(release: Ref, result: Result | undefined): void;
  /** Has the form of `KubernetesOptions.onCall`. */
  apiCall(verb: string, resource: string, code: number, seconds: number): void;
  /** A call to GitHub's API; code 0 is no answer. */
  githubCall(operation: string, code: number, seconds: number): void;
  /** Says where the values come from that are read, not counted. Call it once. */
  gauges(from: Gauges): void;
}

const CALL_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const RUN_SECONDS = [1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];

/** A registry of its own, so that two of them in one process (tests) do not meet. */
export function createMetrics(options: { readonly cluster: string; readonly version: string }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  addProcessMetrics(registry);
  const events = new Counter({
    name: 'postsync_events_total',
    help: 'Flux events received, by how they were answered.',
    labelNames: ['answer'],
    registers,
  });
  const looks = new Counter({
    name: 'postsync_looks_total',
    help: 'Looks at a release, by how they ended.',
    labelNames: ['result'],
    registers,
  });
  const lookSeconds = new Histogram({
    name: 'postsync_look_duration_seconds',
    help: 'Time a look at a release took.',
    buckets: CALL_SECONDS,
    registers,
  });
  const runs = new Counter({
    name: 'postsync_runs_total',
    help: 'Runs that ended, by kind of test, verdict and reason.',
    labelNames: ['kind', 'verdict', 'reason'],
    registers,
  });
  const runSeconds = new Histogram({
    name: 'postsync_run_duration_seconds',
    help: 'Time from the start of what a run started (a container, a workflow) to its end, by kind of test and verdict.',
    labelNames: ['kind', 'verdict'],
    buckets: RUN_SECONDS,
    registers,
  });
  const told = new Counter({
    name: 'postsync_events_sent_total',
    help: 'Verdicts sent to notification-controller, by what became of it.',
    labelNames: ['delivery'],
    registers,
  });
  const results = new Gauge({
    name: 'postsync_release_result',
    help: 'The result that stands on a release: 1 for the one it has.',
    labelNames: ['cluster', 'namespace', 'release', 'result'],
    registers,
  });
  const calls = new Counter({
    name: 'postsync_api_requests_total',
    help: 'Calls to the Kubernetes API, by verb, resource and HTTP status; 0 is no answer.',
    labelNames: ['verb', 'resource', 'code'],
    registers,
  });
  const callSeconds = new Histogram({
    name: 'postsync_api_request_duration_seconds',
    help: 'Time until the Kubernetes API answered, by verb and resource.',
    labelNames: ['verb', 'resource'],
    buckets: CALL_SECONDS,
    registers,
  });
  const githubCalls = new Counter({
    name: 'postsync_github_requests_total',
    help: 'Calls to the GitHub API, by operation and HTTP status; 0 is no answer.',
    labelNames: ['operation', 'code'],
    registers,
  });
  const githubCallSeconds = new Histogram({
    name: 'postsync_github_request_duration_seconds',
    help: 'Time until the GitHub API answered, by operation.',
    labelNames: ['operation'],
    buckets: CALL_SECONDS,
    registers,
  });
  const build = new Gauge({
    name: 'postsync_build_info',
    help: 'Always 1; its labels say what is running.',
    labelNames: ['version', 'node'],
    registers,
  });
  build.set({ version: options.version, node: process.version }, 1);
  const standing = new Map<string, Result>();

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    event: (answer) => events.inc({ answer }),
    look(result, seconds) {
      looks.inc({ result });
      lookSeconds.observe(seconds);
    },
    run({ kind, verdict, reason, seconds }) {
      runs.inc({ kind, verdict, reason });
      if (seconds !== undefined) runSeconds.observe({ kind, verdict }, seconds);
    },
    told: (delivery) => told.inc({ delivery }),
    releaseResult(release, result) {
      const key = keyOf(release);
      const before = standing.get(key);
      if (before === result) return;
      const labels = { cluster: options.cluster, namespace: release.namespace, release: release.name };
      if (before) results.remove({ ...labels, result: before });
      if (result) results.set({ ...labels, result }, 1);
      if (result) standing.set(key, result);
      else standing.delete(key);
    },
    apiCall(verb, resource, code, seconds) {
      calls.inc({ verb, resource, code });
      callSeconds.observe({ verb, resource }, seconds);
    },
    githubCall(operation, code, seconds) {
      githubCalls.inc({ operation, code });
      githubCallSeconds.observe({ operation }, seconds);
    },
    gauges: (from) => register(from, registry),
  };
}

function register(from: Gauges, registry: Registry): void {
  const held: Gauge = new Gauge({
    name: 'postsync_lease_held',
    help: 'Whether this replica is the active one.',
    registers: [],
    collect() {
      held.set(from.leaseHeld() ? 1 : 0);
    },
  });
  const runs = new Gauge({
    name: 'postsync_runs',
    help: 'Runs that have not ended, by state.',
    labelNames: ['state'],
    registers: [],
    collect() {
      const { waiting, running } = from.runs();
      runs.set({ state: 'waiting' }, waiting);
      runs.set({ state: 'running' }, running);
    },
  });
  const oldest: Gauge = new Gauge({
    name: 'postsync_oldest_undecided_revision_age_seconds',
    help: 'Age of the oldest revision without a verdict; 0 when all are decided.',
    registers: [],
    collect() {
      const at = from.oldestUndecidedAt();
      oldest.set(at === undefined ? 0 : Math.max(0, (Date.now() - at) / 1000));
    },
  });
  for (const metric of githubGauges(from.github)) registry.registerMetric(metric);
  registry.registerMetric(held);
  registry.registerMetric(runs);
  registry.registerMetric(oldest);
}

function githubGauges(limits: Gauges['github']): readonly Gauge[] {
  const gauge = (name: string, help: string, valueOf: (limit: GithubLimit) => number | undefined) => {
    const one: Gauge<'credential'> = new Gauge({
      name,
      help,
      labelNames: ['credential'],
      registers: [],
      collect() {
        one.reset();
        for (const limit of limits()) {
          const value = valueOf(limit);
          if (value !== undefined) one.set({ credential: limit.credential }, value);
        }
      },
    });
    return one;
  };
  return [
    gauge(
      'postsync_github_rate_limit_remaining',
      "Requests that are left of GitHub's primary rate limit, by credential.",
      ({ remaining }) => remaining,
    ),
    gauge(
      'postsync_github_waiting',
      'Calls that wait for their turn, by credential.',
      ({ waiting }) => waiting,
    ),
    gauge(
      'postsync_github_blocked',
      'Whether GitHub refuses everything for now because of a limit, by credential.',
      ({ isBlocked }) => (isBlocked ? 1 : 0),
    ),
  ];
}
