import { randomBytes } from 'node:crypto';
import type { Api, Manifest } from './api.ts';
import { type Values } from './chart.ts';
import type { ChartSource } from './chart-server.ts';
import { KEEP, TEST_IMAGE } from './env.ts';
import { conditionOf, type HelmRelease, type Job, type Meta, type Pod, type SyncTestRun } from './objects.ts';
import type { Postsync } from './postsync.ts';
import { deployedLog, stateOf } from './state.ts';
import type { View } from './view.ts';

const PATIENCE_MS = 60_000;
const LOOK_AGAIN_MS = 1000;

/** What a scenario works with: a namespace of its own, and the words to set it up and to look at it. */
export interface Scene {
  readonly namespace: string;
  readonly api: Api;
  readonly view: View;
  readonly postsync: Postsync;
  /** A HelmRelease as {@link release} applies it. */
  manifest(name: string, options: ReleaseOptions): Manifest;
  /** Makes a HelmRelease, or changes it: what is left out goes. */
  release(name: string, options?: ReleaseOptions): Promise<void>;
  /** Makes a SyncTest, or changes it. Inconclusive runs are not retried unless `retries` says so. */
  syncTest(name: string, spec: object): Promise<void>;
  annotate(
    release: string,
    annotations: Readonly<Record<string, string | null>>,
    manager?: string,
  ): Promise<void>;
  /** Waits until `check` gives something true; looks at each change in the cluster. */
  until<T>(what: string, check: () => Awaitable<T | undefined | false>, ms?: number): Promise<T>;
  /** Waits until helm-controller is done with what was last asked for. */
  deployed(release: string, ms?: number): Promise<Revision>;
  /** Changes the values and waits until they are deployed under a new digest. */
  upgrade(release: string, options: ReleaseOptions, ms?: number): Promise<Revision>;
  /** Waits until the release says a final result about the digest that is deployed. */
  verdict(release: string, ms?: number): Promise<Told>;
  /** Waits until a run of this test has come to a phase, and gives that run. */
  run(
    release: string,
    test: string,
    phase: Phase,
    options?: { digest?: string; ms?: number },
  ): Promise<SyncTestRun>;
  /** Waits until a container of this test runs, and gives its run. */
  running(release: string, test: string): Promise<SyncTestRun>;
  /** Runs of a release that are there now, oldest first. */
  runs(release: string, test?: string): readonly SyncTestRun[];
  /** Every Job that ever was for a release, with what its own environment says of it; oldest first. */
  jobs(release: string, test?: string): readonly Started[];
  /** Pods of a release's tests that are there and have not ended. */
  livePods(release: string): readonly Pod[];
  /** Everything about the scenario, for people. */
  dump(): Promise<string>;
  close(): Promise<void>;
}

export type Phase = 'Pending' | 'Running' | 'Passed' | 'Failed' | 'Inconclusive';

type Awaitable<T> = T | Promise<T>;

export interface ReleaseOptions {
  readonly values?: Values;
  readonly version?: '1.0.0' | '1.1.0';
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** More of its spec. */
  readonly spec?: object;
}

export interface Revision {
  readonly digest: string;
  readonly version: number;
}

/** What stands on the HelmRelease. */
export interface Told {
  readonly result: string;
  readonly digest: string;
  readonly line: (test: string) => string | undefined;
}

export interface Started {
  readonly job: Job;
  readonly test: string;
  readonly digest: string;
  readonly attempt: string;
  readonly cause: string;
}

export interface World {
  readonly api: Api;
  readonly view: View;
  readonly postsync: Postsync;
  readonly charts: ChartSource;
}

const FINAL: ReadonlySet<string> = new Set(['passed', 'failed', 'inconclusive']);

export async function openScene(world: World, labels: Readonly<Record<string, string>> = {}): Promise<Scene> {
  const { api, view, postsync, charts } = world;
  const namespace = `e2e-${randomBytes(4).toString('hex')}`;
  await api.apply({ kind: 'Namespace', metadata: { name: namespace, labels } });

  async function until<T>(what: string, check: () => Awaitable<T | undefined | false>, ms = PATIENCE_MS) {
    const deadline = Date.now() + ms;
    let last: unknown;
    for (;;) {
      try {
        const found = await check();
        if (found !== undefined && found !== false) return found;
      } catch (error) {
        last = error;
      }
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`not within ${ms / 1000} s: ${what}`, last ? { cause: last } : {});
      await view.change(Math.min(left, LOOK_AGAIN_MS));
    }
  }

  const manifest = (name: string, options: ReleaseOptions): Manifest => ({
    kind: 'HelmRelease',
    metadata: { name, namespace, ...metaOf(options) },
    spec: {
      interval: '10m',
      timeout: '60s',
      chartRef: {
        kind: 'HelmChart',
        name: charts.chart(options.version ?? '1.0.0'),
        namespace: charts.namespace,
      },
      values: options.values ?? {},
      ...options.spec,
    },
  });

  const scene: Scene = {
    namespace,
    api,
    view,
    postsync,
    until,
    manifest,
    release: (name, options = {}) => api.apply(manifest(name, options)),
    syncTest: async (name, spec) => {
      const defaults = { timeout: '60s', startTimeout: '60s', retries: 0 };
      await api.apply({ kind: 'SyncTest', metadata: { name, namespace }, spec: { ...defaults, ...spec } });
    },
    annotate: (release, annotations, manager) =>
      api.patch('HelmRelease', [namespace, release], { metadata: { annotations } }, manager),
    deployed: (release, ms) =>
      until(`${release} is deployed`, () => restOf(view.release(namespace, release)), ms),
    upgrade: async (release, options, ms) => {
      const before = view.release(namespace, release)?.status?.history?.[0]?.digest;
      await scene.release(release, options);
      return until(
        `${release} is upgraded`,
        () => {
          const rest = restOf(view.release(namespace, release));
          return rest && rest.digest !== before && rest;
        },
        ms,
      );
    },
    verdict: (release, ms) =>
      until(
        `${release} has a final result for what is deployed`,
        () => {
          const object = view.release(namespace, release);
          const told = toldBy(object);
          return told && FINAL.has(told.result) && told.digest === restOf(object)?.digest && told;
        },
        ms,
      ),
    run: (release, test, phase, { digest, ms } = {}) =>
      until(
        `the run of ${test} for ${release} is ${phase}`,
        () =>
          scene
            .runs(release, test)
            .findLast((run) => run.status?.phase === phase && (!digest || run.spec.digest === digest)),
        ms,
      ),
    running: (release, test) =>
      until(`${test} for ${release} runs`, () => {
        const live = scene.livePods(release).filter(({ status }) => status?.phase === 'Running');
        const jobs = new Set(live.map(jobOf));
        return scene.runs(release, test).findLast(({ metadata }) => jobs.has(metadata.name));
      }),
    runs: (release, test) =>
      view
        .runs(namespace)
        .filter(({ spec }) => spec.release === release && (!test || spec.test === test))
        .toSorted((a, b) =>
          (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''),
        ),
    jobs: (release, test) =>
      view.jobsEver
        .map((job) => ({ job, env: envOf(job) }))
        .filter(({ env }) => env['POSTSYNC_NAMESPACE'] === namespace && env['POSTSYNC_RELEASE'] === release)
        .filter(({ env }) => !test || env['POSTSYNC_TEST'] === test)
        .map(({ job, env }) => ({
          job,
          test: env['POSTSYNC_TEST'] ?? '',
          digest: env['POSTSYNC_DIGEST'] ?? '',
          attempt: env['POSTSYNC_ATTEMPT'] ?? '',
          cause: env['POSTSYNC_CAUSE'] ?? '',
        })),
    livePods: (release) => {
      const jobs = new Set(scene.jobs(release).map(({ job }) => job.metadata.name));
      return view
        .pods(namespace)
        .filter((pod) => jobs.has(jobOf(pod)))
        .filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
    },
    dump: async () => {
      const log = postsync.running ? postsync.log(namespace) : await deployedLog(api, namespace);
      return stateOf(api, namespace, log);
    },
    close: async () => {
      if (!KEEP) await api.remove('Namespace', '', namespace);
    },
  };
  return scene;
}

function metaOf({ annotations, labels }: ReleaseOptions): Partial<Meta> {
  return { ...(annotations && { annotations }), ...(labels && { labels }) };
}

/** The Job of a Pod, which has the name of its run. */
function jobOf({ metadata }: Pod): string {
  return metadata.labels?.['batch.kubernetes.io/job-name'] ?? '';
}

/** What is deployed, when helm-controller has nothing more to do. */
function restOf(release: HelmRelease | undefined): Revision | undefined {
  const newest = release?.status?.history?.[0];
  if (!newest || release?.status?.observedGeneration !== release?.metadata.generation) return undefined;
  if (conditionOf(release, 'Reconciling')?.status === 'True') return undefined;
  return conditionOf(release, 'Ready')?.status === 'Unknown' ? undefined : newest;
}

export function toldBy(release: HelmRelease | undefined): Told | undefined {
  const annotations = release?.metadata.annotations ?? {};
  const { 'postsync.dev/result': result, 'postsync.dev/digest': digest } = annotations;
  if (result === undefined || digest === undefined) return undefined;
  return { result, digest, line: (test) => annotations[`tests.postsync.dev/${test}`] };
}

/** What a Job tells its container. */
export function envOf(job: Job): Readonly<Record<string, string>> {
  const given = job.spec.template.spec.containers.flatMap(({ env }) => env ?? []);
  return Object.fromEntries(given.map(({ name, value }) => [name, value ?? '']));
}

/** A SyncTest's `job` that runs a shell command. */
export function shell(script: string, more: object = {}): object {
  const securityContext = { runAsUser: 65534, runAsGroup: 65534 };
  return { image: TEST_IMAGE, command: ['sh', '-c', script], securityContext, ...more };
}

/** A script that runs so long and then ends well, but leaves at once when it is told to. */
export function sleeping(seconds: number, then = 'true'): string {
  return `trap 'exit 143' TERM; sleep ${seconds} & wait $!; ${then}`;
}
