import { EVENT_GROUP, PARAMS } from '../decide/keys.ts';
import type { Release, Revision, Run } from '../decide/model.ts';
import type { SyncTest } from '../synctest.ts';

const META = `${EVENT_GROUP}/`;

/** A test's params, each with the release's own value where it has one. */
export function paramsOf({ params }: SyncTest, { annotations }: Release): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, annotations[`${PARAMS}${name}`] ?? value]),
  );
}

/**
 * What every container of a run is told, by name. The names are API.
 *
 * Two annotations whose names become the same variable: the one that sorts first is told.
 */
export function variablesOf(run: Run, release: Release, clusterName: string): Map<string, string> {
  const told: readonly (readonly [string, string | number | undefined])[] = [
    ['RUN', run.ref.name],
    ['TEST', run.test.name],
    ['ATTEMPT', run.attempt],
    ['CAUSE', run.cause],
    ['RELEASE', release.ref.name],
    ['NAMESPACE', release.ref.namespace],
    ...(release.revision ? ofRevision(release.revision) : []),
    ['CLUSTER', clusterName],
    ...ofAnnotations(release),
  ];
  const variables = new Map<string, string>();
  for (const [name, value] of told) {
    if (value !== undefined && !variables.has(name)) variables.set(name, String(value));
  }
  return new Map([...variables].map(([name, value]) => [`POSTSYNC_${name}`, value]));
}

function ofRevision(revision: Revision) {
  return [
    ['HELM_RELEASE', revision.helmRelease],
    ['TARGET_NAMESPACE', revision.targetNamespace],
    ['REVISION', revision.version],
    ['DIGEST', revision.digest],
    ['CHART', revision.chart],
    ['CHART_VERSION', revision.chartVersion],
    ['APP_VERSION', revision.appVersion],
    ['OCI_DIGEST', revision.ociDigest],
  ] as const;
}

/** What a release's annotations say to whoever is told of it, by their names without the prefix. */
export function metaOf({ annotations }: Release): readonly (readonly [name: string, value: string])[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(META))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => [key.slice(META.length), value]);
}

function ofAnnotations(release: Release) {
  return metaOf(release).map(
    ([name, value]) => [`META_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`, value] as const,
  );
}

/** Writes a value so that Kubernetes passes it on as it is: it expands `$(NAME)` and reads `$$` as `$`. */
export function literal(value: string): string {
  return value.replaceAll('$', () => '$$');
}

const PARAM = /\$\(PARAM_([\w.-]+)\)/g;

/** Puts params into a text that Kubernetes does not expand. An unknown `$(…)` stays as it is, as with Kubernetes. */
export function withParams(text: string, params: Readonly<Record<string, string>>): string {
  return text.replaceAll(PARAM, (whole, name: string) => params[name] ?? whole);
}

/** The names of params that were not put in. */
export function unknownParams(text: string): readonly string[] {
  return [...text.matchAll(PARAM)].map(([, name = '']) => name);
}
