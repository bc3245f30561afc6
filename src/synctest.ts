import { z } from 'zod';
import { BUILT_IN, KEYS } from './decide/keys.ts';
import type { LabelSelector, Limits, Release, Selector, Test } from './decide/model.ts';
import { PostsyncError } from './errors.ts';
import { urlProblem } from './link-local.ts';
import {
  BODIES,
  type CommitStatus,
  type Github,
  type HelmTest,
  type HttpCheck,
  type JobTemplate,
  Settings,
  type ShortJob,
} from './synctest-schema.ts';
import { Timestamp } from './timestamp.ts';

export type { CommitStatus, Github, HelmTest, HttpCheck, JobTemplate, ShortJob } from './synctest-schema.ts';

/** What a test does. `none` where the spec is invalid: such a test is never started. */
export type Body =
  | { readonly kind: 'job'; readonly job: ShortJob }
  | { readonly kind: 'template'; readonly template: JobTemplate }
  | { readonly kind: 'check'; readonly http: readonly HttpCheck[] }
  | { readonly kind: 'helmTest'; readonly helmTest: HelmTest }
  | { readonly kind: 'github'; readonly github: Github }
  | { readonly kind: 'none' };

/** A test together with how it is run. */
export interface SyncTest {
  readonly test: Test;
  readonly body: Body;
  readonly params: Readonly<Record<string, string>>;
  readonly limits: Limits;
  /** Where its Job runs: the test's namespace or the release's. */
  readonly runIn: 'test' | 'release';
  /** What its containers say may leave the Job's namespace. */
  readonly shareOutput: boolean;
  readonly inconclusiveExitCodes: readonly number[];
  /** Absent: it is not reported on commits. */
  readonly commitStatus?: CommitStatus;
}

/** A release's line per test is an annotation `tests.postsync.dev/NAME`, and a run's name holds the test's. */
const NAME_MAX = 40;
const HOOK_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const BODY_KEYS = ['job', 'check', 'helmTest', 'github'] as const;

const Metadata = z.object({
  metadata: z.object({
    name: z.string().min(1),
    namespace: z.string().min(1),
    generation: z.int().positive(),
    creationTimestamp: Timestamp,
  }),
});

/**
 * Reads a SyncTest as the API serves it. A spec with mistakes is a test all the same, with one sentence in
 * `test.invalid` that names them all; what is sound of it (whom it selects, whether it is required) stands.
 *
 * @throws {PostsyncError} `OBJECT_INVALID` when its metadata cannot be read
 */
export function readSyncTest(object: unknown): SyncTest {
  const read = Metadata.safeParse(object);
  if (!read.success) {
    throw new PostsyncError('OBJECT_INVALID', 'a SyncTest has no readable metadata', { cause: read.error });
  }
  const { name, namespace, generation, creationTimestamp } = read.data.metadata;
  const given = (object as { spec?: unknown }).spec;
  const spec = isRecord(given) ? given : {};
  const { settings, problems } = readSettings(spec);
  const { body, problems: bodyProblems } = readBody(spec);
  const all = [...nameProblems(name, settings.needs), ...problems, ...bodyProblems];
  return syncTest(settings, all.length === 0 ? body : { kind: 'none' }, {
    ref: { namespace, name },
    kind: 'SyncTest',
    generation,
    createdAt: creationTimestamp,
    ...(all.length > 0 && { invalid: all.join('; ') }),
  });
}

/** The built-in HTTP check that a release asks for by the annotation `postsync.dev/http`. */
export function httpTest(release: Release): SyncTest {
  const url = release.annotations[KEYS.http]?.trim() ?? '';
  const problem = urlProblem(url);
  const body: Body = problem
    ? { kind: 'none' }
    : { kind: 'check', http: BODIES.check.parse({ http: [{ url }] }).http };
  return builtIn(release, 'http', body, problem && `the annotation ${KEYS.http} ${problem}`);
}

/** The chart's own tests, that a release asks for by the annotation `postsync.dev/helm-test`: `true`, or names of hooks. */
export function helmTest(release: Release): SyncTest {
  const asked = release.annotations[KEYS.helmTest]?.trim() ?? '';
  const names = asked === 'true' ? [] : asked.split(',').map((name) => name.trim());
  const isSound = names.every((name) => HOOK_NAME.test(name));
  const filters = names.map((name) => ({ name, exclude: false }));
  const body: Body = isSound ? { kind: 'helmTest', helmTest: { filters, reuse: true } } : { kind: 'none' };
  const problem = isSound
    ? undefined
    : `the annotation ${KEYS.helmTest} is neither true nor a list of hook names`;
  return builtIn(release, 'helm-test', body, problem);
}

/** What an administrator lets annotations ask of GitHub. */
export interface GithubDefaults {
  /** Why a namespace may not dispatch to a repository by the administrator's credential, in a sentence. */
  readonly refusal: (repository: string, namespace: string) => string | undefined;
}

/** The `repository_dispatch` that a release asks for by the annotation `postsync.dev/github`. */
export function githubTest(release: Release, { refusal }: GithubDefaults): SyncTest {
  const { namespace } = release.ref;
  const repository = release.annotations[KEYS.github]?.trim() ?? '';
  const read = BODIES.github.safeParse({ repository });
  const refused = read.success ? refusal(repository, namespace) : undefined;
  const problem = read.success ? refused && `: ${refused}` : ' is not OWNER/REPOSITORY';
  const body: Body = read.success && !problem ? { kind: 'github', github: read.data } : { kind: 'none' };
  return builtIn(release, 'github', body, problem && `the annotation ${KEYS.github}${problem}`);
}

function builtIn({ ref }: Release, name: string, body: Body, invalid: string | undefined): SyncTest {
  const identity = {
    ref: { namespace: ref.namespace, name },
    kind: 'BuiltIn',
    generation: 0,
    createdAt: 0,
  } as const;
  return syncTest(Settings.parse({}), body, { ...identity, ...(invalid && { invalid }) });
}

type Identity = Pick<Test, 'ref' | 'kind' | 'generation' | 'createdAt' | 'invalid'>;

function syncTest(settings: z.output<typeof Settings>, body: Body, identity: Identity): SyncTest {
  const { suspend, releases, namespaceSelector, settle, timeout, startTimeout, ...rest } = settings;
  const { params, runIn, shareOutput, inconclusiveExitCodes, commitStatus, ...policy } = rest;
  return {
    test: {
      ...identity,
      ...policy,
      suspended: suspend,
      settleMs: settle,
      ...(releases && { releases: selector(releases) }),
      ...(namespaceSelector && { namespaces: labelSelector(namespaceSelector) }),
    },
    body,
    params,
    limits: { timeoutMs: timeout, startTimeoutMs: startTimeout },
    runIn,
    shareOutput,
    inconclusiveExitCodes,
    ...(commitStatus && { commitStatus }),
    // The programs that make checks and run hooks are ours, and so are their exit codes.
    ...(body.kind === 'check' && { inconclusiveExitCodes: [...new Set([...inconclusiveExitCodes, 75])] }),
    ...(body.kind === 'helmTest' && { runIn: 'release', inconclusiveExitCodes: [75] }),
  };
}

/** Reads what can be read: a field that is refused has its default, and is among the problems. */
function readSettings(spec: Readonly<Record<string, unknown>>) {
  const known = new Set([...Object.keys(Settings.shape), ...BODY_KEYS]);
  const unknown = Object.keys(spec).filter((key) => !known.has(key));
  const problems = unknown.length > 0 ? [`spec has no field ${quoted(unknown)}`] : [];
  const read = Settings.safeParse(spec);
  if (read.success) return { settings: read.data, problems };
  const bad = new Set(read.error.issues.map(({ path }) => path[0]));
  const sound = Object.fromEntries(Object.entries(spec).filter(([key]) => !bad.has(key)));
  return {
    settings: Settings.parse(sound),
    problems: [...problems, ...read.error.issues.map((issue) => sentence(issue, ['spec']))],
  };
}

function readBody(spec: Readonly<Record<string, unknown>>): { body: Body; problems: readonly string[] } {
  const none: Body = { kind: 'none' };
  const given = BODY_KEYS.filter((key) => spec[key] !== undefined);
  const [kind] = given;
  if (!kind || given.length > 1) {
    const found = given.length === 0 ? 'none is given' : `${given.join(' and ')} are given`;
    return { body: none, problems: [`spec needs exactly one of ${BODY_KEYS.join(', ')}: ${found}`] };
  }
  const value = spec[kind];
  const isTemplate = kind === 'job' && isRecord(value) && value.template !== undefined;
  const read = BODIES[isTemplate ? 'template' : kind].safeParse(value);
  if (!read.success) {
    return { body: none, problems: read.error.issues.map((issue) => sentence(issue, ['spec', kind])) };
  }
  const body =
    kind === 'check' || isTemplate
      ? { kind: isTemplate ? 'template' : kind, ...read.data }
      : { kind, [kind]: read.data };
  return { body: body as Body, problems: [] };
}

function nameProblems(name: string, needs: readonly string[]): readonly string[] {
  return [
    ...(name.length > NAME_MAX ? [`its name is longer than ${NAME_MAX} characters`] : []),
    ...(BUILT_IN.has(name) ? [`the name ${name} is reserved`] : []),
    ...(needs.includes(name) ? ['spec.needs names the test itself'] : []),
  ];
}

/** One problem in words. The value is not quoted: it may be a secret in the wrong place. */
function sentence(issue: z.core.$ZodIssue, root: readonly string[]): string {
  const path = [...root, ...issue.path].map(String).join('.');
  if (issue.code === 'unrecognized_keys') return `${path} has no field ${quoted(issue.keys)}`;
  if (issue.message.endsWith('received undefined')) return `${path} is missing`;
  if (/^(?:is|holds) /.test(issue.message)) return `${path} ${issue.message}`;
  return `${path}: ${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}`;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}

function selector({ names, ...labels }: NonNullable<z.output<typeof Settings>['releases']>): Selector {
  const asked = labelSelector(labels);
  return { ...(names && { names }), ...(Object.keys(asked).length > 0 && { labels: asked }) };
}

function labelSelector(labels: NonNullable<z.output<typeof Settings>['namespaceSelector']>): LabelSelector {
  return Object.fromEntries(Object.entries(labels).filter(([, part]) => part !== undefined));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
