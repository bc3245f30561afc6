import { setTimeout as delay } from 'node:timers/promises';
import type { Ref } from '../../src/decide/model.ts';
import { deploy, ENDING_TEST } from './flux.ts';
import type { Row } from './numbers.ts';
import { isWrite, type Recorder, tally } from './recorder.ts';
import { idle, startService } from './service.ts';
import type { Stand } from './stand.ts';

const RUNS = 20;
const QUIET_MS = 3_000;
const PATIENCE_MS = 15_000;

/** What one run costs the API server from deployment to verdict, and what it costs when nothing is due. */
export async function measureWrites(stand: Stand): Promise<readonly Row[]> {
  const releases = await stand.releases('writes', RUNS, ENDING_TEST);
  const service = await startService(stand.client, { resync: '0' });
  const { recorder } = service;
  recorder.reset();
  for (const release of releases) {
    await deploy(stand.admin, release);
    const job = await jobOf(recorder, release.name);
    await untilTold(recorder, release.name);
    await stand.run(job);
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
  for (const { name } of releases) service.onHint({ namespace: stand.namespace, name });
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

async function jobOf({ calls }: Recorder, release: string): Promise<Ref> {
  const isOf = (body: object | undefined) => {
    const { metadata } = body as { metadata: { annotations: Record<string, string> } };
    return metadata.annotations['postsync.dev/release']?.endsWith(`/${release}`);
  };
  const call = await until(() =>
    calls.find(({ verb, target, body }) => verb === 'create' && target.resource === 'jobs' && isOf(body)),
  );
  return (call.body as { metadata: Ref }).metadata;
}

/** The release says that its test is running: a Job takes longer than this in earnest. */
async function untilTold({ calls }: Recorder, release: string): Promise<void> {
  await until(() =>
    calls.find(
      ({ verb, target }) => verb === 'patch' && target.resource === 'helmreleases' && target.name === release,
    ),
  );
}

async function until<T>(found: () => T | undefined): Promise<T> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await delay(5)) {
    const value = found();
    if (value !== undefined) return value;
  }
  throw new Error('postsync did not act');
}
