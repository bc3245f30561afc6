import { jobSchema } from './job-schema.ts';
import { isFields, type KubeObject } from './objects.ts';
import type { Schema } from './schema.ts';

/** A column of `kubectl get`, as `additionalPrinterColumns` of a CRD has it. */
export interface Column {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly priority?: number;
}

/** What the API needs to know of a kind of object. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  /** Served under `/status`; elsewhere its status is not written. */
  readonly hasStatus: boolean;
  readonly hasGeneration: boolean;
  /** Defined by a CRD. */
  readonly custom: boolean;
  /** Fields that a fieldSelector may name, besides `metadata.name` and `metadata.namespace`. */
  readonly fields: readonly string[];
  readonly columns: readonly Column[];
  /** Unknown fields are found by it; without one, all pass. */
  readonly schema?: Schema;
}

type Given = Partial<ResourceType> & Pick<ResourceType, 'plural' | 'kind'>;

const builtIn = (given: Given): ResourceType => ({
  group: '',
  version: 'v1',
  singular: given.kind.toLowerCase(),
  namespaced: true,
  shortNames: [],
  hasStatus: false,
  hasGeneration: false,
  custom: false,
  fields: [],
  columns: [],
  ...given,
});

const workload = { group: 'apps', hasStatus: true, hasGeneration: true };

/** The kinds of Kubernetes' own that are served, which is what a controller of tests needs. */
export const NAMESPACES = builtIn({
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
  shortNames: ['ns'],
  hasStatus: true,
  fields: ['status.phase'],
  columns: [{ name: 'Status', type: 'string', jsonPath: '.status.phase' }],
});
export const PODS = builtIn({
  plural: 'pods',
  kind: 'Pod',
  shortNames: ['po'],
  hasStatus: true,
  hasGeneration: true,
  fields: ['status.phase', 'spec.nodeName', 'spec.restartPolicy', 'spec.serviceAccountName'],
  columns: [{ name: 'Status', type: 'string', jsonPath: '.status.phase' }],
});
export const JOBS = builtIn({
  group: 'batch',
  plural: 'jobs',
  kind: 'Job',
  hasStatus: true,
  hasGeneration: true,
  fields: ['status.successful'],
  columns: [
    { name: 'Succeeded', type: 'string', jsonPath: '.status.succeeded' },
    { name: 'Failed', type: 'string', jsonPath: '.status.failed' },
  ],
  schema: jobSchema(),
});
export const EVENTS = builtIn({
  plural: 'events',
  kind: 'Event',
  shortNames: ['ev'],
  fields: [
    ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
      (field) => `involvedObject.${field}`,
    ),
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  columns: [
    { name: 'Type', type: 'string', jsonPath: '.type' },
    { name: 'Reason', type: 'string', jsonPath: '.reason' },
    { name: 'Object', type: 'string', jsonPath: '.involvedObject.name' },
    { name: 'Message', type: 'string', jsonPath: '.message' },
  ],
});
export const CRDS = builtIn({
  group: 'apiextensions.k8s.io',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
  shortNames: ['crd', 'crds'],
  hasStatus: true,
  hasGeneration: true,
});
export const TOKEN_REVIEWS = builtIn({
  group: 'authentication.k8s.io',
  plural: 'tokenreviews',
  kind: 'TokenReview',
  namespaced: false,
});
export const ACCESS_REVIEWS = builtIn({
  group: 'authorization.k8s.io',
  plural: 'subjectaccessreviews',
  kind: 'SubjectAccessReview',
  namespaced: false,
});
export const SELF_REVIEWS = builtIn({
  group: 'authentication.k8s.io',
  plural: 'selfsubjectreviews',
  kind: 'SelfSubjectReview',
  namespaced: false,
});
/** Questions: nothing of them is kept. */
export const REVIEWS: ReadonlySet<ResourceType> = new Set([TOKEN_REVIEWS, ACCESS_REVIEWS, SELF_REVIEWS]);
export const SECRETS = builtIn({ plural: 'secrets', kind: 'Secret', fields: ['type'] });
export const CONFIG_MAPS = builtIn({ plural: 'configmaps', kind: 'ConfigMap', shortNames: ['cm'] });
export const SERVICE_ACCOUNTS = builtIn({
  plural: 'serviceaccounts',
  kind: 'ServiceAccount',
  shortNames: ['sa'],
});

const string: Schema = { type: 'string' };
const integer: Schema = { type: 'integer' };
/** `metav1.MicroTime`: six digits after the point, no fewer. */
const microTime: Schema = { type: 'string', format: 'micro-time' };
const LEASE: Schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        holderIdentity: string,
        leaseDurationSeconds: integer,
        leaseTransitions: integer,
        acquireTime: microTime,
        renewTime: microTime,
        preferredHolder: string,
        strategy: string,
      },
    },
  },
};

const BUILT_IN: readonly ResourceType[] = [
  NAMESPACES,
  PODS,
  EVENTS,
  SECRETS,
  CONFIG_MAPS,
  SERVICE_ACCOUNTS,
  JOBS,
  builtIn({ group: 'coordination.k8s.io', plural: 'leases', kind: 'Lease', schema: LEASE }),
  builtIn({ ...workload, plural: 'deployments', kind: 'Deployment', shortNames: ['deploy'] }),
  builtIn({ ...workload, plural: 'statefulsets', kind: 'StatefulSet', shortNames: ['sts'] }),
  builtIn({ ...workload, plural: 'daemonsets', kind: 'DaemonSet', shortNames: ['ds'] }),
  CRDS,
  ...REVIEWS,
];

/** The kinds that are served now: Kubernetes' own, and those of the CRDs that are there. */
export class Registry {
  readonly #types = new Map<string, ResourceType>();

  constructor() {
    for (const type of BUILT_IN) this.#types.set(keyOf(type), type);
  }

  get all(): readonly ResourceType[] {
    return [...this.#types.values()];
  }

  find(group: string, version: string, plural: string): ResourceType | undefined {
    return this.#types.get(keyOf({ group, version, plural }));
  }

  ofKind(apiVersion: string, kind: string): ResourceType | undefined {
    return this.all.find((type) => apiVersionOf(type) === apiVersion && type.kind === kind);
  }

  define(crd: KubeObject): void {
    this.forget(crd);
    for (const type of typesOf(crd)) this.#types.set(keyOf(type), type);
  }

  /** The kinds that are no longer served. */
  forget(crd: KubeObject): readonly ResourceType[] {
    const types = typesOf(crd);
    for (const type of types) this.#types.delete(keyOf(type));
    return types;
  }
}

export function apiVersionOf({ group, version }: ResourceType): string {
  return group ? `${group}/${version}` : version;
}

export function keyOf({ group, version, plural }: Pick<ResourceType, 'group' | 'version' | 'plural'>) {
  return `${group}/${version}/${plural}`;
}

/** The parts of a CRD that are read. */
interface Definition {
  readonly group: string;
  readonly scope: string;
  readonly names: {
    readonly plural: string;
    readonly singular?: string;
    readonly kind: string;
    readonly shortNames?: readonly string[];
  };
  readonly versions: readonly {
    readonly name: string;
    readonly served: boolean;
    readonly subresources?: { readonly status?: object };
    readonly selectableFields?: readonly { readonly jsonPath: string }[];
    readonly additionalPrinterColumns?: readonly Column[];
    readonly schema?: { readonly openAPIV3Schema?: Schema };
  }[];
}

function typesOf(crd: KubeObject): readonly ResourceType[] {
  const { group, scope, names, versions } = crd.spec as unknown as Definition;
  return versions
    .filter(({ served }) => served)
    .map((version) => ({
      group,
      version: version.name,
      plural: names.plural,
      singular: names.singular ?? names.kind.toLowerCase(),
      kind: names.kind,
      namespaced: scope === 'Namespaced',
      shortNames: names.shortNames ?? [],
      hasStatus: isFields(version.subresources?.status),
      hasGeneration: true,
      custom: true,
      fields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.slice(1)),
      columns: version.additionalPrinterColumns ?? [],
      ...(version.schema?.openAPIV3Schema && { schema: version.schema.openAPIV3Schema }),
    }));
}
