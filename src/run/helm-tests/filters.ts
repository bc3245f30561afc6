import type { HelmTest } from '../../synctest-schema.ts';

export interface Chosen<T> {
  readonly chosen: readonly T[];
  /** Names that the filters ask for, and that no hook has. */
  readonly missing: readonly string[];
}

/** Which hooks a test asks for, as Helm reads filters: by exact names, first what is left out, then what is let in. */
export function asked<T extends { readonly name: string }>(
  hooks: readonly T[],
  filters: HelmTest['filters'],
): Chosen<T> {
  const left = new Set(filters.filter(({ exclude }) => exclude).map(({ name }) => name));
  const wanted = included(filters);
  return {
    chosen: hooks.filter(({ name }) => !left.has(name) && (wanted.length === 0 || wanted.includes(name))),
    missing: wanted.filter((name) => !hooks.some((hook) => hook.name === name)),
  };
}

/** The names that are asked for; none: every hook. */
export function included(filters: HelmTest['filters']): readonly string[] {
  return filters.filter(({ exclude }) => !exclude).map(({ name }) => name);
}
