import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { startEmbeddedCluster } from '../../src/embedded/cluster.ts';
import { ENDING_IMAGE } from './flux.ts';

/** An embedded cluster in a process of its own. Prints its kubeconfig as one line, and ends when nobody listens. */
const crds = ['synctests', 'synctestruns'].map(
  (name) => parse(readFileSync(`manifests/base/crds/${name}.yaml`, 'utf8')) as object,
);
// Its stand-in for helm-controller is kept busy with the first install for ever: the benchmark plays that part.
const cluster = await startEmbeddedCluster({
  crds,
  helmDelayMs: 3_600_000,
  images: { [ENDING_IMAGE]: ['/bin/true'] },
});
process.stdout.write(`${cluster.kubeconfig}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
await cluster.close();
