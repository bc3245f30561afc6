import express, { type ErrorRequestHandler, type Express } from 'express';
import { type ErrorCode, isCode } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { type ApiOptions, apiRouter } from './api.ts';
import { type CallbackOptions, callbackRoute } from './callback.ts';
import { type FlaggerOptions, flaggerRouter } from './flagger.ts';
import { type FluxOptions, fluxRoute } from './flux.ts';
import { answer, RETRY_AFTER_SECONDS } from './http.ts';
import { Refusal } from './refusal.ts';
import { createWaits, type WaitsOptions } from './waits.ts';

/** What its parts need, but for what they share. */
type PartsOptions = FluxOptions & CallbackOptions & Omit<ApiOptions & FlaggerOptions, 'waits'>;

export interface AppOptions extends PartsOptions, WaitsOptions {
  readonly metrics: Pick<Metrics, 'event' | 'text' | 'contentType'>;
}

/** Everything that postsync answers over HTTP. */
export function createApp(options: AppOptions): Express {
  const { stopping, isReady, metrics } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');

  app.post('/flux', fluxRoute(options));
  app.get('/livez', (_req, res) => void res.type('text').send('ok\n'));
  app.get('/readyz', (_req, res) => {
    const because = stopping.aborted
      ? 'stopping'
      : isReady()
        ? undefined
        : 'what is in the cluster is being listed';
    res
      .status(because === undefined ? 200 : 503)
      .type('text')
      .send(`${because ?? 'ok'}\n`);
  });
  app.get('/metrics', async (_req, res) => {
    res.setHeader('content-type', metrics.contentType);
    res.end(await metrics.text());
  });
  app.post('/api/v1/runs/:namespace/:name', callbackRoute(options));
  const waits = createWaits(options);
  app.use('/api/v1', apiRouter({ ...options, waits }));
  app.use('/flagger', flaggerRouter({ ...options, waits }));
  app.use((req, res) => {
    const message = `there is no ${req.method} ${req.path.slice(0, 200)}; see docs/spec.md for what there is`;
    answer(res, 404, { error: 'NotFound', message });
  });
  app.use(failure(options));
  return app;
}

/** What the codes of our own errors are over HTTP, where the request, or the state of the cluster, is the cause. */
const STATUSES: Partial<Record<ErrorCode, { readonly status: number; readonly error: string }>> = {
  RELEASE_NOT_FOUND: { status: 404, error: 'NotFound' },
  TEST_NOT_FOUND: { status: 404, error: 'NotFound' },
  NOTHING_TO_TEST: { status: 409, error: 'Conflict' },
  OTHER_WORKFLOW_RUN: { status: 409, error: 'Conflict' },
  API_CONFLICT: { status: 409, error: 'Conflict' },
  API_FORBIDDEN: { status: 409, error: 'Conflict' },
  API_REJECTED: { status: 400, error: 'BadRequest' },
};

/** Turns whatever a route throws into an answer with a sentence, and never shows more than that. */
function failure({ log }: Pick<AppOptions, 'log'>): ErrorRequestHandler {
  return (err: unknown, req, res, _next) => {
    if (res.headersSent || req.socket.destroyed) {
      res.destroy();
      return;
    }
    const { status, error, message, retryAfterSeconds } = refusalFor(err);
    if (status >= 500) log.warn({ err, path: req.path, status }, 'request failed');
    else log.info({ path: req.path, status, because: message }, 'request refused');
    answer(
      res,
      status,
      { error, message },
      {
        ...(status === 503 && { connection: 'close' }),
        ...(retryAfterSeconds !== undefined && { 'retry-after': retryAfterSeconds }),
        ...(status === 401 && { 'www-authenticate': 'Bearer realm="postsync"' }),
      },
    );
  };
}

function refusalFor(err: unknown): Refusal {
  if (err instanceof Refusal) return err;
  for (const [code, { status, error }] of Object.entries(STATUSES))
    if (isCode(err, code as ErrorCode)) return new Refusal(status, error, err.message);
  if (isCode(err, 'API_UNAVAILABLE'))
    return new Refusal(
      503,
      'Unavailable',
      'the Kubernetes API does not answer; ask again',
      RETRY_AFTER_SECONDS,
    );
  // Express: a path that is not percent-encoded well, and the like.
  const { status } = err as { status?: unknown };
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new Refusal(status, 'BadRequest', 'the request cannot be read');
  return new Refusal(500, 'Internal', 'postsync failed; its log says why');
}
