import { keyOf, type Ref, type Time } from '../../decide/model.ts';
import { PostsyncError } from '../../errors.ts';
import { type GitHub, MOST_LISTED, type RunsQuery, type WorkflowRun } from './github.ts';

/** How often to ask, by the age of the youngest dispatch: the first that it is not older than. */
export type Intervals = readonly { readonly upToMs: number; readonly everyMs: number }[];

const INTERVALS: Intervals = [
  { upToMs: 60_000, everyMs: 5_000 },
  { upToMs: 600_000, everyMs: 15_000 },
  { upToMs: Number.POSITIVE_INFINITY, everyMs: 30_000 },
];

/** How far GitHub's clock may be behind ours. */
export const SKEW_MS = 120_000;

/** The begin of a list moves in steps of this, so that its URL, and with it its ETag, stays the same for a while. */
const STEP_MS = 300_000;

/** GitHub asks for no more than 100 requests at once. */
const MOST_AT_ONCE = 8;

const LONGEST_MS = 300_000;
const FORGET_MS = 600_000;

/** Who does not come so long after its time is taken to have no question any more. */
const LATE_MS = 120_000;

export interface RunQuestion {
  readonly account: GitHub;
  readonly accountKey: string;
  readonly repository: string;
  readonly event: RunsQuery['event'];
  /** When it was claimed, by our clock. */
  readonly since: Time;
  /** Which one it is, once that is known. */
  readonly id?: number;
  /** What its title holds until then: our run's name. */
  readonly title: string;
  /** When it was dispatched. */
  readonly youngest: Time;
  /** Who is told when there is news. */
  readonly by: Ref;
}

export interface Found {
  readonly run?: WorkflowRun;
  /** When that was asked for which says so; absent: nothing was found out yet, and absence of a run means nothing. */
  readonly listedAt?: Time;
  readonly nextAt: Time;
  /** Why the newest question was not answered. */
  readonly error?: PostsyncError;
  /** So many runs of the same event came since then whose title holds no run's name. */
  readonly others: number;
}

/** One look at a repository's workflow runs for all of its open runs; nobody waits for it. */
export interface RunLists {
  /**
   * Says what is known. When that is older than the interval, it is asked for in the background, and `by` told.
   *
   * Where the title of more than one workflow run holds the name (several workflows answer the same event), the oldest
   * of them is the one.
   */
  find(asked: RunQuestion): Found;
}

export interface RunListsOptions {
  readonly now: () => Time;
  readonly wake: (by: Ref) => void;
  readonly intervals?: Intervals;
}

interface Answer {
  readonly at: number;
  readonly run: WorkflowRun | undefined;
}

interface List {
  readonly at: number;
  /** What was asked for. */
  readonly since: number;
  /** From when on it is complete: GitHub cuts off the oldest. */
  readonly from: number;
  readonly runs: ReadonlyMap<number, WorkflowRun>;
}

/** The runs of one event in one repository, as one account sees them. */
interface Look {
  asked: RunQuestion;
  /** Open questions, by who asks and for what. */
  readonly open: Map<string, { readonly asked: RunQuestion; readonly until: number }>;
  readonly waiting: Map<string, Ref>;
  list?: List;
  readonly singles: Map<number, Answer>;
  isBusy: boolean;
  failures: number;
  error?: PostsyncError | undefined;
  /** After a failure: not before. */
  againAt: number;
  usedAt: number;
}

export function createRunLists(options: RunListsOptions): RunLists {
  const { now, wake, intervals = INTERVALS } = options;
  const looks = new Map<string, Look>();
  const queue: Look[] = [];
  let atOnce = 0;

  function lookFor(asked: RunQuestion): Look {
    const key = JSON.stringify([asked.accountKey, asked.repository, asked.event]);
    for (const [other, look] of looks) {
      if (!look.isBusy && look.usedAt + FORGET_MS < now()) looks.delete(other);
    }
    const known = looks.get(key);
    if (known) return known;
    const look: Look = {
      asked,
      open: new Map(),
      waiting: new Map(),
      singles: new Map(),
      isBusy: false,
      failures: 0,
      againAt: 0,
      usedAt: now(),
    };
    looks.set(key, look);
    return look;
  }

  function everyMs({ youngest }: RunQuestion): number {
    const age = now() - youngest;
    return (intervals.find(({ upToMs }) => age <= upToMs) ?? intervals.at(-1))?.everyMs ?? LONGEST_MS;
  }

  function isDue(asked: RunQuestion, look: Look): boolean {
    return askedAt(asked, look) + everyMs(asked) <= now();
  }

  /** One list for all that are open; one run alone whose id is known is read by that. */
  async function ask(look: Look): Promise<void> {
    const open = [...look.open.values()].map(({ asked }) => asked);
    const { account, repository, event } = look.asked;
    const isAlone = open.length === 1 && open[0]?.id !== undefined;
    if (!isAlone) {
      const at = now();
      const oldest = Math.min(...open.map(({ since }) => since));
      const since = Math.floor((oldest - SKEW_MS) / STEP_MS) * STEP_MS;
      const runs = await account.listRuns(repository, { event, since });
      look.list = { at, since, from: beginOf(runs, since), runs: new Map(runs.map((run) => [run.id, run])) };
    }
    const ids = new Set(open.flatMap(({ id }) => id ?? []));
    for (const id of look.singles.keys()) if (!ids.has(id)) look.singles.delete(id);
    for (const asked of open) {
      const { id } = asked;
      if (id === undefined || (!isAlone && (look.list?.runs.has(id) || !isDue(asked, look)))) continue;
      const at = now();
      look.singles.set(id, { at, run: await account.readRun(repository, id) });
    }
  }

  async function refresh(look: Look): Promise<void> {
    try {
      await ask(look);
      look.failures = 0;
      look.error = undefined;
    } catch (error) {
      look.failures++;
      look.error = asPostsync(error);
      const everyFor = Math.min(...[...look.open.values()].map(({ asked }) => everyMs(asked)));
      const jitter = 0.8 + Math.random() * 0.4;
      const waitMs = Math.ceil(jitter * Math.min(everyFor * 2 ** look.failures, LONGEST_MS));
      // How long a limit lasts is known to `limits`.
      look.againAt = look.error.code === 'GITHUB_LIMITED' ? 0 : now() + waitMs;
    }
    look.isBusy = false;
    atOnce--;
    const told = [...look.waiting.values()];
    look.waiting.clear();
    startNext();
    for (const by of told) wake(by);
  }

  function startNext(): void {
    for (const look of queue.splice(0, MOST_AT_ONCE - atOnce)) {
      atOnce++;
      void refresh(look);
    }
  }

  function begin(look: Look, by: Ref): void {
    look.waiting.set(keyOf(by), by);
    if (look.isBusy) return;
    look.isBusy = true;
    queue.push(look);
    startNext();
  }

  return {
    find(asked) {
      const look = lookFor(asked);
      look.asked = asked;
      look.usedAt = now();
      for (const [key, { until }] of look.open) if (until < now()) look.open.delete(key);
      const answer = answerTo(asked, look);
      const every = everyMs(asked);
      const allowedAt = Math.max(look.againAt, asked.account.limits.readableAt);
      const dueAt = Math.max(askedAt(asked, look) + every, allowedAt);
      const mayAsk = dueAt <= now();
      const nextAt = mayAsk ? now() + every : dueAt;
      look.open.set(`${keyOf(asked.by)} ${asked.title}`, { asked, until: nextAt + LATE_MS });
      if (mayAsk) begin(look, asked.by);
      return {
        ...(answer?.run && { run: answer.run }),
        ...(answer && { listedAt: answer.at }),
        nextAt,
        ...(look.error && { error: look.error }),
        others: othersThan(asked, look),
      };
    },
  };
}

/** What is known: `undefined` when nothing was found out that says whether there is such a run. */
function answerTo(asked: RunQuestion, { list, singles }: Look): Answer | undefined {
  if (asked.id !== undefined) {
    const single = singles.get(asked.id);
    const listed = list?.runs.get(asked.id);
    return listed && list && !(single && single.at > list.at) ? { at: list.at, run: listed } : single;
  }
  if (!list) return undefined;
  // One that is older than the claim is of another run that had its name.
  const run = runsSince(list, asked)
    .filter(({ title }) => holds(title, asked.title))
    .toSorted(byAge)[0];
  return run || list.from <= asked.since - SKEW_MS ? { at: list.at, run } : undefined;
}

/** When it was last asked for, whether or not that told. */
function askedAt(asked: RunQuestion, { list, singles }: Look): number {
  const listedAt = list && list.since <= asked.since - SKEW_MS ? list.at : 0;
  if (asked.id === undefined) return listedAt;
  // GitHub named it then: how it does is of interest a while later.
  const namedAt = asked.since;
  return Math.max(namedAt, singles.get(asked.id)?.at ?? 0, list?.runs.has(asked.id) ? list.at : 0);
}

function othersThan(asked: RunQuestion, { list }: Look): number {
  return runsSince(list, asked).filter(({ title }) => !holdsAName(title)).length;
}

function runsSince(list: List | undefined, { since }: RunQuestion): readonly WorkflowRun[] {
  const from = since - SKEW_MS;
  return [...(list?.runs.values() ?? [])].filter(({ createdAt }) => createdAt >= from);
}

/** Whether a title says of which run it is, by a name such as postsync gives. */
export function holdsAName(title: string): boolean {
  return /(?<![\w])[a-z0-9][\w.-]*-v\d+-[0-9a-f]{16}(?![\w-])/.test(title);
}

/** As a whole word: the name of a run may be the end of another one's. */
export function holds(title: string, name: string): boolean {
  if (!title.includes(name)) return false;
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?<![\\w.-])${escaped}(?![\\w-]|\\.\\w)`).test(title);
}

function beginOf(runs: readonly WorkflowRun[], since: number): number {
  if (runs.length < MOST_LISTED) return since;
  return Math.min(...runs.map(({ createdAt }) => createdAt)) + 1000;
}

function byAge(a: WorkflowRun, b: WorkflowRun): number {
  return a.createdAt - b.createdAt || a.id - b.id;
}

function asPostsync(error: unknown): PostsyncError {
  if (error instanceof PostsyncError) return error;
  return new PostsyncError('GITHUB_UNANSWERED', 'the workflow runs cannot be listed', { cause: error });
}
