import { isDeepStrictEqual } from 'node:util';
import type { WriteOptions } from './api.ts';
import { type KubeObject, type Metadata, timestamp } from './objects.ts';
import * as refusal from './refusal.ts';
import type { ResourceType } from './resources.ts';

/** Refuses a write that was made for another version of an object, or for another object. */
export function checkVersion(type: ResourceType, given: Metadata, before: Metadata): void {
  const { resourceVersion, uid } = given;
  if (resourceVersion && resourceVersion !== before.resourceVersion)
    throw refusal.conflict(type, before.name);
  if (uid && uid !== before.uid) {
    throw refusal.invalid(type, before.name, [
      refusal.invalidValue('metadata.uid', uid, 'field is immutable'),
    ]);
  }
}

/** What is stored after a write: who may change what. */
export function merged(
  type: ResourceType,
  before: KubeObject,
  given: KubeObject,
  subresource?: 'status',
): KubeObject {
  if (subresource === 'status') {
    const { status: _, ...rest } = before;
    return { ...rest, ...(given.status && { status: given.status }) };
  }
  const { labels: _l, annotations: _a, finalizers: _f, ownerReferences: _o, ...kept } = before.metadata;
  const metadata: Metadata = { ...kept, ...writable(given.metadata) };
  const { status: _, ...body } = given;
  const status = type.hasStatus ? before.status : given.status;
  const object = { ...body, metadata, ...(status && { status }) } as KubeObject;
  if (metadata.generation !== undefined && !isDeepStrictEqual(contentOf(object), contentOf(before))) {
    metadata.generation += 1;
  }
  return object;
}

/** The metadata that a writer may choose. */
export function writable({ labels, annotations, finalizers, ownerReferences }: Metadata): Partial<Metadata> {
  return {
    ...(labels && Object.keys(labels).length > 0 && { labels }),
    ...(annotations && Object.keys(annotations).length > 0 && { annotations }),
    ...(finalizers?.length && { finalizers }),
    ...(ownerReferences?.length && { ownerReferences }),
  };
}

/** What the generation counts the changes of. */
function contentOf({ metadata: _m, status: _s, ...content }: KubeObject): object {
  return content;
}

/** The metadata with an entry for the writer. The fields it owns are not told apart, so `fieldsV1` is left out. */
export function managed(
  { apiVersion, metadata }: KubeObject,
  { manager, subresource }: WriteOptions,
): Metadata {
  const others = (metadata.managedFields ?? []).filter(
    (entry) => entry.manager !== manager || entry.subresource !== subresource,
  );
  const entry = { manager, operation: 'Update', apiVersion, time: timestamp() };
  return { ...metadata, managedFields: [...others, { ...entry, ...(subresource && { subresource }) }] };
}
