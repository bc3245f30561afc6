/** Every key on a HelmRelease that is ours. Keys are API: they are never renamed. */
export const KEYS = {
  /** Written by people: SyncTests of the same namespace, comma separated. */
  tests: 'postsync.dev/tests',
  /** Written by people: a URL for the built-in HTTP check. */
  http: 'postsync.dev/http',
  /** Written by people: `true`, or names of test hooks, for the chart's own tests. */
  helmTest: 'postsync.dev/helm-test',
  /** Written by people: `owner/name` of a repository to dispatch to. */
  github: 'postsync.dev/github',
  /** Written by people: whatever else than `false` starts nothing; what runs is followed to its end. */
  suspend: 'postsync.dev/suspend',
  /** Written by people: a new value asks for a re-run. */
  requestedAt: 'postsync.dev/requestedAt',
  /** Written by postsync, read by gates; the label of the same name says the same. */
  result: 'postsync.dev/result',
  /** Written by postsync: the digest that `result` is about. Always in the same patch. */
  digest: 'postsync.dev/digest',
  /** Written by postsync: the value of `requestedAt` that was served last, as Flux does it with its own. */
  handled: 'postsync.dev/lastHandledRequestedAt',
} as const;

/** Those that people write; {@link PARAMS} is one more. */
export const ASKED: readonly string[] = [
  KEYS.tests,
  KEYS.http,
  KEYS.helmTest,
  KEYS.github,
  KEYS.suspend,
  KEYS.requestedAt,
];

/** The tests that postsync brings, with the annotation that asks for each. No SyncTest may have one of these names. */
export const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ['http', KEYS.http],
  ['helm-test', KEYS.helmTest],
  ['github', KEYS.github],
]);

/** Annotations of this group are Flux': whoever is told of a release is told them, too. */
export const EVENT_GROUP = 'event.toolkit.fluxcd.io';

/** Prefix of the one-line summaries, a test each. */
export const LINES = 'tests.postsync.dev/';

/** Prefix of a release's own values for a test's `params`. */
export const PARAMS = 'params.postsync.dev/';
