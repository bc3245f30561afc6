import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import express from 'express';

/** What postsync's `POST /flux` is compared with: Express, the raw body, the HMAC, an answer. */
const key = createSecretKey(readFileSync(process.env['POSTSYNC_FLUX_HMAC_KEY_FILES'] ?? ''));
const app = express();
app.get('/readyz', (_, res) => void res.end());
app.post('/flux', express.raw({ type: () => true, limit: '3mb' }), (req, res) => {
  const given = Buffer.from(String(req.headers['x-signature']).replace(/^sha256=/, ''), 'hex');
  const expected = createHmac('sha256', key)
    .update(req.body as Buffer)
    .digest();
  const isSigned = given.length === expected.length && timingSafeEqual(given, expected);
  res.status(isSigned ? 202 : 401).json({ accepted: isSigned });
});
app.listen(Number(process.env['POSTSYNC_PORT']), '127.0.0.1');
