/** A part of an object of Kubernetes, whatever it is. */
export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** Fields of a Pod that hold `{name}` of an object, by the kind that is named. */
const BY_NAME: Readonly<Record<string, string>> = {
  configMap: 'ConfigMap',
  configMapRef: 'ConfigMap',
  configMapKeyRef: 'ConfigMap',
  secret: 'Secret',
  secretRef: 'Secret',
  secretKeyRef: 'Secret',
};

/** Fields that are a name. `secretName` is a volume's. */
const NAMES: Readonly<Record<string, string>> = {
  secretName: 'Secret',
  serviceAccountName: 'ServiceAccount',
  serviceAccount: 'ServiceAccount',
};

/**
 * Puts other names where a Pod, or a Job's template, names ConfigMaps, Secrets and service accounts.
 *
 * @param names new ones, by `KIND/NAME`; what is not among them stays
 */
export function withNames(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => withNames(item, names));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, named(key, field, names)]));
}

function named(key: string, field: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof field === 'string') return names.get(`${NAMES[key]}/${field}`) ?? field;
  const renamed = withNames(field, names);
  if (key === 'imagePullSecrets' && Array.isArray(renamed)) {
    return renamed.map((secret) => refer('Secret', secret, names));
  }
  const kind = BY_NAME[key];
  return kind === undefined ? renamed : refer(kind, renamed, names);
}

function refer(kind: string, reference: unknown, names: ReadonlyMap<string, string>): unknown {
  const { name } = fieldsOf(reference);
  const own = typeof name === 'string' ? names.get(`${kind}/${name}`) : undefined;
  return own === undefined ? reference : { ...fieldsOf(reference), name: own };
}
