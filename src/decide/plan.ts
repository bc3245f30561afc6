import type { Action, Look, Observed, Plan, Step } from './actions.ts';
import { due } from './due.ts';
import { follow } from './follow.ts';
import type { Policy, Time } from './model.ts';
import { prune } from './prune.ts';
import { restOf } from './rest.ts';
import { earliest } from './time.ts';

/**
 * Decides what is to be done for one release. Pure: no clock, no I/O, no logging.
 * Planning again once the actions are carried out and seen never starts the same run again.
 */
export function plan(observed: Observed, policy: Policy, now: Time): Plan {
  const { release, runs, selection, testOf } = observed;
  const rest = restOf(release);
  const look: Look = { ...observed, rest, policy, now };
  const steps: Step[] = runs.filter((run) => !run.outcome).map((run) => follow(run, look));
  if (typeof rest !== 'string') {
    steps.push(...selection.wanted.map((wanted) => due(wanted, rest, look)));
  }
  const actions: readonly Action[] = [
    ...steps.flatMap((step) => step.actions),
    ...prune(runs, release.revision?.digest, testOf).map((run) => ({ type: 'remove' as const, run })),
  ];
  const wakeAt = earliest(steps.map(({ wakeAt }) => wakeAt));
  return { actions, because: reason(steps, rest), ...(wakeAt !== undefined && { wakeAt }) };
}

/** What the steps that do something say; else what is waited for; else why nothing is due. */
function reason(steps: readonly Step[], rest: ReturnType<typeof restOf>): string {
  const acting = steps.filter(({ actions }) => actions.length > 0);
  const said = (acting.length > 0 ? acting : steps).flatMap(({ because }) => because ?? []);
  if (said.length > 0) return said.join('; ');
  return typeof rest === 'string' ? rest : 'no test is asked for';
}
