import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { measureBurst } from './burst.ts';
import { measureEvents } from './events.ts';
import { measureLatency } from './latency.ts';
import { measureMemory } from './memory.ts';
import { type Row, tableOf } from './numbers.ts';
import { openStand, type Stand } from './stand.ts';
import { measureWrites } from './writes.ts';

/**
 * How fast and how small postsync is, as ratios to what the same machine does beside it in the same run.
 *
 *   node test/bench/bench.ts [latency] [writes] [burst] [events] [memory]     all of them, when none is named
 *
 * The first three run on the API server of KUBECONFIG, to which manifests/ were applied, or on the embedded cluster;
 * BENCH_BURST is the number of releases of the burst. The others start the bundle beside an API server of their own.
 */
const ON_CLUSTER: Readonly<Record<string, (stand: Stand) => Promise<readonly Row[]>>> = {
  latency: measureLatency,
  writes: measureWrites,
  burst: (stand) => measureBurst(stand, Number(process.env['BENCH_BURST'] ?? 1000)),
};
const ALONE: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  events: measureEvents,
  memory: measureMemory,
};

const known = [...Object.keys(ON_CLUSTER), ...Object.keys(ALONE)];
const named = process.argv.slice(2);
const unknown = named.find((name) => !known.includes(name));
if (unknown !== undefined) throw new Error(`there is no measure ${unknown}: ${known.join(', ')}`);
const isWanted = ([name]: readonly [string, unknown]) => named.length === 0 || named.includes(name);

const rows: Row[] = [];
const loads = [loadavg()[0] ?? 0];
let where = '';

async function note(name: string, measured: Promise<readonly Row[]>): Promise<void> {
  console.log(`${name}…`);
  rows.push(...(await measured));
  loads.push(loadavg()[0] ?? 0);
}

const onCluster = Object.entries(ON_CLUSTER).filter(isWanted);
if (onCluster.length > 0) {
  const stand = await openStand();
  where = `${stand.name}, `;
  const leave = () => void stand.close().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave);
  try {
    for (const [name, measure] of onCluster) await note(name, measure(stand));
  } finally {
    await stand.close();
  }
}
const alone = Object.entries(ALONE).filter(isWanted);
if (alone.length > 0) execFileSync(process.execPath, ['scripts/build.ts'], { stdio: 'ignore' });
for (const [name, measure] of alone) await note(name, measure());

const load = loads.map((one) => one.toFixed(1)).join(', ');
console.log(
  `\n${where}Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, load before and after each: ${load}\n`,
);
console.log(tableOf(rows));
