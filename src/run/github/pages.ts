import { keep } from '../../keep.ts';

/** So many answers are remembered of an account; a page of a list may hold 100 runs of 300 bytes. */
const MOST_PAGES = 200;

export interface Page<T> {
  readonly etag: string | undefined;
  readonly value: T;
}

/**
 * Remembers answers by their URL, for conditional requests: an answer that has not changed is a 304, which GitHub does
 * not count against the primary limit. Forgets what was not asked for longest.
 */
export interface Pages {
  /** @param ask asks with that etag; `undefined` for an answer that has not changed (never without an etag) */
  read<T>(key: string, ask: (etag: string | undefined) => Promise<Page<T> | undefined>): Promise<T>;
}

export function createPages(): Pages {
  const pages = new Map<string, Page<unknown>>();

  return {
    async read<T>(key: string, ask: (etag: string | undefined) => Promise<Page<T> | undefined>) {
      const known = pages.get(key) as Page<T> | undefined;
      const page = (await ask(known?.etag)) ?? known;
      if (!page) throw new Error('an answer has not changed that was never asked for');
      if (page.etag === undefined) pages.delete(key);
      else keep(pages, key, page, MOST_PAGES);
      return page.value;
    },
  };
}
