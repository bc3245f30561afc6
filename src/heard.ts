import type { Time } from './decide/model.ts';

/** A call that took longer was held up: so was what nodes have to tell. */
const SLOW_SECONDS = 5;

/** Since when the API server has answered without a pause, judged by our own calls. */
export interface Heard {
  /** Undefined: ever since this process was started. */
  since(): Time | undefined;
  /** @param status of the answer; 0: there was none */
  call(status: number, seconds: number): void;
}

export function createHeard(now: () => Time): Heard {
  let since: Time | undefined;
  return {
    since: () => since,
    call(status, seconds) {
      if (status === 0 || status >= 500 || seconds > SLOW_SECONDS) since = now();
    },
  };
}
