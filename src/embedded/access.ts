import { createHash, timingSafeEqual } from 'node:crypto';
import { Refusal } from './refusal.ts';

/** Somebody who may call the API, or who may only be asked about (TokenReview, SubjectAccessReview). */
export interface User {
  readonly name: string;
  readonly groups?: readonly string[];
  /** The bearer token that proves it. Without one the user can only be asked about. */
  readonly token?: string;
  /** Whom the token is for. One with audiences opens the API only when `https://kubernetes.default.svc` is among them. */
  readonly audiences?: readonly string[];
  /** Members of `system:masters` need none. */
  readonly rights?: readonly Right[];
}

/** As a rule of an RBAC role; `*` stands for all. Without namespaces it holds in all. */
export interface Right {
  readonly verbs: readonly string[];
  readonly groups: readonly string[];
  readonly resources: readonly string[];
  readonly namespaces?: readonly string[];
}

export interface Attributes {
  readonly verb: string;
  readonly group: string;
  /** With its subresource, if any: `jobs/status`. */
  readonly resource: string;
  readonly namespace?: string | undefined;
}

const API_AUDIENCE = 'https://kubernetes.default.svc';

export interface Access {
  authenticate(header: string | undefined): User;
  authorize(user: User, attributes: Attributes): void;
  /** A SelfSubjectReview, TokenReview or SubjectAccessReview, answered. */
  selfReview(user: User): object;
  tokenReview(review: TokenReview): object;
  accessReview(review: AccessReview): object;
}

interface TokenReview {
  readonly spec?: { readonly token?: string; readonly audiences?: readonly string[] };
}

interface AccessReview {
  readonly spec?: {
    readonly user?: string;
    readonly groups?: readonly string[];
    readonly resourceAttributes?: {
      readonly namespace?: string;
      readonly verb?: string;
      readonly group?: string;
      readonly resource?: string;
      readonly subresource?: string;
    };
  };
}

/** Who is who, and who may what. */
export function accessFor(users: readonly User[]): Access {
  const withToken = (token: string) =>
    users.find((user) => user.token !== undefined && same(user.token, token));

  function allowed(
    user: Pick<User, 'groups' | 'rights'>,
    { verb, group, resource, namespace }: Attributes,
  ): boolean {
    if (user.groups?.includes('system:masters')) return true;
    return (user.rights ?? []).some(
      ({ verbs, groups, resources, namespaces }) =>
        covers(verbs, verb) &&
        covers(groups, group) &&
        covers(resources, resource) &&
        (!namespaces || (namespace !== undefined && namespaces.includes(namespace))),
    );
  }

  return {
    authenticate(header) {
      const user = withToken(/^Bearer (.+)$/.exec(header ?? '')?.[1] ?? '');
      if (user && (!user.audiences || user.audiences.includes(API_AUDIENCE))) return user;
      throw new Refusal(401, 'Unauthorized', 'Unauthorized');
    },
    authorize(user, attributes) {
      if (allowed(user, attributes)) return;
      const { verb, group, resource, namespace } = attributes;
      const kind = group ? `${resource}.${group}` : resource;
      const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
      const message = `${kind} is forbidden: User "${user.name}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
      throw new Refusal(403, 'Forbidden', message, { kind: resource, ...(group && { group }) });
    },
    selfReview: ({ name, groups = [] }) => ({
      userInfo: { username: name, groups: [...groups, 'system:authenticated'] },
    }),
    tokenReview(review) {
      const { token = '', audiences = [API_AUDIENCE] } = review.spec ?? {};
      const user = withToken(token);
      if (!user) return { user: {}, error: 'invalid bearer token' };
      const own = user.audiences ?? [API_AUDIENCE];
      const shared = own.filter((one) => audiences.includes(one));
      if (shared.length === 0) {
        const error = `[invalid bearer token, token audiences ${quoted(own)} is invalid for the target audiences ${quoted(audiences)}]`;
        return { user: {}, error };
      }
      const groups = [...(user.groups ?? []), 'system:authenticated'];
      return { authenticated: true, user: { username: user.name, groups }, audiences: shared };
    },
    accessReview(review) {
      const { user: name, groups = [], resourceAttributes: of = {} } = review.spec ?? {};
      const known = users.find((user) => user.name === name);
      const subject = { groups: [...(known?.groups ?? []), ...groups], rights: known?.rights ?? [] };
      const resource = of.subresource ? `${of.resource}/${of.subresource}` : (of.resource ?? '');
      const { verb = '', group = '', namespace } = of;
      return { allowed: allowed(subject, { verb, group, resource, namespace: namespace || undefined }) };
    },
  };
}

const covers = (list: readonly string[], value: string) => list.includes('*') || list.includes(value);

const hash = (text: string) => createHash('sha256').update(text).digest();

function same(a: string, b: string): boolean {
  return timingSafeEqual(hash(a), hash(b));
}

const quoted = (values: readonly string[]) => `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
