import { setTimeout as delay } from 'node:timers/promises';
import { complete, deploy } from './flux.ts';
import type { Row } from './numbers.ts';
import { isWrite, type Recorder, tally } from './recorder.ts';
import { startService } from './service.ts';
import type { Stand } from './stand.ts';

const RUNS = 20;
const QUIET_MS = 3_000;
const PATIENCE_MS = 15_000;

/** What one run costs the API server from deployment to verdict, and what it costs when nothing is due. */
export async function measureWrites(stand: Stand): Promise<readonly Row[]> {
  const releases = await stand.releases('writes', RUNS);
  const service = await startService(stand.client, { resync: '0', isStarted: true });
  const { recorder } = service;
  await idle(recorder);
  recorder.reset();
  for (const release of releases) {
    await deploy(stand.admin, release);
    const { namespace, name } = await jobOf(recorder, release.name);
    await complete(stand.admin, { namespace, name });
  }
  await idle(recorder);
  const writes = recorder.calls.filter(isWrite);
  const other = writes.filter(({ verb, target: { resource } }) => verb !== 'create' || resource === 'events');
  const lists = recorder.calls.filter(
    ({ verb, target }) => verb === 'list' && target.namespace === undefined,
  );
  console.log(
    `calls of ${RUNS} runs: ${[...tally(recorder.calls)].map(([sort, n]) => `${n} ${sort}`).join(', ')}`,
  );

  recorder.reset();
  for (const { name } of releases) service.onRelease({ namespace: stand.namespace, name });
  const values = { spec: { values: { replicaCount: 3 } } };
  for (const ref of releases) await stand.admin.patch({ resource: 'helmreleases', ...ref }, values);
  await delay(QUIET_MS);
  const idleWrites = recorder.calls.filter(isWrite).length;
  const idleLists = recorder.calls.filter(({ verb }) => verb === 'list').length;
  await service.stop();

  const perRun = other.length / RUNS;
  return [
    {
      measure: 'writes a run, besides creating the run and the Job',
      postsync: perRun.toFixed(2),
      beside: '',
      target: '≤ 6',
      isMet: perRun <= 6,
    },
    {
      measure: `writes when nothing is due (${RUNS} events, ${RUNS} changes of a spec)`,
      postsync: String(idleWrites),
      beside: '',
      target: '0',
      isMet: idleWrites === 0,
    },
    {
      measure: 'full lists after the start, all of the above',
      postsync: String(lists.length + idleLists),
      beside: '',
      target: '0',
      isMet: lists.length + idleLists === 0,
    },
  ];
}

async function jobOf(recorder: Recorder, release: string) {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await delay(5)) {
    for (const { verb, target, body } of recorder.calls) {
      if (verb !== 'create' || target.resource !== 'jobs') continue;
      const { metadata } = body as {
        metadata: { namespace: string; name: string; annotations: Record<string, string> };
      };
      if (metadata.annotations['postsync.dev/release']?.endsWith(`/${release}`)) return metadata;
    }
  }
  throw new Error(`postsync created no Job for ${release}`);
}

/** Returns when nothing was called for a second. */
async function idle({ calls }: Recorder): Promise<void> {
  for (;;) {
    const before = calls.length;
    await delay(1_000);
    if (calls.length === before) return;
  }
}
