import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { type EmbeddedCluster, startEmbeddedCluster } from '../../src/embedded/cluster.ts';
import { FAIL_ANNOTATION } from '../../src/embedded/helm-controller.ts';
import { connect, type Kubernetes } from '../../src/kubernetes.ts';

interface Release {
  readonly metadata: { readonly generation: number; readonly resourceVersion: string };
  readonly status: {
    readonly observedGeneration: number;
    readonly lastHandledForceAt?: string;
    readonly conditions?: readonly { type: string; status: string; reason: string }[];
    readonly history?: readonly Snapshot[];
  };
}

interface Snapshot {
  readonly version: number;
  readonly status: string;
  readonly action: string;
  readonly chartVersion: string;
  readonly digest: string;
}

let cluster: EmbeddedCluster;
let api: Kubernetes & { close(): Promise<void> };
before(async () => {
  cluster = await startEmbeddedCluster({ helmDelayMs: 5 });
  const config = new KubeConfig();
  config.loadFromString(cluster.kubeconfig);
  api = connect(config);
});
after(async () => {
  await api.close();
  await cluster.close();
});

const target = (name?: string) => ({
  resource: 'helmreleases' as const,
  namespace: 'default',
  ...(name !== undefined && { name }),
});
const spec = (version: string, more: object = {}) => ({
  chart: { spec: { chart: 'podinfo', version } },
  ...more,
});
const conditionsOf = ({ status }: Release) =>
  Object.fromEntries(
    (status.conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );
const historyOf = ({ status }: Release) =>
  (status.history ?? []).map((one) => `v${one.version} ${one.chartVersion} ${one.action} ${one.status}`);

const settled = ({ metadata, status }: Release) => status.observedGeneration === metadata.generation;

/** Does something to a release, and gives back every state that it went through until it came to rest. */
async function watched(name: string, act: () => Promise<unknown>, rests = settled): Promise<Release[]> {
  const { metadata } = (await api.list(target())) as { metadata: { resourceVersion: string } };
  const query = { resourceVersion: metadata.resourceVersion, fieldSelector: `metadata.name=${name}` };
  await act();
  const seen: Release[] = [];
  for await (const { object } of api.watch(target(), query, AbortSignal.timeout(10_000))) {
    seen.push(object as Release);
    if (rests(object as Release)) break;
  }
  return seen;
}

const install = (name: string, more: object = {}) =>
  watched(name, () =>
    api.create(target(), {
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      kind: 'HelmRelease',
      metadata: { name },
      spec: spec('1.0.0', more),
    }),
  );
const last = (states: readonly Release[]) => states.at(-1) as Release;

test('an install ends with the history, Ready, and the generation last', async () => {
  const states = await install('installed');
  assert.equal(states[0]?.status.observedGeneration, -1);
  const end = last(states);
  assert.deepEqual(historyOf(end), ['v1 1.0.0 install deployed']);
  assert.deepEqual(conditionsOf(end), { Ready: 'True InstallSucceeded', Released: 'True InstallSucceeded' });
});

test('in an upgrade, conditions move before the history, and for a moment Ready speaks of the old one', async () => {
  await install('upgraded');
  const states = await watched('upgraded', () => api.patch(target('upgraded'), { spec: spec('1.1.0') }));
  const steps = states.map((state) => {
    const { Ready, Released, Reconciling } = conditionsOf(state);
    const of = settled(state) ? 'observed' : 'not observed';
    return [Ready, Released, Reconciling ?? '-', state.status.history?.[0]?.chartVersion, of].join(', ');
  });
  assert.deepEqual(
    steps.filter((step, index) => step !== steps[index - 1]),
    [
      'True InstallSucceeded, True InstallSucceeded, -, 1.0.0, not observed',
      'True InstallSucceeded, True InstallSucceeded, True Progressing, 1.0.0, not observed',
      'Unknown Progressing, True InstallSucceeded, True Progressing, 1.0.0, not observed',
      'True UpgradeSucceeded, True UpgradeSucceeded, True Progressing, 1.0.0, not observed',
      'True UpgradeSucceeded, True UpgradeSucceeded, True Progressing, 1.1.0, not observed',
      'True UpgradeSucceeded, True UpgradeSucceeded, -, 1.1.0, not observed',
      'True UpgradeSucceeded, True UpgradeSucceeded, -, 1.1.0, observed',
    ],
  );
  assert.deepEqual(historyOf(last(states)), ['v2 1.1.0 upgrade deployed', 'v1 1.0.0 install superseded']);
});

test('other values are another revision, with another digest', async () => {
  const before = last(await install('values'));
  const after = last(
    await watched('values', () => api.patch(target('values'), { spec: { values: { a: 1 } } })),
  );
  assert.deepEqual(historyOf(after)[0], 'v2 1.0.0 upgrade deployed');
  assert.notEqual(after.status.history?.[0]?.digest, before.status.history?.[0]?.digest);
});

test('a change that Helm does not see makes no revision', async () => {
  await install('interval');
  const after = last(
    await watched('interval', () => api.patch(target('interval'), { spec: { interval: '2m' } })),
  );
  assert.deepEqual(historyOf(after), ['v1 1.0.0 install deployed']);
});

test('an upgrade that is forced changes no generation', async () => {
  await install('forced');
  const annotations = { 'reconcile.fluxcd.io/requestedAt': 'now', 'reconcile.fluxcd.io/forceAt': 'now' };
  const states = await watched(
    'forced',
    () => api.patch(target('forced'), { metadata: { annotations } }),
    (state) => state.status.history?.length === 2 && conditionsOf(state)['Reconciling'] === undefined,
  );
  assert.equal(last(states).metadata.generation, 1);
  assert.equal(last(states).status.lastHandledForceAt, 'now');
});

test('while it is suspended nothing is installed, though its generation is observed', async () => {
  await install('suspended');
  const change = { spec: spec('1.1.0', { suspend: true }) };
  const after = last(await watched('suspended', () => api.patch(target('suspended'), change)));
  assert.deepEqual(historyOf(after), ['v1 1.0.0 install deployed']);
  const resumed = last(
    await watched('suspended', () => api.patch(target('suspended'), { spec: { suspend: false } })),
  );
  assert.deepEqual(historyOf(resumed)[0], 'v2 1.1.0 upgrade deployed');
});

test('an upgrade that fails is rolled back where the spec says so, and a revert makes it Ready with no new revision', async () => {
  await install('rolled', { upgrade: { remediation: { retries: 1 } } });
  const bad = { metadata: { annotations: { [FAIL_ANNOTATION]: 'yes' } }, spec: spec('2.0.0') };
  const states = await watched('rolled', () => api.patch(target('rolled'), bad));
  assert.ok(states.some((state) => historyOf(state)[0] === 'v2 2.0.0 upgrade failed'));
  const rolledBack = ['v3 1.0.0 rollback deployed', 'v2 2.0.0 upgrade failed', 'v1 1.0.0 install superseded'];
  assert.deepEqual(historyOf(last(states)), rolledBack);
  assert.deepEqual(conditionsOf(last(states)), {
    Ready: 'False RollbackSucceeded',
    Released: 'False UpgradeFailed',
    Remediated: 'True RollbackSucceeded',
    Stalled: 'True RetriesExceeded',
  });
  const good = { metadata: { annotations: { [FAIL_ANNOTATION]: null } }, spec: spec('1.0.0') };
  const reverted = last(await watched('rolled', () => api.patch(target('rolled'), good)));
  assert.deepEqual(historyOf(reverted), rolledBack);
  assert.equal(conditionsOf(reverted)['Ready'], 'True UpgradeSucceeded');
});

test('an upgrade that fails stays failed where the spec says nothing', async () => {
  await install('stuck');
  const bad = { metadata: { annotations: { [FAIL_ANNOTATION]: 'yes' } }, spec: spec('2.0.0') };
  const end = last(await watched('stuck', () => api.patch(target('stuck'), bad)));
  assert.deepEqual(historyOf(end), ['v2 2.0.0 upgrade failed', 'v1 1.0.0 install deployed']);
  assert.equal(conditionsOf(end)['Ready'], 'False UpgradeFailed');
});

test('a release that is deleted goes when it is uninstalled', async () => {
  await install('deleted');
  const { metadata } = (await api.list(target())) as { metadata: { resourceVersion: string } };
  await api.remove(target('deleted'));
  const query = { resourceVersion: metadata.resourceVersion, fieldSelector: 'metadata.name=deleted' };
  const seen: string[] = [];
  for await (const { type } of api.watch(target(), query, AbortSignal.timeout(10_000))) {
    seen.push(type);
    if (type === 'DELETED') break;
  }
  assert.deepEqual(seen, ['MODIFIED', 'DELETED']);
});
