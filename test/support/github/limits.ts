import { type Answer, type Caller } from './model.ts';

/** GitHub's published limits: docs, "Rate limits for the REST API". */
export interface Limits {
  readonly perHour: number;
  /** A GET is one point, a write five. */
  readonly pointsPerMinute: number;
  readonly contentPerMinute: number;
  readonly contentPerHour: number;
  readonly atOnce: number;
}

export const PUBLISHED: Limits = {
  perHour: 5000,
  pointsPerMinute: 900,
  contentPerMinute: 80,
  contentPerHour: 500,
  atOnce: 100,
};

export type LimitKind = 'primary' | 'secondary';

/** A limit that the test imposes. */
export interface Imposed {
  readonly kind: LimitKind;
  readonly seconds: number;
  /** Of whom; of all, where nobody is named. */
  readonly credential?: string;
  readonly status?: 403 | 429;
  /** GitHub does not always say how long to wait after a secondary limit. */
  readonly retryAfter?: boolean;
}

export interface Weight {
  readonly points: number;
  /** It makes something: a dispatch, a status. */
  readonly content: boolean;
}

export interface Refused {
  readonly kind: LimitKind;
  readonly answer: Answer;
}

export interface Limiter {
  /** A request comes in: what it is refused with, if it is over a limit. */
  enter(caller: Caller, weight: Weight): Refused | undefined;
  leave(caller: Caller): void;
  /** A 304 costs nothing of the hour. */
  giveBack(caller: Caller): void;
  impose(limit: Imposed): void;
  headers(caller: Caller): Readonly<Record<string, string>>;
  /** Requests in flight. */
  inFlight(caller: Caller): number;
}

interface Account {
  atOnce: number;
  used: number;
  /** When the hour began. */
  since: number;
  recent: { readonly at: number; readonly weight: Weight }[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const SECONDARY_WAIT_S = 60;

export function createLimiter(now: () => number, limits: Limits): Limiter {
  const accounts = new Map<string, Account>();
  let imposed: (Imposed & { readonly until: number })[] = [];

  function accountOf({ name }: Caller): Account {
    const account = accounts.get(name) ?? { atOnce: 0, used: 0, since: now(), recent: [] };
    accounts.set(name, account);
    if (now() - account.since >= HOUR_MS) Object.assign(account, { used: 0, since: now() });
    return account;
  }

  function headers(caller: Caller): Readonly<Record<string, string>> {
    const { used, since } = accountOf(caller);
    const primary = imposed.find((one) => one.kind === 'primary' && applies(one, caller));
    const reset = primary ? primary.until : since + HOUR_MS;
    return {
      'x-ratelimit-limit': String(limits.perHour),
      'x-ratelimit-remaining': primary ? '0' : String(Math.max(0, limits.perHour - used)),
      'x-ratelimit-used': String(used),
      'x-ratelimit-reset': String(Math.ceil(reset / 1000)),
      'x-ratelimit-resource': 'core',
    };
  }

  const applies = ({ credential, until }: Imposed & { readonly until: number }, { name }: Caller) =>
    until > now() && (credential === undefined || credential === name);

  function impose(limit: Imposed): void {
    imposed = imposed.filter(({ until }) => until > now());
    imposed.push({ ...limit, until: now() + limit.seconds * 1000 });
  }

  function isOver({ recent, atOnce }: Account, weight: Weight): boolean {
    const minute = [...recent.filter(({ at }) => at > now() - MINUTE_MS).map((one) => one.weight), weight];
    const hour = [...recent.map((one) => one.weight), weight];
    const points = minute.reduce((sum, one) => sum + one.points, 0);
    const content = (some: readonly Weight[]) => some.filter((one) => one.content).length;
    return (
      atOnce > limits.atOnce ||
      points > limits.pointsPerMinute ||
      (weight.content && (content(minute) > limits.contentPerMinute || content(hour) > limits.contentPerHour))
    );
  }

  function refusal(caller: Caller): Refused | undefined {
    const limit = imposed.find((one) => applies(one, caller));
    if (!limit) return undefined;
    const { kind, status = 403, retryAfter = kind === 'secondary', until } = limit;
    const message =
      kind === 'primary'
        ? `API rate limit exceeded for ${caller.name}.`
        : 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
    const wait = { 'retry-after': String(Math.ceil((until - now()) / 1000)) };
    const body = { message, documentation_url: DOCUMENTATION, status: String(status) };
    return { kind, answer: { status, body, headers: retryAfter ? wait : {} } };
  }

  return {
    headers,
    impose,
    inFlight: (caller) => accountOf(caller).atOnce,
    enter(caller, weight) {
      const account = accountOf(caller);
      account.atOnce += 1;
      account.recent = account.recent.filter(({ at }) => at > now() - HOUR_MS);
      const stopped = refusal(caller);
      if (stopped) return stopped;
      if (account.used >= limits.perHour) {
        const seconds = (account.since + HOUR_MS - now()) / 1000;
        impose({ kind: 'primary', seconds, credential: caller.name });
      } else if (isOver(account, weight)) {
        impose({ kind: 'secondary', seconds: SECONDARY_WAIT_S, credential: caller.name });
      }
      const over = refusal(caller);
      if (over) return over;
      account.used += 1;
      account.recent.push({ at: now(), weight });
      return undefined;
    },
    leave(caller) {
      accountOf(caller).atOnce -= 1;
    },
    giveBack(caller) {
      accountOf(caller).used -= 1;
    },
  };
}

const DOCUMENTATION = 'https://docs.github.com/rest/overview/rate-limits-for-the-rest-api';
