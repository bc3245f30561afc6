import { setTimeout as delay } from 'node:timers/promises';
import { isCode, PostsyncError } from '../errors.ts';
import type { Kubernetes, Query, Target, WatchLine } from '../kubernetes.ts';
import type { Listing } from '../table.ts';

/** Where what was seen goes. Objects come as the API serves them; the sink keeps what it needs of them. */
export interface Sink {
  upsert(object: unknown): void;
  remove(object: unknown): void;
  relist(): Listing;
}

export interface Following {
  readonly target: Target;
  readonly query?: Query;
  readonly sink: Sink;
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Milliseconds from one full list to the next; 0: lists only when it must. */
  readonly resyncMs: number;
  readonly onSynced: () => void;
  readonly onTrouble: (error: unknown, delayMs: number) => void;
}

/** Objects of one page: a full list is never held as a whole. What was read of a small page is forgotten cheaply. */
const PAGE = 100;
const MAX_DELAY_MS = 30_000;
const FIRST_DELAY_MS = 250;
/** When a resync could not list, it tries again after so long. */
const RESYNC_AGAIN_MS = 60_000;
/** The server ends a watch after so long, so that connections are spread anew. */
const WATCH_SECONDS = 300;

/**
 * Lists and then watches one kind of object until the signal aborts.
 *
 * client-node's informer stops for good at any error but 410 (2.0.1), asks for no bookmarks, and opens a connection
 * for each watch. Here any error leads to another watch from the last version seen, after a growing pause; 410, and
 * a version that went backwards, lead to another list.
 */
export async function follow(
  kubernetes: Kubernetes,
  following: Following,
  options: FollowOptions,
): Promise<void> {
  const { signal, onTrouble } = options;
  const state: Progress = { version: undefined, listedAt: 0, failures: 0 };
  while (!signal.aborted) {
    try {
      await advance(kubernetes, following, state, options);
    } catch (error) {
      if (signal.aborted) return;
      if (isCode(error, 'API_GONE')) state.version = undefined;
      state.failures += 1;
      const delayMs = pause(state.failures);
      onTrouble(error, delayMs);
      await delay(delayMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

interface Progress {
  /** Where a watch goes on; absent: a list is needed first. */
  version: string | undefined;
  listedAt: number;
  /** Since the last line that a watch brought. */
  failures: number;
}

/** One list, or one watch to its end. */
async function advance(
  kubernetes: Kubernetes,
  following: Following,
  state: Progress,
  options: FollowOptions,
): Promise<void> {
  const { signal, resyncMs } = options;
  const isDue = resyncMs > 0 && Date.now() >= state.listedAt + resyncMs;
  if (state.version === undefined) return list(kubernetes, following, state, options);
  if (isDue) return resync(kubernetes, following, state, options);
  if (state.failures > 0 && (await wentBackwards(kubernetes, following, state.version))) {
    state.version = undefined;
    return;
  }
  const due =
    resyncMs > 0 ? AbortSignal.timeout(Math.max(1, state.listedAt + resyncMs - Date.now())) : undefined;
  const until = due ? AbortSignal.any([signal, due]) : signal;
  let lines = 0;
  try {
    for await (const line of watchFrom(kubernetes, following, state.version, until)) {
      state.version = deliver(line, following.sink) ?? state.version;
      state.failures = 0;
      lines += 1;
    }
  } catch (error) {
    if (due?.aborted) return;
    throw error;
  }
  // A server sends a bookmark a minute: one that ends a watch at once would be asked in a tight loop.
  if (lines === 0) throw new PostsyncError('API_UNAVAILABLE', 'the watch ended without a word');
}

async function list(
  kubernetes: Kubernetes,
  following: Following,
  state: Progress,
  { onSynced }: FollowOptions,
): Promise<void> {
  state.version = await listAll(kubernetes, following);
  state.listedAt = Date.now();
  onSynced();
}

/** A list that need not be: when it cannot be had, the watch goes on, and it is tried again later. */
async function resync(
  kubernetes: Kubernetes,
  following: Following,
  state: Progress,
  options: FollowOptions,
): Promise<void> {
  try {
    await list(kubernetes, following, state, options);
  } catch (error) {
    if (options.signal.aborted || isCode(error, 'API_GONE')) throw error;
    const delayMs = Math.min(RESYNC_AGAIN_MS, options.resyncMs);
    state.listedAt = Date.now() + delayMs - options.resyncMs;
    options.onTrouble(error, delayMs);
  }
}

function pause(failures: number): number {
  return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
}

function watchFrom(
  kubernetes: Kubernetes,
  { target, query }: Following,
  resourceVersion: string,
  signal: AbortSignal,
) {
  const timeoutSeconds = Math.round(WATCH_SECONDS * (1 + Math.random() / 5));
  return kubernetes.watch(
    target,
    { ...query, resourceVersion, allowWatchBookmarks: true, timeoutSeconds },
    signal,
  );
}

interface List {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly unknown[];
}

/** @returns the version from which a watch goes on */
async function listAll(kubernetes: Kubernetes, { target, query, sink }: Following): Promise<string> {
  const listing = sink.relist();
  let from: string | undefined;
  let version: string;
  try {
    do {
      const page = (await kubernetes.list(target, { ...query, limit: PAGE, continue: from })) as List;
      for (const item of page.items) listing.upsert(item);
      version = page.metadata.resourceVersion;
      from = page.metadata.continue || undefined;
    } while (from !== undefined);
  } catch (error) {
    listing.giveUp();
    throw error;
  }
  listing.end();
  return version;
}

/**
 * After a restore of etcd the server answers a watch from a version that it has not reached yet with silence.
 * One object is enough to learn where it stands.
 */
async function wentBackwards(
  kubernetes: Kubernetes,
  { target, query }: Following,
  version: string,
): Promise<boolean> {
  const { metadata } = (await kubernetes.list(target, { ...query, limit: 1 })) as List;
  return BigInt(metadata.resourceVersion) < BigInt(version);
}

/** @returns the version that the watch has reached */
function deliver({ type, object }: WatchLine, sink: Sink): string | undefined {
  if (type === 'ERROR') {
    const { code, message = 'the watch ended with an error' } = object as { code?: number; message?: string };
    throw new PostsyncError(code === 410 ? 'API_GONE' : 'API_UNAVAILABLE', message);
  }
  if (type === 'DELETED') sink.remove(object);
  else if (type !== 'BOOKMARK') sink.upsert(object);
  return (object as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion;
}
