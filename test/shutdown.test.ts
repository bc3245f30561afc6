import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { describe, test } from 'node:test';
import { createLog } from '../src/log.ts';
import { listen } from '../src/receive/listen.ts';
import { stop } from '../src/shutdown.ts';

const log = createLog('silent');
/** Longer than any test may take: who waits for it has failed. */
const LONG_MS = 60_000;

async function aServer(app: RequestListener) {
  const { server, port } = await listen(app, 0);
  const agent = new Agent({ keepAlive: true });
  async function ask(): Promise<string> {
    const [response] = (await once(get({ port, agent }), 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return text;
  }
  return { server, ask };
}

function isOpen(server: Server): boolean {
  return server.listening;
}

describe('stopping', () => {
  test('lets a request that began end, and closes what is idle', async () => {
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const { server, ask } = await aServer((_, res) => {
      begun.resolve();
      void finish.promise.then(() => res.end('done'));
    });
    const asked = ask();
    await begun.promise;

    const stopped = stop({ server, drain: () => Promise.resolve(), log, graceMs: LONG_MS });
    await Promise.resolve();
    finish.resolve();

    assert.equal(await asked, 'done');
    assert.equal(await stopped, 'clean');
    assert.equal(isOpen(server), false);
  });

  test('goes on answering while what was begun is being ended', async () => {
    const { server, ask } = await aServer((_, res) => res.end('503, say'));
    const drained = Promise.withResolvers<void>();

    const stopped = stop({ server, drain: () => drained.promise, log, graceMs: LONG_MS });
    assert.equal(await ask(), '503, say');
    drained.resolve();

    assert.equal(await stopped, 'clean');
  });

  test('is forced when a request does not end in time', async () => {
    const { server, ask } = await aServer(() => {});
    const asked = ask();
    await once(server, 'connection');

    const stopped = stop({ server, drain: () => Promise.resolve(), log, graceMs: 20 });

    await assert.rejects(asked);
    assert.equal(await stopped, 'forced');
  });

  test('is forced when what was begun does not end in time', async () => {
    const { server } = await aServer(() => {});

    const how = await stop({ server, drain: () => new Promise(() => undefined), log, graceMs: 20 });

    assert.equal(how, 'forced');
    assert.equal(isOpen(server), false);
  });

  test('closes the server, too, when ending what was begun fails, and tells the failure', async () => {
    const { server } = await aServer(() => {});

    const stopped = stop({ server, drain: () => Promise.reject(new Error('broken')), log, graceMs: LONG_MS });

    await assert.rejects(stopped, /broken/);
    assert.equal(isOpen(server), false);
  });
});

test('a port that is taken is an error at once', async () => {
  const { server, port } = await listen(() => {}, 0);

  await assert.rejects(
    listen(() => {}, port),
    { code: 'CONFIG_INVALID', message: /EADDRINUSE/ },
  );
  server.close();
});
