import type { Run, Test } from './model.ts';
import { hasEnded, newestFirst } from './standing.ts';

const DEFAULT_HISTORY_LIMIT = 10;

/**
 * Which ended runs may be forgotten: those beyond the history limit of their test, but never one that a person
 * created, never the newest of a test nor the newest that somebody asked for (times have whole seconds: it need not be the
 * same), and never one of the deployed revision (it would be run again).
 *
 * @param deployed digest of `status.history[0]`
 */
export function prune(
  runs: readonly Run[],
  deployed: string | undefined,
  testOf: (run: Run) => Test | undefined,
): readonly Run[] {
  if (deployed === undefined) return [];
  const byTest = Map.groupBy(
    runs.filter(isPrunable),
    ({ testKind, test }) => `${testKind}/${test.namespace}/${test.name}`,
  );
  return [...byTest.values()].flatMap((group) => {
    const limit = testOf(group[0] as Run)?.historyLimit ?? DEFAULT_HISTORY_LIMIT;
    const sorted = group.toSorted(newestFirst);
    const asked = sorted.find(({ request }) => request !== undefined);
    return sorted.slice(Math.max(1, limit)).filter((run) => run.digest !== deployed && run !== asked);
  });
}

function isPrunable(run: Run): boolean {
  return run.ours && hasEnded(run);
}
