import { type DestinationStream, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

/** What may hold a secret. Nothing should be logged that has one; this is the net below. */
const SECRETS = [
  'token',
  'secret',
  'hmacKey',
  'authorization',
  'fluxHmacKeys',
  'fluxBearerTokens',
  'headers["x-signature"]',
  'headers.authorization',
];

/**
 * JSON lines on stdout. Field names are API: dashboards and alerts read them. Add to the list, never rename:
 * `release`, `revision`, `run`, `test`, `verdict`, `reason`, `attempt`, `delayMs`, `because`, `err`.
 */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { app: 'postsync' },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: stdSerializers.errWithCause },
    redact: SECRETS.flatMap((path) => [path, `*.${path}`]),
  };
  return destination ? pino(options, destination) : pino(options);
}
