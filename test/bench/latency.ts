import { setTimeout as delay } from 'node:timers/promises';
import { keyOf, type Ref } from '../../src/decide/model.ts';
import { type Floor, floorLike } from './floor.ts';
import { deploy } from './flux.ts';
import { median, ms, percentile, type Row } from './numbers.ts';
import type { Call } from './recorder.ts';
import { type Service, startService } from './service.ts';
import type { Stand } from './stand.ts';

const ROUNDS = 4;
/** Of each kind in a round. The first ones of a round open connections and are not counted. */
const SAMPLES = 60;
const WARM = 10;
const PAUSE_MS = 15;

/** From the answer to the write that says `deployed`, to the answer to the write that creates the Job. */
export async function measureLatency(stand: Stand): Promise<readonly Row[]> {
  const floorTimes: number[] = [];
  const withResync: number[] = [];
  const withoutResync: number[] = [];
  let floor: Floor | undefined;
  for (let round = 0; round < ROUNDS; round += 1) {
    const [first, second] = [
      await stand.releases(`latency-${round}-a`, SAMPLES),
      await stand.releases(`latency-${round}-b`, SAMPLES),
    ];
    withoutResync.push(...(await timeService(stand, first, { resync: '0', isHinted: false })));
    floor ??= floorLike(stand.client, lastCalls);
    floorTimes.push(...(await timeFloor(floor, first)));
    withResync.push(...(await timeService(stand, second, { resync: '10m', isHinted: true })));
    floorTimes.push(...(await timeFloor(floor, second)));
  }
  return [
    ...rowsOf('deployed → Job created, watch alone (no resync, no event)', withoutResync, floorTimes),
    ...rowsOf('deployed → Job created, with resync and event', withResync, floorTimes),
  ];
}

/** What postsync did for the release that was looked at last. */
let lastCalls: readonly Call[] = [];

async function timeService(
  stand: Stand,
  releases: readonly Ref[],
  { resync, isHinted }: { readonly resync: string; readonly isHinted: boolean },
): Promise<readonly number[]> {
  const service = await startService(stand.client, { resync });
  const times: number[] = [];
  for (const release of releases) {
    await delay(PAUSE_MS);
    service.recorder.reset();
    const done = untilStarted(service, release);
    // Flux tells of a release a moment before it says so in its status.
    if (isHinted) service.onHint(release);
    await deploy(stand.admin, release);
    const deployedAt = performance.now();
    times.push((await done) - deployedAt);
  }
  lastCalls = [...service.recorder.calls];
  await service.stop();
  return times.slice(WARM);
}

/** @returns when the Job was created; when the release says `running`, so that the next one meets no other work */
function untilStarted({ recorder }: Service, release: Ref): Promise<number> {
  return new Promise((resolve) => {
    let createdAt = Number.NaN;
    recorder.onCall = ({ verb, target, body, answeredAt }) => {
      if (verb === 'create' && target.resource === 'jobs' && isOf(body, release)) createdAt = answeredAt;
      if (verb === 'patch' && target.resource === 'helmreleases' && target.name === release.name)
        resolve(createdAt);
    };
  });
}

function isOf(body: object | undefined, release: Ref): boolean {
  const { metadata } = body as { metadata: { annotations: Record<string, string> } };
  return metadata.annotations['postsync.dev/release'] === keyOf(release);
}

async function timeFloor(floor: Floor, releases: readonly Ref[]): Promise<readonly number[]> {
  const times: number[] = [];
  for (const release of releases) {
    await delay(PAUSE_MS);
    const began = performance.now();
    await floor.triple(release);
    times.push(performance.now() - began);
  }
  return times.slice(WARM);
}

function rowsOf(measure: string, times: readonly number[], floor: readonly number[]): readonly Row[] {
  const base = median(floor);
  const row = (name: string, share: number, limit: number): Row => {
    const value = percentile(times, share);
    const ratio = value / base;
    return {
      measure: `${measure}, ${name} of ${times.length}`,
      postsync: ms(value),
      beside: `floor p50 ${ms(base)}, p99 ${ms(percentile(floor, 0.99))}`,
      ratio,
      target: `≤ ${limit} × the floor's p50`,
      isMet: ratio <= limit,
    };
  };
  return [row('p50', 0.5, 1.5), row('p99', 0.99, 5)];
}
