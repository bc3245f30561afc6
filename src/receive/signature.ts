import { createHash, createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

/** What Flux may put before the `=` of X-Signature; today it is always sha256. */
const ALGORITHMS: ReadonlySet<string> = new Set(['sha224', 'sha256', 'sha384', 'sha512']);
const WHITE_SPACE = new Set([0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20]);

/**
 * The keys to try: each as it is, and without the white space around it. notification-controller trimmed the token
 * up to 1.6 and has taken the Secret's bytes as they are since 1.7; a newline at the end is common in Secrets.
 * As KeyObjects, because an HMAC whose key is a Buffer takes 35 µs, and one of these 5 µs (Node 24.21).
 *
 * @see https://github.com/fluxcd/notification-controller/blob/v1.6.0/internal/server/event_handlers.go#L346
 */
export function keysToTry(keys: readonly Uint8Array[]): readonly KeyObject[] {
  const tried = keys.flatMap((key) => {
    const trimmed = trim(key);
    return trimmed.length === key.length || trimmed.length === 0 ? [key] : [key, trimmed];
  });
  return tried.map((key) => createSecretKey(key));
}

/** Whether `X-Signature: ALGORITHM=HEX` is the HMAC of exactly these bytes under one of the keys. */
export function isSigned(
  body: Uint8Array,
  signature: string | undefined,
  keys: readonly KeyObject[],
): boolean {
  const [, algorithm = '', hex = ''] = /^([a-z0-9]+)=([0-9a-fA-F]+)$/.exec(signature ?? '') ?? [];
  if (!ALGORITHMS.has(algorithm)) return false;
  const given = Buffer.from(hex, 'hex');
  return keys.some((key) => {
    const expected = createHmac(algorithm, key).update(body).digest();
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

/** The token of an `Authorization: Bearer TOKEN` header. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^bearer +([^\s]+) *$/i.exec(header ?? '')?.[1];
}

/** Whether a token is one of those known, in a time that says nothing of how much of it is right. */
export function isKnown(token: string | undefined, known: readonly string[]): boolean {
  if (token === undefined) return false;
  return known.some((one) => timingSafeEqual(sha256(token), sha256(one)));
}

export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function trim(key: Uint8Array): Uint8Array {
  let start = 0;
  let end = key.length;
  while (start < end && WHITE_SPACE.has(key[start] ?? 0)) start++;
  while (end > start && WHITE_SPACE.has(key[end - 1] ?? 0)) end--;
  return key.subarray(start, end);
}
