import { lineName } from '../decide/identity.ts';
import { EVENT_GROUP } from '../decide/keys.ts';
import type { Outcome, Reason, Release, Run } from '../decide/model.ts';
import { isoSeconds } from '../decide/time.ts';
import { REASONS, sentenceOf } from './events.ts';

/**
 * What notification-controller takes at its events address.
 *
 * @see https://github.com/fluxcd/pkg/blob/main/apis/event/v1beta1/event.go
 */
export interface FluxEvent {
  readonly involvedObject: Readonly<Record<string, string>>;
  readonly severity: 'info' | 'error';
  readonly timestamp: string;
  readonly message: string;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly reportingController: string;
  readonly reportingInstance: string;
}

export interface EndedRun {
  readonly release: Release;
  readonly run: Run;
  readonly outcome: Outcome;
}

export interface FluxEventOptions {
  /** The name of this replica. */
  readonly instance: string;
  /** Whether what is said in its Job's namespace may leave it. */
  readonly sharesOutput: boolean;
}

/** notification-controller drops every key that begins with neither, and strips both before it passes an event on. */
const OBJECT_GROUP = 'helm.toolkit.fluxcd.io';

/** About what is not deployed any more. What is deployed instead has a verdict of its own. */
const OUTDATED: ReadonlySet<Reason> = new Set<Reason>(['Superseded', 'ReleaseGone']);

/** Their messages are postsync's, or a person's, and quote neither a container nor what is said of one. */
const QUOTING_NOTHING: ReadonlySet<Reason> = new Set<Reason>([
  'Passed',
  'Overridden',
  'TimedOut',
  'JobLost',
  'Aborted',
  'TestGone',
  'NotSelected',
  'RemoteCluster',
]);

/**
 * A verdict as Flux' own controllers tell theirs. Only `passed` is info: providers of commit statuses make a success of
 * that.
 *
 * @returns `undefined` for a verdict that says nothing of what is deployed
 */
export function fluxEventOf(
  { release, run, outcome }: EndedRun,
  { instance, sharesOutput }: FluxEventOptions,
): FluxEvent | undefined {
  const { verdict, reason, finishedAt } = outcome;
  if (OUTDATED.has(reason)) return undefined;
  const isOpen = sharesOutput || QUOTING_NOTHING.has(reason);
  const { ref, uid, resourceVersion } = release;
  return {
    involvedObject: {
      kind: 'HelmRelease',
      ...ref,
      uid,
      apiVersion: `${OBJECT_GROUP}/v2`,
      resourceVersion,
    },
    severity: verdict === 'passed' ? 'info' : 'error',
    timestamp: isoSeconds(finishedAt),
    message: sentenceOf(run, isOpen ? outcome : { verdict, reason }),
    reason: REASONS[verdict],
    metadata: { ...eventAnnotations(release), ...revisionOf(release, run), ...ownOf(release, run) },
    reportingController: 'postsync',
    reportingInstance: instance,
  };
}

/** The release's own words for whoever is told: the commit for a commit status, for example. */
function eventAnnotations({ annotations }: Release): Record<string, string> {
  const entries = Object.entries(annotations).filter(([key]) => key.startsWith(`${EVENT_GROUP}/`));
  return Object.fromEntries(entries);
}

/** As helm-controller says it; nothing where another revision is deployed by now. */
function revisionOf({ revision }: Release, { digest }: Run): Record<string, string> {
  if (!revision || revision.digest !== digest) return {};
  const { chartVersion, appVersion, ociDigest } = revision;
  return {
    [`${OBJECT_GROUP}/revision`]: chartVersion,
    ...(appVersion !== undefined && { [`${OBJECT_GROUP}/app-version`]: appVersion }),
    ...(ociDigest !== undefined && { [`${OBJECT_GROUP}/oci-digest`]: ociDigest }),
  };
}

/** The token is what notification-controller tells two events apart by. It does not pass it on. */
function ownOf({ ref }: Release, run: Run): Record<string, string> {
  return {
    [`${OBJECT_GROUP}/test`]: lineName({ kind: run.testKind, ref: run.test }, ref),
    [`${OBJECT_GROUP}/run`]: run.ref.name,
    [`${OBJECT_GROUP}/token`]: run.uid,
  };
}
