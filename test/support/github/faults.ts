/** Before GitHub did what it was asked, or after. */
export type When = 'before' | 'after';

/** What goes wrong with a request. */
export type Fault =
  /** The connection is cut. */
  | { readonly cut: When }
  /** No answer, ever. */
  | { readonly hang: When }
  /** Another answer: 502 after the dispatch was accepted, 503 before. */
  | {
      readonly status: number;
      readonly when: When;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Nothing goes on until this long, or until this has happened. */
  | { readonly wait: number | Promise<unknown>; readonly when: When };

/** A request, as a test chooses its fault by it. */
export interface Asked {
  readonly method: string;
  /** Without query, and without `/api/v3`. */
  readonly path: string;
  /** `repos/create-dispatch-event`: the description's id of the operation. */
  readonly operation: string | undefined;
  readonly credential: string;
  readonly body: unknown;
  /** The how manieth request of this operation it is, from 1. */
  readonly nth: number;
}

export type ChooseFault = (asked: Asked) => Fault | undefined;
