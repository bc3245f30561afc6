import type { Fault } from './faults.ts';
import type { LimitKind } from './limits.ts';

/** A request, and what became of it. */
export interface Exchange {
  readonly at: number;
  readonly method: string;
  /** With query, without `/api/v3`. */
  readonly path: string;
  /** `repos/create-dispatch-event`: the description's id of the operation. */
  readonly operation: string | undefined;
  /** The name of the token or installation. */
  readonly credential: string;
  readonly body: unknown;
  /** Requests of this credential in flight, this one among them. */
  readonly inFlight: number;
  /** None: the connection was cut, or there never was an answer. */
  readonly status: number | undefined;
  /** GitHub did what it was asked, whatever it answered. */
  readonly accepted: boolean;
  /** Runs that it started. */
  readonly runs: readonly number[];
  /** It was over this limit. */
  readonly limited: LimitKind | undefined;
  readonly fault: Fault | undefined;
}

/** A request or an answer that the description does not allow. An answer is the stand-in's own mistake. */
export interface Violation {
  readonly of: 'request' | 'answer';
  /** `POST /repos/acme/shop/dispatches` */
  readonly request: string;
  readonly message: string;
}

export interface Measured {
  /** By the id of the operation. */
  readonly operations: Readonly<Record<string, number>>;
  /** Refused since they were over a limit. */
  readonly limited: number;
  readonly notModified: number;
  readonly atOnce: number;
  /** The least time from one write to the next of the same credential. */
  readonly betweenWritesMs: number | undefined;
}

export function measure(exchanges: readonly Exchange[]): Measured {
  const operations: Record<string, number> = {};
  for (const { operation = 'unknown' } of exchanges) operations[operation] = (operations[operation] ?? 0) + 1;
  const writes = Object.values(Object.groupBy(exchanges.filter(isWrite), ({ credential }) => credential));
  const spaces = writes.flatMap((some = []) => some.slice(1).map(({ at }, index) => at - some[index]!.at));
  return {
    operations,
    limited: exchanges.filter(({ limited }) => limited).length,
    notModified: exchanges.filter(({ status }) => status === 304).length,
    atOnce: Math.max(0, ...exchanges.map(({ inFlight }) => inFlight)),
    betweenWritesMs: spaces.length > 0 ? Math.min(...spaces) : undefined,
  };
}

/** To get a token is no write, as docs have it: nothing is made that others see. */
const isWrite = ({ method, operation }: Exchange) =>
  method !== 'GET' && operation !== 'apps/create-installation-access-token';
