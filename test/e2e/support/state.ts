import type { Api } from './api.ts';
import { SYSTEM_NAMESPACE } from './install.ts';
import type { Condition } from './objects.ts';

const EVENTS = 30;
const LOG_LINES = 40;

/** What Pods and Deployments go through is seen in their state. */
const TELLING: ReadonlySet<string> = new Set(['HelmRelease', 'SyncTest', 'SyncTestRun', 'Job']);

/** All that people want to see of a namespace when a scenario failed. */
export async function stateOf(api: Api, namespace: string, log: readonly string[]): Promise<string> {
  const parts = await Promise.all([releases(api, namespace), tests(api, namespace), runs(api, namespace)]);
  const jobs = await jobsAndPods(api, namespace);
  const events = await eventsOf(api, namespace);
  return [
    `── namespace ${namespace} at ${new Date().toISOString()}`,
    ...section('HelmReleases', parts[0]),
    ...section('SyncTests', parts[1]),
    ...section('SyncTestRuns', parts[2]),
    ...section('Jobs and Pods', jobs),
    ...section('Events', events),
    ...section("postsync's log", log),
  ].join('\n');
}

async function releases(api: Api, namespace: string): Promise<string[]> {
  const { items } = await api.list('HelmRelease', namespace);
  return items.flatMap(({ metadata, status }) => [
    `${metadata.name}: generation ${metadata.generation}/${status?.observedGeneration}, ${conditions(status?.conditions)}`,
    ...(status?.history ?? []).map(
      (entry) => `  v${entry.version} ${entry.status} ${entry.action} ${entry.digest}`,
    ),
    ...Object.entries(metadata.annotations ?? {}).map(([key, value]) => `  ${key}: ${value}`),
  ]);
}

async function tests(api: Api, namespace: string): Promise<string[]> {
  const { items } = await api.list('SyncTest', namespace);
  return items.map(({ metadata, status }) => `${metadata.name}: ${conditions(status?.conditions)}`);
}

async function runs(api: Api, namespace: string): Promise<string[]> {
  const { items } = await api.list('SyncTestRun', namespace);
  return items.map(
    ({ metadata, spec, status }) =>
      `${metadata.name}: ${spec.test} ${spec.cause} #${spec.attempt} ${spec.digest?.slice(0, 15)} → ` +
      `${status?.phase} ${status?.reason ?? ''} ${status?.message ?? ''}`,
  );
}

async function jobsAndPods(api: Api, namespace: string): Promise<string[]> {
  const [jobs, pods] = await Promise.all([api.list('Job', namespace), api.list('Pod', namespace)]);
  return [
    ...jobs.items.map(({ metadata, status }) => `${metadata.name}: ${conditions(status?.conditions)}`),
    ...pods.items.map(
      ({ metadata, status }) =>
        `${metadata.name}: ${status?.phase} ${JSON.stringify(status?.containerStatuses?.map(({ state }) => state))}`,
    ),
  ];
}

async function eventsOf(api: Api, namespace: string): Promise<string[]> {
  const { items } = await api.list('Event', namespace);
  return items
    .filter(({ involvedObject: { kind } }) => TELLING.has(kind))
    .slice(-EVENTS)
    .map(({ type, reason, involvedObject: { kind, name }, message }) => {
      const [line = ''] = message.split('\n');
      return `${type} ${reason} ${kind}/${name}: ${line}`;
    });
}

function conditions(all: readonly Condition[] = []): string {
  return all.map(({ type, status, reason }) => `${type}=${status}(${reason})`).join(' ') || 'no conditions';
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`── ${title}`, ...lines.map((line) => `   ${line}`)];
}

/** What the deployed postsync said of a namespace last; nothing when it is not deployed. */
export async function deployedLog(api: Api, word: string): Promise<readonly string[]> {
  const { items } = await api.list('Pod', SYSTEM_NAMESPACE);
  const logs = await Promise.all(
    items.map(async ({ metadata: { name } }) =>
      api.text(`/api/v1/namespaces/${SYSTEM_NAMESPACE}/pods/${name}/log?tailLines=2000`),
    ),
  );
  return logs
    .flatMap((log) => log.split('\n'))
    .filter((line) => line.includes(word))
    .slice(-LOG_LINES);
}
