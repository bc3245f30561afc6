import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { describe, mock, test } from 'node:test';
import type { Time } from '../../src/decide/model.ts';
import { PostsyncError } from '../../src/errors.ts';
import type { Looked } from '../../src/reconcile/looked.ts';
import { createQueue } from '../../src/reconcile/queue.ts';

type Answer = Time | undefined | Error | Looked;

/** A queue whose looks go on until they are told how to end. */
function aQueue(parallel = 2) {
  const looks: string[] = [];
  const failures: { key: string; attempt: number; delayMs: number }[] = [];
  const ends = new Map<string, (answer: Answer) => void>();
  const began = new EventEmitter();
  const queue = createQueue({
    parallel,
    look: (key) =>
      new Promise((resolve, reject) => {
        looks.push(key);
        ends.set(key, (answer) =>
          answer instanceof Error
            ? reject(answer)
            : resolve(typeof answer === 'object' ? answer : { wakeAt: answer }),
        );
        began.emit('look');
      }),
    onFailure: ({ key, attempt, delayMs }) => failures.push({ key, attempt, delayMs }),
  });
  return {
    queue,
    looks,
    failures,
    began,
    /** Ends a look, and lets follow what follows at once. */
    end: async (key: string, answer?: Answer) => {
      ends.get(key)?.(answer);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('the queue', () => {
  test('begins with what was added before its start', () => {
    const { queue, looks } = aQueue();
    queue.add('a');
    assert.deepEqual(looks, []);
    queue.start();
    assert.deepEqual(looks, ['a']);
  });

  test('makes one look of many calls before it, and one more of many during it', async () => {
    const { queue, looks, end } = aQueue();
    queue.add('a');
    queue.add('a');
    queue.start();
    for (const key of ['a', 'a', 'a']) queue.add(key);
    assert.deepEqual(looks, ['a']);
    await end('a');
    assert.deepEqual(looks, ['a', 'a']);
    await end('a');
    assert.deepEqual(looks, ['a', 'a']);
  });

  test('looks at no more keys at a time than it may', async () => {
    const { queue, looks, end } = aQueue(2);
    queue.start();
    for (const key of ['a', 'b', 'c']) queue.add(key);
    assert.deepEqual(looks, ['a', 'b']);
    await end('b');
    assert.deepEqual(looks, ['a', 'b', 'c']);
  });

  test('comes back when a look asked for it, and at once when that is past', async () => {
    const { queue, looks, end, began } = aQueue();
    queue.start();
    queue.add('a');
    const again = once(began, 'look');
    await end('a', Date.now() - 1000);
    await again;
    assert.deepEqual(looks, ['a', 'a']);
  });

  test('looks again soon after a conflict, which is no failure', async () => {
    const { queue, looks, failures, end, began } = aQueue();
    queue.start();
    queue.add('a');
    const again = once(began, 'look');
    await end('a', new PostsyncError('API_CONFLICT', 'changed'));
    await again;
    assert.deepEqual(looks, ['a', 'a']);
    assert.deepEqual(failures, []);
  });

  test('looks less and less often where there is one conflict after the other', async (t) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    const { queue, looks, end } = aQueue();
    queue.start();
    queue.add('a');
    for (const [index, delayMs] of [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000].entries()) {
      await end('a', new PostsyncError('API_CONFLICT', 'changed'));
      mock.timers.tick(delayMs - 1);
      assert.equal(looks.length, index + 1);
      mock.timers.tick(1);
      assert.equal(looks.length, index + 2);
    }
  });

  test('does not wait longer because of what is heard meanwhile, though each look fails', async (t) => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'] });
    t.after(() => mock.timers.reset());
    const { queue, failures, end } = aQueue();
    queue.start();
    queue.add('a');
    for (let event = 0; event < 20; event += 1) {
      await end('a', new Error('down'));
      queue.add('a');
    }
    await end('a', new Error('down'));
    assert.deepEqual(new Set(failures.map(({ attempt }) => attempt)), new Set([1]));
  });

  test('tries again what failed, later each time, until it succeeds', async (t) => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'] });
    t.after(() => mock.timers.reset());
    const { queue, looks, failures, end } = aQueue();
    queue.start();
    queue.add('a');
    for (const attempt of [1, 2, 3]) {
      await end('a', new Error('down'));
      const { delayMs, ...failure } = failures.at(-1)!;
      assert.deepEqual(failure, { key: 'a', attempt });
      assert.ok(delayMs > 2 ** (attempt - 1) * 790 && delayMs <= 2 ** (attempt - 1) * 1000);
      mock.timers.tick(delayMs + 1);
      assert.equal(looks.length, attempt + 1);
    }
    await end('a');
    queue.add('a');
    await end('a', new Error('down'));
    assert.equal(failures.at(-1)?.attempt, 1);
  });

  test('comes back when a look asked for it, though a part of it fails again and again', async (t) => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'] });
    t.after(() => mock.timers.reset());
    const { queue, looks, failures, end } = aQueue();
    queue.start();
    queue.add('a');
    for (let look = 1; look <= 12; look += 1) {
      await end('a', { wakeAt: Date.now() + 100, failure: new Error('down') });
      assert.equal(failures.length, look);
      mock.timers.tick(99);
      assert.equal(looks.length, look);
      mock.timers.tick(1);
      assert.equal(looks.length, look + 1);
    }
  });

  test('gives no timer a delay that it cannot hold: it would fire at once', async (t) => {
    const { queue, end } = aQueue();
    const timers = t.mock.method(globalThis, 'setTimeout');
    queue.start();
    queue.add('a');
    await end('a', Date.now() + 2 ** 40);
    assert.equal(timers.mock.calls.at(-1)?.arguments[1], 2 ** 31 - 1);
  });

  test('stops when the looks under way have ended, and begins no other', async () => {
    const { queue, looks, end } = aQueue(1);
    queue.start();
    queue.add('a');
    queue.add('b');
    let stopped = false;
    const stopping = queue.stop().then(() => (stopped = true));
    await end('none');
    assert.equal(stopped, false);
    await end('a');
    await stopping;
    assert.deepEqual(looks, ['a']);
    await queue.stop();
  });

  test('forgets nothing that was to be looked at later when it is stopped and started again', async () => {
    const { queue, looks, end } = aQueue();
    queue.start();
    queue.add('waits');
    queue.add('failed');
    await end('waits', Date.now() + 3_600_000);
    await end('failed', new Error('down'));
    await queue.stop();
    assert.deepEqual(looks, ['waits', 'failed']);
    queue.start();
    assert.deepEqual(looks, ['waits', 'failed', 'waits', 'failed']);
  });
});
