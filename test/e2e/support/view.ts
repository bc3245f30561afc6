import type { Api } from './api.ts';
import type { HelmRelease, Job, Kind, Pod, Shape, SyncTest, SyncTestRun } from './objects.ts';

const WATCHED = ['HelmRelease', 'SyncTest', 'SyncTestRun', 'Job', 'Pod'] as const;
const RECONNECT_MS = 500;

type Watched = (typeof WATCHED)[number];

/**
 * The cluster as it is now, by watches, and every Job and SyncTestRun that ever was since it was opened: what
 * was deleted meanwhile is remembered in its last state.
 */
export interface View {
  release(namespace: string, name: string): HelmRelease | undefined;
  syncTest(namespace: string, name: string): SyncTest | undefined;
  runs(namespace: string): readonly SyncTestRun[];
  jobs(namespace: string): readonly Job[];
  pods(namespace: string): readonly Pod[];
  /** In order of creation. */
  readonly jobsEver: readonly Job[];
  readonly runsEver: readonly SyncTestRun[];
  /** Resolves at the next change of anything, or after `ms`. */
  change(ms: number): Promise<void>;
  close(): void;
}

export async function openView(api: Api): Promise<View> {
  const stop = new AbortController();
  const now = new Map<Watched, Map<string, Shape<Watched>>>(WATCHED.map((kind) => [kind, new Map()]));
  const ever = new Map<string, Shape<Watched>>();
  const waiting = new Set<() => void>();

  const changed = () => {
    for (const wake of waiting) wake();
    waiting.clear();
  };
  const seen = (kind: Watched, object: Shape<Watched>) => {
    now.get(kind)?.set(keyOf(object), object);
    if (kind === 'Job' || kind === 'SyncTestRun') ever.set(`${kind} ${object.metadata.uid}`, object);
  };

  async function list(kind: Watched): Promise<string> {
    const { metadata, items } = await api.list(kind);
    now.get(kind)?.clear();
    for (const item of items) seen(kind, item);
    changed();
    return metadata.resourceVersion;
  }

  /** Follows one watch to its end. */
  async function watch(kind: Watched, from: string): Promise<string> {
    let version = from;
    for await (const { type, object } of api.watch(kind, from, stop.signal)) {
      if (type === 'ERROR') throw new Error('the watch was ended');
      version = object.metadata.resourceVersion ?? version;
      if (type === 'BOOKMARK') continue;
      seen(kind, object);
      if (type === 'DELETED') now.get(kind)?.delete(keyOf(object));
      changed();
    }
    return version;
  }

  async function follow(kind: Watched, from: string): Promise<void> {
    let version = from;
    while (!stop.signal.aborted) {
      try {
        version = await watch(kind, version === '' ? await list(kind) : version);
      } catch {
        // The API server is stopped on purpose in some scenarios. A Job lives for minutes: a new list misses none.
        version = '';
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
      }
    }
  }

  const versions = await Promise.all(WATCHED.map(list));
  for (const [at, kind] of WATCHED.entries()) void follow(kind, versions[at] ?? '');

  const allIn = <K extends Watched>(kind: K, namespace: string) =>
    [...(now.get(kind)?.values() ?? [])].filter(
      ({ metadata }) => metadata.namespace === namespace,
    ) as unknown as readonly Shape<K>[];
  const everOf = <K extends Watched>(kind: K) =>
    [...ever].flatMap(([key, object]) => (key.startsWith(`${kind} `) ? [object as unknown as Shape<K>] : []));

  return {
    release: (namespace, name) =>
      now.get('HelmRelease')?.get(`${namespace}/${name}`) as HelmRelease | undefined,
    syncTest: (namespace, name) => now.get('SyncTest')?.get(`${namespace}/${name}`),
    runs: (namespace) => allIn('SyncTestRun', namespace),
    jobs: (namespace) => allIn('Job', namespace),
    pods: (namespace) => allIn('Pod', namespace),
    get jobsEver() {
      return everOf('Job');
    },
    get runsEver() {
      return everOf('SyncTestRun');
    },
    change: (ms) =>
      new Promise((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        waiting.add(wake);
      }),
    close: () => {
      stop.abort();
      changed();
    },
  };
}

function keyOf({ metadata }: Shape<Kind>): string {
  return `${metadata.namespace}/${metadata.name}`;
}
