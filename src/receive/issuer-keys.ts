import type { JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { isCode, PostsyncError } from '../errors.ts';
import { keep } from '../keep.ts';

/** The public keys of those who issue tokens, by their address. */
export interface IssuerKeys {
  /**
   * @returns what finds the key of a token
   * @throws {PostsyncError} `ISSUER_UNAVAILABLE`
   */
  of(issuer: string): Promise<JWTVerifyGetKey>;
  /** As `of`, after a key was not found: fetched again, unless that was just done. */
  renewed(issuer: string): Promise<JWTVerifyGetKey>;
}

export interface IssuerKeysOptions {
  /** Pause between two fetches that a sender can cause, and after one that failed. */
  readonly cooldownMs?: number;
  /** How long keys are believed. */
  readonly maxAgeMs?: number;
  /** For both documents together. */
  readonly timeoutMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

interface Known {
  readonly at: number;
  readonly keys: Promise<JWTVerifyGetKey>;
  hasFailed: boolean;
}

/** Whoever may write a SyncTest names an address of GitHub, so there is an end to how many are known. */
const MAX_ISSUERS = 16;
/** GitHub's own are 10 KB. */
const MAX_DOCUMENT_BYTES = 256 * 1024;

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url() });

/** Fetches keys when they are asked for, by OpenID Connect Discovery, and keeps them for a while. */
export function createIssuerKeys(options: IssuerKeysOptions = {}): IssuerKeys {
  const {
    cooldownMs = 30_000,
    maxAgeMs = 600_000,
    timeoutMs = 5_000,
    now = () => performance.now(),
  } = options;
  const cache = new Map<string, Known>();

  function youngerThan(ageMs: number, issuer: string): Promise<JWTVerifyGetKey> {
    const before = cache.get(issuer);
    if (before && now() - before.at < (before.hasFailed ? cooldownMs : ageMs)) return before.keys;
    const known: Known = { at: now(), keys: load(issuer, timeoutMs), hasFailed: false };
    known.keys.catch(() => {
      known.hasFailed = true;
    });
    keep(cache, issuer, known, MAX_ISSUERS);
    return known.keys;
  }

  return {
    of: (issuer) => youngerThan(maxAgeMs, issuer),
    renewed: (issuer) => youngerThan(cooldownMs, issuer),
  };
}

async function load(issuer: string, timeoutMs: number): Promise<JWTVerifyGetKey> {
  try {
    const { createLocalJWKSet } = await import('jose');
    const signal = AbortSignal.timeout(timeoutMs);
    const discovery = Discovery.parse(await fetchJson(`${issuer}/.well-known/openid-configuration`, signal));
    if (discovery.issuer !== issuer) throw unavailable(`${issuer} says that it is another issuer`);
    // Keys are taken from where postsync sends its dispatches, and nothing is fetched from anywhere else.
    if (new URL(discovery.jwks_uri).origin !== new URL(issuer).origin)
      throw unavailable(`${issuer} has its keys on another host`);
    const keys = (await fetchJson(discovery.jwks_uri, signal)) as Parameters<typeof createLocalJWKSet>[0];
    return createLocalJWKSet(keys);
  } catch (error) {
    if (isCode(error, 'ISSUER_UNAVAILABLE')) throw error;
    throw unavailable(`the keys of ${issuer} cannot be had`, error);
  }
}

function unavailable(message: string, cause?: unknown): PostsyncError {
  return new PostsyncError('ISSUER_UNAVAILABLE', message, { cause });
}

/** Follows no redirect, and reads no more than a limit. */
async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'application/json' } });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_DOCUMENT_BYTES) throw unavailable(`${url} is over ${MAX_DOCUMENT_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (response.status !== 200) throw unavailable(`${url} answered ${response.status}`);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
