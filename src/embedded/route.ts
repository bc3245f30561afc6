import { unknownPath } from './refusal.ts';
import type { Registry, ResourceType } from './resources.ts';

/** What a path names. */
export interface Route {
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  /** Empty for a collection. */
  readonly name: string;
  readonly subresource: string | undefined;
}

/** Reads a path. `undefined` when it is none of the API's; a Refusal when the API has no such resource. */
export function routeOf(registry: Registry, path: string): Route | undefined {
  const [, root, ...all] = path.split('/').map(decodeURIComponent);
  if (root !== 'api' && root !== 'apis') return undefined;
  const [group = '', version = '', ...parts] = root === 'api' ? ['', ...all] : all;
  const within = parts[0] === 'namespaces' && parts.length > 2 && parts[2] !== 'status';
  const [namespace, rest] = within ? [parts[1], parts.slice(2)] : [undefined, parts];
  const [plural = '', name = '', subresource, ...more] = rest;
  const type = registry.find(group, version, plural);
  const route = { namespace, name, subresource };
  if (!type || more.length > 0 || !fits(type, route)) throw unknownPath();
  return { type, ...route };
}

function fits(type: ResourceType, { namespace, name, subresource }: Omit<Route, 'type'>): boolean {
  if (type.namespaced ? namespace === undefined && name !== '' : namespace !== undefined) return false;
  return subresource === undefined || served(type, subresource);
}

function served(type: ResourceType, subresource: string): boolean {
  return subresource === 'status' ? type.hasStatus : subresource === 'log' && type.plural === 'pods';
}

/** The verb of RBAC that a request is. */
export function verbOf(
  call: Pick<Route, 'name'> & { readonly method: string; readonly query: URLSearchParams },
) {
  const { method, name, query } = call;
  const watching = query.get('watch') === 'true' || query.get('watch') === '1';
  if (method === 'GET') return watching ? 'watch' : name ? 'get' : 'list';
  if (method === 'POST') return name ? '' : 'create';
  if (method === 'DELETE') return name ? 'delete' : 'deletecollection';
  const verbs: Record<string, string> = { PUT: 'update', PATCH: 'patch' };
  return name ? (verbs[method] ?? '') : '';
}
