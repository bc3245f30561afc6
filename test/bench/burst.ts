import type { Ref } from '../../src/decide/model.ts';
import { type Floor, floorLike } from './floor.ts';
import { deploy } from './flux.ts';
import type { Row } from './numbers.ts';
import { type Call, tally } from './recorder.ts';
import { startService } from './service.ts';
import { inParallel, type Stand } from './stand.ts';

/** As many at a time as postsync looks at, see POSTSYNC_PARALLEL_LOOKS. */
const PARALLEL = 16;
const WARM = 50;

/** Many releases are deployed while postsync may not act yet (it is a standby, say), and then it may. */
export async function measureBurst(stand: Stand, count: number): Promise<readonly Row[]> {
  const releases = await stand.releases('burst', count);
  const others = await stand.releases('burst-floor', count);
  const half = Math.floor(count / 2);
  const floor = await learn(stand);
  const warm = await stand.releases('burst-warm', WARM);
  await time(warm, floor.all);
  const beforeMs = await time(others.slice(0, half), floor.all);

  const service = await startService(stand.client, { resync: '0', isStarted: false });
  await inParallel(releases, 8, (ref) => deploy(stand.admin, ref));
  await untilSeen(() => service.tables.releases.values(), releases);
  service.recorder.reset();
  const began = performance.now();
  const created = untilCount(service.recorder, count, isCreated);
  const told = untilCount(service.recorder, count, isTold);
  service.queue.start();
  const createdMs = (await created) - began;
  const toldMs = (await told) - began;
  const { calls } = service.recorder;
  console.log(`calls of the burst: ${[...tally(calls)].map(([sort, n]) => `${n} ${sort}`).join(', ')}`);
  await service.stop();

  const afterMs = await time(others.slice(half), floor.all);
  const tripleMs = await time(others, floor.triple);
  const rate = (elapsed: number) => (count * 1000) / elapsed;
  console.log(
    `burst: the last Job after ${(createdMs / 1000).toFixed(2)} s; the script, half before and half after: ` +
      `${rate(beforeMs * 2).toFixed(0)}/s, ${rate(afterMs * 2).toFixed(0)}/s; GET, POST, POST alone: ${rate(tripleMs).toFixed(0)}/s`,
  );
  const allMs = beforeMs + afterMs;
  const ratio = allMs / toldMs;
  return [
    {
      measure: `${count} releases at once, drained`,
      postsync: `${rate(toldMs).toFixed(0)}/s`,
      beside: `the same calls by a script: ${rate(allMs).toFixed(0)}/s`,
      ratio,
      target: '≥ 0.8 × the script',
      isMet: ratio >= 0.8,
    },
  ];
}

/** What postsync does for one release, to do it likewise. Both are warm afterwards. */
async function learn(stand: Stand): Promise<Floor> {
  const releases = await stand.releases('burst-model', WARM);
  const service = await startService(stand.client, { resync: '0', isStarted: true });
  const told = untilCount(service.recorder, WARM, isTold);
  await inParallel(releases, PARALLEL, (ref) => deploy(stand.admin, ref));
  await told;
  await service.stop();
  return floorLike(stand.client, service.recorder.calls);
}

async function time(releases: readonly Ref[], act: (release: Ref) => Promise<void>): Promise<number> {
  const began = performance.now();
  await inParallel(releases, PARALLEL, act);
  return performance.now() - began;
}

function isCreated({ verb, target }: Call): boolean {
  return verb === 'create' && target.resource === 'jobs';
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

/** @returns when so many calls of a sort were answered */
function untilCount(
  recorder: { onCall: (call: Call) => void },
  count: number,
  isOne: (call: Call) => boolean,
): Promise<number> {
  return new Promise((resolve) => {
    let seen = 0;
    const { onCall } = recorder;
    recorder.onCall = (call) => {
      onCall(call);
      if (isOne(call) && ++seen === count) resolve(call.answeredAt);
    };
  });
}
