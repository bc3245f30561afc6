import { isFields, type KubeObject, type Metadata } from './objects.ts';
import { type Cause, forbiddenValue, invalidValue, required } from './refusal.ts';
import { CRDS, EVENTS, JOBS, type ResourceType } from './resources.ts';

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

const SUBDOMAIN_SAYS =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and " +
  "end with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_SAYS =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " +
  "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is " +
  "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_SAYS =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and " +
  "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " +
  "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** What is wrong with an object's metadata, which is the same for all kinds. */
export function metadataFaults(metadata: Metadata, before?: Metadata): readonly Cause[] {
  const { name, labels, annotations, ownerReferences } = metadata;
  const found: Cause[] = [];
  if (!SUBDOMAIN.test(name)) found.push(invalidValue('metadata.name', name, SUBDOMAIN_SAYS));
  if (name.length > 253)
    found.push(invalidValue('metadata.name', name, 'must be no more than 253 characters'));
  found.push(...labelFaults(labels ?? {}, 'metadata.labels'));
  for (const key of Object.keys(annotations ?? {})) found.push(...keyFaults(key, 'metadata.annotations'));
  for (const owner of ownerReferences ?? []) {
    if (!owner.uid) found.push(invalidValue('metadata.ownerReferences.uid', '', 'must not be empty'));
  }
  return before ? [...found, ...changeFaults(metadata, before)] : found;
}

function changeFaults(metadata: Metadata, before: Metadata): readonly Cause[] {
  const added = (metadata.finalizers ?? []).filter((one) => !(before.finalizers ?? []).includes(one));
  if (!before.deletionTimestamp || added.length === 0) return [];
  const list = added.map((one) => JSON.stringify(one)).join(', ');
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  return [forbiddenValue('metadata.finalizers', why)];
}

export function labelFaults(labels: Readonly<Record<string, string>>, field: string): readonly Cause[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    const found = [...keyFaults(key, field)];
    if (value.length > 63) found.push(invalidValue(field, value, 'must be no more than 63 bytes'));
    if (value !== '' && !QUALIFIED.test(value)) found.push(invalidValue(field, value, VALUE_SAYS));
    return found;
  });
}

function keyFaults(key: string, field: string): readonly Cause[] {
  const slash = key.indexOf('/');
  const [prefix, name] = slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)];
  const found: Cause[] = [];
  if (prefix !== undefined && !SUBDOMAIN.test(prefix)) {
    found.push(invalidValue(field, key, `prefix part ${SUBDOMAIN_SAYS}`));
  }
  if (!QUALIFIED.test(name)) found.push(invalidValue(field, key, NAME_SAYS));
  if (name.length > 63) found.push(invalidValue(field, key, 'name part must be no more than 63 bytes'));
  return found;
}

/** What is wrong with an object of Kubernetes' own: the rules that a test's author runs into. */
export function builtInFaults(type: ResourceType, object: KubeObject, before?: KubeObject): readonly Cause[] {
  if (type === JOBS) return [...jobFaults(object), ...(before ? jobChangeFaults(object, before) : [])];
  if (type === EVENTS) return eventFaults(object);
  if (type === CRDS) return crdFaults(object);
  return [];
}

function eventFaults({ metadata, ['involvedObject']: involved }: KubeObject): readonly Cause[] {
  const namespace = isFields(involved) ? involved['namespace'] : undefined;
  if (namespace === metadata.namespace) return [];
  return [invalidValue('involvedObject.namespace', namespace ?? '', 'does not match event.namespace')];
}

function crdFaults({ metadata, spec = {} }: KubeObject): readonly Cause[] {
  const names = isFields(spec['names']) ? spec['names'] : {};
  const wanted = `${String(names['plural'])}.${String(spec['group'])}`;
  if (metadata.name === wanted) return [];
  return [invalidValue('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group')];
}

interface PodSpec {
  readonly restartPolicy?: string;
  readonly containers?: readonly { readonly name?: string; readonly image?: string }[];
}

const NOT_NEGATIVE = ['parallelism', 'completions', 'backoffLimit', 'ttlSecondsAfterFinished'];

function jobFaults({ spec = {} }: KubeObject): readonly Cause[] {
  const found: Cause[] = [];
  for (const field of NOT_NEGATIVE) {
    const value = spec[field];
    if (typeof value === 'number' && value < 0) {
      found.push(invalidValue(`spec.${field}`, value, 'must be greater than or equal to 0'));
    }
  }
  const deadline = spec['activeDeadlineSeconds'];
  if (typeof deadline === 'number' && deadline < 0) {
    found.push(invalidValue('spec.activeDeadlineSeconds', deadline, 'must be greater than or equal to 0'));
  }
  const template = isFields(spec['template']) ? spec['template'] : {};
  const { labels } = (template['metadata'] ?? {}) as { labels?: Record<string, string> };
  found.push(...labelFaults(labels ?? {}, 'spec.template.labels'));
  return [...found, ...podFaults(template['spec'] ?? {}, spec['podFailurePolicy'])];
}

function podFaults(pod: PodSpec, podFailurePolicy: unknown): readonly Cause[] {
  const found: Cause[] = [];
  const at = 'spec.template.spec';
  const containers = pod.containers ?? [];
  if (containers.length === 0) found.push(required(`${at}.containers`));
  for (const [index, { name, image }] of containers.entries()) {
    if (!name) found.push(required(`${at}.containers[${index}].name`));
    if (!image) found.push(required(`${at}.containers[${index}].image`));
  }
  if (pod.restartPolicy !== 'Never' && pod.restartPolicy !== 'OnFailure') {
    found.push(required(`${at}.restartPolicy`, 'valid values: "OnFailure", "Never"'));
  } else if (podFailurePolicy && pod.restartPolicy !== 'Never') {
    const why = 'only "Never" is supported when podFailurePolicy is specified';
    found.push(invalidValue(`${at}.restartPolicy`, pod.restartPolicy, why));
  }
  return found;
}

const IMMUTABLE = ['selector', 'template', 'completionMode', 'podFailurePolicy', 'completions', 'managedBy'];

function jobChangeFaults({ spec = {} }: KubeObject, before: KubeObject): readonly Cause[] {
  return IMMUTABLE.filter(
    (field) => JSON.stringify(spec[field]) !== JSON.stringify(before.spec?.[field]),
  ).map((field) => invalidValue(`spec.${field}`, spec[field], 'field is immutable'));
}
