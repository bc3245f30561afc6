import { shortHash } from '../decide/identity.ts';
import type { Outcome, Release, Run, Verdict } from '../decide/model.ts';
import { iso } from '../decide/time.ts';
import { isCode } from '../errors.ts';
import type { Kubernetes } from '../kubernetes.ts';

export const REASONS = {
  passed: 'TestPassed',
  failed: 'TestFailed',
  inconclusive: 'TestInconclusive',
} as const;

/** Kubernetes refuses more. */
const MESSAGE_LIMIT = 1024;
const NAME_LIMIT = 253;

/**
 * Tells a verdict on the HelmRelease. The Event is named by the run and the verdict, so that it is told once, and that
 * another is told where the run has ended with that one in the end.
 */
export function tellVerdict(
  kubernetes: Kubernetes,
  release: Release,
  run: Run,
  outcome: Outcome,
): Promise<void> {
  const { verdict } = outcome;
  return tell(kubernetes, release, {
    name: nameOf(run, verdict),
    type: verdict === 'passed' ? 'Normal' : 'Warning',
    reason: REASONS[verdict],
    message: sentenceOf(run, outcome),
  });
}

/** A person may have given a run as long a name as an Event may have. */
function nameOf({ ref }: Run, verdict: Verdict): string {
  const name = `${ref.name}.${verdict}`;
  if (name.length <= NAME_LIMIT) return name;
  const readable = ref.name.slice(0, 200).replace(/[-.]+$/, '');
  return `${readable}.${shortHash([ref.name])}.${verdict}`;
}

/**
 * `test smoke failed, v7 (chart 1.2.0): JobFailed: container test exited with code 1: 2 failed (run podinfo-smoke-v7-…)`,
 * and from the next line on what else was said.
 */
export function sentenceOf(
  { ref, test, revision }: Run,
  { verdict, reason, message }: Pick<Outcome, 'verdict' | 'reason'> & Partial<Outcome>,
): string {
  const about = revision === undefined ? '' : `, ${revision}`;
  const [details, ...more] = message === undefined ? [''] : `: ${message}`.split('\n');
  return [`test ${test.name} ${verdict}${about}: ${reason}${details} (run ${ref.name})`, ...more].join('\n');
}

/** The server's words where nothing can be created any more, and nobody is left to be told. */
const TERMINATING = /because it is being terminated/;

/** An Event to be told once, by its name. */
export interface Telling {
  readonly name: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export async function tell(kubernetes: Kubernetes, { ref, uid }: Release, event: Telling): Promise<void> {
  const { namespace, name } = ref;
  const now = iso(Date.now());
  const body = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace, name: event.name },
    involvedObject: { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', namespace, name, uid },
    type: event.type,
    reason: event.reason,
    message: event.message.slice(0, MESSAGE_LIMIT),
    source: { component: 'postsync' },
    reportingComponent: 'postsync',
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
  try {
    await kubernetes.create({ resource: 'events', namespace }, body);
  } catch (error) {
    const isGoing =
      isCode(error, 'API_NOT_FOUND') || (isCode(error, 'API_FORBIDDEN') && TERMINATING.test(error.message));
    if (!isGoing && !isCode(error, 'API_EXISTS')) throw error;
  }
}
