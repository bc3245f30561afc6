import { createHash } from 'node:crypto';
import type { Api } from './api.ts';
import { CHART, CHART_VERSIONS, chartRepository } from './chart.ts';
import { TEST_IMAGE } from './env.ts';
import { conditionOf } from './objects.ts';

const NAMESPACE = 'postsync-e2e';
const READY_MS = 120_000;

/** Where a HelmRelease finds the chart. */
export interface ChartSource {
  readonly namespace: string;
  /** A HelmRepository, for `spec.chart`. */
  readonly repository: string;
  /** A HelmChart, for `spec.chartRef`: shared by all releases, which saves source-controller a download for each. */
  readonly chart: (version: string) => string;
}

/** Serves the chart from a Pod inside the cluster. Safe to repeat; what is there already is taken. */
export async function serveChart(api: Api): Promise<ChartSource> {
  const files = [...chartRepository()];
  const hash = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 8);
  const name = `charts-${hash}`;
  const metadata = { name, namespace: NAMESPACE };
  const labels = { app: name };
  const source: ChartSource = {
    namespace: NAMESPACE,
    repository: name,
    chart: (version) => `${CHART}-${hash}-${version.replaceAll('.', '-')}`,
  };

  await api.apply({ kind: 'Namespace', metadata: { name: NAMESPACE } });
  const binaryData = Object.fromEntries(files.map(([file, content]) => [file, content.toString('base64')]));
  await api.apply({ kind: 'ConfigMap', metadata, binaryData });
  await api.apply({ kind: 'Service', metadata, spec: { selector: labels, ports: [{ port: 8080 }] } });
  const server = {
    name: 'server',
    image: TEST_IMAGE,
    imagePullPolicy: 'IfNotPresent',
    command: ['httpd', '-f', '-p', '8080', '-h', '/charts'],
    volumeMounts: [{ name: 'charts', mountPath: '/charts' }],
    readinessProbe: { httpGet: { path: '/index.yaml', port: 8080 }, periodSeconds: 1 },
  };
  const volumes = [{ name: 'charts', configMap: { name } }];
  await api.apply({
    kind: 'Deployment',
    metadata,
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { terminationGracePeriodSeconds: 0, containers: [server], volumes },
      },
    },
  });
  await ready(api, 'Deployment', name, 'Available');
  const url = `http://${name}.${NAMESPACE}.svc.cluster.local.:8080`;
  await api.apply({ kind: 'HelmRepository', metadata, spec: { url, interval: '10m' } });
  await ready(api, 'HelmRepository', name, 'Ready');
  for (const version of CHART_VERSIONS) {
    const spec = { chart: CHART, version, sourceRef: { kind: 'HelmRepository', name }, interval: '10m' };
    const chart = source.chart(version);
    await api.apply({ kind: 'HelmChart', metadata: { name: chart, namespace: NAMESPACE }, spec });
    await ready(api, 'HelmChart', chart, 'Ready');
  }
  return source;
}

async function ready(
  api: Api,
  kind: 'Deployment' | 'HelmRepository' | 'HelmChart',
  name: string,
  condition: string,
): Promise<void> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    const found = conditionOf(await api.get(kind, NAMESPACE, name), condition);
    if (found?.status === 'True') return;
    if (Date.now() > deadline)
      throw new Error(`${kind} ${name}: ${found?.message ?? `no ${condition} condition`}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
