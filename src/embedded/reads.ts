import type { Api, Place } from './api.ts';
import type { KubeObject } from './objects.ts';
import { badRequest, Refusal } from './refusal.ts';
import { apiVersionOf, keyOf, type ResourceType } from './resources.ts';
import { fieldSelector, labelSelector } from './selectors.ts';
import type { Change } from './store.ts';

/** Objects of a place, and the version at which they were so. */
export interface Page {
  readonly objects: readonly KubeObject[];
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
}

/** Lists a collection: all of it, or the page that `limit` and `continue` ask for, as it was at the first page. */
export function list({ store }: Api, place: Place, query: URLSearchParams): Page {
  const { type, namespace } = place;
  const mine = filterOf(place, query);
  const token = query.get('continue');
  const asked = token ? parseToken(token) : { version: versionOf(query), after: '' };
  const exact = token !== null || query.get('resourceVersionMatch') === 'Exact';
  const version = exact ? asked.version : store.version;
  if (asked.version > store.version) throw tooLarge(asked.version, store.version);
  const all = exact ? store.listAt(type, version) : store.list(type);
  if (!all) throw token ? expiredToken() : tooOld(version, store.forgotten);
  const found = all.filter(
    (object) => inside(object, namespace) && mine(object) && keyIn(object) > asked.after,
  );
  const limit = Number(query.get('limit') ?? 0);
  const resourceVersion = String(version);
  const last = found[limit - 1];
  if (!last || found.length === limit) return { objects: found, metadata: { resourceVersion } };
  const selective = query.has('labelSelector') || query.has('fieldSelector');
  const metadata = {
    resourceVersion,
    continue: Buffer.from(JSON.stringify({ version, after: keyIn(last) })).toString('base64url'),
    ...(!selective && { remainingItemCount: found.length - limit }),
  };
  return { objects: found.slice(0, limit), metadata };
}

export interface Line {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: object;
}

/**
 * Follows a collection from the version that the query names: first what happened since, then what happens. Without a
 * version it begins with what is there. What leaves the selection is DELETED for this watch, as it last was in it.
 */
export function watch(
  { store }: Api,
  place: Place,
  query: URLSearchParams,
  send: (line: Line) => void,
): { bookmark(): void; stop(): void } {
  const { type, namespace } = place;
  const mine = filterOf(place, query);
  const matches = (object: KubeObject | undefined): object is KubeObject =>
    object !== undefined && inside(object, namespace) && mine(object);
  const tell = (change: Change) => {
    if (keyOf(change.type) !== keyOf(type)) return;
    const { before, after, version } = change;
    const was = matches(before);
    if (matches(after)) send({ type: was ? 'MODIFIED' : 'ADDED', object: after });
    else if (was) send({ type: 'DELETED', object: at(before, version) });
  };
  const from = versionOf(query);
  if (from === 0) {
    for (const object of store.list(type)) if (matches(object)) send({ type: 'ADDED', object });
    if (query.get('allowWatchBookmarks') === 'true') send(bookmarkAt(type, store.version, INITIAL));
  } else {
    if (from < store.forgotten) throw tooOld(from, store.forgotten);
    for (const change of store.since(from)) tell(change);
  }
  const stop = store.onChange((change) => {
    if (change.version > from) tell(change);
  });
  const bookmark = () => {
    if (store.version < from) return;
    send(bookmarkAt(type, store.version));
  };
  return { bookmark, stop };
}

/** Marks the bookmark after which a watch that began without a version has been told all that was there. */
const INITIAL = { annotations: { 'k8s.io/initial-events-end': 'true' } };

function bookmarkAt(type: ResourceType, version: number, more: object = {}): Line {
  const metadata = { resourceVersion: String(version), ...more };
  return { type: 'BOOKMARK', object: { kind: type.kind, apiVersion: apiVersionOf(type), metadata } };
}

function filterOf({ type }: Place, query: URLSearchParams): (object: KubeObject) => boolean {
  const labels = labelSelector(query.get('labelSelector') ?? '');
  const fields = fieldSelector(query.get('fieldSelector') ?? '', type);
  return (object) => labels(object) && fields(object);
}

function versionOf(query: URLSearchParams): number {
  const text = query.get('resourceVersion') ?? '';
  if (text !== '' && !/^\d+$/.test(text)) {
    const message = `resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`;
    throw new Refusal(500, '', message);
  }
  return Number(text);
}

function parseToken(token: string): { readonly version: number; readonly after: string } {
  try {
    const { version, after } = JSON.parse(Buffer.from(token, 'base64url').toString()) as Record<
      string,
      unknown
    >;
    if (typeof version === 'number' && typeof after === 'string') return { version, after };
  } catch {
    // Said below.
  }
  throw badRequest('invalid continue token: continue key is not valid');
}

const at = (object: KubeObject, version: number): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: String(version) },
});

const inside = ({ metadata }: KubeObject, namespace: string | undefined) =>
  namespace === undefined || metadata.namespace === namespace;

const keyIn = ({ metadata }: KubeObject) => `${metadata.namespace ?? ''}/${metadata.name}`;

const tooOld = (version: number, oldest: number) =>
  new Refusal(410, 'Expired', `too old resource version: ${version} (${oldest})`);

const expiredToken = () =>
  new Refusal(
    410,
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
  );

function tooLarge(version: number, current: number): Refusal {
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version', field: '' }];
  const message = `Timeout: Too large resource version: ${version}, current: ${current}`;
  return new Refusal(504, 'Timeout', message, { causes, retryAfterSeconds: 1 });
}
