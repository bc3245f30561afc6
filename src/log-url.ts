/** What a `logUrlTemplate` may name in braces. `namespace` and `job` are the Job's. */
export const LOG_URL_VARIABLES = ['cluster', 'namespace', 'job', 'run', 'release', 'test'] as const;

export type LogUrlValues = Readonly<Record<(typeof LOG_URL_VARIABLES)[number], string>>;

const VARIABLE = /\{([^{}]*)\}/g;

/** Names in braces that nothing fills in: a template with one would give broken links, so it is refused at start. */
export function unknownLogUrlVariables(template: string): string[] {
  const known: readonly string[] = LOG_URL_VARIABLES;
  return [...template.matchAll(VARIABLE)]
    .map(([, name = '']) => name)
    .filter((name) => !known.includes(name));
}

/** Where the log of a run can be read. Values are percent-encoded, so they are safe in a path and in a query. */
export function logUrl(template: string, values: LogUrlValues): string {
  return template.replaceAll(VARIABLE, (_, name: keyof LogUrlValues) => encodeURIComponent(values[name]));
}
