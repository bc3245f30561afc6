import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';
import { parseAllDocuments } from 'yaml';

const ROOT = fileURLToPath(new URL('../../manifests/', import.meta.url));

/** An object of manifests/, as far as tests look at it. */
export interface Manifest {
  readonly file: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  /** The rest of it. Manifests have every shape there is. */
  readonly [key: string]: unknown;
}

/** Files below a folder of manifests/, by their path from it. */
export function filesOf(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** @throws when a file is not YAML, or says a key twice */
export function documentsOf(file: string): unknown[] {
  return parseAllDocuments(readFileSync(join(ROOT, file), 'utf8')).map((document) => {
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem) throw new Error(`${file}: ${problem.message}`);
    return document.toJS() as unknown;
  });
}

/** All objects below a folder of manifests/ but the kustomizations. */
export function manifestsIn(folder: string): Manifest[] {
  const files = filesOf(folder).filter((file) => basename(file) !== 'kustomization.yaml');
  return files.flatMap((file) => documentsOf(file).map((document) => ({ ...(document as Manifest), file })));
}

/** @throws when there is none, or more than one */
export function only(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.filter((one) => one.kind === kind && (!name || one.metadata.name === name));
  if (found.length !== 1 || !found[0]) throw new Error(`${found.length} of kind ${kind} ${name ?? ''}`);
  return found[0];
}

export interface Kustomization {
  readonly file: string;
  readonly resources?: readonly string[];
  readonly patches?: readonly { readonly path?: string; readonly patch?: string }[];
}

export function kustomizations(): Kustomization[] {
  const files = filesOf('.').filter((file) => basename(file) === 'kustomization.yaml');
  return files.map((file) => ({ ...(documentsOf(file)[0] as Kustomization), file }));
}

/** A path that a kustomization names, from manifests/. */
export function beside(file: string, path: string): string {
  return join(dirname(file), path);
}

/** A structural schema, as a CRD has it. */
export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly pattern?: string;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
}

/** The schema of a CRD of ours, by its plural name. */
export function schemaOf(plural: string): Schema {
  const crd = only(manifestsIn('base'), 'CustomResourceDefinition', `${plural}.postsync.dev`);
  const { versions } = crd.spec as { versions: [{ schema: { openAPIV3Schema: Schema } }] };
  return versions[0].schema.openAPIV3Schema;
}

/** A validator that refuses unknown fields, which the API server would drop without a word. */
export function validatorOf(plural: string): ValidateFunction {
  const formats = { int32: true, int64: true, 'date-time': true } as const;
  return new Ajv({ strict: false, allErrors: true, formats }).compile(closed(schemaOf(plural)));
}

function closed(schema: Schema): Record<string, unknown> {
  const { properties, items, additionalProperties, ...rest } = schema;
  const isMetadata = schema.type === 'object' && !properties && additionalProperties === undefined;
  const open = schema['x-kubernetes-preserve-unknown-fields'] === true || isMetadata;
  return {
    ...Object.fromEntries(Object.entries(rest).filter(([key]) => !key.startsWith('x-'))),
    ...(items && { items: closed(items) }),
    ...(typeof additionalProperties === 'object' && { additionalProperties: closed(additionalProperties) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, s]) => [name, closed(s)])),
      additionalProperties: open,
    }),
  };
}
