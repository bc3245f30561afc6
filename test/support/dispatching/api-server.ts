import { setImmediate as turn } from 'node:timers/promises';
import type { Time } from '../../../src/decide/model.ts';
import { iso } from '../../../src/decide/time.ts';
import { PostsyncError } from '../../../src/errors.ts';
import type { Kubernetes, Resource, Target } from '../../../src/kubernetes.ts';
import { isFields } from '../github/dispatches.ts';
import type { Fields } from '../github/model.ts';

/** What happens around a call: it may fail, or be the last thing that its caller did. */
export type Step = <T>(what: string, act: () => Promise<T>) => Promise<T>;

interface Stored extends Fields {
  readonly metadata: Fields & { readonly name: string; readonly namespace: string; readonly uid: string };
}

/** Objects in memory, and the API that postsync uses of them: versions, merge patches, the status apart from the rest. */
export interface ApiServer {
  /** As one who uses it sees it: each write passes `step`. */
  connect(step: Step): Kubernetes;
  /** Somebody else writes an object, in place of what is there. */
  put(resource: Resource, object: Fields): void;
  list(resource: Resource): readonly Stored[];
}

export function anApiServer(now: () => Time): ApiServer {
  const kinds = new Map<Resource, Map<string, Stored>>();
  let version = 1;

  function of(resource: Resource): Map<string, Stored> {
    const known = kinds.get(resource) ?? new Map<string, Stored>();
    kinds.set(resource, known);
    return known;
  }

  function found(target: Target): Stored {
    const stored = of(target.resource).get(keyOf(target));
    if (!stored) throw new PostsyncError('API_NOT_FOUND', `${keyOf(target)} is not there`);
    return stored;
  }

  function store(resource: Resource, object: Fields): Stored {
    const given = object['metadata'] as Stored['metadata'];
    const before = of(resource).get(keyOf(given));
    version += 1;
    const metadata = {
      creationTimestamp: iso(now()),
      ...before?.metadata,
      ...given,
      uid: before?.metadata.uid ?? `uid-${version}`,
      resourceVersion: String(version),
    };
    const stored: Stored = { ...structuredClone(object), metadata };
    of(resource).set(keyOf(given), stored);
    return stored;
  }

  function patch(target: Target, body: Fields): Stored {
    const stored = found(target);
    const { metadata = {}, status, ...rest } = body as Fields & { metadata?: Fields };
    const { resourceVersion: expected, ...keys } = metadata;
    if (expected !== undefined && expected !== stored.metadata['resourceVersion']) {
      throw new PostsyncError('API_CONFLICT', `${keyOf(target)} changed`);
    }
    const change = target.subresource === 'status' ? { status } : { ...rest, metadata: keys };
    return store(target.resource, merged(stored, change) as Stored);
  }

  function create({ resource }: Target, body: Fields): Stored {
    const metadata = body['metadata'] as Stored['metadata'];
    if (of(resource).has(keyOf(metadata))) {
      throw new PostsyncError('API_EXISTS', `${keyOf(metadata)} is there`);
    }
    const { status: _, ...rest } = body;
    return store(resource, rest);
  }

  return {
    connect: (step) => ({
      async get(target) {
        await turn();
        return structuredClone(found(target));
      },
      create: (target, body) =>
        step(`create ${target.resource}`, async () => structuredClone(create(target, body as Fields))),
      patch: (target, body) =>
        step(`patch ${target.resource}`, async () => structuredClone(patch(target, plain(body)))),
      remove: (target) =>
        step(`remove ${target.resource}`, async () => of(target.resource).delete(keyOf(target))),
      list: never,
      watch: never,
    }),
    put: (resource, object) => void store(resource, object),
    list: (resource) => [...of(resource).values()],
  };
}

function keyOf({
  namespace = '',
  name = '',
}: {
  readonly namespace?: string;
  readonly name?: string;
}): string {
  return `${namespace}/${name}`;
}

/** As it arrives: what is undefined is not sent. */
function plain(body: object): Fields {
  return JSON.parse(JSON.stringify(body)) as Fields;
}

/** A JSON merge patch (RFC 7386). */
function merged(target: unknown, change: unknown): unknown {
  if (!isFields(change)) return change;
  const result: Record<string, unknown> = isFields(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

function never(): never {
  throw new Error('nothing is listed or watched here');
}
