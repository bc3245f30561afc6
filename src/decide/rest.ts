import { keyOf, type Release, type Revision, type Test } from './model.ts';
import type { Wanted } from './select.ts';

/** A release that stands still, so that what runs is what `status.history[0]` names. */
export interface Rest {
  readonly revision: Revision;
  readonly cause: 'install' | 'upgrade' | 'rollback';
}

/** Ready is False for something that must come first; the release itself does not move. */
const PREREQUISITES: ReadonlySet<string> = new Set([
  'DependencyNotReady',
  'SourceNotReady',
  'ArtifactFailed',
]);

/** How long an upgrade may have been under way when a test was created. */
const LONGEST_UPGRADE_MS = 15 * 60_000;

/**
 * Whether Helm may be at work. Then new Pods may run while `history[0]` still names the old revision,
 * so that no verdict counts until it has settled.
 */
export function isMoving({ conditions: { Ready, Reconciling } }: Release): boolean {
  if (Ready?.status === 'False' && PREREQUISITES.has(Ready.reason)) return false;
  return Reconciling?.status === 'True' || Ready?.status === 'Unknown';
}

/**
 * Says whether a release has a revision that may be tested now, or in a sentence why not.
 * Conditions move before `history` does, so Ready alone proves nothing.
 */
export function restOf(release: Release): Rest | string {
  const { revision } = release;
  return unrest(release) ?? (revision ? standsAt(revision, release) : 'nothing is deployed yet');
}

/** Why a person cannot have it tested now. */
export function notDeployed({ ref, revision }: Release): string {
  const why = revision ? `: its newest revision is ${revision.status}` : '';
  return `nothing of ${keyOf(ref)} is deployed now${why}`;
}

function unrest(release: Release): string | undefined {
  if (release.deleting) return 'it is being deleted';
  if (release.suspended) return 'it is suspended (spec.suspend)';
  if (release.observedGeneration !== release.generation)
    return 'helm-controller has not seen its newest spec yet';
  if (release.conditions.Reconciling?.status === 'True') return 'Flux is at work on it';
  return undefined;
}

function standsAt(revision: Revision, { conditions: { Ready, Stalled } }: Release): Rest | string {
  if (revision.status !== 'deployed') return `its newest revision is ${revision.status}`;
  if (Ready?.status === 'True')
    return { revision, cause: revision.action === 'install' ? 'install' : 'upgrade' };
  const isRolledBack =
    revision.action === 'rollback' && Ready?.status === 'False' && Stalled?.status === 'True';
  return isRolledBack
    ? { revision, cause: 'rollback' }
    : `it is not ready: ${Ready?.reason ?? 'no Ready condition'}`;
}

/** Whether a test is meant for a revision: by `after`, and by `existing` for one that was there before the test. */
export function appliesTo({ test, named }: Wanted, rest: Rest, release: Release): boolean {
  return (
    test.after.includes(rest.cause) &&
    (named || test.existing === 'test' || !wasThereBefore(test, rest, release))
  );
}

/**
 * A revision was there when it was ready before the test was created. One that was being deployed at that moment
 * is new: a commit often brings the release and its test together. Ready may flap later, hence the second limit.
 */
function wasThereBefore(test: Test, { revision }: Rest, { conditions }: Release): boolean {
  const { createdAt: created } = test;
  const { deployedAt: deployed } = revision;
  if (deployed >= created) return false;
  const ready = conditions.Ready?.since ?? 0;
  return ready < created || deployed < created - LONGEST_UPGRADE_MS;
}
