import type { Call } from './state.ts';

const PER_PAGE = { preset: 30, atMost: 100 };

interface Page<T> {
  readonly items: readonly T[];
  readonly headers: Readonly<Record<string, string>>;
}

/** One page of a list, and the `link` header that tells of the others. */
export function page<T>(all: readonly T[], { query, url }: Pick<Call, 'query' | 'url'>): Page<T> {
  const size = Math.min(PER_PAGE.atMost, Math.max(1, Number(query.get('per_page') ?? PER_PAGE.preset)));
  const current = Math.max(1, Number(query.get('page') ?? 1));
  const last = Math.max(1, Math.ceil(all.length / size));
  const at = (number: number, rel: string) => {
    const other = new URL(url);
    other.searchParams.set('page', String(number));
    return `<${other.href}>; rel="${rel}"`;
  };
  const links = [
    ...(current > 1 ? [at(current - 1, 'prev')] : []),
    ...(current < last ? [at(current + 1, 'next'), at(last, 'last')] : []),
    ...(current > 1 ? [at(1, 'first')] : []),
  ];
  return {
    items: all.slice((current - 1) * size, current * size),
    headers: links.length > 0 ? { link: links.join(', ') } : {},
  };
}
