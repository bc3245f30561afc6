/** The parts of Kubernetes objects that the scenarios look at. */
export interface Meta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly { readonly kind: string; readonly uid: string }[];
}

export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: Meta;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface HelmRelease extends KubeObject {
  readonly spec: { readonly suspend?: boolean };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
    readonly history?: readonly {
      readonly digest: string;
      readonly version: number;
      readonly status: string;
      readonly action?: string;
      readonly chartVersion: string;
    }[];
  };
}

export interface SyncTest extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface SyncTestRun extends KubeObject {
  readonly spec: {
    readonly release: string;
    readonly test: string;
    readonly testNamespace?: string;
    readonly digest?: string;
    readonly attempt?: number;
    readonly cause?: string;
    readonly request?: string;
    readonly requestedBy?: string;
    readonly reason?: string;
  };
  readonly status?: {
    readonly phase?: 'Pending' | 'Running' | 'Passed' | 'Failed' | 'Inconclusive';
    readonly reason?: string;
    readonly message?: string;
    readonly digest?: string;
    readonly job?: { readonly namespace: string; readonly name: string; readonly uid: string };
    readonly startedAt?: string;
    readonly finishedAt?: string;
    readonly url?: string;
    readonly commitStatus?: { readonly sha?: string; readonly state?: string; readonly problem?: string };
    readonly conditions?: readonly Condition[];
  };
}

export interface Pod extends KubeObject {
  readonly spec: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly { readonly ready: boolean; readonly state?: object }[];
  };
}

export interface Job extends KubeObject {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly name: string;
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
        }[];
      };
    };
  };
  readonly status?: { readonly conditions?: readonly Condition[]; readonly active?: number };
}

/** An Event as Kubernetes serves it: what helm-controller said of a release. */
export interface KubeEvent extends KubeObject {
  readonly involvedObject: { readonly kind: string; readonly name: string; readonly namespace: string };
  readonly reason: string;
  readonly type: string;
  readonly message: string;
  readonly reportingComponent?: string;
  readonly source?: { readonly component?: string };
}

export interface Node extends KubeObject {
  readonly spec: { readonly unschedulable?: boolean; readonly taints?: readonly object[] };
  readonly status: { readonly allocatable: Readonly<Record<string, string>> };
}

interface Unread extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[]; readonly [field: string]: unknown };
}

/** Where the API serves each kind that the scenarios use. */
export const KINDS = {
  Namespace: '/api/v1 namespaces',
  Node: '/api/v1 nodes',
  Pod: '/api/v1 pods',
  Event: '/api/v1 events',
  ConfigMap: '/api/v1 configmaps',
  Secret: '/api/v1 secrets',
  Service: '/api/v1 services',
  ServiceAccount: '/api/v1 serviceaccounts',
  ResourceQuota: '/api/v1 resourcequotas',
  Deployment: '/apis/apps/v1 deployments',
  Job: '/apis/batch/v1 jobs',
  Lease: '/apis/coordination.k8s.io/v1 leases',
  PriorityClass: '/apis/scheduling.k8s.io/v1 priorityclasses',
  Role: '/apis/rbac.authorization.k8s.io/v1 roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1 rolebindings',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1 clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1 clusterrolebindings',
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1 customresourcedefinitions',
  HelmRelease: '/apis/helm.toolkit.fluxcd.io/v2 helmreleases',
  HelmRepository: '/apis/source.toolkit.fluxcd.io/v1 helmrepositories',
  HelmChart: '/apis/source.toolkit.fluxcd.io/v1 helmcharts',
  GitRepository: '/apis/source.toolkit.fluxcd.io/v1 gitrepositories',
  Kustomization: '/apis/kustomize.toolkit.fluxcd.io/v1 kustomizations',
  Alert: '/apis/notification.toolkit.fluxcd.io/v1beta3 alerts',
  Provider: '/apis/notification.toolkit.fluxcd.io/v1beta3 providers',
  SyncTest: '/apis/postsync.dev/v1alpha1 synctests',
  SyncTestRun: '/apis/postsync.dev/v1alpha1 synctestruns',
} as const;

export type Kind = keyof typeof KINDS;

interface Read {
  readonly HelmRelease: HelmRelease;
  readonly SyncTest: SyncTest;
  readonly SyncTestRun: SyncTestRun;
  readonly Job: Job;
  readonly Pod: Pod;
  readonly Event: KubeEvent;
  readonly Node: Node;
}

/** The shape of a kind; only the metadata and the conditions of those that no scenario reads. */
export type Shape<K extends Kind> = K extends keyof Read ? Read[K] : Unread;

export function conditionOf(
  object: { readonly status?: { readonly conditions?: readonly Condition[] } } | undefined,
  type: string,
): Condition | undefined {
  return object?.status?.conditions?.find((condition) => condition.type === type);
}
