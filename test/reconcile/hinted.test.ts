import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Release } from '../../src/decide/model.ts';
import { PostsyncError } from '../../src/errors.ts';
import { createHinted } from '../../src/reconcile/hinted.ts';
import { aRelease, moving } from '../support/model.ts';

const { ref } = aRelease();

/** A release on the server, and how often it was read. */
function aServer(release: Release | undefined) {
  let seconds = 0;
  const server = { release, reads: 0, isDown: false, whileRead: () => undefined as void };
  const readRelease = async () => {
    server.reads += 1;
    if (server.isDown) throw new PostsyncError('API_UNAVAILABLE', 'down');
    server.whileRead();
    return server.release;
  };
  const hinted = createHinted({ readRelease }, () => seconds * 1000);
  const read = async () => {
    const due = await hinted.read(ref);
    return due === undefined ? undefined : due / 1000;
  };
  return { server, read, hear: () => hinted.hear(ref), pass: (more: number) => (seconds += more) };
}

describe('a release that Flux told of', () => {
  test('is read live, once, when it stands still', async () => {
    const { server, read, hear } = aServer(aRelease());
    assert.equal(await read(), undefined);
    assert.equal(server.reads, 0);
    hear();
    assert.equal(await read(), undefined);
    assert.equal(await read(), undefined);
    assert.equal(server.reads, 1);
  });

  test('is read again until Flux has written that it stands still, and no oftener than in growing pauses', async () => {
    const { server, read, hear, pass } = aServer(moving());
    hear();
    assert.equal(await read(), 1);
    assert.equal(await read(), 1);
    assert.equal(server.reads, 1);
    pass(1);
    assert.equal(await read(), 3);
    pass(2);
    server.release = aRelease();
    assert.equal(await read(), undefined);
    pass(100);
    assert.equal(await read(), undefined);
    assert.equal(server.reads, 3);
  });

  test('and that never does is left to the watch after a minute', async () => {
    const { server, read, hear, pass } = aServer(moving());
    hear();
    for (let n = 0; n < 200; n++) {
      await read();
      pass(1);
    }
    assert.equal(server.reads, 7);
  });

  test('is read though the first read failed', async () => {
    const { server, read, hear, pass } = aServer(aRelease());
    server.isDown = true;
    hear();
    await assert.rejects(read(), { code: 'API_UNAVAILABLE' });
    server.isDown = false;
    assert.equal(await read(), 1);
    pass(1);
    assert.equal(await read(), undefined);
    assert.equal(server.reads, 2);
  });

  test('is read no more often where the reads fail, however often it is told of and looked at', async () => {
    const { server, hear, read, pass } = aServer(aRelease());
    server.isDown = true;
    let wanted = 0;
    for (let n = 0; n < 200; n++) {
      if (hear()) wanted += 1;
      await read().catch(() => undefined);
      pass(0.05);
    }
    assert.ok(server.reads <= 11, `${server.reads}`);
    assert.ok(wanted <= 2 * server.reads, `${wanted}`);
  });

  test('is read once more when it is told of while it is read, after a pause', async () => {
    const { server, read, hear, pass } = aServer(aRelease());
    server.whileRead = hear;
    hear();
    await read();
    server.whileRead = () => undefined;
    assert.equal(await read(), 1);
    assert.equal(server.reads, 1);
    pass(1);
    assert.equal(await read(), undefined);
    assert.equal(server.reads, 2);
  });

  test('is read twice a minute at most, however often it is told of', async () => {
    const { server, read, hear, pass } = aServer(aRelease());
    let wanted = 0;
    for (let n = 0; n < 400; n++) {
      if (hear()) wanted += 1;
      await read();
      pass(0.3);
    }
    assert.equal(server.reads, 4);
    // At first, when it is told of again in each pause, and when a pause is over.
    assert.equal(wanted, 1 + 4 + 3);
  });

  test('is read when its pause is over, though it is told of again meanwhile', async () => {
    const { server, read, hear, pass } = aServer(moving());
    hear();
    assert.equal(await read(), 1);
    assert.equal(hear(), true);
    assert.equal(await read(), 1);
    assert.equal(hear(), false);
    pass(1);
    await read();
    assert.equal(server.reads, 2);
  });

  test('is looked at for that when its look is not yet begun though its pause is over, as after a failure', async () => {
    const { server, read, hear, pass } = aServer(aRelease());
    hear();
    await read();
    pass(1);
    assert.equal(hear(), true);
    assert.equal(hear(), false);
    pass(100);
    assert.equal(hear(), true);
    assert.equal(await read(), undefined);
    assert.equal(server.reads, 2);
  });

  test('and that is not there is not read again', async () => {
    const { read, hear } = aServer(undefined);
    hear();
    assert.equal(await read(), undefined);
  });
});
