import type { Cause, Link, Outcome, Policy, Release, Revision, Run, RunState, Test, Time } from './model.ts';
import type { Rest } from './rest.ts';
import type { Selection } from './select.ts';

/** All that is known of one release when it is looked at. */
export interface Observed {
  readonly release: Release;
  readonly selection: Selection;
  /** All runs of a release of this name, also those of older revisions and of one that had its name before. */
  readonly runs: readonly Run[];
  /** The test of a run, whether or not the release still asks for it; `undefined`: it is gone. */
  readonly testOf: (run: Run) => Test | undefined;
  /** What a run is doing; `undefined`: it is not known to have been started. */
  readonly stateOf: (run: Run) => RunState | undefined;
  /** Whether a Job is there that says it is a run's, though the run says nothing of it. That is no proof. */
  readonly hasJob: (run: Run) => boolean;
}

/** What every rule may look at: the release, where it stands, and the time. */
export interface Look extends Observed {
  readonly rest: Rest | string;
  readonly policy: Policy;
  readonly now: Time;
}

/** Something to do. Carrying one out twice is harmless. */
export type Action =
  | {
      readonly type: 'create';
      readonly test: Test;
      readonly revision: Revision;
      readonly attempt: number;
      readonly cause: Cause;
    }
  /** A person created it without saying for which deployment: write down which one it is. */
  | { readonly type: 'pin'; readonly run: Run; readonly revision: Revision }
  | { readonly type: 'start'; readonly run: Run; readonly test: Test }
  /** Its Job may have been created, and not written down: if so, write it down. */
  | { readonly type: 'adopt'; readonly run: Run }
  /** Its Job was started but is not known: look for it, and only then call it lost. */
  | { readonly type: 'find'; readonly run: Run }
  /** The workflow run that it caused was found, or is in progress now: write that down. */
  | { readonly type: 'link'; readonly run: Run; readonly link: Link }
  | { readonly type: 'finish'; readonly run: Run; readonly outcome: Outcome }
  | { readonly type: 'remove'; readonly run: Run };

export interface Plan {
  readonly actions: readonly Action[];
  /** When to look again at the latest; `undefined`: when something changes. */
  readonly wakeAt?: Time;
  /** Why, in one sentence. */
  readonly because: string;
}

/** One part of a plan. */
export interface Step {
  readonly actions: readonly Action[];
  readonly wakeAt?: Time;
  readonly because?: string;
}

export function act(action: Action, because: string): Step {
  return { actions: [action], because };
}

/** Nothing to do now. */
export function wait(because: string, wakeAt?: Time): Step {
  return { actions: [], because, ...(wakeAt !== undefined && { wakeAt }) };
}
