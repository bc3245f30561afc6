import { isOpenLine } from '../decide/due.ts';
import { revisionText, type Verdict } from '../decide/model.ts';
import type { ReleaseVerdict } from '../ports.ts';

/** Which deployment a verdict is asked for. Every part that is given must hold. */
export interface Wanted {
  readonly chartVersion?: string | undefined;
  readonly appVersion?: string | undefined;
  /** The digest that was deployed before: only a verdict on another one counts. */
  readonly afterDigest?: string | undefined;
}

/** What a verdict is over HTTP. */
export const STATUSES: Readonly<Record<Verdict, number>> = { passed: 200, failed: 422, inconclusive: 424 };
/** 408 Request Timeout: not decided, at least not in the time given. */
export const NOT_DECIDED = 408;

export interface Told {
  readonly status: number;
  readonly message: string;
}

/** What a question for a verdict is answered now. Pure. */
export function tell(verdict: ReleaseVerdict, wanted: Wanted): Told {
  const { result, isCurrent, because, deployed, digest, tests } = verdict;
  if (!deployed) return { status: NOT_DECIDED, message: 'nothing is deployed' };
  const shown = revisionText(deployed);
  const other = difference(deployed, wanted);
  if (other) return { status: NOT_DECIDED, message: `${shown} is deployed, ${other}` };
  if (result === undefined)
    return { status: NOT_DECIDED, message: `no result stands on ${shown}: does it ask for any test?` };
  if (!isCurrent && digest !== deployed.digest)
    return {
      status: NOT_DECIDED,
      message: `the result that stands is about another deployment than ${shown}`,
    };
  if (because !== undefined) return { status: NOT_DECIDED, message: `${shown}: ${because}` };
  if (!isCurrent) return { status: NOT_DECIDED, message: 'Flux is at work on the release' };
  if (result === 'pending' || result === 'running')
    return { status: NOT_DECIDED, message: `the tests of ${shown} are ${result}` };
  const open = Object.entries(tests).flatMap(([test, line]) => (isOpenLine(line) ? [test] : []));
  const message =
    open.length === 0
      ? `the tests of ${shown} ended: ${result}`
      : `the result of ${shown} is ${result}; not ended yet: ${open.join(', ')}`;
  return { status: STATUSES[result], message };
}

function difference(
  { digest, chartVersion, appVersion }: NonNullable<ReleaseVerdict['deployed']>,
  wanted: Wanted,
): string | undefined {
  if (wanted.afterDigest === digest) return 'as it was before';
  if (wanted.chartVersion !== undefined && !isVersion(chartVersion, wanted.chartVersion))
    return `not chart ${wanted.chartVersion}`;
  if (wanted.appVersion !== undefined && appVersion !== wanted.appVersion)
    return `its app version is ${appVersion ?? 'not known'}, not ${wanted.appVersion}`;
  return undefined;
}

/**
 * For charts from OCI, helm-controller adds a part of the artifact's digest: `1.2.0+0123456789ab`. One who asks for
 * 1.2.0 means that one, too.
 */
function isVersion(deployed: string, wanted: string): boolean {
  return deployed === wanted || deployed.split('+')[0] === wanted;
}
