import type { Api } from './api.ts';
import type { KubeObject } from './objects.ts';
import { CONFIG_MAPS, SECRETS } from './resources.ts';

/** The fields of a container that are acted on. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly terminationMessagePolicy?: string;
  readonly env?: readonly Variable[];
  readonly envFrom?: readonly {
    readonly prefix?: string;
    readonly secretRef?: Reference;
    readonly configMapRef?: Reference;
  }[];
}

interface Reference {
  readonly name: string;
  readonly key?: string;
  readonly optional?: boolean;
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: Reference;
    readonly configMapKeyRef?: Reference;
    readonly fieldRef?: { readonly fieldPath: string };
  };
}

/** A container as a process: or why it cannot be one, as kubelet says it. */
export type Start =
  | {
      readonly argv: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string | undefined;
    }
  | { readonly waiting: string; readonly message: string };

/** Names of images → how to run them here. */
export type Images = Readonly<Record<string, readonly string[]>>;

/** Works out what a container would run. An unknown image runs its `command`; without one it cannot be pulled. */
export function startOf(api: Api, pod: KubeObject, container: Container, images: Images): Start {
  const entrypoint = container.command ?? images[container.image];
  if (!entrypoint) return { waiting: 'ErrImagePull', message: pullFailure(container.image) };
  try {
    const env = environment(api, pod, container);
    const argv = [...entrypoint, ...(container.args ?? [])].map((part) => expand(part, env));
    return { argv, env, cwd: container.workingDir };
  } catch (error) {
    if (!(error instanceof MissingReference)) throw error;
    return { waiting: 'CreateContainerConfigError', message: error.message };
  }
}

export function pullFailure(image: string): string {
  return (
    `failed to pull and unpack image "${image}": failed to resolve reference "${image}": ` +
    'this embedded cluster pulls no images: give the container a command, or name the image to the cluster'
  );
}

class MissingReference extends Error {
  override readonly name = 'MissingReference';
}

function environment(api: Api, pod: KubeObject, { env = [], envFrom = [] }: Container) {
  const { namespace } = pod.metadata;
  const dataOf = (kind: 'secret' | 'configmap', ref: Reference): Record<string, string> | undefined => {
    const type = kind === 'secret' ? SECRETS : CONFIG_MAPS;
    const object = api.store.get(type, namespace, ref.name);
    if (!object) {
      if (ref.optional) return undefined;
      throw new MissingReference(`${kind} "${ref.name}" not found`);
    }
    const entries = Object.entries((object['data'] ?? {}) as Record<string, string>);
    const decode = (value: string) => (kind === 'secret' ? Buffer.from(value, 'base64').toString() : value);
    return Object.fromEntries(entries.map(([key, value]) => [key, decode(value)]));
  };
  const valueOf = (kind: 'secret' | 'configmap', ref: Reference): string | undefined => {
    const data = dataOf(kind, ref);
    const value = data?.[ref.key ?? ''];
    if (value !== undefined || ref.optional) return value;
    const what = kind === 'secret' ? 'Secret' : 'ConfigMap';
    throw new MissingReference(`couldn't find key ${ref.key} in ${what} ${namespace}/${ref.name}`);
  };
  const result: Record<string, string> = {};
  for (const { prefix = '', secretRef, configMapRef } of envFrom) {
    const data = secretRef ? dataOf('secret', secretRef) : configMapRef && dataOf('configmap', configMapRef);
    for (const [key, value] of Object.entries(data ?? {})) result[prefix + key] = value;
  }
  const resolved = ({ value, valueFrom }: Variable): string | undefined => {
    const { secretKeyRef, configMapKeyRef, fieldRef } = valueFrom ?? {};
    if (secretKeyRef) return valueOf('secret', secretKeyRef);
    if (configMapKeyRef) return valueOf('configmap', configMapKeyRef);
    return fieldRef ? fieldOf(pod, fieldRef.fieldPath) : expand(value ?? '', result);
  };
  for (const variable of env) {
    const value = resolved(variable);
    if (value !== undefined) result[variable.name] = value;
  }
  return result;
}

function fieldOf({ metadata, spec }: KubeObject, path: string): string {
  const fields: Record<string, unknown> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
    'spec.nodeName': spec?.['nodeName'],
    'spec.serviceAccountName': spec?.['serviceAccountName'],
  };
  const value = fields[path];
  return typeof value === 'string' ? value : '';
}

/** Kubernetes' own expansion: `$(NAME)` where NAME is known, `$$` for `$`. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, _inner, name: string | undefined) =>
    name === undefined ? '$' : (env[name] ?? whole),
  );
}
