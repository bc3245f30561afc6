import type { Dispatch, Ref, Time } from '../../decide/model.ts';
import { isCode, type PostsyncError } from '../../errors.ts';
import { keep } from '../../keep.ts';
import type { Credential, Credentials } from './credentials.ts';
import type { GitHub } from './github.ts';

/** GitHub as one credential sees it. */
export interface Account {
  readonly github: GitHub;
  /** Tells accounts apart, and says nothing of the credential. */
  readonly key: string;
}

export type Target = Pick<Dispatch, 'apiUrl' | 'secret'>;

export interface Accounts {
  /** @throws {PostsyncError} `CREDENTIALS_MISSING` */
  open(target: Target): Promise<Account>;
  /** What `open` found last, or why not; it is opened in the background when that is old, and `by` is told. */
  known(target: Target, by: Ref): Account | PostsyncError | undefined;
  /** Those in use. */
  all(): readonly { readonly target: Target; readonly account: Account }[];
  /** GitHub did not take the credential: it is read again before it is used again. */
  forget(target: Target): void;
}

export interface AccountsOptions {
  readonly credentials: Credentials;
  readonly connect: (apiUrl: string, credential: Credential) => Promise<GitHub>;
  readonly wake: (by: Ref) => void;
  readonly now: () => Time;
}

/** A Secret may be changed at any time. */
const FRESH_MS = 60_000;

interface Known {
  readonly target: Target;
  readonly found: Account | PostsyncError;
  readonly at: number;
}

/** Keeps one connection with its limits for each credential, whoever uses it. */
export function createAccounts({ credentials, connect, wake, now }: AccountsOptions): Accounts {
  const known = new Map<string, Known>();
  const opening = new Map<string, Promise<Account>>();
  const connections = new Map<string, Promise<GitHub>>();

  async function connected(target: Target): Promise<Account> {
    const { credential, key: credentialKey } = await credentials.resolve(target.secret);
    const key = `${target.apiUrl} ${credentialKey}`;
    const connection = connections.get(key) ?? connect(target.apiUrl, credential);
    keep(connections, key, connection);
    return { github: await connection, key };
  }

  async function open(target: Target): Promise<Account> {
    const name = nameOf(target);
    const going = opening.get(name);
    if (going) return going;
    const begun = connected(target);
    opening.set(name, begun);
    try {
      const account = await begun;
      keep(known, name, { target, found: account, at: now() });
      return account;
    } catch (error) {
      if (isCode(error, 'CREDENTIALS_MISSING')) keep(known, name, { target, found: error, at: now() });
      throw error;
    } finally {
      opening.delete(name);
    }
  }

  return {
    open,
    known(target, by) {
      const last = known.get(nameOf(target));
      if (!last || now() - last.at > FRESH_MS) {
        const done = () => wake(by);
        // Where there is one already, the next look is in time for what has changed.
        if (!opening.has(nameOf(target))) open(target).then(last ? () => undefined : done, () => undefined);
      }
      return last?.found;
    },
    all: () =>
      [...known.values()].flatMap(({ target, found }) =>
        found instanceof Error ? [] : [{ target, account: found }],
      ),
    forget(target) {
      known.delete(nameOf(target));
      credentials.forget(target.secret);
    },
  };
}

function nameOf({ apiUrl, secret }: Target): string {
  return `${apiUrl} ${secret ? `${secret.namespace}/${secret.name}` : ''}`;
}
