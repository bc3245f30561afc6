import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access, User } from './access.ts';
import type { Api, Place, RemoveOptions, WriteOptions } from './api.ts';
import { bodyOf } from './body.ts';
import { discovery } from './discovery.ts';
import type { Kubelet } from './kubelet.ts';
import { isFields, type KubeObject } from './objects.ts';
import { jsonPatch, mergePatch, strategicPatch } from './patch.ts';
import { type Line, list, watch } from './reads.ts';
import * as refusal from './refusal.ts';
import { apiVersionOf, PODS, REVIEWS, type ResourceType, SELF_REVIEWS, TOKEN_REVIEWS } from './resources.ts';
import { type Route, routeOf, verbOf } from './route.ts';
import { tableOf } from './table.ts';

/** What the parts of a request's answer need. */
interface Call extends Route {
  readonly user: User;
  readonly method: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

interface Answer {
  readonly code: number;
  readonly body: object | string;
}

export interface HandlerOptions {
  readonly api: Api;
  readonly access: Access;
  readonly kubelet: Kubelet;
  /** Between two bookmarks of a watch that asked for them. */
  readonly bookmarkMs: number;
}

const TABLE = 'as=Table';

/** Answers requests as kube-apiserver does. */
export function handlerFor({ api, access, kubelet, bookmarkMs }: HandlerOptions) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch((error: unknown) => {
      const refused =
        error instanceof refusal.Refusal ? error : new refusal.Refusal(500, 'InternalError', String(error));
      reply(response, { code: refused.code, body: refused.status });
    });
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'https://localhost');
    const body = await bodyOf(request);
    if (['/livez', '/readyz', '/healthz'].includes(url.pathname))
      return reply(response, { code: 200, body: 'ok' });
    const user = access.authenticate(request.headers.authorization);
    const described = discovery(api.registry, url.pathname.replace(/\/$/, ''));
    if (described && request.method === 'GET') return reply(response, { code: 200, body: described });
    const route = routeOf(api.registry, url.pathname);
    if (!route) return reply(response, { code: 404, body: '404 page not found\n' });
    const method = request.method ?? 'GET';
    const call = { ...route, user, method, query: url.searchParams, headers: request.headers, body };
    const { type, namespace, name, subresource } = call;
    const verb = verbOf(call);
    const resource = subresource ? `${type.plural}/${subresource}` : type.plural;
    // Whoever is known may ask who that is.
    if (type !== SELF_REVIEWS) access.authorize(user, { verb, group: type.group, resource, namespace });
    if (verb === 'watch') stream(call, response);
    else reply(response, respond(verb, call, name));
  }

  function respond(verb: string, call: Call, name: string): Answer {
    const { type, namespace, query, body } = call;
    const place: Place = { type, namespace };
    if (REVIEWS.has(type)) return review(verb, call);
    switch (verb) {
      case 'get':
        if (call.subresource === 'log') return logOf(api.get(place, name));
        return { code: 200, body: shown(call, api.get(place, name)) };
      case 'list':
        return { code: 200, body: listed(call) };
      case 'create':
        return { code: 201, body: shown(call, api.create(place, fields(body), writing(call))) };
      case 'update':
        return { code: 200, body: shown(call, api.replace(place, name, versioned(call), writing(call))) };
      case 'patch':
        return { code: 200, body: shown(call, patched(place, name, call)) };
      case 'delete':
        return { code: 200, body: removed(place, name, call) };
      case 'deletecollection': {
        const { objects } = list(api, place, query);
        for (const { metadata } of objects) {
          api.remove({ type, namespace: metadata.namespace }, metadata.name, removing(call));
        }
        return { code: 200, body: listOf(type, objects, { resourceVersion: String(api.store.version) }) };
      }
      default:
        throw new refusal.Refusal(405, 'MethodNotAllowed', NOT_ALLOWED, {});
    }
  }

  function review(verb: string, { type, body, user }: Call): Answer {
    if (verb !== 'create') throw new refusal.Refusal(405, 'MethodNotAllowed', NOT_ALLOWED, {});
    const given = fields(body);
    const statusOf = () => {
      if (type === SELF_REVIEWS) return access.selfReview(user);
      return type === TOKEN_REVIEWS ? access.tokenReview(given) : access.accessReview(given);
    };
    const status = statusOf();
    const head = { kind: type.kind, apiVersion: apiVersionOf(type), metadata: {} };
    return { code: 201, body: { ...head, spec: given['spec'], status } };
  }

  function patched(place: Place, name: string, call: Call): KubeObject {
    const { body, headers } = call;
    const patch = patchFor(place.type, (headers['content-type'] ?? '').split(';')[0]);
    const before = api.get(place, name);
    const { metadata } = before;
    const after = patch(before, body) as KubeObject;
    const given = isFields(body) && isFields(body['metadata']) ? body['metadata'] : {};
    // Only a patch that names a version asks for it to be the current one.
    const version = 'resourceVersion' in given ? String(given['resourceVersion']) : metadata.resourceVersion;
    const merged = { ...after.metadata, ...(version && { resourceVersion: version }) };
    return api.replace(place, name, { ...after, metadata: merged }, writing(call));
  }

  function versioned({ type, namespace, name, body }: Call): object {
    const given = fields(body) as unknown as KubeObject;
    api.get({ type, namespace }, name);
    if (!given.metadata?.resourceVersion && (type.custom || type.plural === 'leases')) {
      const message = 'must be specified for an update';
      throw refusal.invalid({ ...type, kind: type.plural }, name, [
        refusal.invalidValue('metadata.resourceVersion', 0, message),
      ]);
    }
    return given;
  }

  function removed(place: Place, name: string, call: Call): object {
    const before = api.get(place, name);
    const left = api.remove(place, name, removing(call));
    if (left || place.type === PODS) return shown(call, left ?? before);
    const { type } = place;
    const details = {
      name,
      ...(type.group && { group: type.group }),
      kind: type.plural,
      uid: before.metadata.uid,
    };
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
  }

  function listed(call: Call): object {
    const { type, namespace, query } = call;
    const { objects, metadata } = list(api, { type, namespace }, query);
    return wantsTable(call) ? tableOf(type, objects, metadata) : listOf(type, objects, metadata);
  }

  function logOf(pod: KubeObject): Answer {
    const log = kubelet.logOf(pod.metadata.uid);
    if (log !== undefined) return { code: 200, body: log };
    const message = `container in pod "${pod.metadata.name}" is waiting to start: ContainerCreating`;
    throw refusal.badRequest(message);
  }

  /** A version that is too old is said in the stream, as by a server that watches from its cache. */
  function follow(place: Place, query: URLSearchParams, send: (line: Line) => void) {
    try {
      return watch(api, place, query, send);
    } catch (error) {
      if (!(error instanceof refusal.Refusal) || error.code !== 410) throw error;
      send({ type: 'ERROR', object: error.status });
      return undefined;
    }
  }

  function stream(call: Call, response: ServerResponse): void {
    const { type, namespace, name, query } = call;
    if (name) query.set('fieldSelector', `metadata.name=${name}`);
    const send = ({ type: event, object }: Line) => {
      const body = event === 'BOOKMARK' || event === 'ERROR' ? object : shown(call, object as KubeObject);
      response.write(`${JSON.stringify({ type: event, object: body })}\n`);
    };
    const lines: Line[] = [];
    let ready = false;
    const place = { type, namespace };
    const following = follow(place, query, (line) => (ready ? send(line) : lines.push(line)));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    ready = true;
    for (const line of lines) send(line);
    if (!following) return void response.end();
    const bookmarks = query.get('allowWatchBookmarks') === 'true';
    const ticking = bookmarks ? setInterval(() => following.bookmark(), bookmarkMs).unref() : undefined;
    const seconds = Number(query.get('timeoutSeconds') ?? 0) || 1800 + Math.random() * 1800;
    const ending = setTimeout(() => {
      if (bookmarks) following.bookmark();
      response.end();
    }, seconds * 1000).unref();
    response.once('close', () => {
      following.stop();
      clearInterval(ticking);
      clearTimeout(ending);
    });
  }
}

const NOT_ALLOWED = 'the server does not allow this method on the requested resource';

function patchFor(type: ResourceType, contentType: string | undefined) {
  if (contentType === 'application/merge-patch+json') return mergePatch;
  if (contentType === 'application/json-patch+json') return jsonPatch;
  if (contentType === 'application/strategic-merge-patch+json' && !type.custom) return strategicPatch;
  const known = `application/json-patch+json, application/merge-patch+json${type.custom ? '' : ', application/strategic-merge-patch+json'}`;
  const message = `the body of the request was in an unknown format - accepted media types include: ${known}`;
  throw new refusal.Refusal(415, 'UnsupportedMediaType', message);
}

function writing({ query, headers, subresource }: Call): WriteOptions {
  const agent = (headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown';
  return {
    manager: query.get('fieldManager') ?? agent,
    dryRun: query.get('dryRun') === 'All',
    strict: query.get('fieldValidation') === 'Strict',
    subresource: subresource === 'status' ? 'status' : undefined,
  };
}

function removing({ query, body }: Call): RemoveOptions {
  const options = isFields(body) ? body : {};
  const { uid, resourceVersion } = (options['preconditions'] ?? {}) as Record<string, string | undefined>;
  const grace = query.get('gracePeriodSeconds') ?? options['gracePeriodSeconds'];
  const policy = query.get('propagationPolicy') ?? options['propagationPolicy'];
  return {
    uid,
    resourceVersion,
    policy: policy as string | undefined,
    graceSeconds: grace === undefined || grace === null ? undefined : Number(grace),
    dryRun: query.get('dryRun') === 'All' || JSON.stringify(options['dryRun']) === '["All"]',
  };
}

const wantsTable = ({ headers }: Call) => (headers.accept ?? '').includes(TABLE);

function shown(call: Call, object: KubeObject): object {
  const { resourceVersion } = object.metadata;
  return wantsTable(call) ? tableOf(call.type, [object], { resourceVersion }) : object;
}

/** In a list of Kubernetes' own objects, each is without kind and apiVersion; in one of custom objects, with. */
function listOf(type: ResourceType, objects: readonly KubeObject[], metadata: object): object {
  const items = type.custom ? objects : objects.map(({ kind: _k, apiVersion: _v, ...item }) => item);
  return { kind: `${type.kind}List`, apiVersion: apiVersionOf(type), metadata, items };
}

function fields(body: unknown): Record<string, unknown> {
  if (isFields(body)) return body;
  throw refusal.badRequest('the object provided is unrecognized: a JSON object was expected');
}

function reply(response: ServerResponse, { code, body }: Answer): void {
  if (response.headersSent) return void response.end();
  const text = typeof body === 'string';
  const type = text ? 'text/plain; charset=utf-8' : 'application/json';
  response.writeHead(code, { 'content-type': type }).end(text ? body : JSON.stringify(body));
}
