import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { readBody } from '../../src/receive/http.ts';

function aRequest() {
  const stream = new PassThrough();
  return { stream, req: stream as unknown as IncomingMessage };
}

describe('a body', () => {
  test('gives back the room that it took', async () => {
    const room = { bytes: 10_000 };
    const { stream, req } = aRequest();
    const body = readBody(req, 100, room);
    stream.end('abc');
    assert.equal(String(await body), 'abc');
    assert.equal(room.bytes, 10_000);
  });

  test('in single bytes takes more room than its bytes', async () => {
    const room = { bytes: 10_000 };
    const { stream, req } = aRequest();
    const body = readBody(req, 100, room);
    for (let n = 0; n < 100; n++) stream.write('x');
    stream.end();
    assert.equal(await body, 'no room');
    assert.equal(room.bytes, 10_000);
  });

  test('over the limit takes no room while the rest of it comes', async () => {
    const room = { bytes: 10_000 };
    const { stream, req } = aRequest();
    const body = readBody(req, 2, room);
    stream.write('abc');
    stream.write('d');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(room.bytes, 10_000);
    stream.end();
    assert.equal(await body, 'too large');
  });

  test('whose sender went away gives its room back', async () => {
    const room = { bytes: 10_000 };
    const { stream, req } = aRequest();
    const body = readBody(req, 100, room);
    stream.write('abc');
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(room.bytes < 10_000);
    stream.destroy(new Error('gone'));
    await assert.rejects(body, /gone/);
    assert.equal(room.bytes, 10_000);
  });
});
