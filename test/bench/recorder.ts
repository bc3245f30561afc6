import type { Kubernetes, Query, Target } from '../../src/kubernetes.ts';

/** A call that was answered. Times are of `performance.now()`. */
export interface Call {
  readonly verb: 'get' | 'list' | 'create' | 'patch' | 'delete';
  readonly target: Target;
  readonly query?: Query | undefined;
  readonly body?: object | undefined;
  readonly answeredAt: number;
}

export interface Recorder {
  readonly kubernetes: Kubernetes;
  readonly calls: readonly Call[];
  /** Told of each call that was answered well. */
  onCall: (call: Call) => void;
  reset(): void;
}

/** The same client, with every answered call written down. */
export function recording(kubernetes: Kubernetes): Recorder {
  const calls: Call[] = [];
  async function note<T>(call: Omit<Call, 'answeredAt'>, answer: Promise<T>): Promise<T> {
    const answered = await answer;
    const noted = { ...call, answeredAt: performance.now() };
    calls.push(noted);
    recorder.onCall(noted);
    return answered;
  }
  const recorder: Recorder = {
    kubernetes: {
      get: (target) => note({ verb: 'get', target }, kubernetes.get(target)),
      list: (target, query) => note({ verb: 'list', target, query }, kubernetes.list(target, query)),
      create: (target, body, query) =>
        note({ verb: 'create', target, body, query }, kubernetes.create(target, body, query)),
      patch: (target, body) => note({ verb: 'patch', target, body }, kubernetes.patch(target, body)),
      remove: (target, uid) => note({ verb: 'delete', target }, kubernetes.remove(target, uid)),
      watch: (target, query, signal) => kubernetes.watch(target, query, signal),
    },
    calls,
    onCall: () => undefined,
    reset: () => void calls.splice(0),
  };
  return recorder;
}

export function isWrite({ verb, query }: Call): boolean {
  return verb !== 'get' && verb !== 'list' && query?.['dryRun'] === undefined;
}

/** How many calls of each sort: `3 patch synctestruns/status`. */
export function tally(calls: readonly Call[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { verb, target, query } of calls) {
    const { resource, subresource } = target;
    const sort = `${verb} ${resource}${subresource ? `/${subresource}` : ''}${query?.['dryRun'] === undefined ? '' : ' (dry run)'}`;
    counts.set(sort, (counts.get(sort) ?? 0) + 1);
  }
  return counts;
}
