import { once } from 'node:events';
import { SHOP } from './demo/objects.ts';
import { chapter, command, say } from './demo/print.ts';
import { openStage, type Stage } from './demo/stage.ts';
import { tellStory } from './demo/story.ts';

/** The code of a process that was interrupted. */
const INTERRUPTED = 130;

/** Shows the whole story of postsync on an embedded cluster. `--keep` leaves everything running until Ctrl-C. */
async function main(keep: boolean, stop: AbortSignal): Promise<number> {
  let stage: Stage | undefined;
  try {
    say('postsync on an embedded cluster: a small Kubernetes API in memory, with a stand-in for Flux.');
    stage = await openStage(stop);
    await tellStory(stage, stop);
    if (keep) await stay(stage, stop);
    return 0;
  } catch (error) {
    if (stop.aborted) return INTERRUPTED;
    const { message } = error as Error;
    process.stderr.write(`\nThe story did not come out as told: ${message}\n`);
    if (stage) process.stderr.write(`\nThe end of postsync's log:\n${stage.postsync.tail()}\n`);
    return 1;
  } finally {
    await stage?.close();
  }
}

async function stay({ files, postsync, shopUrl }: Stage, stop: AbortSignal): Promise<void> {
  const { namespace, name } = SHOP;
  const header = `-H "Authorization: Bearer $(cat ${files.token})"`;
  const path = `${postsync.url}/api/v1/releases/${namespace}/${name}`;
  chapter('It goes on until you press Ctrl-C. Look around:');
  command(`export KUBECONFIG=${files.kubeconfig}`);
  command(`kubectl get helmreleases -A -L postsync.dev/result`);
  command(`kubectl get synctestruns,jobs -n ${namespace}`);
  command(`kubectl annotate helmrelease -n ${namespace} ${name} --overwrite postsync.dev/requestedAt=now`);
  command(`curl -X POST ${header} ${path}/runs`);
  command(`curl ${header} '${path}?wait=10m'`);
  command(`curl ${postsync.url}/metrics`);
  say();
  await once(stop, 'abort');
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
const [, , ...flags] = process.argv;
if (flags.some((flag) => flag !== '--keep')) {
  process.stderr.write('usage: npm run demo -- [--keep]\n');
  process.exitCode = 2;
} else {
  process.exitCode = await main(flags.includes('--keep'), stopping.signal);
}
