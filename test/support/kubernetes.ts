import { PostsyncError } from '../../src/errors.ts';
import { type Kubernetes, pathOf, type Target } from '../../src/kubernetes.ts';

export interface Call {
  readonly verb: string;
  readonly path: string;
  readonly body: unknown;
}

type Answer = object | PostsyncError;

/** Writes down each call, and answers it by verb and path; what it does not know is not there. */
export function aKubernetes(answers: Readonly<Record<string, Answer>> = {}) {
  const calls: Call[] = [];
  const answer = async (verb: string, target: Target, body?: object): Promise<unknown> => {
    const path = pathOf(target).replace(/^.*namespaces\//, '');
    calls.push({ verb, path, body });
    const known = answers[`${verb} ${path}`] ?? (verb === 'get' ? notFound(path) : (body ?? {}));
    if (known instanceof PostsyncError) throw known;
    return known;
  };
  const kubernetes: Kubernetes = {
    get: (target) => answer('get', target),
    list: (target) => answer('list', target),
    create: (target, body) => answer('create', target, body),
    patch: (target, body) => answer('patch', target, body),
    remove: (target, uid) => answer('remove', target, { uid }),
    watch: () => {
      throw new PostsyncError('API_UNAVAILABLE', 'nothing is watched here');
    },
  };
  return { kubernetes, calls };
}

function notFound(path: string): PostsyncError {
  return new PostsyncError('API_NOT_FOUND', `${path} is not there`);
}
