import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createLog } from '../../src/log.ts';
import type { Delivery } from '../../src/metrics.ts';
import { type FluxEvent, fluxEventOf } from '../../src/record/flux-event.ts';
import { createOutbox } from '../../src/record/outbox.ts';
import { anOutcome, aRelease, aRun } from '../support/model.ts';

const EVENT = fluxEventOf(
  { release: aRelease(), run: aRun(), outcome: anOutcome() },
  { instance: 'postsync-0', sharesOutput: false },
) as FluxEvent;

/** A notification-controller that answers so, one after the other, and then 202; `hang up` gives no answer. */
async function aReceiver(t: TestContext, answers: readonly (number | 'hang up')[] = []) {
  const bodies: string[] = [];
  const types: unknown[] = [];
  const left = [...answers];
  const server = createServer((req: IncomingMessage, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => {
      bodies.push(body);
      types.push(req.headers['content-type']);
      const answer = left.shift() ?? 202;
      if (answer === 'hang up') req.socket.destroy();
      else res.writeHead(answer).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { address: `http://127.0.0.1:${port}/`, bodies, types, server };
}

function anOutbox(address: string, backoffMs: readonly number[] = [1, 1, 1]) {
  const deliveries: Delivery[] = [];
  const lines: Record<string, unknown>[] = [];
  const log = createLog('warn', { write: (line) => void lines.push(JSON.parse(line)) });
  const delivered = Promise.withResolvers<void>();
  const onDelivery = (delivery: Delivery) => {
    deliveries.push(delivery);
    delivered.resolve();
  };
  const outbox = createOutbox({ address, log, onDelivery, backoffMs });
  return { outbox, deliveries, lines, delivered: delivered.promise };
}

describe('an event for notification-controller', () => {
  test('arrives as JSON, once', async (t) => {
    const { address, bodies, types } = await aReceiver(t);
    const { outbox, deliveries } = anOutbox(address);
    outbox.send('run-uid', EVENT);
    outbox.send('run-uid', EVENT);
    await outbox.close();
    assert.deepEqual(
      bodies.map((body) => JSON.parse(body)),
      [EVENT],
    );
    assert.deepEqual(types, ['application/json']);
    assert.deepEqual(deliveries, ['delivered']);
  });

  test('is sent again when there was no answer, or an error', async (t) => {
    const { address, bodies } = await aReceiver(t, ['hang up', 503]);
    const { outbox, deliveries, delivered } = anOutbox(address);
    outbox.send('run-uid', EVENT);
    await delivered;
    assert.equal(bodies.length, 3);
    assert.deepEqual(deliveries, ['delivered']);
    await outbox.close();
  });

  test('is given up after some attempts, which is said and counted', async (t) => {
    const { address, bodies } = await aReceiver(t, Array(9).fill(500));
    const { outbox, deliveries, lines, delivered } = anOutbox(address);
    outbox.send('run-uid', EVENT);
    await delivered;
    await outbox.close();
    assert.equal(bodies.length, 4);
    assert.deepEqual(deliveries, ['failed']);
    const [{ release, run, because, msg } = {}] = lines;
    assert.deepEqual(
      { release, run, because, msg },
      {
        release: 'apps/podinfo',
        run: EVENT.metadata['helm.toolkit.fluxcd.io/run'],
        because: 'HTTP 500',
        msg: 'verdict not told to Flux',
      },
    );
  });

  test('is not sent again when it is refused', async (t) => {
    for (const code of [400, 404, 302]) {
      const { address, bodies } = await aReceiver(t, [code]);
      const { outbox, deliveries, delivered } = anOutbox(address);
      outbox.send('run-uid', EVENT);
      await delivered;
      await outbox.close();
      assert.equal(bodies.length, 1);
      assert.deepEqual(deliveries, ['refused'], String(code));
    }
  });

  test('has arrived before where it is said to come too often', async (t) => {
    const { address, bodies } = await aReceiver(t, [429]);
    const { outbox, deliveries } = anOutbox(address);
    outbox.send('run-uid', EVENT);
    await outbox.close();
    assert.equal(bodies.length, 1);
    assert.deepEqual(deliveries, ['delivered']);
  });

  test('is dropped where too many wait, and those that wait are sent', async (t) => {
    const { address, bodies } = await aReceiver(t);
    const { outbox, deliveries } = anOutbox(address);
    for (let at = 0; at < 1100; at += 1) outbox.send(`run-${at}`, EVENT);
    await outbox.close();
    const count = (delivery: Delivery) => deliveries.filter((one) => one === delivery).length;
    // 4 on their way and 1,000 that wait.
    assert.deepEqual([bodies.length, count('delivered'), count('dropped')], [1004, 1004, 96]);
  });

  for (const [answers, delivery] of [
    [[503], 'delivered'],
    [[503, 503, 503], 'failed'],
  ] as const) {
    test(`that waits for its next attempt has it at once, and no other, when postsync stops: ${delivery}`, async (t) => {
      const { address, bodies } = await aReceiver(t, answers);
      const hour = 3_600_000;
      const { outbox, deliveries } = anOutbox(address, [hour, hour]);
      outbox.send('run-uid', EVENT);
      while (bodies.length === 0) await new Promise((resolve) => setImmediate(resolve));
      await outbox.close();
      assert.equal(bodies.length, 2);
      assert.deepEqual(deliveries, [delivery]);
    });
  }

  test('does not keep postsync from stopping when nobody is there', async (t) => {
    const { address, server } = await aReceiver(t);
    server.close();
    await once(server, 'close');
    const hour = 3_600_000;
    const { outbox, deliveries } = anOutbox(address, [hour, hour]);
    outbox.send('run-uid', EVENT);
    await outbox.close();
    assert.deepEqual(deliveries, ['failed']);
  });
});
