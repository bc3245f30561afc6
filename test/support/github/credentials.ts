import { createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { type Caller, Refusal, type Rights } from './model.ts';

export interface TokenOptions {
  /** Limits are counted by it, and the log names it. */
  readonly name?: string;
  /** `owner/name`; all, where none are named. */
  readonly repositories?: readonly string[];
  /** All that there are, where none are named. */
  readonly rights?: Rights;
}

export interface AppOptions {
  readonly id: number;
  readonly installation: number;
  readonly repositories?: readonly string[];
  readonly rights?: Rights;
  /** How long its tokens live; GitHub's live for an hour. */
  readonly tokenMs?: number;
}

export interface InstallationToken {
  readonly token: string;
  readonly expiresAt: number;
  readonly app: AppOptions;
}

export interface Credentials {
  addToken(token: string, options?: TokenOptions): void;
  /** The app's private key, as GitHub gives it: PKCS#1, in PEM. */
  addApp(app: AppOptions): string;
  /** Nothing that was given out is taken any more: installation tokens, or this token. */
  revoke(token?: string): void;
  /** Who sent this `authorization` header. */
  caller(authorization: string | undefined): Caller;
  /** A token of the installation, for who signed as its app. */
  issue(caller: Caller, installation: number): InstallationToken;
}

const ALL: Rights = { contents: 'write', actions: 'write', statuses: 'write' };
const HOUR_MS = 3_600_000;
const BAD = 'Bad credentials';

export function createCredentials(now: () => number): Credentials {
  const tokens = new Map<string, Caller>();
  const apps = new Map<string, { readonly app: AppOptions; readonly publicKey: string }>();
  const issued = new Map<string, InstallationToken>();

  function ofApp(jwt: string): Caller {
    const [head = '', body = '', signature = ''] = jwt.split('.');
    const { alg } = parsed(head);
    const { iss, iat, exp } = parsed(body);
    const found = apps.get(String(iss));
    if (!found || alg !== 'RS256') throw new Refusal(401, 'A JSON web token could not be decoded');
    const signed = Buffer.from(`${head}.${body}`);
    if (!verify('sha256', signed, createPublicKey(found.publicKey), Buffer.from(signature, 'base64url'))) {
      throw new Refusal(401, 'A JSON web token could not be decoded');
    }
    const seconds = now() / 1000;
    if (typeof iat !== 'number' || iat > seconds) {
      throw new Refusal(
        401,
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
      );
    }
    if (typeof exp !== 'number' || exp <= seconds) {
      throw new Refusal(
        401,
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
      );
    }
    if (exp > seconds + 600)
      throw new Refusal(401, "'Expiration time' claim ('exp') is too far in the future");
    return { name: `app ${found.app.id}`, kind: 'app', repositories: [], rights: {} };
  }

  function ofInstallation(token: string): Caller {
    const found = issued.get(token);
    if (!found || found.expiresAt <= now()) throw new Refusal(401, BAD);
    const { installation, repositories, rights = ALL } = found.app;
    const named = repositories && { repositories };
    return { name: `installation ${installation}`, kind: 'installation', rights, ...named };
  }

  return {
    addToken(token, { name = `token ${tokens.size + 1}`, repositories, rights = ALL } = {}) {
      tokens.set(token, { name, kind: 'user', rights, ...(repositories && { repositories }) });
    },
    addApp(app) {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', {
        modulusLength: 2048,
        privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
        publicKeyEncoding: { type: 'spki', format: 'pem' },
      });
      apps.set(String(app.id), { app, publicKey });
      return privateKey;
    },
    revoke(token) {
      if (token === undefined) issued.clear();
      else tokens.delete(token);
    },
    caller(authorization) {
      if (authorization === undefined)
        return { name: 'nobody', kind: 'nobody', repositories: [], rights: {} };
      const [, token = ''] = /^(?:bearer|token) +(.+)$/i.exec(authorization) ?? [];
      if (token.split('.').length === 3) return ofApp(token);
      const user = tokens.get(token);
      return user ?? ofInstallation(token);
    },
    issue(caller, installation) {
      const found = [...apps.values()].find(({ app }) => app.installation === installation)?.app;
      if (caller.kind !== 'app') throw new Refusal(401, 'A JSON web token could not be decoded');
      if (!found || caller.name !== `app ${found.id}`) throw new Refusal(404, 'Not Found');
      const token = `ghs_${randomBytes(18).toString('base64url')}`;
      const given = { token, expiresAt: now() + (found.tokenMs ?? HOUR_MS), app: found };
      issued.set(token, given);
      return given;
    },
  };
}

function parsed(part: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(Buffer.from(part, 'base64url').toString()));
  } catch {
    throw new Refusal(401, 'A JSON web token could not be decoded');
  }
}
