import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import type { Ref } from './decide/model.ts';

export type { Logger } from 'pino';

/** Fields that may hold a secret. Nothing should be logged that has one; this is the net below. */
const SECRETS: ReadonlySet<string> = new Set([
  'token',
  'secret',
  'hmacKey',
  'authorization',
  'x-signature',
  'fluxHmacKeys',
  'fluxBearerTokens',
  'callbackKeys',
  'flaggerTokens',
]);
/** What may wait to be written while nobody reads stdout; beyond it lines are dropped, not memory filled. */
const MAX_UNWRITTEN_BYTES = 4 * 1024 * 1024;
/**
 * Lines are put together up to this before they are written. sonic-boom (4.2.1) measures all that waits anew for each
 * line, which copies it: with its own 16 KB a line of a burst made 7 KB of garbage, so it makes 2.
 */
const MAX_WRITE_BYTES = 1024;
/** Levels below the line itself that are searched: `req.headers.authorization`. */
const DEPTH = 2;

/**
 * JSON lines on stdout, written in the background; an exit writes what is left. Field names are API: dashboards and alerts read them. Add to the list, never rename:
 * `release` (NAMESPACE/NAME), `run`, `test`, `verdict`, `reason`, `workflowRun`, `because`, `failures`, `delayMs`, `err`.
 */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { app: 'postsync' },
    timestamp: isoTime(),
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => withoutSecrets(fields, DEPTH),
    },
    serializers: { err: stdSerializers.errWithCause },
  };
  return pino(options, destination ?? stdout());
}

/** A run in a line that names no release. */
export function runFields({ namespace, name }: Ref): object {
  return { namespace, run: name };
}

function stdout(): DestinationStream {
  return pino.destination({ sync: false, maxLength: MAX_UNWRITTEN_BYTES, maxWrite: MAX_WRITE_BYTES });
}

/** As it is, or a copy where there is something to hide. Pino's own redaction took longer than the rest of a line. */
function withoutSecrets(fields: Record<string, unknown>, depth: number): Record<string, unknown> {
  let clean: Record<string, unknown> | undefined;
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    const isSecret = SECRETS.has(key);
    const isNested = !isSecret && depth > 0 && isPlain(value);
    const shown = isSecret ? '[hidden]' : isNested ? withoutSecrets(value, depth - 1) : value;
    if (shown !== value) (clean ??= { ...fields })[key] = shown;
  }
  return clean ?? fields;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** As pino's own, but it writes out a second once: that took a tenth of a line's time. */
function isoTime(): () => string {
  let second = Number.NaN;
  let text = '';
  return () => {
    const now = Date.now();
    const ms = now % 1000;
    if (now - ms !== second) {
      second = now - ms;
      text = `,"time":"${new Date(second).toISOString().slice(0, 20)}`;
    }
    return `${text}${String(ms).padStart(3, '0')}Z"`;
  };
}
