import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createLog } from '../src/log.ts';
import type { Delivery } from '../src/metrics.ts';
import type { Records } from '../src/ports.ts';
import { tellFlux } from '../src/tell-flux.ts';
import { anOutcome, aRelease, aRun } from './support/model.ts';
import { aWorld } from './support/world.ts';

const RELEASE = aRelease();
const HTTP = aRun({ test: 'http', testKind: 'BuiltIn' });
const FAILED = anOutcome({ verdict: 'failed', message: 'GET http://a/: status 503 instead of 200' });

/** Records that write down what they were told, and what went to Flux besides. */
async function telling(t: TestContext, { status = 202, isOn = true, kind = 'check' } = {}) {
  const messages: string[] = [];
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => {
      messages.push((JSON.parse(body) as { message: string }).message);
      res.writeHead(status).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;

  const written: string[] = [];
  const deliveries: Delivery[] = [];
  const { world, records } = aWorld().deps();
  const builtIn = () => [{ test: { ref: { namespace: 'apps', name: 'http' } }, body: { kind } }] as never;
  const tellVerdict: Records['tellVerdict'] = async (_, { ref }) => void written.push(ref.name);
  const given = { ...records, tellVerdict };
  const told = tellFlux(given, {
    config: { identity: 'postsync-0', eventAddress: isOn ? `http://127.0.0.1:${port}` : undefined },
    world: { ...world, builtIn },
    log: createLog('silent'),
    metrics: { told: (delivery) => void deliveries.push(delivery) },
  });
  return { ...told, given, messages, written, deliveries };
}

describe('a verdict', () => {
  test('is told to Flux, and written as without that', async (t) => {
    const { records, flush, messages, written, deliveries } = await telling(t);
    await records.tellVerdict(RELEASE, HTTP, FAILED);
    await records.tellVerdict(RELEASE, HTTP, FAILED);
    await flush();
    assert.deepEqual(written, [HTTP.ref.name, HTTP.ref.name]);
    assert.deepEqual(deliveries, ['delivered']);
    assert.equal(messages.length, 1);
  });

  test('is told to Flux also where another one was told of that run before', async (t) => {
    const { records, flush, messages } = await telling(t);
    await records.tellVerdict(RELEASE, HTTP, anOutcome());
    await records.tellVerdict(RELEASE, HTTP, FAILED);
    await flush();
    assert.equal(messages.length, 2);
  });

  test('is told to nobody where no address is configured', async (t) => {
    const { records, given, flush } = await telling(t, { isOn: false });
    assert.equal(records, given);
    await flush();
  });

  test('is written though Flux will not take it', async (t) => {
    const { records, flush, written, deliveries } = await telling(t, { status: 400 });
    await records.tellVerdict(RELEASE, HTTP, FAILED);
    await flush();
    assert.deepEqual(written, [HTTP.ref.name]);
    assert.deepEqual(deliveries, ['refused']);
  });

  test("has the built-in check's own words, and not what another container said", async (t) => {
    const refused = anOutcome({ verdict: 'inconclusive', reason: 'PodRefused', message: 'quota x' });
    for (const [kind, outcome, expected] of [
      ['check', FAILED, /status 503/],
      ['check', refused, /: PodRefused \(run/],
      ['job', FAILED, /: JobFailed \(run/],
      ['github', FAILED, /status 503/],
    ] as const) {
      const { records, flush, messages } = await telling(t, { kind });
      await records.tellVerdict(RELEASE, HTTP, outcome);
      await flush();
      assert.match(messages[0] ?? '', expected);
    }
  });
});
