import type { Time } from './decide/model.ts';
import type { Resource } from './kubernetes.ts';

/** A call that took longer was held up: so was what nodes have to tell. */
const SLOW_SECONDS = 5;

/**
 * An outage in which nothing was asked shows as a silence, as does a machine that was asleep. With a Lease there is a call
 * every few seconds; without, time that is up after such a silence has the pause of an outage. Longer than that pause,
 * so that the read at its end begins no other.
 */
const SILENCE_MS = 45_000;

/** Since when the API server has answered without a pause, judged by our own calls. */
export interface Heard {
  /** Undefined: ever since this process was started. */
  since(): Time | undefined;
  call(made: ApiCall): void;
}

interface ApiCall {
  readonly verb: string;
  readonly resource: Resource;
  /** Of the answer; 0: there was none. */
  readonly status: number;
  readonly seconds: number;
}

const READS: ReadonlySet<string> = new Set(['get', 'list', 'watch']);

export function createHeard(now: () => Time): Heard {
  let since: Time | undefined;
  let calledAt = now();
  return {
    since: () => since,
    call({ verb, resource, status, seconds }) {
      const at = now();
      const isLate = at - calledAt > SILENCE_MS;
      calledAt = at;
      const isBad = status === 0 || status >= 500 || seconds > SLOW_SECONDS;
      if (isLate || (isBad && isAnsweredAlone(verb, resource))) since = at;
    },
  };
}

/** Other writes wait for webhooks, and fail with them, while the API server is well. The Lease is written all the time. */
function isAnsweredAlone(verb: string, resource: Resource): boolean {
  return READS.has(verb) || resource === 'leases';
}
