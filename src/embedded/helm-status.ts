import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type Fields, isFields, type KubeObject, textOf, timestamp, valueAt } from './objects.ts';

export interface Snapshot {
  readonly apiVersion: string;
  readonly digest: string;
  readonly name: string;
  readonly namespace: string;
  readonly version: number;
  readonly status: string;
  readonly action: string;
  readonly chartName: string;
  readonly chartVersion: string;
  readonly appVersion: string;
  readonly configDigest: string;
  readonly firstDeployed: string;
  readonly lastDeployed: string;
}

export interface HelmStatus {
  conditions?: readonly Condition[];
  history?: readonly Snapshot[];
  observedGeneration?: number;
  lastAttemptedGeneration?: number;
  lastHandledReconcileAt?: string;
  lastHandledForceAt?: string;
  [field: string]: unknown;
}

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** What a HelmRelease asks to be deployed. */
export interface Wanted {
  readonly chartName: string;
  readonly chartVersion: string;
  readonly configDigest: string;
}

export function wantedBy({ spec = {} }: KubeObject): Wanted {
  const chart = valueAt(spec, ['chart', 'spec']);
  const from = isFields(chart) ? chart : {};
  const chartName = textOf(from['chart'] ?? valueAt(spec, ['chartRef', 'name']), 'chart');
  const chartVersion = textOf(from['version'], '0.1.0');
  const values = JSON.stringify(spec['values'] ?? {});
  return { chartName, chartVersion, configDigest: sha256(values) };
}

export function isDeployed(snapshot: Snapshot | undefined, wanted: Wanted): boolean {
  if (snapshot?.status !== 'deployed') return false;
  const { chartName, chartVersion, configDigest } = snapshot;
  return isDeepStrictEqual({ chartName, chartVersion, configDigest }, wanted);
}

/** A new entry of the history. Its digest differs from that of every other one, as Helm's time stamps make it. */
export function snapshotOf(
  { metadata, spec = {} }: KubeObject,
  wanted: Wanted,
  {
    action,
    status,
    version,
    first,
  }: { action: string; status: string; version: number; first?: string | undefined },
): Snapshot {
  const target = textOf(spec['targetNamespace']);
  const name = textOf(spec['releaseName'], target ? `${target}-${metadata.name}` : metadata.name);
  const at = timestamp();
  const digest = sha256(
    JSON.stringify([metadata.uid, version, action, wanted, process.hrtime.bigint().toString()]),
  );
  return {
    apiVersion: 'v2',
    digest,
    name,
    namespace: target || textOf(metadata.namespace),
    version,
    status,
    action,
    ...wanted,
    appVersion: wanted.chartVersion,
    firstDeployed: first ?? at,
    lastDeployed: at,
  };
}

/** The conditions with some of them changed; their times move only when their status does. */
export function withConditions(
  { metadata, status = {} }: KubeObject,
  changed: readonly Condition[],
  dropped: readonly string[] = [],
): readonly Fields[] {
  const before = (status['conditions'] ?? []) as readonly Fields[];
  const names = new Set([...changed.map(({ type }) => type), ...dropped]);
  const renewed = changed.map((condition) => {
    const old = before.find(({ type, status }) => type === condition.type && status === condition.status);
    const lastTransitionTime = old?.['lastTransitionTime'] ?? timestamp();
    return { ...condition, observedGeneration: metadata.generation, lastTransitionTime };
  });
  return [...renewed, ...before.filter(({ type }) => !names.has(type as string))];
}

export function describe({ namespace, name, version, chartName, chartVersion }: Snapshot): string {
  return `${namespace}/${name}.v${version} with chart ${chartName}@${chartVersion}`;
}

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
