import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { describe, test } from 'node:test';
import { PostsyncError } from '../../src/errors.ts';
import type { Kubernetes, Query, WatchLine } from '../../src/kubernetes.ts';
import { follow } from '../../src/receive/watch.ts';

type Page = { readonly version: string; readonly items: readonly string[]; readonly more?: string } | Error;
/** What a watch brings; `never`: it stays open until it is aborted. */
type Watched = { readonly lines: readonly WatchLine[]; readonly ends: 'by itself' | 'never' | Error };

/** Answers lists and watches in the order given; afterwards every watch hangs. Asked where it stands, it says `standsAt`. */
function aServer(pages: readonly Page[], watches: readonly Watched[], standsAt = '1000') {
  const calls: string[] = [];
  const seen: string[] = [];
  const troubles: unknown[] = [];
  const idle = new EventEmitter();
  const stop = new AbortController();
  let synced = 0;
  const [lists, streams] = [[...pages], [...watches]];

  const list = async (_: unknown, query: Query = {}) => {
    calls.push(`list ${query.limit}${query.continue === undefined ? '' : ` ${query.continue}`}`);
    if (query.limit === 1) return { metadata: { resourceVersion: standsAt }, items: [] };
    const page = lists.shift() ?? new PostsyncError('API_UNAVAILABLE', 'no list left');
    if (page instanceof Error) throw page;
    const { version: resourceVersion, items, more } = page;
    return { metadata: { resourceVersion, ...(more && { continue: more }) }, items };
  };
  async function* watch(_: unknown, query: Query, signal: AbortSignal): AsyncGenerator<WatchLine> {
    assert.equal(query.allowWatchBookmarks, true);
    calls.push(`watch ${query.resourceVersion}`);
    const { lines, ends } = streams.shift() ?? { lines: [], ends: 'never' };
    yield* lines;
    if (ends === 'by itself') return;
    if (ends !== 'never') throw ends;
    if (streams.length === 0) idle.emit('idle');
    if (!signal.aborted) await once(signal, 'abort');
    throw new PostsyncError('API_UNAVAILABLE', 'aborted');
  }

  const kubernetes = { list, watch } as unknown as Kubernetes;
  const sink = {
    upsert: (object: unknown) => void seen.push(nameOf(object)),
    remove: (object: unknown) => void seen.push(`-${nameOf(object)}`),
    relist: () => {
      seen.push('[');
      return {
        upsert: (object: unknown) => void seen.push(nameOf(object)),
        end: () => void seen.push(']'),
        giveUp: () => void seen.push('given up'),
      };
    },
  };
  return {
    calls,
    seen,
    troubles,
    synced: () => synced,
    /** Follows until the last watch hangs, and stops it then by its signal. */
    async untilIdle({ resyncMs = 0 } = {}): Promise<void> {
      const isIdle = once(idle, 'idle');
      const following = follow(
        kubernetes,
        { target: { resource: 'jobs' }, query: { labelSelector: 'ours' }, sink },
        {
          signal: stop.signal,
          resyncMs,
          onSynced: () => (synced += 1),
          onTrouble: (error) => troubles.push(error),
        },
      );
      await isIdle;
      stop.abort();
      await following;
    },
  };
}

function nameOf(object: unknown): string {
  const { name, resourceVersion } = (object as { metadata: { name?: string; resourceVersion?: string } })
    .metadata;
  return name ?? resourceVersion ?? '';
}

function line(type: WatchLine['type'], name: string, resourceVersion: string): WatchLine {
  return { type, object: { metadata: { name, resourceVersion } } };
}

function items(...names: readonly string[]): readonly never[] {
  return names.map((name) => ({ metadata: { name } })) as never[];
}

const LOST = new PostsyncError('API_UNAVAILABLE', 'connection reset');
const ONE_PAGE = { version: '5', items: items('a') };

describe('a watch', () => {
  test('begins with a list in pages, and goes on from its version', async () => {
    const server = aServer(
      [
        { version: '5', items: items('a', 'b'), more: 'token' },
        { version: '5', items: items('c') },
      ],
      [],
    );
    await server.untilIdle();
    assert.deepEqual(server.calls, ['list 100', 'list 100 token', 'watch 5']);
    assert.deepEqual(server.seen, ['[', 'a', 'b', 'c', ']']);
    assert.equal(server.synced(), 1);
  });

  test('delivers what changes, and goes on from the last version when the server ends it', async () => {
    const lines = [line('ADDED', 'b', '6'), line('DELETED', 'a', '7'), line('BOOKMARK', 'x', '9')];
    const server = aServer([ONE_PAGE], [{ lines, ends: 'by itself' }]);
    await server.untilIdle();
    assert.deepEqual(server.seen, ['[', 'a', ']', 'b', '-a']);
    assert.deepEqual(server.calls, ['list 100', 'watch 5', 'watch 9']);
    assert.deepEqual(server.troubles, []);
  });

  test('goes on from the last version when the connection breaks, after asking where the server stands', async () => {
    const server = aServer([ONE_PAGE], [{ lines: [line('MODIFIED', 'a', '6')], ends: LOST }]);
    await server.untilIdle();
    assert.deepEqual(server.calls, ['list 100', 'watch 5', 'list 1', 'watch 6']);
    assert.deepEqual(server.troubles, [LOST]);
  });

  test('lists again when the version went backwards, as after a restore', async () => {
    const server = aServer([{ version: '100', items: [] }, ONE_PAGE], [{ lines: [], ends: LOST }], '99');
    await server.untilIdle();
    assert.deepEqual(server.calls, ['list 100', 'watch 100', 'list 1', 'list 100', 'list 1', 'watch 5']);
  });

  for (const [how, broken] of [
    ['by a 410', new PostsyncError('API_GONE', 'too old')],
    ['by an ERROR event', undefined],
  ] as const) {
    test(`lists again when its version is too old, said ${how}`, async () => {
      const error: WatchLine = { type: 'ERROR', object: { code: 410, message: 'too old resource version' } };
      const server = aServer(
        [ONE_PAGE, { version: '50', items: items('b') }],
        [{ lines: broken ? [] : [error], ends: broken ?? 'by itself' }],
      );
      await server.untilIdle();
      assert.deepEqual(server.calls.slice(0, 3), ['list 100', 'watch 5', 'list 100']);
      assert.deepEqual(server.seen, ['[', 'a', ']', '[', 'b', ']']);
    });
  }

  test('that ends without a word is not asked for again at once', async () => {
    const server = aServer([ONE_PAGE], [{ lines: [], ends: 'by itself' }]);
    await server.untilIdle();
    assert.equal(server.troubles.length, 1);
  });

  test('whose first list fails is tried after a pause, and says so, with a resync too', async () => {
    const server = aServer([LOST, ONE_PAGE], []);
    await server.untilIdle({ resyncMs: 60_000 });
    assert.deepEqual(server.troubles, [LOST]);
    assert.deepEqual(server.calls.slice(0, 2), ['list 100', 'list 100']);
  });

  test('takes nothing away when a list breaks off', async () => {
    const server = aServer([{ version: '5', items: items('a'), more: 'token' }, LOST, ONE_PAGE], []);
    await server.untilIdle();
    assert.deepEqual(server.seen, ['[', 'a', 'given up', '[', 'a', ']']);
  });

  test('lists again at resync, which is no trouble', async () => {
    const server = aServer(
      [ONE_PAGE, { version: '8', items: items('a') }],
      [
        { lines: [], ends: 'never' },
        { lines: [], ends: 'never' },
      ],
    );
    await server.untilIdle({ resyncMs: 250 });
    assert.deepEqual(server.calls, ['list 100', 'watch 5', 'list 100', 'watch 8']);
    assert.deepEqual(server.troubles, []);
  });

  test('goes on where it was when a resync cannot list, which is tried again later', async () => {
    const watches = [1, 2, 3].map(() => ({ lines: [], ends: 'never' as const }));
    const server = aServer([ONE_PAGE, LOST, { version: '8', items: items('a') }], watches);
    await server.untilIdle({ resyncMs: 250 });
    assert.deepEqual(server.calls, ['list 100', 'watch 5', 'list 100', 'watch 5', 'list 100', 'watch 8']);
    assert.deepEqual(server.troubles, [LOST]);
  });
});
