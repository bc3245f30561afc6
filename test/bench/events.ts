import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { bundle, type Child, startChild } from './child.ts';
import { startFakeApi } from './fake-api.ts';
import { median, type Row } from './numbers.ts';

const KEY = 'a key of the benchmark';
const CONNECTIONS = 32;
/** Where a process lies in memory makes a tenth: each figure is of several. */
const STARTS = 5;
const ROUNDS = 3;
const ROUND_MS = 1_500;

const RELEASES = 100;

function eventOf(name: string): object {
  return {
    involvedObject: {
      kind: 'HelmRelease',
      namespace: 'apps',
      name,
      uid: 'ca0465f9-491e-4cc5-b6fa-48c78c4e2446',
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      resourceVersion: '732',
    },
    severity: 'info',
    timestamp: '2026-11-21T11:38:19Z',
    message: `Helm upgrade succeeded for release apps/${name}.v2 with chart podinfo@1.1.0`,
    reason: 'UpgradeSucceeded',
    metadata: { 'app-version': '6.1.0', cluster: 'test', env: 'prod', revision: '1.1.0' },
    reportingController: 'helm-controller',
    reportingInstance: 'helm-controller-6885b4f67c-72tkh',
  };
}

/** Signed events a second, of the bundle and of a bare Express route, in turns. */
export async function measureEvents(): Promise<readonly Row[]> {
  const api = await startFakeApi({ releases: RELEASES, runsEach: 1 });
  const rounds: Pair[] = [];
  for (let start = 0; start < STARTS; start += 1) rounds.push(...(await measureOnce(api.kubeconfig)));
  await api.close();
  const middle = (of: (round: Pair) => number) => median(rounds.map(of));
  const ratio = middle((round) => round.postsync.rate / round.bare.rate);
  const text = (of: 'postsync' | 'bare') =>
    `${middle((round) => round[of].rate).toFixed(0)}/s, ${middle((round) => round[of].cpuMicros).toFixed(0)} µs of CPU each`;
  return [
    {
      measure: `signed events, ${CONNECTIONS} connections, median of ${STARTS} starts with ${ROUNDS} rounds each`,
      postsync: text('postsync'),
      beside: `a bare Express route: ${text('bare')}`,
      ratio,
      target: '≥ 0.9 × the bare route',
      isMet: ratio >= 0.9,
    },
  ];
}

interface Pair {
  readonly postsync: Load;
  readonly bare: Load;
}

async function measureOnce(kubeconfig: string): Promise<readonly Pair[]> {
  const files = { KUBECONFIG: kubeconfig, POSTSYNC_FLUX_HMAC_KEY_FILES: KEY };
  const env = { POSTSYNC_LEADER_ELECTION: 'false' };
  const postsync = await startChild(bundle(), { files, env, readyPath: '/readyz' });
  const bare = await startChild(['test/bench/bare-express.ts'], { files, readyPath: '/readyz' });
  const rounds: Pair[] = [];
  // The first one warms them up.
  for (let round = 0; round <= ROUNDS; round += 1) {
    rounds.push({ bare: await load(bare), postsync: await load(postsync) });
  }
  await postsync.stop();
  await bare.stop();
  return rounds.slice(1);
}

interface Load {
  /** Answers a second. */
  readonly rate: number;
  /** Processor time of the server for each, which says more than the rate when others use the machine too. */
  readonly cpuMicros: number;
}

function requestOf(name: string): Buffer {
  const body = JSON.stringify(eventOf(name));
  const signature = createHmac('sha256', KEY).update(body).digest('hex');
  return Buffer.from(
    [
      'POST /flux HTTP/1.1',
      'host: postsync',
      'user-agent: Go-http-client/1.1',
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      `x-signature: sha256=${signature}`,
      '',
      body,
    ].join('\r\n'),
  );
}

/** Sends events of all releases again and again over kept connections, one at a time on each. */
async function load({ port, cpuMs }: Child): Promise<Load> {
  const requests = Array.from({ length: RELEASES }, (_, at) => requestOf(`podinfo-${at}`));
  const began = performance.now();
  const cpuBefore = cpuMs();
  const end = began + ROUND_MS;
  const counts = await Promise.all(Array.from({ length: CONNECTIONS }, () => one(port, requests, end)));
  const count = counts.reduce((sum, one) => sum + one, 0);
  return {
    rate: (count * 1000) / (performance.now() - began),
    cpuMicros: ((cpuMs() - cpuBefore) * 1000) / count,
  };
}

/** An answer is small, and whole when its closing brace is there. */
function one(port: number, requests: readonly Buffer[], end: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let answers = 0;
    const send = () => socket.write(requests[answers % requests.length] ?? '');
    const socket = connect(port, '127.0.0.1', send);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!text.endsWith('}')) return;
      if (!text.startsWith('HTTP/1.1 202')) {
        socket.destroy(new Error(text));
        return;
      }
      answers += 1;
      text = '';
      if (performance.now() < end) send();
      else socket.end();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answers));
  });
}
