import type { Time } from '../../decide/model.ts';
import type { Credential } from './credentials.ts';

/** An App's token lives for an hour; it is renewed so long before its end, for clocks that differ. */
const RENEW_MS = 5 * 60_000;

interface Token {
  readonly token: string;
  readonly expiresAt: Time;
}

export interface TokensOptions {
  readonly credential: Credential;
  readonly now: () => Time;
  /** Signs for the App; absent for a credential that is none. */
  readonly jwt: (() => Promise<string>) | undefined;
  readonly exchange: (installationId: string, jwt: string) => Promise<Token>;
}

/** What an account shows to GitHub: the same token always, or that of an App's installation, renewed. */
export interface Tokens {
  token(): Promise<string>;
  /** GitHub refused the token: the next one is new. */
  forget(): void;
  /** What must never be in a message. */
  secrets(): readonly string[];
}

export function createTokens({ credential, now, jwt, exchange }: TokensOptions): Tokens {
  if (credential.kind === 'token') {
    const { token } = credential;
    return { token: () => Promise.resolve(token), forget: () => undefined, secrets: () => [token] };
  }
  const { installationId, privateKey } = credential;
  let known: Token | undefined;
  let coming: Promise<Token> | undefined;

  async function renew(): Promise<Token> {
    known = await exchange(installationId, (await jwt?.()) ?? '');
    return known;
  }

  return {
    async token() {
      if (known && known.expiresAt - RENEW_MS > now()) return known.token;
      coming ??= renew().finally(() => (coming = undefined));
      return (await coming).token;
    },
    forget: () => void (known = undefined),
    secrets: () => (known ? [known.token, privateKey] : [privateKey]),
  };
}
