import { z } from 'zod';
import { KEYS } from './decide/keys.ts';
import { keyOf, type Ref, type Release, type Run, releaseOf } from './decide/model.ts';
import type { Kubernetes, Query, Resource } from './kubernetes.ts';
import type { Logger } from './log.ts';
import { follow, type Sink } from './receive/watch.ts';
import { type NamespaceLabels, releaseKeyOf, type World } from './reconcile/world.ts';
import { readRelease } from './record/release-object.ts';
import { readRun } from './record/run-object.ts';
import { type Complaint, FAILED_CREATE, FAILED_MOUNT, readComplaint } from './run/complaint.ts';
import { readJob } from './run/job-view.ts';
import type { JobTables } from './run/jobs.ts';
import { OUR_JOBS } from './run/labels.ts';
import { readPod } from './run/pod-view.ts';
import {
  type GithubDefaults,
  githubTest,
  helmTest,
  httpTest,
  readSyncTest,
  type SyncTest,
} from './synctest.ts';
import { createTable, type Table, type TableOptions } from './table.ts';

/** Everything postsync knows of the cluster, kept by watching it. */
export type Tables = World & JobTables;

export interface TablesOptions {
  readonly log: Logger;
  readonly testsNamespace: string | undefined;
  readonly github: GithubDefaults;
  /** A release, or something of it, changed. */
  readonly onChange: (release: Ref) => void;
  /** A SyncTest changed, or a release that it may select. */
  readonly onTest: (test: Ref) => void;
  readonly onRunGone: (run: Run) => void;
}

export function createTables(options: TablesOptions): Tables {
  const { log, testsNamespace, onChange, onTest, onRunGone } = options;
  const onUnreadable = (err: unknown, name: string) => log.warn({ err, object: name }, 'object not readable');
  const table = <T>(given: Omit<TableOptions<T>, 'onUnreadable'>) =>
    createTable<T>({ ...given, onUnreadable });

  const releases: Table<Release> = table({
    read: readRelease,
    groupOf: ({ ref }) => ref.namespace,
    onChange(release, previous) {
      const { ref } = (release ?? previous) as Release;
      onChange(ref);
      if (!release || !previous || isSelectedAnew(release, previous))
        testsReaching(ref.namespace).forEach(onTest);
    },
  });
  const tests: Table<SyncTest> = table({
    read: readSyncTest,
    groupOf: ({ test }) => test.ref.namespace,
    onChange(syncTest, previous) {
      const { ref } = ((syncTest ?? previous) as SyncTest).test;
      onTest(ref);
      const reach = ref.namespace === testsNamespace ? releases.values() : releases.in(ref.namespace);
      for (const release of reach) onChange(release.ref);
    },
  });
  const runs: Table<Run> = table({
    read: readRun,
    groupOf: releaseKeyOf,
    onChange(run, previous) {
      onChange(releaseOf((run ?? previous) as Run));
      if (!run) onRunGone(previous as Run);
    },
  });
  const namespaces: Table<NamespaceLabels> = table({
    read: readNamespace,
    groupOf: () => '',
    onChange(namespace, previous) {
      for (const { ref } of releases.in(((namespace ?? previous) as NamespaceLabels).name)) onChange(ref);
    },
  });
  const jobs: JobTables['jobs'] = table({
    read: readJob,
    groupOf: ({ release }) => keyOf(release),
    onChange: (job, previous) => onChange((job ?? previous)?.release as Ref),
  });
  const onPart = (part: { namespace: string; jobName: string } | undefined) => {
    const release = part && jobs.get(`${part.namespace}/${part.jobName}`)?.release;
    if (release) onChange(release);
  };
  const pods: JobTables['pods'] = table({
    read: readPod,
    groupOf: ({ jobUid }) => jobUid,
    onChange: (pod, previous) => onPart(pod ?? previous),
  });
  const complaints: JobTables['complaints'] = table({
    read: readComplaint,
    groupOf: ({ uid }) => uid,
    onChange(complaint, previous) {
      const { namespace, name: jobName } = (complaint ?? previous) as Complaint;
      onPart({ namespace, jobName });
    },
  });
  const mounts: JobTables['mounts'] = table({
    read: readComplaint,
    groupOf: keyOf,
    onChange: (complaint, previous) => onPart(pods.get(keyOf((complaint ?? previous) as Complaint))),
  });

  function testsReaching(namespace: string): Ref[] {
    const shared =
      testsNamespace === undefined || testsNamespace === namespace ? [] : tests.in(testsNamespace);
    return [...tests.in(namespace), ...shared].map(({ test }) => test.ref);
  }
  return {
    releases,
    tests,
    runs,
    namespaces,
    jobs,
    pods,
    complaints,
    mounts,
    builtIn: (release) => builtIn(release, options.github),
  };
}

export interface FollowAllOptions {
  readonly signal: AbortSignal;
  readonly resyncMs: number;
  readonly testsNamespace: string | undefined;
  readonly log: Logger;
}

/** Watches everything that the tables keep, until the signal aborts. @returns when all of it was listed once */
export function followAll(kubernetes: Kubernetes, tables: Tables, options: FollowAllOptions): Promise<void> {
  const { signal, resyncMs, testsNamespace, log } = options;
  const followOne = (resource: Resource, sink: Sink, query: Query = {}) =>
    new Promise<void>((resolve) => {
      const onTrouble = (err: unknown, delayMs: number) =>
        log.warn({ err, resource, delayMs: Math.round(delayMs) }, 'watch interrupted');
      void follow(
        kubernetes,
        { target: { resource }, query, sink },
        { signal, resyncMs, onSynced: resolve, onTrouble },
      );
    });
  return Promise.all([
    followOne('helmreleases', tables.releases),
    followOne('synctests', tables.tests),
    followOne('synctestruns', tables.runs),
    followOne('jobs', tables.jobs, { labelSelector: OUR_JOBS }),
    // Of which only those about Pods that are known are kept.
    followOne('pods', tables.pods, { labelSelector: OUR_JOBS }).then(() =>
      followOne('events', ofOurPods(tables), { fieldSelector: FAILED_MOUNT }),
    ),
    followOne('events', tables.complaints, { fieldSelector: FAILED_CREATE }),
    ...(testsNamespace === undefined ? [] : [followOne('namespaces', tables.namespaces)]),
  ]).then(() => undefined);
}

/** Most of a cluster's Pods are not ours. What is said of one before it is known is said again. */
function ofOurPods({ pods, mounts }: Pick<Tables, 'pods' | 'mounts'>): Sink {
  const isOurs = (object: unknown) => {
    const { involvedObject } = object as { readonly involvedObject?: Ref };
    return involvedObject !== undefined && pods.get(keyOf(involvedObject)) !== undefined;
  };
  return {
    upsert: (object) => isOurs(object) && mounts.upsert(object),
    remove: (object) => mounts.remove(object),
    relist() {
      const listing = mounts.relist();
      return { ...listing, upsert: (object) => isOurs(object) && listing.upsert(object) };
    },
  };
}

/** The built-in tests that a release's annotations ask for. */
function builtIn(release: Release, defaults: GithubDefaults): readonly SyncTest[] {
  const { [KEYS.http]: http, [KEYS.helmTest]: helm, [KEYS.github]: github } = release.annotations;
  return [
    ...(http === undefined ? [] : [httpTest(release)]),
    ...(helm === undefined || helm === 'false' ? [] : [helmTest(release)]),
    ...(github === undefined ? [] : [githubTest(release, defaults)]),
  ];
}

/** Whether another set of tests may ask for a release than before. */
function isSelectedAnew(release: Release, previous: Release): boolean {
  if (release.annotations[KEYS.tests] !== previous.annotations[KEYS.tests]) return true;
  const labels = Object.entries(release.labels);
  const changed = labels.some(([key, value]) => key !== KEYS.result && previous.labels[key] !== value);
  return (
    changed || Object.keys(previous.labels).some((key) => key !== KEYS.result && !(key in release.labels))
  );
}

const Namespace = z.object({
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()).prefault({}) }),
});

function readNamespace(object: unknown): NamespaceLabels {
  return Namespace.parse(object).metadata;
}
