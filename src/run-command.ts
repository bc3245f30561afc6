import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { PositiveDuration } from './config-values.ts';
import { runName } from './decide/identity.ts';
import { keyOf, type Ref, type Release, type Revision, type Run } from './decide/model.ts';
import { notDeployed } from './decide/rest.ts';
import { durationText } from './decide/result.ts';
import { isStarted } from './decide/standing.ts';
import { isCode, PostsyncError } from './errors.ts';
import type { Kubernetes } from './kubernetes.ts';
import { testsMeant } from './named-tests.ts';
import { NamespaceName, ObjectName } from './receive/flux-event.ts';
import { readRelease } from './record/release-object.ts';
import { readRun, runObject } from './record/run-object.ts';

export interface RunCommandOptions {
  /** Connects as whoever runs the command. */
  readonly connect: () => Kubernetes & { close(): Promise<void> };
  readonly print: (line: string) => void;
  /** For what went wrong. */
  readonly complain: (line: string) => void;
  readonly stopping: AbortSignal;
}

/** What the command exits with. Scripts rely on it. */
const EXIT = { passed: 0, failed: 1, inconclusive: 2, undecided: 3, error: 4 } as const;

type End = Exclude<keyof typeof EXIT, 'error'>;

/** The first that holds of any run is the exit code. */
const PRECEDENCE: readonly End[] = ['failed', 'inconclusive', 'undecided', 'passed'];

const POLL_MS = 1000;

const HELP = `Runs the tests of a release again

Usage: postsync run NAMESPACE/NAME [flags]

Creates a SyncTestRun for each test, as whoever KUBECONFIG names, and prints their names. It needs these rights in the
namespace: get helmreleases, create synctestruns, and with --wait get synctestruns; with get synctests, a --test that is
not there is refused.

  --test NAME
      Only this test; NAMESPACE.NAME for one of another namespace. May be given several times.
      (default: every test with a tests.postsync.dev/ annotation on the HelmRelease)
  --reason TEXT
      Why, for those who see the runs later.
  --wait DURATION
      Follow the runs to their verdicts for so long, such as 10m.
  --help
      Print this.

Exit codes: 0 all passed, or created without --wait; 1 a test failed; 2 one was inconclusive; 3 one was not decided in
time; 4 the runs could not be created or read.
`;

interface Arguments {
  readonly release: Ref;
  readonly tests: readonly string[];
  readonly reason?: string | undefined;
  readonly waitMs: number;
}

/** `postsync run`: a person, or a pipeline, asks for runs by creating them, under Kubernetes' own RBAC. @returns the exit code */
export async function runCommand(argv: readonly string[], options: RunCommandOptions): Promise<number> {
  const { connect, print, complain } = options;
  let kubernetes: ReturnType<typeof connect> | undefined;
  try {
    const asked = parse(argv);
    if (asked === 'help') {
      print(HELP.trimEnd());
      return EXIT.passed;
    }
    kubernetes = connect();
    const runs = await create(kubernetes, asked, print);
    return asked.waitMs > 0
      ? await follow(kubernetes, runs, { ...options, waitMs: asked.waitMs })
      : EXIT.passed;
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    return EXIT.error;
  } finally {
    await kubernetes?.close();
  }
}

function parse(argv: readonly string[]): Arguments | 'help' {
  const text = { type: 'string' } as const;
  const { values, positionals } = strictly(() =>
    parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        test: { type: 'string', multiple: true },
        reason: text,
        wait: text,
        help: { type: 'boolean', short: 'h' },
      },
    }),
  );
  if (values.help) return 'help';
  const [target = '', ...more] = positionals;
  const [namespace, name, ...rest] = target.split('/');
  if (target === '' || more.length + rest.length > 0 || name === undefined) {
    throw wrong('name one release, as NAMESPACE/NAME');
  }
  return {
    release: {
      namespace: valid(NamespaceName, namespace, target),
      name: valid(ObjectName, name, target),
    },
    tests: (values.test ?? []).map((test) => valid(ObjectName, test, '--test')),
    reason: valid(z.string().min(1).max(1024).optional(), values.reason, '--reason'),
    waitMs: values.wait === undefined ? 0 : valid(PositiveDuration, values.wait, '--wait'),
  };
}

function strictly<T>(parsing: () => T): T {
  try {
    return parsing();
  } catch (error) {
    throw wrong((error as Error).message);
  }
}

function valid<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const { data, error } = schema.safeParse(value);
  if (error) throw wrong(`${where}: ${error.issues[0]?.message}`);
  return data;
}

function wrong(what: string): PostsyncError {
  return new PostsyncError('CONFIG_INVALID', `${what}\nsee: postsync run --help`);
}

async function create(
  kubernetes: Kubernetes,
  { release: ref, tests, reason }: Arguments,
  print: (line: string) => void,
): Promise<readonly Ref[]> {
  const { release, revision } = await deployed(kubernetes, ref);
  const meant = await testsMeant(kubernetes, release, tests);
  const requestedBy = await whoAmI(kubernetes);
  const { namespace } = ref;
  const runs: Ref[] = [];
  for (const test of meant) {
    const name = runName({ name: ref.name, uid: release.uid }, revision, test, randomUUID());
    // As those that are asked for over HTTP: removed with the release, and by the history limit.
    const { namespace: testNamespace, name: testName } = test.ref;
    const spec = {
      test: testName,
      testNamespace,
      digest: revision.digest,
      cause: 'manual',
      requestedBy,
      reason,
    };
    await kubernetes.create({ resource: 'synctestruns', namespace }, runObject(release, name, spec));
    print(name);
    runs.push({ namespace, name });
  }
  return runs;
}

async function deployed(
  kubernetes: Kubernetes,
  ref: Ref,
): Promise<{ readonly release: Release; readonly revision: Revision }> {
  const object = await kubernetes.get({ resource: 'helmreleases', ...ref }).catch((error: unknown) => {
    if (!isCode(error, 'API_NOT_FOUND')) throw error;
    throw new PostsyncError('RELEASE_NOT_FOUND', `there is no HelmRelease ${keyOf(ref)}: ${error.message}`);
  });
  const release = readRelease(object);
  const { revision } = release;
  if (revision?.status === 'deployed') return { release, revision };
  throw new PostsyncError('NOTHING_TO_TEST', notDeployed(release));
}

const WhoIAm = z.object({ status: z.object({ userInfo: z.object({ username: z.string() }) }) });
const SELF = { resource: 'selfsubjectreviews' } as const;

/** The name that Kubernetes knows the caller by: a run may be in no other. */
async function whoAmI(kubernetes: Kubernetes): Promise<string> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  return WhoIAm.parse(await kubernetes.create(SELF, body)).status.userInfo.username;
}

/** Waits until each run has ended, or the time is up. A retry is another run, and not waited for. */
async function follow(
  kubernetes: Kubernetes,
  runs: readonly Ref[],
  { print, complain, stopping, waitMs }: RunCommandOptions & { readonly waitMs: number },
): Promise<number> {
  const over = AbortSignal.any([stopping, AbortSignal.timeout(waitMs)]);
  const ends = await Promise.all(
    runs.map(async (ref): Promise<End> => {
      const run = await ended(kubernetes, ref, over);
      if (!run?.outcome) {
        complain(`${ref.name}: not decided: ${run ? standing(run) : 'it is gone'}`);
        return 'undecided';
      }
      print(`${ref.name}: ${told(run)}`);
      return run.outcome.verdict;
    }),
  );
  const end = PRECEDENCE.find((one) => ends.includes(one)) ?? 'passed';
  return EXIT[end];
}

/** @returns the run as it was seen last; `undefined`: it is not there any more */
async function ended(kubernetes: Kubernetes, ref: Ref, over: AbortSignal): Promise<Run | undefined> {
  let run: Run | undefined;
  for (;;) {
    try {
      run = readRun(await kubernetes.get({ resource: 'synctestruns', ...ref }));
    } catch (error) {
      if (isCode(error, 'API_NOT_FOUND')) return undefined;
      // What does not answer now may answer yet.
      if (!isCode(error, 'API_UNAVAILABLE') || over.aborted) throw error;
    }
    if (run?.outcome || over.aborted) return run;
    await delay(POLL_MS, undefined, { signal: over }).catch(() => undefined);
  }
}

function standing(run: Run): string {
  return isStarted(run) ? 'it is running' : 'it has not begun';
}

function told(run: Run): string {
  const { verdict = '', reason, message } = run.outcome ?? {};
  const duration = durationText(run);
  const took = duration === undefined ? '' : ` in ${duration}`;
  return `${verdict}${took}${verdict === 'passed' ? '' : `: ${reason}: ${message}`}`;
}
