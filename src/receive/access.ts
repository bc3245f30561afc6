import { z } from 'zod';
import { isCode } from '../errors.ts';
import { keep } from '../keep.ts';
import type { Kubernetes } from '../kubernetes.ts';
import { createBuckets } from './buckets.ts';
import { Refusal } from './refusal.ts';
import { bearerOf, sha256 } from './signature.ts';

/** The audience that a token must be made for: one for the API server opens nothing here, nor the other way round. */
export const AUDIENCE = 'postsync';

/** Who asks, as Kubernetes knows them. */
const User = z.object({
  username: z.string().min(1),
  uid: z.string().optional(),
  groups: z.array(z.string()).optional(),
  extra: z.record(z.string(), z.array(z.string())).optional(),
});
export type User = z.output<typeof User>;

const Review = z.object({
  status: z.object({
    authenticated: z.boolean().optional(),
    user: User.optional().catch(undefined),
    audiences: z.array(z.string()).optional(),
  }),
});
const Access = z.object({ status: z.object({ allowed: z.boolean() }) });

/** What may be done to the runs of a namespace. `override` is a verb of our own, for RBAC to grant. */
export type Verb = 'get' | 'create' | 'override';

export interface Door {
  /**
   * @returns who sends this Authorization header from this address
   * @throws {Refusal} 401, 429; PostsyncError when the API server does not say
   */
  identify(authorization: string | undefined, address: string): Promise<User>;
  /** @throws {Refusal} 403, with the grant that is missing */
  allow(user: User, verb: Verb, namespace: string): Promise<void>;
}

const CACHE_MS = 5_000;
const MAX_CACHED = 1_000;
/** Longer than any token of Kubernetes. */
const MAX_TOKEN_LENGTH = 16_384;

/** Asks the API server who somebody is and what they may do; answers to the first are kept for some seconds. */
export function createDoor(
  kubernetes: Pick<Kubernetes, 'create'>,
  now: () => number = () => performance.now(),
): Door {
  const cache = new Map<string, { readonly until: number; readonly user: Promise<User | undefined> }>();
  const takeReview = createBuckets({ burst: 100, perSecond: 20, now });

  function identifyToken(token: string, address: string): Promise<User | undefined> {
    const key = sha256(token).toString('base64');
    const known = cache.get(key);
    if (known && known.until > now()) return known.user;
    const seconds = takeReview(address);
    if (seconds > 0)
      throw new Refusal(
        429,
        'TooManyRequests',
        `too many tokens came from there; wait ${seconds} s`,
        seconds,
      );
    const user = review(kubernetes, token);
    keep(cache, key, { until: now() + CACHE_MS, user }, MAX_CACHED);
    user.catch(() => cache.delete(key));
    return user;
  }

  return {
    async identify(authorization, address) {
      const token = bearerOf(authorization);
      const make = `kubectl create token SERVICEACCOUNT --audience ${AUDIENCE}`;
      if (token === undefined || token.length > MAX_TOKEN_LENGTH)
        throw new Refusal(401, 'Unauthorized', `send Authorization: Bearer TOKEN; make one with: ${make}`);
      const user = await identifyToken(token, address);
      if (user) return user;
      const because = `the token is not valid for the audience ${AUDIENCE}`;
      throw new Refusal(401, 'Unauthorized', `${because}; make one with: ${make}`);
    },
    async allow({ username, uid, groups, extra }, verb, namespace) {
      const resourceAttributes = { group: 'postsync.dev', resource: 'synctestruns', verb, namespace };
      const answer = await ask(kubernetes, 'subjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { user: username, uid, groups, extra, resourceAttributes },
      });
      if (Access.parse(answer).status.allowed) return;
      const right = `${verb} synctestruns.postsync.dev in the namespace ${namespace}`;
      throw new Refusal(403, 'Forbidden', `${username} may not ${right}; ask for a Role that grants it`);
    },
  };
}

async function review(kubernetes: Pick<Kubernetes, 'create'>, token: string): Promise<User | undefined> {
  const answer = await ask(kubernetes, 'tokenreviews', {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token, audiences: [AUDIENCE] },
  });
  const { authenticated, user, audiences } = Review.parse(answer).status;
  // An API server that does not know audiences leaves them out: then the token is one for itself.
  return authenticated && audiences?.includes(AUDIENCE) ? user : undefined;
}

/** Who asks can do nothing about a right that postsync itself lacks. */
async function ask(
  kubernetes: Pick<Kubernetes, 'create'>,
  resource: 'tokenreviews' | 'subjectaccessreviews',
  body: object,
): Promise<unknown> {
  try {
    return await kubernetes.create({ resource }, body);
  } catch (cause) {
    if (!isCode(cause, 'API_FORBIDDEN')) throw cause;
    const message = `postsync itself may not create ${resource}: its administrator has to grant that`;
    throw Object.assign(new Refusal(500, 'Internal', message), { cause });
  }
}
