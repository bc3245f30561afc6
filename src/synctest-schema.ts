import { z } from 'zod';
import { Duration } from './config-values.ts';
import { urlProblem } from './link-local.ts';

/** A duration of at least `least` milliseconds, read as milliseconds. */
function duration(fallback: string, least: number) {
  return Duration.refine((ms) => ms >= least, 'is too short').prefault(fallback);
}

const Count = z.int().nonnegative();
const Strings = z.record(z.string(), z.string());
const Name = z.string().min(1);
/** Parts of Kubernetes' own objects are passed on as they are: the API server knows them better. */
const Loose = z.record(z.string(), z.unknown());
const NamedPart = z.looseObject({ name: Name });

const labels = {
  matchLabels: Strings.optional(),
  matchExpressions: z
    .array(
      z
        .strictObject({
          key: Name,
          operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
          values: z.array(z.string()).optional(),
        })
        .refine(({ operator, values = [] }) => operator.endsWith('In') === values.length > 0, {
          message: 'In and NotIn need values, Exists and DoesNotExist take none',
        }),
    )
    .optional(),
};

const Mount = z.strictObject({ name: Name, mountPath: z.string().startsWith('/') });

/** A container and the fields of a Job that matter, flat. */
const ShortJob = z.strictObject({
  image: Name,
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  imagePullSecrets: z.array(NamedPart).optional(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z.array(NamedPart).optional(),
  envFrom: z.array(Loose).optional(),
  secrets: z.array(Mount).optional(),
  configMaps: z.array(Mount).optional(),
  resources: Loose.optional(),
  securityContext: Loose.optional(),
  serviceAccountName: Name.optional(),
  backoffLimit: Count.optional(),
  activeDeadlineSeconds: z.int().positive().optional(),
  ttlSecondsAfterFinished: Count.optional(),
});

const refused = (message: string) => z.undefined({ error: message });
const single = (message: string) => z.int().max(1, message).optional();

const TemplateMetadata = z
  .looseObject({
    labels: Strings.optional(),
    annotations: Strings.optional(),
    ownerReferences: refused('is refused: postsync sets the owner').optional(),
    finalizers: refused('is refused: a finalizer would keep the object for ever').optional(),
  })
  .optional();

/** A JobTemplateSpec. What would take the Job out of our hands is refused, the rest is the API server's to judge. */
const Template = z.strictObject({
  metadata: TemplateMetadata,
  spec: z.looseObject({
    managedBy: refused('is refused: the Job would have no status').optional(),
    suspend: refused('is refused: postsync decides when the Job starts').optional(),
    manualSelector: refused('is refused: the Job must own its Pods alone').optional(),
    selector: refused('is refused: the Job must own its Pods alone').optional(),
    completions: single('is over 1: a run is one Pod that ends well'),
    parallelism: single('is over 1: a run is one Pod that ends well'),
    backoffLimit: Count.optional(),
    activeDeadlineSeconds: z.int().positive().optional(),
    ttlSecondsAfterFinished: Count.optional(),
    template: z.looseObject({
      metadata: TemplateMetadata,
      spec: z.looseObject({
        containers: z.array(NamedPart).min(1),
        initContainers: z.array(NamedPart).optional(),
      }),
    }),
  }),
});

const Status = z.int().min(100).max(599);

const HttpCheck = z
  .strictObject({
    url: z.string().superRefine((url, context) => {
      const problem = url.includes('$(') ? undefined : urlProblem(url);
      if (problem) context.addIssue({ code: 'custom', message: problem });
    }),
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']).default('GET'),
    status: z.array(Status).min(1).default([200]),
    bodyMatch: z.string().refine(isPattern, { message: 'is not a regular expression' }).optional(),
    headers: Strings.optional(),
    interval: duration('5s', 100),
    timeout: duration('1m', 1000),
  })
  .transform(({ interval, timeout, ...rest }) => ({
    ...rest,
    intervalMs: interval,
    timeoutMs: timeout,
  }));

const HelmTest = z.strictObject({
  filters: z.array(z.strictObject({ name: Name, exclude: z.boolean().default(false) })).default([]),
  reuse: z.boolean().default(true),
});

const repository = z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'is not OWNER/REPOSITORY');
const secretRef = z.strictObject({ name: Name });
const apiUrl = z
  .url({ protocol: /^https$/, error: 'is not an https:// address' })
  .refine((url) => urlProblem(url) === undefined, 'is not an address to call')
  .transform((url) => url.replace(/\/+$/, ''));

const Github = z
  .strictObject({
    repository,
    trigger: z.enum(['repository_dispatch', 'workflow_dispatch']).default('repository_dispatch'),
    eventType: z.string().min(1).max(100).optional(),
    workflow: Name.optional(),
    ref: Name.optional(),
    payload: Loose.optional(),
    inputs: Strings.optional(),
    secretRef: secretRef.optional(),
    apiUrl: apiUrl.optional(),
  })
  .refine(({ trigger, workflow, ref }) => trigger !== 'workflow_dispatch' || (workflow && ref), {
    message: 'workflow_dispatch needs workflow and ref',
  })
  .refine(({ payload = {}, inputs = {} }) => !('postsync' in payload) && !('postsync' in inputs), {
    message: 'the key postsync of a payload or of inputs is what postsync sends itself',
  })
  .refine(({ apiUrl, secretRef }) => apiUrl === undefined || secretRef !== undefined, {
    message:
      "apiUrl needs secretRef: the administrator's credential goes to the administrator's address only",
  });

/** Where a verdict is reported as the status of a commit. */
const CommitStatus = z.strictObject({ repository, secretRef, apiUrl: apiUrl.optional() });

/** What a test does; the schema of each is applied only to the one that is given. */
export const BODIES = {
  job: ShortJob,
  template: z.strictObject({ template: Template }),
  check: z.strictObject({ http: z.array(HttpCheck).min(1).max(20) }),
  helmTest: HelmTest,
  github: Github,
};

/** The spec but for its body. Every field has the default of the CRD, so each can be read by itself. */
export const Settings = z.object({
  suspend: z.boolean().default(false),
  releases: z.strictObject({ names: z.array(Name).optional(), ...labels }).optional(),
  namespaceSelector: z.strictObject(labels).optional(),
  after: z.array(z.enum(['install', 'upgrade', 'rollback'])).default(['install', 'upgrade']),
  existing: z.enum(['skip', 'test']).default('skip'),
  required: z.boolean().default(true),
  needs: z.array(Name).default([]),
  timeout: duration('10m', 1000),
  startTimeout: duration('5m', 1000),
  retries: Count.default(2),
  retryFailed: Count.default(0),
  onNewRevision: z.enum(['cancel', 'finish']).default('cancel'),
  settle: duration('0s', 0),
  maxParallel: Count.default(0),
  historyLimit: Count.default(10),
  runIn: z.enum(['test', 'release']).default('test'),
  remote: z.boolean().default(false),
  shareOutput: z.boolean().default(false),
  params: z
    .record(z.string().regex(/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/, 'is not a name'), z.string())
    .default({}),
  inconclusiveExitCodes: z.array(z.int().min(1).max(255)).default([75]),
  commitStatus: CommitStatus.optional(),
});

export type HttpCheck = z.output<typeof HttpCheck>;
export type ShortJob = z.output<typeof ShortJob>;
export type JobTemplate = z.output<typeof Template>;
export type HelmTest = z.output<typeof HelmTest>;
export type CommitStatus = z.output<typeof CommitStatus>;
export type Github = z.output<typeof Github>;

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
