import type { Ref } from '../../src/decide/model.ts';
import { type Floor, floorLike } from './floor.ts';
import { deploy } from './flux.ts';
import type { Row } from './numbers.ts';
import { type Call, type Recorder, tally } from './recorder.ts';
import { startService } from './service.ts';
import { inParallel, type Stand } from './stand.ts';

/** As many at a time as postsync looks at, see POSTSYNC_PARALLEL_LOOKS. */
const PARALLEL = 16;
const WARM = 50;

/** So many of the one, so many of the other, and again: what else goes on in the machine is then the same for both. */
const SLICE = 100;

/** Many releases are deployed while postsync may not act yet (it is a standby, say), and then it may. */
export async function measureBurst(stand: Stand, count: number): Promise<readonly Row[]> {
  const releases = await stand.releases('burst', count);
  const others = await stand.releases('burst-script', count);
  const floor = await learn(stand);
  await timed(() => inParallel(others.slice(0, WARM), PARALLEL, floor.all));

  const { queue, recorder, tables, ...service } = await startService(stand.client, {
    resync: '0',
    isStarted: false,
  });
  await inParallel(releases, 8, (ref) => deploy(stand.admin, ref));
  await untilSeen(() => tables.releases.values(), releases);
  recorder.reset();
  const told = counter(recorder, isTold);
  const drained: Cost[] = [];
  const scripted: Cost[] = [];
  for (let at = 0; at < count; at += SLICE) {
    const enough = told.reaches(Math.min(count, at + SLICE));
    drained.push(
      await timed(async () => {
        queue.start();
        await enough;
        await queue.stop();
      }),
    );
    scripted.push(await timed(() => inParallel(others.slice(at, at + SLICE), PARALLEL, floor.all)));
  }
  console.log(
    `calls of the burst: ${[...tally(recorder.calls)].map(([sort, n]) => `${n} ${sort}`).join(', ')}`,
  );
  await service.stop();

  const ratio = sumOf(scripted, 'ms') / sumOf(drained, 'ms');
  const text = (costs: readonly Cost[]) =>
    `${((count * 1000) / sumOf(costs, 'ms')).toFixed(0)}/s, ${(sumOf(costs, 'cpuMs') / count).toFixed(1)} ms of CPU each`;
  return [
    {
      measure: `${count} releases at once, drained, ${PARALLEL} at a time`,
      postsync: text(drained),
      beside: `the same calls by a script: ${text(scripted)}`,
      ratio,
      target: '≥ 0.8 × the script',
      isMet: ratio >= 0.8,
    },
  ];
}

interface Cost {
  readonly ms: number;
  /** Processor time of this process: not of the API server, nor of what else runs. */
  readonly cpuMs: number;
}

async function timed(act: () => Promise<void>): Promise<Cost> {
  const began = performance.now();
  const cpu = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - began, cpuMs: (user + system) / 1000 };
}

function sumOf(costs: readonly Cost[], of: keyof Cost): number {
  return costs.reduce((sum, cost) => sum + cost[of], 0);
}

/** What postsync does for one release, to do it likewise. Both are warm afterwards. */
async function learn(stand: Stand): Promise<Floor> {
  const releases = await stand.releases('burst-model', WARM);
  const service = await startService(stand.client, { resync: '0', isStarted: true });
  const told = counter(service.recorder, isTold).reaches(WARM);
  await inParallel(releases, PARALLEL, (ref) => deploy(stand.admin, ref));
  await told;
  await service.stop();
  return floorLike(stand.client, service.recorder.calls);
}

function isTold({ verb, target }: Call): boolean {
  return verb === 'patch' && target.resource === 'helmreleases';
}

async function untilSeen(
  values: () => Iterable<{ readonly ref: Ref; readonly revision?: unknown }>,
  releases: readonly Ref[],
): Promise<void> {
  const wanted = new Set(releases.map(({ name }) => name));
  for (;;) {
    const seen = [...values()].filter(({ ref, revision }) => wanted.has(ref.name) && revision !== undefined);
    if (seen.length === wanted.size) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Counts calls of a sort. */
function counter(recorder: Recorder, isOne: (call: Call) => boolean) {
  let seen = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let done: (() => void) | undefined;
  recorder.onCall = (call) => {
    if (isOne(call) && ++seen >= wanted) done?.();
  };
  return {
    reaches: (count: number) =>
      new Promise<void>((resolve) => {
        wanted = count;
        done = resolve;
        if (seen >= count) resolve();
      }),
  };
}
