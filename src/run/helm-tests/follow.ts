import { setTimeout as delay } from 'node:timers/promises';
import type { RunState, Verdict } from '../../decide/model.ts';
import { isCode } from '../../errors.ts';
import type { Kubernetes } from '../../kubernetes.ts';
import { stateOfHook } from './judge.ts';
import type { Prepared } from './objects.ts';

/** Pull and configuration errors rarely mend themselves. */
const FATAL_AFTER_MS = 30_000;

export interface HookEnd {
  readonly verdict: Verdict;
  readonly message: string;
}

export interface FollowOptions {
  readonly namespace: string;
  readonly pollMs: number;
  readonly startTimeoutMs: number;
  /** By `performance.now()`: when the time of all hooks is up. */
  readonly deadline: number;
  /** Makes it throw. */
  readonly stopping: AbortSignal;
}

/** Looks at a hook until it has ended or its time is up. */
export async function followHook(
  kubernetes: Kubernetes,
  prepared: Prepared,
  options: FollowOptions,
): Promise<HookEnd> {
  const began = performance.now();
  let stuckSince: number | undefined;
  for (;;) {
    const state = await look(kubernetes, prepared, options.namespace);
    if (state === 'gone') return { verdict: 'inconclusive', message: 'somebody deleted it' };
    if (state?.phase === 'ended') return state.outcome;
    const now = performance.now();
    stuckSince = state?.phase === 'waiting' && state.fatal ? (stuckSince ?? now) : undefined;
    const late = tooLate(state, { began, now, stuckSince }, options);
    if (late) return late;
    await delay(options.pollMs, undefined, { signal: options.stopping });
  }
}

/** @returns `undefined` where the API server did not answer: the next look may tell */
async function look(
  kubernetes: Kubernetes,
  prepared: Prepared,
  namespace: string,
): Promise<RunState | 'gone' | undefined> {
  const { resource, name, kind } = prepared;
  try {
    const found = await kubernetes.get({ resource, namespace, name });
    if (kind === 'Pod') return stateOfHook(prepared, found, [], Date.now());
    const query = { labelSelector: `batch.kubernetes.io/job-name=${name}` };
    const { items } = (await kubernetes.list({ resource: 'pods', namespace }, query)) as { items: unknown[] };
    return stateOfHook(prepared, found, items, Date.now());
  } catch (error) {
    if (isCode(error, 'API_NOT_FOUND')) return 'gone';
    if (isCode(error, 'API_UNAVAILABLE')) return undefined;
    throw error;
  }
}

/** By `performance.now()`. */
interface Clock {
  readonly began: number;
  readonly now: number;
  readonly stuckSince: number | undefined;
}

/** What it means that a hook has not ended, where no more time is given. */
export function tooLate(
  state: RunState | undefined,
  { began, now, stuckSince = Number.POSITIVE_INFINITY }: Clock,
  { startTimeoutMs, deadline }: Pick<FollowOptions, 'startTimeoutMs' | 'deadline'>,
): HookEnd | undefined {
  if (state?.phase === 'waiting') {
    const isLate = now >= deadline || now - began >= startTimeoutMs || now - stuckSince >= FATAL_AFTER_MS;
    return isLate ? { verdict: 'inconclusive', message: `no container ran: ${state.message}` } : undefined;
  }
  if (now < deadline) return undefined;
  return state
    ? { verdict: 'failed', message: "it still ran when the test's time was up" }
    : { verdict: 'inconclusive', message: 'the API server does not answer' };
}
