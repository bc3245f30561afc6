import { isDeepStrictEqual } from 'node:util';
import { checkedShape, decoded, newMetadata, refuseFaults } from './decode.ts';
import { checkPreconditions, finalizersFor, graceOf } from './deletion.ts';
import { defaultJob } from './job-defaults.ts';
import { checkVersion, managed, merged } from './merge.ts';
import { type KubeObject, type Metadata, timestamp } from './objects.ts';
import * as refusal from './refusal.ts';
import { CRDS, JOBS, NAMESPACES, PODS, type Registry, type ResourceType } from './resources.ts';
import { defaulted } from './schema.ts';
import type { Store } from './store.ts';

/** Names one object, or a collection. */
export interface Place {
  readonly type: ResourceType;
  readonly namespace?: string | undefined;
}

export interface WriteOptions {
  readonly manager: string;
  readonly dryRun?: boolean;
  /** Unknown fields are refused, not dropped. */
  readonly strict?: boolean;
  readonly subresource?: 'status' | undefined;
}

export interface RemoveOptions {
  readonly policy?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly graceSeconds?: number | undefined;
  readonly dryRun?: boolean;
}

/** The rules by which objects are written, as kube-apiserver has them. Reads need none: see `store`. */
export class Api {
  readonly store: Store;
  readonly registry: Registry;

  constructor(store: Store, registry: Registry) {
    this.store = store;
    this.registry = registry;
  }

  get({ type, namespace }: Place, name: string): KubeObject {
    const object = this.store.get(type, namespace, name);
    if (!object) throw refusal.notFound(type, name);
    return object;
  }

  create(place: Place, given: object, options: WriteOptions): KubeObject {
    const { type, namespace } = place;
    const body = checkedShape(type, namespace, given);
    this.#checkNamespace(place, body.metadata.name);
    const metadata = newMetadata(body.metadata, place);
    let object: KubeObject = { ...decoded(type, body, options), metadata };
    if (type.hasStatus) object = withoutStatus(type, object);
    if (type === NAMESPACES) object = asNamespace(object);
    if (type === JOBS) object = defaultJob(object);
    if (type === PODS) object.status = { phase: 'Pending' };
    refuseFaults(type, object);
    if (this.store.get(type, namespace, metadata.name)) throw refusal.alreadyExists(type, metadata.name);
    if (options.dryRun) return object;
    const stored = this.store.put(type, { ...object, metadata: managed(object, options) });
    if (type === CRDS) this.#define(stored);
    return this.store.get(type, namespace, metadata.name) ?? stored;
  }

  /** Replaces an object by what was made of it. The result is what is stored: the same object when nothing changed. */
  replace(place: Place, name: string, given: object, options: WriteOptions): KubeObject {
    const { type, namespace } = place;
    const before = this.get(place, name);
    const body = checkedShape(type, namespace, given);
    if (body.metadata.name !== name) {
      const text = `the name of the object (${body.metadata.name}) does not match the name on the URL (${name})`;
      throw refusal.badRequest(text);
    }
    checkVersion(type, body.metadata, before.metadata);
    const object = merged(type, before, decoded(type, body, options), options.subresource);
    refuseFaults(type, object, before);
    if (isDeepStrictEqual(unmanaged(object), unmanaged(before))) return before;
    if (options.dryRun) return object;
    const { deletionTimestamp, deletionGracePeriodSeconds, finalizers = [] } = object.metadata;
    if (deletionTimestamp && deletionGracePeriodSeconds === 0 && finalizers.length === 0) {
      this.#drop(type, object);
      return object;
    }
    const stored = this.store.put(type, { ...object, metadata: managed(object, options) });
    if (type === CRDS && options.subresource === undefined) this.#define(stored);
    return stored;
  }

  /** For controllers: changes an object, if it is still there. */
  update(
    place: Place,
    name: string,
    change: (draft: KubeObject) => void,
    options: WriteOptions,
  ): KubeObject | undefined {
    const before = this.store.get(place.type, place.namespace, name);
    if (!before) return undefined;
    const draft = structuredClone(before);
    change(draft);
    return this.replace(place, name, draft, options);
  }

  /** Deletes an object, or marks it for those who must act first. What is left of it is returned, if anything is. */
  remove(place: Place, name: string, options: RemoveOptions = {}): KubeObject | undefined {
    const { type } = place;
    const before = this.get(place, name);
    checkPreconditions(type, before, options);
    const finalizers = finalizersFor(type, before.metadata, options.policy);
    const grace = graceOf(type, before, options);
    if (options.dryRun) return before;
    if (finalizers.length === 0 && grace === 0) {
      this.#drop(type, before);
      return undefined;
    }
    const { deletionTimestamp, generation } = before.metadata;
    if (deletionTimestamp && (before.metadata.deletionGracePeriodSeconds ?? 0) <= grace) return before;
    const metadata: Metadata = {
      ...before.metadata,
      deletionTimestamp: deletionTimestamp ?? timestamp(new Date(Date.now() + grace * 1000)),
      deletionGracePeriodSeconds: grace,
      ...(generation !== undefined && { generation: generation + 1 }),
      ...(finalizers.length > 0 && { finalizers }),
    };
    const status = type === NAMESPACES ? { status: { phase: 'Terminating' } } : {};
    return this.store.put(type, { ...before, ...status, metadata });
  }

  #drop(type: ResourceType, object: KubeObject): void {
    this.store.drop(type, object);
    if (type !== CRDS) return;
    for (const defined of this.registry.forget(object)) {
      for (const one of this.store.list(defined)) this.store.drop(defined, one);
    }
  }

  #define(crd: KubeObject): void {
    this.registry.define(crd);
    const at = timestamp();
    const condition = (type: string, reason: string, message: string) => ({
      type,
      status: 'True',
      lastTransitionTime: at,
      reason,
      message,
    });
    const conditions = [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
    ];
    const status = { conditions, acceptedNames: crd.spec?.['names'], storedVersions: [] };
    this.store.put(CRDS, { ...crd, status });
  }

  #checkNamespace({ type, namespace }: Place, name: string): void {
    if (namespace === undefined) return;
    const { metadata } = this.get({ type: NAMESPACES }, namespace);
    if (!metadata.deletionTimestamp) return;
    const message =
      `${refusal.qualified(type)} "${name}" is forbidden: unable to create new content in namespace ` +
      `${namespace} because it is being terminated`;
    const cause = {
      reason: 'NamespaceTerminating',
      message: `namespace ${namespace} is being terminated`,
      field: 'metadata.namespace',
    };
    throw new refusal.Refusal(403, 'Forbidden', message, {
      name,
      group: type.group,
      kind: type.plural,
      causes: [cause],
    });
  }
}

/** Nobody chooses the status of a new object; a default of its schema may. */
function withoutStatus({ schema }: ResourceType, { status: _s, ...object }: KubeObject): KubeObject {
  return schema ? (defaulted(schema, object) as KubeObject) : object;
}

/** An object without the record of who wrote it, which alone is no reason to store it. */
function unmanaged(object: KubeObject): object {
  return { ...object, metadata: { ...object.metadata, managedFields: [] } };
}

function asNamespace(object: KubeObject): KubeObject {
  const labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name };
  return {
    ...object,
    metadata: { ...object.metadata, labels },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
}
