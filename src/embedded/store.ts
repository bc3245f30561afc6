import type { KubeObject } from './objects.ts';
import { keyOf, type ResourceType } from './resources.ts';

/** One write: what an object was before, and what it is since. A deletion has a version of its own. */
export interface Change {
  readonly type: ResourceType;
  readonly version: number;
  readonly before: KubeObject | undefined;
  /** Absent when it was deleted. */
  readonly after: KubeObject | undefined;
}

/** Changes that are remembered. Whoever watches from before them is told 410, as by a compacted etcd. */
const REMEMBERED = 20_000;

/** All objects, one growing version number over all of them, and the last changes. It knows no rule of the API. */
export class Store {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #listeners = new Set<(change: Change) => void>();
  #changes: Change[] = [];
  #version = 1;
  #forgotten = 1;

  get version(): number {
    return this.#version;
  }

  /** The oldest version from which changes are still known. */
  get forgotten(): number {
    return this.#forgotten;
  }

  get(type: ResourceType, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#of(type).get(placeOf(namespace, name));
  }

  /** Sorted by namespace and name. */
  list(type: ResourceType): readonly KubeObject[] {
    return sorted(this.#of(type));
  }

  /** The objects as they were: `undefined` when that is forgotten. */
  listAt(type: ResourceType, version: number): readonly KubeObject[] | undefined {
    if (version < this.#forgotten) return undefined;
    const then = new Map(this.#of(type));
    for (const change of this.since(version).toReversed()) {
      if (keyOf(change.type) !== keyOf(type)) continue;
      const { metadata } = (change.before ?? change.after) as KubeObject;
      const place = placeOf(metadata.namespace, metadata.name);
      if (change.before) then.set(place, change.before);
      else then.delete(place);
    }
    return sorted(then);
  }

  /** What happened after a version, oldest first. */
  since(version: number): readonly Change[] {
    let from = this.#changes.length;
    while (from > 0 && (this.#changes[from - 1]?.version ?? 0) > version) from--;
    return this.#changes.slice(from);
  }

  /** Stores an object under the next version. */
  put(type: ResourceType, object: KubeObject): KubeObject {
    const { namespace, name } = object.metadata;
    const after = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version + 1) } };
    const place = placeOf(namespace, name);
    const before = this.#of(type).get(place);
    this.#of(type).set(place, after);
    this.#record({ type, version: this.#version + 1, before, after });
    return after;
  }

  drop(type: ResourceType, object: KubeObject): void {
    const { namespace, name } = object.metadata;
    if (!this.#of(type).delete(placeOf(namespace, name))) return;
    this.#record({ type, version: this.#version + 1, before: object, after: undefined });
  }

  /** Calls back for each change, within the write. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Forgets all changes up to a version: watches and pages from before it get 410. */
  forget(before: number): void {
    this.#forgotten = Math.max(this.#forgotten, Math.min(before, this.#version));
    this.#changes = this.#changes.filter(({ version }) => version > this.#forgotten);
  }

  #record(change: Change): void {
    this.#version = change.version;
    this.#changes.push(change);
    if (this.#changes.length > 2 * REMEMBERED) {
      this.forget(this.#changes.at(-REMEMBERED)?.version ?? 0);
    }
    for (const listener of this.#listeners) listener(change);
  }

  #of(type: ResourceType): Map<string, KubeObject> {
    const key = keyOf(type);
    let objects = this.#objects.get(key);
    if (!objects) this.#objects.set(key, (objects = new Map()));
    return objects;
  }
}

function sorted(objects: ReadonlyMap<string, KubeObject>): readonly KubeObject[] {
  return [...objects].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
}

function placeOf(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
