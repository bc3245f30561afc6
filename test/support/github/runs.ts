import type { Conclusion, Repository, Run, RunStatus, Start, Workflow } from './model.ts';

/** When a new run appears in lists: after so many lists of its repository, or so late; or when the test says so. */
export type Listing = { readonly lists?: number; readonly ms?: number } | 'by hand';

export interface Runs {
  readonly all: readonly Run[];
  find(id: number): Run | undefined;
  create(repository: Repository, workflow: Repository['workflows'][number], start: Start): Run;
  /** The listed runs of a repository, newest first, as one more request sees them. */
  list(repository: string): readonly Run[];
  /** Counts a look at a run, and lets it end if it ends by itself. */
  look(id: number): void;
  /** Lets runs that end by their age end. */
  settle(): void;
  show(id: number): void;
  change(id: number, status: RunStatus, conclusion?: Conclusion): void;
}

type Kept = { -readonly [Key in keyof Run]: Run[Key] } & { reads: number; lists: number; shown: boolean };

/** Above 32 bits, as GitHub's are. */
const FIRST_ID = 17_000_000_001;
const PENDING_AT_MOST = { one: 1, max: 100 };

export function createRuns(now: () => number, listing: () => Listing): Runs {
  const all: Kept[] = [];
  const byId = new Map<number, Kept>();

  function kept(id: number): Kept {
    const run = byId.get(id);
    if (!run) throw new Error(`there is no run ${id}`);
    return run;
  }

  function change(run: Kept, status: RunStatus, conclusion?: Conclusion): void {
    if (run.status === 'completed') throw new Error(`run ${run.id} is completed`);
    run.status = status;
    if (conclusion) run.conclusion = conclusion;
    run.updatedAt = now();
    if (status === 'completed') startNext(run);
  }

  /** What is in a run's concurrency group and not completed, oldest first. Names of groups are case-insensitive. */
  function inGroup({ repository, workflow, start }: Run): readonly Kept[] {
    const group = workflow.concurrency?.(start)?.group.toLowerCase();
    if (group === undefined) return [];
    return all.filter(
      (other) =>
        other.repository === repository &&
        other.status !== 'completed' &&
        other.workflow.concurrency?.(other.start)?.group.toLowerCase() === group,
    );
  }

  function startNext(ended: Run): void {
    const group = inGroup(ended);
    if (group.some(({ status }) => status !== 'pending')) return;
    const [next] = group;
    if (next) change(next, 'queued');
  }

  /** GitHub's default: one run goes on, one is pending, and a newer pending one cancels the older. */
  function enter(run: Kept): void {
    const others = inGroup(run).filter((other) => other !== run);
    const wanted = run.workflow.concurrency?.(run.start);
    if (others.length === 0 || !wanted) return;
    run.status = 'pending';
    const pending = others.filter(({ status }) => status === 'pending');
    const room = wanted.queue === 'max' ? PENDING_AT_MOST.max : PENDING_AT_MOST.one;
    const stopped = pending.slice(0, Math.max(0, pending.length + 1 - room));
    for (const other of stopped) change(other, 'completed', 'cancelled');
    if (!wanted.cancelInProgress) return;
    for (const other of others) if (other.status !== 'completed') change(other, 'completed', 'cancelled');
    run.status = 'queued';
  }

  function endIfDue(run: Kept): void {
    const end = run.workflow.ends?.(run.start);
    if (!end || run.status === 'completed' || run.status === 'pending') return;
    const read = end.reads !== undefined && run.reads >= end.reads;
    const old = end.ms !== undefined && now() - run.updatedAt >= end.ms;
    if (read || old) change(run, 'completed', end.conclusion);
    else if (run.reads > 0 && run.status === 'queued') run.status = 'in_progress';
  }

  function isListed(run: Kept): boolean {
    if (run.shown) return true;
    const late = listing();
    if (late === 'by hand') return false;
    run.shown = run.lists >= (late.lists ?? 0) && now() - run.createdAt >= (late.ms ?? 0);
    run.lists += 1;
    return run.shown;
  }

  const look = (run: Kept) => {
    run.reads += 1;
    endIfDue(run);
  };

  return {
    all,
    find: (id) => byId.get(id),
    create(repository, workflow, start) {
      const title = titleOf(workflow, start);
      const run: Kept = {
        id: FIRST_ID + all.length,
        number: all.filter((other) => other.workflow.id === workflow.id).length + 1,
        repository: `${repository.owner}/${repository.name}`,
        workflow,
        start,
        displayTitle: title ?? workflow.path,
        createdAt: now(),
        updatedAt: now(),
        status: 'queued',
        reads: 0,
        lists: 0,
        shown: false,
      };
      if (title === undefined) Object.assign(run, { status: 'completed', conclusion: 'startup_failure' });
      else enter(run);
      all.push(run);
      byId.set(run.id, run);
      return run;
    },
    list(repository) {
      const listed = all.filter((run) => run.repository === repository && isListed(run));
      for (const run of listed) endIfDue(run);
      return listed.toReversed();
    },
    look: (id) => look(kept(id)),
    settle() {
      for (const run of all) endIfDue(run);
    },
    show(id) {
      kept(id).shown = true;
    },
    change: (id, status, conclusion) => change(kept(id), status, conclusion),
  };
}

/**
 * GitHub's titles of dispatched runs without a `run-name`: the event's type, or the workflow's name. Where the `run-name`
 * cannot be evaluated there is none, and the run cannot start.
 */
function titleOf(workflow: Workflow, start: Start): string | undefined {
  try {
    const title = workflow.runName?.(start).trim() ?? '';
    return title === '' ? (start.eventType ?? workflow.name ?? workflow.path) : title;
  } catch {
    return undefined;
  }
}
