import type { Observed } from './actions.ts';
import { isServed, PROBLEM_LINE, runsOf, standingLine, stands, unmetNeed } from './due.ts';
import { lineName, problemName } from './identity.ts';
import { KEYS, LINES } from './keys.ts';
import { type Policy, type Result, type Revision, type Run, revisionText } from './model.ts';
import { appliesTo, type Rest, restOf } from './rest.ts';
import { chainOf, isStarted, type Standing, standingOf } from './standing.ts';
import { isoSeconds } from './time.ts';

/** What the HelmRelease should say: `undefined` for a key that should not be there. */
export interface Projection {
  readonly annotations: Readonly<Record<string, string | undefined>>;
  readonly labels: Readonly<Record<string, string | undefined>>;
}

/** The first that holds is the release's result. */
const PRECEDENCE: readonly Result[] = ['failed', 'inconclusive', 'running', 'pending', 'passed'];

const MESSAGE_LIMIT = 200;

/**
 * The keys of a HelmRelease, computed from its runs. Only keys that should change are given, so that an empty
 * projection means: write nothing.
 */
export function project(observed: Observed, policy: Policy): Projection {
  const wanted = desired(observed, policy);
  const { annotations, labels } = observed.release;
  return { annotations: changes(wanted.annotations, annotations), labels: changes(wanted.labels, labels) };
}

/** Every key of ours, whether it changes or not. */
function desired(observed: Observed, policy: Policy): Projection {
  const { release, selection } = observed;
  const { revision } = release;
  const rest = restOf(release);
  const known = Object.keys(release.annotations).filter((key) => key.startsWith(LINES));
  const none = Object.fromEntries(
    [KEYS.result, KEYS.digest, KEYS.handled, ...known].map((key) => [key, undefined]),
  );
  const asked = selection.wanted.length + selection.problems.length > 0;
  if (!asked) return { annotations: none, labels: { [KEYS.result]: undefined } };

  const isTested =
    revision?.status === 'deployed' && observed.runs.some(({ digest }) => digest === revision.digest);
  if (!revision || (typeof rest === 'string' && !isTested)) return { annotations: {}, labels: {} };
  const handled = handledBy(observed, rest);
  if (stands(observed, revision.digest)) {
    return { annotations: handled, labels: { [KEYS.result]: release.annotations[KEYS.result] } };
  }

  const lines = linesOf(
    observed,
    typeof rest === 'string' ? { revision, cause: lastCause(observed, revision) } : rest,
    policy,
  );
  const result = resultOf(lines.filter(({ required }) => required).map(({ state }) => state));
  const texts = Object.fromEntries(lines.map(({ name, text }) => [LINES + name, text]));
  const about = lines.length > 0 && {
    [KEYS.result]: result,
    // Also where no test is required: the lines are about it too.
    [KEYS.digest]: revision.digest,
  };
  return { annotations: { ...none, ...texts, ...about, ...handled }, labels: { [KEYS.result]: result } };
}

/** What a revision was due for when the release stood still last. */
function lastCause({ runs }: Observed, { action, digest }: Revision): Rest['cause'] {
  if (action === 'install') return 'install';
  return runs.some((run) => run.digest === digest && run.cause === 'rollback') ? 'rollback' : 'upgrade';
}

/** The served `requestedAt`, once every test has a run that it asked for. */
function handledBy(observed: Observed, rest: Rest | string): Record<string, string | undefined> {
  const { [KEYS.requestedAt]: value, [KEYS.handled]: handled } = observed.release.annotations;
  const served = value !== undefined && typeof rest !== 'string' && isServed(observed);
  return { [KEYS.handled]: served ? value : handled };
}

interface Line {
  readonly name: string;
  readonly required: boolean;
  readonly state: Result;
  readonly text: string;
}

function linesOf(observed: Observed, rest: Rest, policy: Policy): readonly Line[] {
  const { release, selection } = observed;
  const tests = selection.wanted.flatMap((wanted) => {
    const { test } = wanted;
    const standing = standingOf(runsOf(test, rest.revision.digest, observed), test, policy);
    const { required } = test;
    const name = lineName(test, release.ref);
    if (standing.runs.length > 0) return [{ name, required, ...summary(standing, rest.revision) }];
    const line = standingLine(test, observed, rest.revision.digest);
    if (line) return [{ name, required, state: line.verdict, text: line.text }];
    if (!appliesTo(wanted, rest, release)) return [];
    const needed = unmetNeed(test, rest.revision.digest, { ...observed, policy });
    const why = needed === undefined ? '' : `: waits for ${needed}`;
    return [
      { name, required, state: 'pending' as const, text: `pending, ${revisionText(rest.revision)}${why}` },
    ];
  });
  const problems = selection.problems.map(({ name, message }) => {
    return {
      name: problemName(name),
      required: true,
      state: 'pending' as const,
      text: `${PROBLEM_LINE}${firstLine(message)}`,
    };
  });
  return [...tests, ...problems];
}

/** What the runs of one test say, in a word and in a line for people. */
function summary({ runs, open, final, retryAt }: Standing, revision: Revision): Pick<Line, 'state' | 'text'> {
  const about = revisionText(revision);
  if (final) {
    const { verdict, reason, message, finishedAt } = final.outcome;
    const why = verdict === 'passed' && reason === 'Passed' ? '' : `: ${reason}: ${firstLine(message)}`;
    return {
      state: verdict,
      text: `${verdict}${attempts(final, runs)}${took(final)}, ${about}, ${isoSeconds(finishedAt)}${why}`,
    };
  }
  if (open && isStarted(open))
    return {
      state: 'running',
      text: `running${attempts(open, runs)}, ${about}, since ${isoSeconds(open.createdAt)}`,
    };
  const last = retryAt === undefined ? undefined : runs[0]?.outcome;
  const why = last
    ? `: ${last.verdict}: ${last.reason}: ${firstLine(last.message)}; will be tried again`
    : '';
  return { state: 'pending', text: `pending, ${about}${why}` };
}

/** @param states of the required tests; none: there is no result */
export function resultOf(states: readonly Result[]): Result | undefined {
  return PRECEDENCE.find((result) => states.includes(result));
}

/** From the start of its container to its end: `12s`; nothing when no container ran. */
export function durationText({ startedAt, outcome }: Run): string | undefined {
  if (startedAt === undefined || !outcome) return undefined;
  return `${Math.max(0, Math.round((outcome.finishedAt - startedAt) / 1000))}s`;
}

function took(run: Run): string {
  const duration = durationText(run);
  return duration === undefined ? '' : ` in ${duration}`;
}

/** Attempts are those that came by themselves: by them the flaky are known. */
function attempts(run: Run, runs: readonly Run[]): string {
  const since = runs.slice(runs.indexOf(run));
  const tries = chainOf(since).length;
  if (tries > 1) return ` (attempt ${tries} of ${tries})`;
  return run.cause === 'manual' && since.length > 1 ? ' (re-run)' : '';
}

function firstLine(message: string): string {
  const line = message.split('\n', 1)[0] ?? '';
  return line.length > MESSAGE_LIMIT ? `${line.slice(0, MESSAGE_LIMIT)}…` : line;
}

function changes(
  wanted: Readonly<Record<string, string | undefined>>,
  present: Readonly<Record<string, string>>,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(wanted).filter(([key, value]) => present[key] !== value));
}
