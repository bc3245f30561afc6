import { setImmediate as turn } from 'node:timers/promises';
import type { Run } from '../../../src/decide/model.ts';
import { iso } from '../../../src/decide/time.ts';
import { PostsyncError } from '../../../src/errors.ts';
import { readRelease } from '../../../src/record/release-object.ts';
import { readRun } from '../../../src/record/run-object.ts';
import { type GitHubOptions, openGitHub } from '../github/github.ts';
import type { Fields, Workflow } from '../github/model.ts';
import { NOON } from '../model.ts';
import { anApiServer, type Step } from './api-server.ts';
import { aProcess, type Process, type ProcessOptions } from './process.ts';

export const REPOSITORY = 'acme/shop';
export const NAMESPACE = 'apps';
export const TOKEN = 'ghp_0123456789abcdefSECRET';

/** When a process dies: at its step of this number from now on; `during`: its request is on its way. */
export interface Death {
  readonly at: number;
  readonly when: 'before' | 'during' | 'after';
}

/** How a write to Kubernetes fails: the how manieth from now on. */
export interface Trouble {
  readonly at: number;
  readonly code: 'API_UNAVAILABLE' | 'API_CONFLICT' | 'API_FORBIDDEN';
  /** It does not arrive, only its answer is lost, or it arrives when it was given up: just before or after the next one. */
  readonly when: 'before' | 'after' | 'before the next' | 'after the next';
}

export interface WorldOptions {
  readonly github?: GitHubOptions;
  readonly workflows?: readonly Workflow[];
  /** What the SyncTests ask for, by name. */
  readonly tests?: Readonly<Record<string, Fields>>;
  readonly releases?: readonly Fields[];
  readonly secret?: Fields | 'none';
  readonly timeoutMs?: number;
  readonly defaults?: ProcessOptions['defaults'];
}

/** More looks than this at one moment never come to an end. */
const MOST_LOOKS = 500;

/** One workflow for each trigger, which name their runs as the documentation says. */
export const WORKFLOWS: readonly Workflow[] = [
  {
    path: '.github/workflows/dispatched.yaml',
    repositoryDispatch: { types: ['postsync'] },
    runName: ({ payload }) => `postsync ${runIn(payload)}`,
  },
  {
    path: '.github/workflows/e2e.yaml',
    workflowDispatch: { inputs: { postsync: { required: true } } },
    runName: ({ inputs }) => `postsync ${runIn(inputs)}`,
  },
];

/** The name of our run in what was sent. */
export function runIn(sent: Fields): string {
  const { postsync: ours } = sent;
  return String((typeof ours === 'string' ? (JSON.parse(ours) as Fields) : (ours as Fields))['run']);
}

/** A cluster, GitHub and processes of postsync, all by one clock that goes on when it is told to. */
export async function aDispatchingWorld(options: WorldOptions = {}) {
  const { timeoutMs = 5_000, secret = {}, tests = {}, releases = [aHelmRelease()] } = options;
  let now = NOON;
  const github = await openGitHub({ now: () => now, ...options.github });
  github.addRepository(REPOSITORY, { workflows: options.workflows ?? WORKFLOWS });
  github.addToken(TOKEN, { name: 'ci' });
  const apiUrl = options.github?.oldEnterprise ? github.enterpriseUrl : github.url;
  const server = anApiServer(() => now);
  if (secret !== 'none') putSecret({ token: TOKEN, 'ca.crt': github.ca, ...secret });
  for (const [name, spec] of Object.entries(tests)) {
    const metadata = { namespace: NAMESPACE, name, generation: 1, creationTimestamp: BEFORE };
    server.put('synctests', { metadata, spec: { releases: {}, ...spec } });
  }
  for (const release of releases) server.put('helmreleases', release);

  const going = new Set<Promise<unknown>>();
  const mistakes: unknown[] = [];
  const steps: string[] = [];
  let death: (Death & { readonly of: Process }) | undefined;
  let trouble: Trouble[] = [];
  const late: { readonly when: Trouble['when']; readonly arrive: () => Promise<unknown> }[] = [];
  let processes: readonly Process[] = [];
  /** Set while a process dies with a request on its way. */
  let isSending = false;

  function putSecret(data: Fields): void {
    const encoded = Object.entries(data).map(([key, value]) => [
      key,
      Buffer.from(String(value)).toString('base64'),
    ]);
    server.put('secrets', {
      metadata: { namespace: NAMESPACE, name: 'github' },
      data: Object.fromEntries(encoded) as Fields,
    });
  }

  function during<T>(begun: Promise<T>): Promise<T> {
    const end = begun.then(
      () => undefined,
      () => undefined,
    );
    going.add(end);
    void end.then(() => going.delete(end));
    return begun;
  }

  /** What goes wrong with this step, of those to come. */
  function troubleOf(what: string): Trouble | undefined {
    if (!isWrite(what)) return undefined;
    const due = trouble.find(({ at }) => at <= 1);
    trouble = trouble.flatMap((one) => (one === due ? [] : [{ ...one, at: one.at - 1 }]));
    return due;
  }

  /** A write fails, which does not arrive, or late. */
  function giveUp({ when, code }: Trouble, arrive: () => Promise<unknown>): never {
    if (when !== 'before') late.push({ when, arrive });
    throw new PostsyncError(code, 'the API server has trouble');
  }

  /** Writes arrive that were given up. */
  async function arriveLate(what: string, when: Trouble['when']): Promise<void> {
    if (!isWrite(what)) return;
    for (const write of late.filter((one) => one.when === when)) {
      late.splice(late.indexOf(write), 1);
      await write.arrive().catch(() => undefined);
    }
  }

  function begin(): Process {
    let isDead = false;
    const die = (): never => {
      isDead = true;
      death = undefined;
      throw new Error('died');
    };
    const step: Step = async (what, act) => {
      await turn();
      if (isDead) throw new Error('died');
      steps.push(what);
      const dies = death?.of === own && death.at <= 1 ? death.when : undefined;
      if (death?.of === own) death = { ...death, at: death.at - 1 };
      if (dies === 'before') die();
      const wrong = troubleOf(what);
      await arriveLate(what, 'before the next');
      if (wrong && wrong.when !== 'after') giveUp(wrong, act);
      if (dies === 'during') {
        isSending = !isWrite(what);
        void act()
          .catch(() => undefined)
          .finally(() => (isSending = false));
        die();
      }
      const result = await during(act());
      await arriveLate(what, 'after the next');
      // Whoever died meanwhile does not learn of it.
      if (isDead) throw new Error('died');
      if (dies === 'after') die();
      if (wrong) throw new PostsyncError(wrong.code, 'the answer of the API server was lost');
      return result;
    };
    const own: Process = aProcess({
      server,
      apiUrl,
      now: () => now,
      timeoutMs,
      step,
      isDead: () => isDead,
      during,
      onMistake: (error) => mistakes.push(error),
      ...(options.defaults && { defaults: options.defaults }),
    });
    return own;
  }

  /** Waits until nothing is under way, and no look is due. */
  async function settle(): Promise<void> {
    let looks = 0;
    for (let quiet = 0; quiet < 3; quiet += 1) {
      const due = processes.filter(({ dueAt }) => dueAt <= now);
      for (const process of due) process.start();
      if (due.length > 0) looks += 1;
      if (looks > MOST_LOOKS) throw new Error('it looks again and again');
      if (going.size > 0) await Promise.race(going);
      if (going.size > 0 || due.length > 0) quiet = -1;
      await turn();
    }
    if (mistakes.length > 0) throw mistakes[0];
  }

  /** Time passes; processes look when they wanted to, and are told by their watches. */
  async function pass(seconds: number): Promise<void> {
    const until = now + seconds * 1000;
    for (const process of processes) process.watch();
    await settle();
    for (;;) {
      const next = Math.min(...processes.map(({ dueAt }) => dueAt));
      if (!(next <= until)) break;
      now = Math.max(now, next);
      for (const process of processes) process.watch();
      await settle();
    }
    now = until;
  }

  const runs = () =>
    server
      .list('synctestruns')
      .map((run): Run => readRun(run))
      .toSorted((a, b) => a.createdAt - b.createdAt);

  return {
    github,
    server,
    steps,
    putSecret,
    settle,
    pass,
    now: () => now,
    /** Time passes while nobody looks. */
    sleep: (seconds: number) => void (now += seconds * 1000),
    /** One process, or two at a moment when one has not yet noticed that it is not the active one any more. */
    processes: (count: 1 | 2) => {
      const living = processes.filter(({ isDead }) => !isDead).slice(0, count);
      while (living.length < count) living.push(begin());
      processes = living;
      return processes;
    },
    /** The process of this number dies. */
    die(which: number, given: Death) {
      const of = processes[which % processes.length];
      if (of) death = { ...given, of };
    },
    isAnyDead: () => processes.some(({ isDead }) => isDead),
    /** Whether a request is on its way of whom has died; asked for once. */
    wasSending() {
      const was = isSending;
      isSending = false;
      return was;
    },
    trouble(given: Trouble) {
      trouble.push(given);
    },
    calm() {
      trouble = [];
      death = undefined;
    },
    runs,
    release: () => readRelease(server.list('helmreleases')[0]),
    upgrade() {
      const [release] = server.list('helmreleases') as unknown as [HelmRelease];
      const version = release.status.history[0].version + 1;
      server.put('helmreleases', { ...release, status: statusOf(version, now) });
    },
    /** Names of our runs that GitHub was told of and took, one for each dispatch that it took. */
    taken: () =>
      github.exchanges
        .filter(
          ({ method, operation, accepted }) =>
            method === 'POST' && accepted && DISPATCHES.has(operation ?? ''),
        )
        .map(({ body }) => {
          const { client_payload: payload, inputs } = body as Fields;
          return runIn((payload ?? inputs) as Fields);
        }),
    [Symbol.asyncDispose]: () => github.close(),
  };
}

/** Of Kubernetes; all else is a call to GitHub. */
function isWrite(what: string): boolean {
  return /^(create|patch|remove)/.test(what);
}

export type DispatchingWorld = Awaited<ReturnType<typeof aDispatchingWorld>>;

const DISPATCHES = new Set(['repos/create-dispatch-event', 'actions/create-workflow-dispatch']);
const BEFORE = iso(NOON - 3_600_000);

interface HelmRelease extends Fields {
  readonly status: { readonly history: readonly [{ readonly version: number }] };
}

/** One that stands still at its first revision. */
export function aHelmRelease(name = 'podinfo', annotations: Readonly<Record<string, string>> = {}): Fields {
  return {
    metadata: { namespace: NAMESPACE, name, generation: 1, annotations },
    spec: {},
    status: statusOf(1, NOON),
  };
}

function statusOf(version: number, at: number): Fields {
  const time = iso(at);
  return {
    observedGeneration: 1,
    conditions: [{ type: 'Ready', status: 'True', reason: 'UpgradeSucceeded', lastTransitionTime: time }],
    history: [
      {
        digest: `sha256:${version}`,
        name: 'podinfo',
        namespace: NAMESPACE,
        version,
        status: 'deployed',
        chartName: 'podinfo',
        chartVersion: `1.${version}.0`,
        lastDeployed: time,
      },
    ],
  };
}
