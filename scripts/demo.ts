import { once } from 'node:events';
import { SHOP } from './demo/objects.ts';
import { chapter, command, say } from './demo/print.ts';
import { openStage, type Stage } from './demo/stage.ts';
import { tellStory } from './demo/story.ts';

/** The code of a process that was interrupted. */
const INTERRUPTED = 130;

/** Shows the whole story of postsync on an embedded cluster. */
async function main({ keep, stop }: { keep: boolean; stop: AbortSignal }): Promise<number> {
  const began = performance.now();
  let stage: Stage | undefined;
  try {
    say('postsync on an embedded cluster: a small Kubernetes API in memory, with a stand-in for Flux.');
    stage = await openStage(stop);
    const over = AbortSignal.any([stop, stage.postsync.ended]);
    await tellStory(stage, over);
    say(`\nThat took ${Math.round((performance.now() - began) / 1000)} s.`);
    if (!keep) say('To look around yourself: npm run demo -- --keep');
    else await stay(stage, over);
    if (!stop.aborted) over.throwIfAborted();
    return 0;
  } catch (error) {
    if (stop.aborted) return INTERRUPTED;
    process.stderr.write(`\nThe story did not come out as told: ${(error as Error).message}\n`);
    if (stage) process.stderr.write(`\nThe end of postsync's log:\n${stage.postsync.tail()}\n`);
    return 1;
  } finally {
    await stage?.close();
  }
}

async function stay({ files, postsync }: Stage, over: AbortSignal): Promise<void> {
  const { namespace, name } = SHOP;
  const ada = `-H "Authorization: Bearer $(cat ${files.token})"`;
  const path = `${postsync.url}/api/v1/releases/${namespace}/${name}`;
  chapter('It stays until you press Ctrl-C. In another terminal:');
  command(`export KUBECONFIG=${files.kubeconfig}`);
  command('kubectl get helmreleases -A -L postsync.dev/result');
  command(`kubectl get synctestruns -n ${namespace}`);
  command(
    `kubectl annotate helmrelease -n ${namespace} ${name} --overwrite postsync.dev/requestedAt=$(date +%s)`,
  );
  command(`curl -X POST ${ada} ${path}/runs`);
  command(`curl ${ada} '${path}?wait=1m'`);
  command(`curl ${postsync.url}/metrics`);
  if (!over.aborted) await once(over, 'abort');
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopping.abort());
const flags = process.argv.slice(2);
if (flags.some((flag) => flag !== '--keep')) {
  process.stderr.write('usage: npm run demo [-- --keep]\n');
  process.exitCode = 2;
} else {
  process.exitCode = await main({ keep: flags.includes('--keep'), stop: stopping.signal });
}
