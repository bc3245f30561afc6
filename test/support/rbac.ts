import { PostsyncError } from '../../src/errors.ts';
import type { Kubernetes } from '../../src/kubernetes.ts';

interface Review {
  readonly spec: {
    readonly token?: string;
    readonly audiences?: readonly string[];
    readonly user?: string;
    readonly groups?: readonly string[];
    readonly extra?: unknown;
    readonly resourceAttributes?: { readonly verb: string; readonly namespace: string };
  };
}

/** An API server that knows some tokens, and what their owners may do: `VERB NAMESPACE`. */
export function anApiServer(rights: Readonly<Record<string, readonly string[]>>) {
  const seen: Review['spec'][] = [];
  const state = { isDown: false, forgetsAudiences: false };
  const kubernetes: Pick<Kubernetes, 'create'> = {
    async create({ resource }, body) {
      if (state.isDown) throw new PostsyncError('API_UNAVAILABLE', 'connection refused');
      const { spec } = body as Review;
      seen.push(spec);
      if (resource === 'tokenreviews') {
        const username = String(spec.token).replace(/^token-of-/, '');
        if (!(username in rights)) return { status: { user: {} } };
        const user = { username, uid: `uid of ${username}`, groups: ['team'], extra: { node: ['n1'] } };
        const audiences = state.forgetsAudiences ? undefined : spec.audiences;
        return { status: { authenticated: true, user, audiences } };
      }
      const { verb = '', namespace = '' } = spec.resourceAttributes ?? {};
      return { status: { allowed: rights[String(spec.user)]?.includes(`${verb} ${namespace}`) ?? false } };
    },
  };
  return {
    kubernetes,
    seen,
    reviews: () => seen.filter(({ token }) => token !== undefined).length,
    goDown: (isDown: boolean) => void (state.isDown = isDown),
    forgetAudiences: () => void (state.forgetsAudiences = true),
  };
}
