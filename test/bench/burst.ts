import { keyOf, type Ref } from '../../src/decide/model.ts';
import { type Floor, floorLike } from './floor.ts';
import { deploy } from './flux.ts';
import { median, type Row } from './numbers.ts';
import { type Call, type Recorder, tally } from './recorder.ts';
import { startService } from './service.ts';
import { inParallel, type Stand } from './stand.ts';

/** As many at a time as postsync looks at, see POSTSYNC_PARALLEL_LOOKS. */
const PARALLEL = 16;
const WARM = 50;

/** Single ones differ by a tenth and more. */
const ROUNDS = 3;

/** Many releases are deployed while postsync may not act yet (it is a standby, say), and then it may. */
export async function measureBurst(stand: Stand, count: number): Promise<readonly Row[]> {
  const floor = await learn(stand);
  const rounds: Round[] = [];
  for (let at = 0; at < ROUNDS; at += 1) {
    rounds.push(await measureRound(stand, floor, { round: at, count }));
  }

  const ratios = rounds.map(({ drained, scripted }) => scripted.ms / drained.ms);
  const ratio = median(ratios);
  const text = (costs: readonly Cost[]) => {
    const each = (of: keyof Cost) => median(costs.map((cost) => cost[of])) / count;
    return `${(1_000 / each('ms')).toFixed(0)}/s, ${each('cpuMs').toFixed(1)} ms of CPU each`;
  };
  const spread = `ratios ${ratios.map((one) => one.toFixed(2)).join(', ')}`;
  return [
    {
      measure: `${count} releases at once, drained, ${PARALLEL} at a time, median of ${ROUNDS}`,
      postsync: text(rounds.map(({ drained }) => drained)),
      beside: `the same calls by a script: ${text(rounds.map(({ scripted }) => scripted))}; ${spread}`,
      ratio,
      target: '≥ 0.8 × the script',
      isMet: ratio >= 0.8,
    },
  ];
}

interface Round {
  readonly drained: Cost;
  readonly scripted: Cost;
}

/**
 * Half of what the script does comes before and half after, so that what else goes on in the machine is about the same
 * for both. Not while postsync runs, and its releases are gone by then: postsync would see to them, too.
 */
async function measureRound(
  stand: Stand,
  floor: Floor,
  { round, count }: { readonly round: number; readonly count: number },
): Promise<Round> {
  const script = async (half: string) => {
    const releases = await stand.releases(`script-${round}-${half}`, count / 2);
    await deployAll(stand, releases);
    const cost = await timed(() => inParallel(releases, PARALLEL, floor.all));
    await inParallel(releases, 8, async (ref) => {
      await stand.admin.remove({ resource: 'helmreleases', ...ref });
    });
    return cost;
  };
  const releases = await stand.releases(`burst-${round}`, count);
  const before = await script('before');
  const drained = await drain(stand, releases);
  const after = await script('after');
  return {
    drained,
    scripted: { ms: before.ms + after.ms, cpuMs: before.cpuMs + after.cpuMs },
  };
}

function deployAll(stand: Stand, releases: readonly Ref[]): Promise<void> {
  return inParallel(releases, 8, (ref) => deploy(stand.admin, ref));
}

/** Until each release says that its test is running. */
async function drain(stand: Stand, releases: readonly Ref[]): Promise<Cost> {
  const service = await startService(stand.client, { resync: '0' });
  const { queue, recorder, tables } = service;
  await queue.stop();
  await deployAll(stand, releases);
  await untilSeen(() => tables.releases.values(), releases);
  recorder.reset();
  const told = untilTold(recorder, releases.length);
  const cost = await timed(() => {
    queue.start();
    return told;
  });
  const calls = [...tally(recorder.calls)].map(([sort, times]) => `${times} ${sort}`);
  console.log(`calls of the burst: ${calls.join(', ')}`);
  await service.stop();
  return cost;
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

/** What postsync does for one release, to do it likewise. Both are warm afterwards. */
async function learn(stand: Stand): Promise<Floor> {
  const releases = await stand.releases('burst-model', 2 * WARM);
  const { recorder, ...service } = await startService(stand.client, { resync: '0' });
  const told = untilTold(recorder, WARM);
  await inParallel(releases.slice(0, WARM), PARALLEL, (ref) => deploy(stand.admin, ref));
  await told;
  await service.stop();
  const floor = floorLike(stand.client, recorder.calls);
  await inParallel(releases.slice(WARM), PARALLEL, floor.all);
  return floor;
}

async function untilSeen(
  values: () => Iterable<{ readonly ref: Ref; readonly revision?: unknown }>,
  releases: readonly Ref[],
): Promise<void> {
  const wanted = new Set(releases.map(keyOf));
  for (;;) {
    const seen = [...values()].filter(
      ({ ref, revision }) => wanted.has(keyOf(ref)) && revision !== undefined,
    );
    if (seen.length === wanted.size) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Returns when so many writes said on a HelmRelease how its tests stand. */
function untilTold(recorder: Recorder, count: number): Promise<void> {
  let seen = 0;
  return new Promise((resolve) => {
    recorder.onCall = ({ verb, target }: Call) => {
      if (verb === 'patch' && target.resource === 'helmreleases' && ++seen === count) resolve();
    };
  });
}
