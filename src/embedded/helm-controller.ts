import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from './api.ts';
import {
  type Condition,
  describe,
  type HelmStatus,
  isDeployed,
  type Snapshot,
  snapshotOf,
  wantedBy,
  withConditions,
} from './helm-status.ts';
import { type KubeObject, valueAt } from './objects.ts';
import type { ResourceType } from './resources.ts';

const MANAGER = 'helm-controller';
const FINALIZER = 'finalizers.fluxcd.io';
const REQUESTED = 'reconcile.fluxcd.io/requestedAt';
const FORCED = 'reconcile.fluxcd.io/forceAt';

/** Set to anything on a HelmRelease, makes its next install or upgrade fail. */
export const FAIL_ANNOTATION = 'embedded/fail';

/**
 * A STAND-IN for Flux's helm-controller: it installs nothing and reads no chart. It only writes the status that the
 * real one writes, in its order: Reconciling and Ready=Unknown first, `Released` before the `history` that it is about,
 * `observedGeneration` last. An upgrade is seen by another chart name, chart version or `values`, or forced by the
 * annotations that `flux reconcile --force` sets. One that fails is rolled back where the spec asks for it
 * (`upgrade.remediation`). Helm's own tests, drift, dependencies and sources are left out.
 */
export function runHelmReleases(api: Api, type: ResourceType, delayMs: number): () => void {
  const { store } = api;
  const busy = new Set<string>();
  const stopping = new AbortController();

  /** One release at a time, and again when it changed meanwhile. */
  async function look(namespace: string, name: string): Promise<void> {
    const key = `${namespace}/${name}`;
    if (busy.has(key)) return;
    busy.add(key);
    try {
      let seen: string | undefined;
      while (!stopping.signal.aborted) {
        const release = store.get(type, namespace, name);
        if (!release || release.metadata.resourceVersion === seen) break;
        seen = release.metadata.resourceVersion;
        if (needsWork(release)) await reconcile(release);
      }
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
    } finally {
      busy.delete(key);
    }
  }

  async function reconcile(release: KubeObject): Promise<void> {
    const { metadata, spec = {} } = release;
    if (metadata.deletionTimestamp) {
      await pause();
      change(release, (draft) => {
        draft.metadata.finalizers = draft.metadata.finalizers?.filter((one) => one !== FINALIZER) ?? [];
      });
    } else if (!metadata.finalizers?.includes(FINALIZER)) {
      change(release, (draft) => {
        draft.metadata.finalizers = [...(draft.metadata.finalizers ?? []), FINALIZER];
      });
    } else if (spec['suspend'] === true) {
      observe(release);
    } else if (isForced(release) || !isDeployed(historyOf(release)[0], wantedBy(release))) {
      await act(release);
    } else {
      settle(release);
    }
  }

  async function act(release: KubeObject): Promise<void> {
    const wanted = wantedBy(release);
    const history = historyOf(release);
    const action = history.length === 0 ? 'install' : 'upgrade';
    const { generation } = release.metadata;
    const fulfilling = 'Fulfilling prerequisites';
    const running = `Running '${action}' action with timeout of 5m0s`;
    write(release, { conditions: [progressing(fulfilling)] });
    write(release, { conditions: [progressing(fulfilling), unknown(fulfilling)] });
    write(release, {
      conditions: [progressing(running), unknown(running)],
      fields: {
        lastAttemptedGeneration: generation,
        lastAttemptedRevision: wanted.chartVersion,
        lastAttemptedConfigDigest: wanted.configDigest,
        storageNamespace: release.metadata.namespace,
        ...handled(release),
      },
    });
    await pause();
    const fails = release.metadata.annotations?.[FAIL_ANNOTATION] !== undefined;
    const next = snapshotOf(release, wanted, {
      action,
      status: fails ? 'failed' : 'deployed',
      version: (history[0]?.version ?? 0) + 1,
      first: history[0]?.firstDeployed,
    });
    const past = history.map((one, index) =>
      index === 0 && !fails ? { ...one, status: 'superseded' } : one,
    );
    const outcome = outcomeOf(action, next, fails);
    write(release, { conditions: outcome });
    const attempt = {
      lastAttemptedReleaseAction: action,
      lastAttemptedReleaseActionDuration: `${delayMs}ms`,
    };
    write(release, { fields: { history: [next, ...past], ...attempt } });
    if (!fails) {
      write(release, { conditions: outcome, dropped: ['Reconciling', 'Stalled', 'Remediated'] });
    } else {
      await remediate(release, [next, ...past]);
    }
    observe(release, generation);
  }

  /** Goes back to the revision before, if there is one and the spec says so. */
  async function remediate(release: KubeObject, history: readonly Snapshot[]): Promise<void> {
    const failed = history[0] as Snapshot;
    const good = history.find(({ status }) => status === 'deployed');
    const remediation = valueAt(release.spec, ['upgrade', 'remediation']) as
      | Record<string, unknown>
      | undefined;
    const wanted =
      Number(remediation?.['retries'] ?? 0) !== 0 || remediation?.['remediateLastFailure'] === true;
    const stalled = condition(
      'Stalled',
      'True',
      'RetriesExceeded',
      `Failed to ${failed.action} after 1 attempt(s)`,
    );
    if (!good || !wanted) return write(release, { conditions: [stalled], dropped: ['Reconciling'] });
    await pause();
    const { chartName, chartVersion, configDigest, firstDeployed } = good;
    const back = snapshotOf(
      release,
      { chartName, chartVersion, configDigest },
      { action: 'rollback', status: 'deployed', version: failed.version + 1, first: firstDeployed },
    );
    const message = `Helm rollback to previous release ${describe(good)} succeeded`;
    const said = [
      condition('Ready', 'False', 'RollbackSucceeded', message),
      condition('Remediated', 'True', 'RollbackSucceeded', message),
    ];
    write(release, { conditions: said });
    const past = history.map((one) => (one === good ? { ...one, status: 'superseded' } : one));
    write(release, { fields: { history: [back, ...past] } });
    write(release, { conditions: [...said, stalled], dropped: ['Reconciling'] });
  }

  /** What is wanted is there. After a rollback that was reverted in git, this is what makes it Ready again. */
  function settle(release: KubeObject): void {
    const current = historyOf(release)[0] as Snapshot;
    const action = current.action === 'install' ? 'install' : 'upgrade';
    const conditions = outcomeOf(action, current, false);
    write(release, {
      conditions,
      dropped: ['Reconciling', 'Stalled', 'Remediated'],
      fields: handled(release),
    });
    observe(release);
  }

  function observe(release: KubeObject, generation = release.metadata.generation): void {
    write(release, { fields: { observedGeneration: generation } });
  }

  function write(release: KubeObject, { conditions = [], dropped = [], fields = {} }: Update): void {
    change(
      release,
      (draft) => {
        draft.status = { ...draft.status, conditions: withConditions(draft, conditions, dropped), ...fields };
      },
      'status',
    );
  }

  function change(release: KubeObject, edit: (draft: KubeObject) => void, subresource?: 'status'): void {
    const { namespace, name, uid } = release.metadata;
    if (store.get(type, namespace, name)?.metadata.uid !== uid) return;
    api.update({ type, namespace }, name, edit, { manager: MANAGER, subresource });
  }

  const pause = () => sleep(delayMs, undefined, { signal: stopping.signal, ref: false });
  const unsubscribe = store.onChange(({ type: changed, after }) => {
    const { namespace, name } = after?.metadata ?? {};
    if (changed.plural === type.plural && changed.group === type.group && namespace && name) {
      setImmediate(() => void look(namespace, name));
    }
  });
  return () => {
    unsubscribe();
    stopping.abort();
  };
}

interface Update {
  readonly conditions?: readonly Condition[];
  readonly dropped?: readonly string[];
  readonly fields?: Readonly<Record<string, unknown>>;
}

function needsWork(release: KubeObject): boolean {
  const { generation, annotations = {}, finalizers = [], deletionTimestamp } = release.metadata;
  const { observedGeneration, lastHandledReconcileAt } = statusOf(release);
  if (deletionTimestamp) return finalizers.includes(FINALIZER);
  if (!finalizers.includes(FINALIZER)) return true;
  const requested = annotations[REQUESTED];
  if (release.spec?.['suspend'] === true) return observedGeneration !== generation && isReady(release);
  return (
    observedGeneration !== generation || (requested !== undefined && requested !== lastHandledReconcileAt)
  );
}

function isForced(release: KubeObject): boolean {
  const { annotations = {} } = release.metadata;
  const force = annotations[FORCED];
  return (
    force !== undefined && force === annotations[REQUESTED] && force !== statusOf(release).lastHandledForceAt
  );
}

function isReady(release: KubeObject): boolean {
  return (
    statusOf(release).conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
  );
}

function handled({ metadata: { annotations = {} } }: KubeObject) {
  return {
    ...(annotations[REQUESTED] !== undefined && { lastHandledReconcileAt: annotations[REQUESTED] }),
    ...(annotations[FORCED] !== undefined && { lastHandledForceAt: annotations[FORCED] }),
  };
}

function outcomeOf(action: string, snapshot: Snapshot, fails: boolean): readonly Condition[] {
  const word = action === 'install' ? 'Install' : 'Upgrade';
  const message = `Helm ${action} ${fails ? 'failed' : 'succeeded'} for release ${describe(snapshot)}${fails ? ': as it was told to' : ''}`;
  const reason = `${word}${fails ? 'Failed' : 'Succeeded'}`;
  const status = fails ? 'False' : 'True';
  return [condition('Ready', status, reason, message), condition('Released', status, reason, message)];
}

function condition(type: string, status: Condition['status'], reason: string, message: string): Condition {
  return { type, status, reason, message };
}

const progressing = (message: string) => condition('Reconciling', 'True', 'Progressing', message);
const unknown = (message: string) => condition('Ready', 'Unknown', 'Progressing', message);
const statusOf = (release: KubeObject) => (release.status ?? {}) as HelmStatus;
const historyOf = (release: KubeObject) => statusOf(release).history ?? [];
