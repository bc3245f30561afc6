import type { Outcome, Release, Run, Time } from '../decide/model.ts';
import type { SyncTest } from '../synctest.ts';
import { asked, included } from './helm-tests/filters.ts';

/**
 * The verdict that helm-controller has recorded of the chart's own tests of what is deployed; `undefined`: they are
 * to be run. Pure.
 *
 * Presence proves nothing: before helm-controller 1.6.3, hooks were recorded that never ran. And where the
 * HelmRelease filters its tests, what is recorded is not known to be all of them.
 */
export function recordedOutcome(
  run: Run,
  { body }: SyncTest,
  { revision, testsFiltered = false }: Release,
  now: Time,
): Outcome | undefined {
  if (body.kind !== 'helmTest' || !body.helmTest.reuse) return undefined;
  // Who asks for them again does not want to hear the same.
  if (run.cause === 'manual' || run.cause === 'retry') return undefined;
  const { filters } = body.helmTest;
  const recorded = Object.entries(revision?.testHooks ?? {}).map(([name, phase]) => ({ name, phase }));
  const { chosen, missing } = asked(recorded, filters);
  const failed = chosen.filter(({ phase }) => phase === 'Failed').map(({ name }) => name);
  if (failed.length > 0) {
    const message = `helm-controller ran the chart's tests: hook ${failed.join(', ')} failed`;
    return { verdict: 'failed', reason: 'HookFailed', message, finishedAt: now };
  }
  const isWhole = missing.length === 0 && (included(filters).length > 0 || !testsFiltered);
  const isProven = chosen.length > 0 && chosen.every(({ phase }) => phase === 'Succeeded');
  if (!isWhole || !isProven) return undefined;
  const message = `helm-controller ran the chart's tests: ${chosen.map(({ name }) => name).join(', ')} succeeded`;
  return { verdict: 'passed', reason: 'Passed', message, finishedAt: now };
}
