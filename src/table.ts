import { createSharing } from './share.ts';

/** What a table needs to know of the objects it keeps. */
export interface TableOptions<T> {
  /** Keeps only what is needed of an object as the API serves it; throws when it cannot be read. */
  readonly read: (object: unknown) => T;
  /** The key under which the object is looked up together with its like, such as its namespace. */
  readonly groupOf: (value: T) => string;
  /** Told after each change, and after a full list; `previous` is absent for a new object, `value` for one that is gone. */
  readonly onChange: (value: T | undefined, previous: T | undefined) => void;
  readonly onUnreadable: (error: unknown, name: string) => void;
}

/** The objects of one kind, as far as they are known: what was watched, and what we wrote ourselves. */
export interface Table<T> {
  get(key: string): T | undefined;
  in(group: string): readonly T[];
  values(): IterableIterator<T>;
  readonly size: number;
  /**
   * An object as the API serves it. An older version than the known one is not taken.
   *
   * @returns the newest that is known; `undefined` when it cannot be read
   */
  upsert(object: unknown): T | undefined;
  remove(object: unknown): void;
  /** A full list begins. */
  relist(): Listing;
}

/** A full list that is under way. */
export interface Listing {
  /** An object of the list. It is believed whatever the versions, unless it was read, or removed, since the list began. */
  upsert(object: unknown): void;
  /** What was not in it is gone. Of the rest, `onChange` is told once more: that is what a resync is for. */
  end(): void;
  /** The rest of it cannot be had: what is not in it is not gone. */
  giveUp(): void;
}

interface Meta {
  readonly namespace?: string;
  readonly name: string;
  readonly resourceVersion: string;
}

interface Row<T> {
  readonly version: string;
  readonly value: T;
}

export function createTable<T>(options: TableOptions<T>): Table<T> {
  const share = createSharing();
  const rows = new Map<string, Row<T>>();
  const groups = new Map<string, Map<string, T>>();
  /** What was read, written or removed by itself since a full list began, with the version that was known then. */
  let fresh: Map<string, string> | undefined;

  function put(key: string, row: Row<T>): void {
    const group = options.groupOf(row.value);
    const known = rows.get(key)?.value;
    // Both groups are told: to the one it is gone, to the other it is new.
    if (known !== undefined && options.groupOf(known) !== group) drop(key);
    const previous = rows.get(key)?.value;
    rows.set(key, row);
    const members = groups.get(group) ?? new Map<string, T>();
    members.set(key, row.value);
    groups.set(group, members);
    options.onChange(row.value, previous);
  }

  function drop(key: string): void {
    const row = rows.get(key);
    if (!row) return;
    rows.delete(key);
    const group = options.groupOf(row.value);
    const members = groups.get(group);
    members?.delete(key);
    if (members?.size === 0) groups.delete(group);
    options.onChange(undefined, row.value);
  }

  /** The key is given, as a text made anew would be kept beside it while a full list goes on. */
  function take(object: unknown, key: string, version: string): T | undefined {
    const known = rows.get(key);
    if (known?.version === version) return known.value;
    try {
      const value = share(options.read(object));
      put(key, { version, value });
      return value;
    } catch (error) {
      options.onUnreadable(error, key);
      return undefined;
    }
  }

  return {
    get: (key) => rows.get(key)?.value,
    in: (group) => [...(groups.get(group)?.values() ?? [])],
    *values() {
      for (const { value } of rows.values()) yield value;
    },
    get size() {
      return rows.size;
    },
    upsert(object) {
      const { key, version } = identify(object);
      const known = rows.get(key);
      if (known && isNewer(known.version, version)) return known.value;
      fresh?.set(key, version);
      return take(object, key, version);
    },
    remove(object) {
      const { key } = identify(object);
      const row = rows.get(key);
      if (row) fresh?.set(key, row.version);
      drop(key);
    },
    relist() {
      const listed = new Set<string>();
      const own = new Map<string, string>();
      const isFirst = rows.size === 0;
      fresh = own;
      return {
        upsert(object) {
          const { key, version } = identify(object);
          listed.add(key);
          const since = own.get(key);
          if (since === undefined || isNewer(version, since)) take(object, key, version);
        },
        end() {
          fresh = undefined;
          for (const [key, { value }] of rows) {
            if (!listed.has(key) && !own.has(key)) drop(key);
            else if (!isFirst) options.onChange(value, value);
          }
        },
        giveUp() {
          fresh = undefined;
        },
      };
    },
  };
}

function identify(object: unknown): { key: string; version: string } {
  const { namespace, name, resourceVersion } = (object as { metadata: Meta }).metadata;
  // Joined, not a template: V8 would keep the template's parts beside the text.
  return { key: namespace === undefined ? name : [namespace, name].join('/'), version: resourceVersion };
}

/** Versions are decimal numbers that grow (guaranteed since Kubernetes 1.35, and so with etcd before). */
function isNewer(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}
