import { randomUUID } from 'node:crypto';
import type { Place, WriteOptions } from './api.ts';
import { writable } from './merge.ts';
import { isFields, type KubeObject, type Metadata, timestamp } from './objects.ts';
import * as refusal from './refusal.ts';
import { apiVersionOf, type ResourceType, SECRETS } from './resources.ts';
import { brokenRules, defaulted, faults, pruned } from './schema.ts';
import { builtInFaults, metadataFaults } from './validation.ts';

/** Checks what the URL and the body must agree on. */
export function checkedShape(type: ResourceType, namespace: string | undefined, given: object): KubeObject {
  const body = addressed(type, given);
  const wanted = apiVersionOf(type);
  if (body.apiVersion !== wanted) {
    const text = `the API version in the data (${body.apiVersion}) does not match the expected API version (${wanted})`;
    throw refusal.badRequest(text);
  }
  if (body.kind !== type.kind) {
    throw refusal.badRequest(`${body.kind} in version "${type.version}" cannot be handled as a ${type.kind}`);
  }
  const metadata = (isFields(body.metadata) ? body.metadata : {}) as unknown as Metadata;
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw refusal.badRequest(
      'the namespace of the provided object does not match the namespace sent on the request',
    );
  }
  checkStrings(metadata);
  return { ...body, metadata };
}

/** Kubernetes' own objects may leave out what they are: the URL says it. Custom ones may not. */
function addressed(type: ResourceType, given: object): KubeObject {
  const body = given as Partial<KubeObject>;
  if (!type.custom) return { apiVersion: apiVersionOf(type), kind: type.kind, ...body } as KubeObject;
  const missing = (['kind', 'apiVersion'] as const).find((field) => !body[field]);
  if (missing === undefined) return body as KubeObject;
  const what = `Object '${missing === 'kind' ? 'Kind' : missing}' is missing in '${JSON.stringify(given).slice(0, 512)}'`;
  throw refusal.badRequest(`the object provided is unrecognized (must be of type ${type.kind}): ${what}`);
}

function checkStrings(metadata: Metadata): void {
  for (const field of ['labels', 'annotations'] as const) {
    for (const [key, value] of Object.entries(metadata[field] ?? {})) {
      if (typeof value === 'string') continue;
      const text = `json: cannot unmarshal ${typeof value} into Go struct field ObjectMeta.metadata.${field} of type string`;
      throw new refusal.Refusal(422, 'Invalid', `"${key}" is invalid: ${text}`);
    }
  }
}

/** The body without what its schema does not know, or refused for it; with defaults. */
export function decoded(type: ResourceType, body: KubeObject, { strict = false }: WriteOptions): KubeObject {
  if (type === SECRETS) return encoded(body);
  if (!type.schema) return body;
  const { object, unknown } = pruned(type.schema, body);
  if (strict && unknown.length > 0) {
    const fields = (type.custom ? unknown.toSorted() : unknown).map((field) => `unknown field "${field}"`);
    const text = `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: strict decoding error: `;
    throw refusal.badRequest(text + fields.join(', '));
  }
  return defaulted(type.schema, object) as KubeObject;
}

/** A Secret whose `stringData` is where it is kept. */
function encoded({ ['stringData']: texts = {}, ...secret }: KubeObject): KubeObject {
  const entries = Object.entries(texts as Record<string, string>);
  if (entries.length === 0) return secret;
  const data = entries.map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
  return { ...secret, data: { ...(secret['data'] as object), ...Object.fromEntries(data) } };
}

/** The metadata of a new object: what the writer may choose, and what the server adds. */
export function newMetadata(given: Metadata, { type, namespace }: Place): Metadata {
  const { name, generateName } = given;
  const chosen = name || (generateName ? `${generateName.slice(0, 58)}${randomSuffix()}` : '');
  if (!chosen) {
    const cause = refusal.required('metadata.name', 'name or generateName is required');
    throw refusal.invalid(type, '', [cause]);
  }
  return {
    name: chosen,
    ...(generateName && { generateName }),
    ...(namespace !== undefined && { namespace }),
    uid: randomUUID(),
    ...(type.hasGeneration && { generation: 1 }),
    creationTimestamp: timestamp(),
    ...writable(given),
  };
}

/** Five letters and digits, without those that could make a word. */
function randomSuffix(): string {
  const letters = 'bcdfghjklmnpqrstvwxz2456789';
  const bytes = randomUUID().replaceAll('-', '');
  return [0, 2, 4, 6, 8].map((at) => letters[Number.parseInt(bytes.slice(at, at + 2), 16) % 27]).join('');
}

/** Throws what is wrong with an object that is about to be stored. */
export function refuseFaults(type: ResourceType, object: KubeObject, before?: KubeObject): void {
  const { metadata } = object;
  const found = [...metadataFaults(metadata, before?.metadata), ...builtInFaults(type, object, before)];
  if (type.schema) {
    const wrong = faults(type.schema, object);
    if (!type.custom && wrong[0]) throw unreadable(type, wrong[0]);
    found.push(...wrong);
    if (wrong.length === 0) found.push(...brokenRules(type.schema, object, before));
  }
  if (found.length > 0) throw refusal.invalid(type, metadata.name, found);
}

const GO_TYPES: Readonly<Record<string, string>> = { integer: 'int32', boolean: 'bool' };

/** A wrong type in an object of Kubernetes' own already fails to decode. */
function unreadable(type: ResourceType, { field, message }: refusal.Cause): refusal.Refusal {
  const [, wanted = '', given] = /of type ([\w,-]+): (.+)/.exec(message) ?? [];
  const where = `Go struct field ${type.kind}.${field} of type ${GO_TYPES[wanted] ?? wanted}`;
  const text =
    wanted === 'micro-time'
      ? `parsing time ${given} as "2006-01-02T15:04:05.000000Z07:00": cannot parse`
      : `json: cannot unmarshal ${given?.replaceAll('"', '')} into ${where}`;
  return refusal.badRequest(`${cannotHandle(type)}: ${text}`);
}

function cannotHandle({ kind, version }: ResourceType): string {
  return `${kind} in version "${version}" cannot be handled as a ${kind}`;
}
