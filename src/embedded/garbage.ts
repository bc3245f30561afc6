import type { Api } from './api.ts';
import { loop } from './loop.ts';
import type { KubeObject } from './objects.ts';
import type { Dependent, Owners } from './owners.ts';
import { NAMESPACES } from './resources.ts';

const MANAGER = { manager: 'kube-controller-manager' };

/**
 * Deletes what lost its owners, does what a deletion with a propagation policy leaves to it (finalizers `orphan` and
 * `foregroundDeletion`), and empties namespaces that are being deleted.
 */
export function collectGarbage(api: Api, owners: Owners): () => void {
  const { store, registry } = api;
  const places = new Map<string, Dependent>();
  const look = loop((key) => {
    const place = places.get(key);
    places.delete(key);
    const object = place && store.get(place.type, place.namespace, place.name);
    if (!object) return;
    if (place.type === NAMESPACES) emptyNamespace(object);
    if (object.metadata.deletionTimestamp) finishDeletion(place, object);
    else if (!hasOwner(object)) api.remove(place, place.name, { policy: 'Background' });
  });
  const add = (place: Dependent) => {
    const key = `${place.type.plural}.${place.type.group}/${place.namespace}/${place.name}`;
    places.set(key, place);
    look.add(key);
  };

  function hasOwner({ metadata }: KubeObject): boolean {
    const { ownerReferences = [], namespace } = metadata;
    return (
      ownerReferences.length === 0 ||
      ownerReferences.some(({ apiVersion, kind, name, uid }) => {
        const type = registry.ofKind(apiVersion, kind);
        if (!type) return true;
        return store.get(type, type.namespaced ? namespace : undefined, name)?.metadata.uid === uid;
      })
    );
  }

  function finishDeletion(place: Dependent, { metadata: { uid, finalizers = [] } }: KubeObject): void {
    const dependents = owners.of(uid);
    const finish = (finalizer: string) =>
      api.update(
        place,
        place.name,
        ({ metadata }) => {
          metadata.finalizers = finalizers.filter((one) => one !== finalizer);
        },
        MANAGER,
      );
    if (finalizers.includes('orphan')) {
      for (const dependent of dependents) release(dependent, uid);
      finish('orphan');
    } else if (finalizers.includes('foregroundDeletion')) {
      if (dependents.length === 0) finish('foregroundDeletion');
      for (const dependent of dependents) api.remove(dependent, dependent.name, { policy: 'Background' });
    }
  }

  function release(dependent: Dependent, uid: string): void {
    api.update(
      dependent,
      dependent.name,
      ({ metadata }) => {
        metadata.ownerReferences = (metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
      },
      MANAGER,
    );
  }

  function emptyNamespace({ metadata: { name, deletionTimestamp } }: KubeObject): void {
    if (!deletionTimestamp) return;
    const left = registry.all
      .filter(({ namespaced }) => namespaced)
      .flatMap((type) => store.list(type).map((object) => ({ type, object })))
      .filter(({ object }) => object.metadata.namespace === name);
    for (const { type, object } of left) {
      if (object.metadata.deletionTimestamp) continue;
      api.remove({ type, namespace: name }, object.metadata.name, { policy: 'Background' });
    }
    if (left.length === 0) api.remove({ type: NAMESPACES }, name, { graceSeconds: 0 });
  }

  const unsubscribe = store.onChange(({ type, before, after }) => {
    const { metadata } = (after ?? before) as KubeObject;
    if (metadata.ownerReferences || metadata.deletionTimestamp) {
      add({ type, namespace: metadata.namespace, name: metadata.name });
    }
    if (after) return;
    for (const dependent of owners.of(metadata.uid)) add(dependent);
    for (const { apiVersion, kind, name } of metadata.ownerReferences ?? []) {
      const owner = registry.ofKind(apiVersion, kind);
      if (owner) add({ type: owner, namespace: owner.namespaced ? metadata.namespace : undefined, name });
    }
    const { namespace } = metadata;
    if (namespace && store.get(NAMESPACES, undefined, namespace)?.metadata.deletionTimestamp) {
      add({ type: NAMESPACES, name: namespace });
    }
  });
  return () => {
    unsubscribe();
    look.stop();
  };
}
