/** The release of the story. */
export const SHOP = { namespace: 'apps', name: 'shop' } as const;

/** A HelmRelease, as far as the demo looks into it. */
export interface HelmRelease {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly reason: string;
      readonly message: string;
    }[];
    readonly history?: readonly { readonly digest: string; readonly chartVersion: string }[];
  };
}

export interface SyncTestRun {
  readonly metadata: { readonly name: string; readonly creationTimestamp: string };
  readonly spec: { readonly release: string; readonly test: string; readonly cause: string };
  readonly status?: {
    readonly phase?: string;
    readonly revision?: string;
    readonly reason?: string;
    readonly duration?: string;
    readonly url?: string;
  };
}

export const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SHOP.namespace } };

/** A test of one's own: a Job with a shell command. What it prints last is the reason when it fails. */
export function smokeTest(shopUrl: string): object {
  const script = [
    `price=$("$NODE" -e 'console.log(await (await fetch(process.argv[1])).text())' "$SHOP/tea")`,
    '[ "$price" = 4.20 ] || { echo "tea costs $price instead of 4.20"; exit 1; }',
  ];
  return {
    apiVersion: 'postsync.dev/v1alpha1',
    kind: 'SyncTest',
    metadata: { name: 'smoke', namespace: SHOP.namespace },
    spec: {
      releases: { names: [SHOP.name] },
      timeout: '1m',
      job: {
        image: 'node:24',
        command: ['sh', '-c', script.join('\n')],
        env: [
          { name: 'SHOP', value: shopUrl },
          { name: 'NODE', value: process.execPath },
        ],
      },
    },
  };
}

/** The annotation asks for the check that is built in. */
export function helmRelease(shopUrl: string, chartVersion: string): object {
  const sourceRef = { kind: 'HelmRepository', name: 'shop' };
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { ...SHOP, annotations: { 'postsync.dev/http': `${shopUrl}/healthz` } },
    spec: { interval: '10m', chart: { spec: { chart: 'shop', version: chartVersion, sourceRef } } },
  };
}

export function upgradeTo(chartVersion: string): object {
  return { spec: { chart: { spec: { version: chartVersion } } } };
}

/** Asks for a workflow as well. */
export function dispatchTo(repository: string): object {
  return { metadata: { annotations: { 'postsync.dev/github': repository } } };
}

/** What notification-controller posts after an upgrade. */
export function fluxEvent(chartVersion: string): string {
  return JSON.stringify({
    involvedObject: { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', ...SHOP },
    severity: 'info',
    timestamp: new Date().toISOString(),
    message: `Helm upgrade succeeded for release apps/shop with chart shop@${chartVersion}`,
    reason: 'UpgradeSucceeded',
    metadata: { revision: chartVersion },
    reportingController: 'helm-controller',
  });
}
