import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { bundle, type Child, startChild } from './child.ts';
import { type FakeOptions, startFakeApi } from './fake-api.ts';
import { median, type Row } from './numbers.ts';

const STARTS = 5;
/** Of many releases: one start differs from another by a tenth. */
const STARTS_OF_MANY = 3;
const SETTLE_MS = 5_000;
const FEW = 100;
const MANY = 10_000;
/** What postsync keeps of a release that is upgraded again and again, see `historyLimit`. */
const HISTORY = 10;
const MB = 1_000_000;

/** The packages that the service loads, and a server: what postsync weighs before its own first line. */
const BARE = `
import { KubeConfig } from '@kubernetes/client-node';
import { Counter, Registry } from '@prometheus-io/client';
import express from 'express';
import { pino } from 'pino';
import { Agent } from 'undici';
import { parse } from 'yaml';
import { z } from 'zod';
globalThis.kept = [KubeConfig, Counter, Registry, pino(), new Agent(), parse, z.object({})];
const app = express();
app.get('/readyz', (_, res) => void res.end());
app.listen(Number(process.env.POSTSYNC_PORT), '127.0.0.1');
`;

/** Resident memory of the bundle, and how soon it is ready. */
export async function measureMemory(): Promise<readonly Row[]> {
  const bare = await weighBare();
  const starts: Sample[] = [];
  for (let start = 0; start < STARTS; start += 1) starts.push(await weigh({ releases: FEW, runsEach: 1 }));
  const idle = median(starts.map(({ rss }) => rss));
  const ready = median(starts.map(({ readyMs }) => readyMs));
  const growth = async (runsEach: number): Promise<Row> => {
    const all: number[] = [];
    for (let start = 0; start < STARTS_OF_MANY; start += 1)
      all.push((await weigh({ releases: MANY, runsEach })).rss);
    const rss = median(all);
    const each = (rss - idle) / (MANY - FEW) / 1000;
    return {
      measure: `memory of a further release with ${runsEach === 1 ? 'its run' : `its ${runsEach} runs`}, up to ${MANY}, median of ${STARTS_OF_MANY} starts`,
      postsync: `${each.toFixed(1)} KB (${(rss / MB).toFixed(0)} MB in all)`,
      beside: '',
      target: '≤ 15 KB',
      isMet: each <= 15,
    };
  };
  return [
    {
      measure: `memory, idle with ${FEW} releases, median of ${STARTS} starts`,
      postsync: `${(idle / MB).toFixed(0)} MB`,
      beside: `its packages alone: ${(bare / MB).toFixed(0)} MB`,
      ratio: idle / bare,
      target: '≤ 110 MB',
      isMet: idle <= 110 * MB,
    },
    await growth(1),
    await growth(HISTORY),
    {
      measure: `ready with ${FEW} releases, median of ${STARTS} starts`,
      postsync: `${ready.toFixed(0)} ms`,
      beside: '',
      target: '≤ 1500 ms',
      isMet: ready <= 1500,
    },
  ];
}

interface Sample {
  readonly rss: number;
  readonly readyMs: number;
}

async function weigh(options: FakeOptions): Promise<Sample> {
  const api = await startFakeApi(options);
  const child = await startChild(bundle(), {
    files: { KUBECONFIG: api.kubeconfig, POSTSYNC_FLUX_HMAC_KEY_FILES: 'key' },
    env: { POSTSYNC_LEADER_ELECTION: 'false', NODE_ENV: 'production' },
    readyPath: '/readyz',
  });
  const { readyMs } = child;
  const rss = await settled(child);
  await child.stop();
  await api.close();
  const [write] = api.writes;
  if (write !== undefined)
    throw new Error(`nothing was due, and ${api.writes.length} writes came, such as ${write}`);
  return { rss, readyMs };
}

async function settled(child: Child): Promise<number> {
  await delay(SETTLE_MS);
  return child.rss();
}

async function weighBare(): Promise<number> {
  // Below the project, so that its packages are found.
  const folder = mkdtempSync(join('dist', 'bench-'));
  const outfile = join(folder, 'bare.mjs');
  try {
    writeFileSync(join(folder, 'bare.ts'), BARE);
    await build({
      entryPoints: [join(folder, 'bare.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      target: 'node24',
      format: 'esm',
      banner: {
        js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
      },
      logLevel: 'error',
    });
    const child = await startChild([outfile], { env: { NODE_ENV: 'production' }, readyPath: '/readyz' });
    const rss = await settled(child);
    await child.stop();
    return rss;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
