import type { Place } from './api.ts';
import type { KubeObject } from './objects.ts';
import type { Change, Store } from './store.ts';

export interface Dependent extends Place {
  readonly name: string;
}

/** Who is owned by whom, kept up with the store. */
export class Owners {
  readonly #dependents = new Map<string, Map<string, Dependent>>();

  constructor(store: Store) {
    store.onChange((change) => this.#follow(change));
  }

  /** The objects that name this uid as an owner. */
  of(uid: string): readonly Dependent[] {
    return [...(this.#dependents.get(uid)?.values() ?? [])];
  }

  #follow({ type, before, after }: Change): void {
    for (const uid of ownersOf(before)) {
      const dependents = this.#dependents.get(uid);
      dependents?.delete(before?.metadata.uid ?? '');
      if (dependents?.size === 0) this.#dependents.delete(uid);
    }
    for (const uid of ownersOf(after)) {
      const { uid: own, namespace, name } = (after as KubeObject).metadata;
      const dependents = this.#dependents.get(uid) ?? new Map<string, Dependent>();
      this.#dependents.set(uid, dependents.set(own, { type, namespace, name }));
    }
  }
}

function ownersOf(object: KubeObject | undefined): readonly string[] {
  return (object?.metadata.ownerReferences ?? []).map(({ uid }) => uid);
}
