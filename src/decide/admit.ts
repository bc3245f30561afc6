import type { Time } from './model.ts';

/** A run that waits for its turn, or has had it. */
export interface Candidate {
  /** The run's namespace and name. */
  readonly run: string;
  readonly namespace: string;
  /** Namespace and name of its test. */
  readonly test: string;
  /** Of the test, over all releases; 0: no limit of its own. */
  readonly maxParallel: number;
  readonly createdAt: Time;
}

/**
 * Who may start now: the namespaces take turns, the one with the fewest runs under way first, and in each the
 * oldest run is first. The caps are soft: a run that a person started or that was there before counts, but is not ended.
 *
 * @param maxRuns of the whole cluster at once; 0: no cap
 */
export function admit(
  waiting: readonly Candidate[],
  running: readonly Candidate[],
  maxRuns: number,
): readonly Candidate[] {
  const perTest = countBy(running, ({ test }) => test);
  const perNamespace = countBy(running, ({ namespace }) => namespace);
  const queues = Map.groupBy(
    waiting.toSorted((a, b) => a.createdAt - b.createdAt || (a.run < b.run ? -1 : 1)),
    ({ namespace }) => namespace,
  );
  const admitted: Candidate[] = [];
  const room = maxRuns === 0 ? Number.POSITIVE_INFINITY : maxRuns - running.length;
  while (admitted.length < room && queues.size > 0) {
    const [namespace, queue] = fewest(queues, perNamespace);
    const next = queue.shift();
    if (queue.length === 0) queues.delete(namespace);
    if (!next || (next.maxParallel > 0 && (perTest.get(next.test) ?? 0) >= next.maxParallel)) continue;
    admitted.push(next);
    perTest.set(next.test, (perTest.get(next.test) ?? 0) + 1);
    perNamespace.set(namespace, (perNamespace.get(namespace) ?? 0) + 1);
  }
  return admitted;
}

function fewest(
  queues: ReadonlyMap<string, Candidate[]>,
  counts: ReadonlyMap<string, number>,
): [string, Candidate[]] {
  const turns = [...queues].toSorted(([a], [b]) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0));
  return turns[0] as [string, Candidate[]];
}

function countBy(
  candidates: readonly Candidate[],
  key: (candidate: Candidate) => string,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const candidate of candidates) counts.set(key(candidate), (counts.get(key(candidate)) ?? 0) + 1);
  return counts;
}
