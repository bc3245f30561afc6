import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Ref } from './decide/model.ts';

/** A run, and which of those that had its name it is: a token opens nothing for a run that was created again. */
export interface CallbackRun extends Ref {
  readonly uid: string;
}

/** Says what a token is for, to secret scanners as well. It tells it from a JWT, too. */
const PREFIX = 'pst_';

/** The token by which the workflow of one run may call back. Nothing is stored for it. */
export function callbackToken(key: Uint8Array, { namespace, name, uid }: CallbackRun): string {
  return PREFIX + createHmac('sha256', key).update(`${namespace}/${name}/${uid}`).digest('base64url');
}

/** Whether a text is meant to be such a token, of whichever run. */
export function isCallbackToken(token: string): boolean {
  return token.startsWith(PREFIX);
}

/** Whether it is the token of exactly this run under one of the keys, in a time that says nothing of how much of it is right. */
export function isTokenOf(run: CallbackRun, token: string, keys: readonly Uint8Array[]): boolean {
  const given = Buffer.from(token);
  return keys.some((key) => {
    const expected = Buffer.from(callbackToken(key, run));
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}
