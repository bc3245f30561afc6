import { isFields, type KubeObject, textOf } from './objects.ts';
import type { Column, ResourceType } from './resources.ts';

const AGE: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** Objects as the table that `kubectl get` asks for and prints. */
export function tableOf(type: ResourceType, objects: readonly KubeObject[], metadata: object): object {
  const columns = type.columns.some(({ name }) => name === 'Age') ? type.columns : [...type.columns, AGE];
  const definitions = columns.map(({ name, type, priority = 0 }) => ({
    name,
    type,
    format: '',
    description: '',
    priority,
  }));
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: [
      { name: 'Name', type: 'string', format: 'name', description: '', priority: 0 },
      ...definitions,
    ],
    rows: objects.map((object) => ({
      cells: [object.metadata.name, ...columns.map((column) => cell(object, column))],
      object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
    })),
  };
}

function cell(object: KubeObject, { type, jsonPath }: Column): unknown {
  const value = lookUp(object, jsonPath);
  if (value === undefined || value === null) return null;
  if (type === 'date') return ageOf(textOf(value));
  return isFields(value) || Array.isArray(value) ? JSON.stringify(value) : value;
}

/** The part of JSONPath that CRDs use: `.a.b`, `.a[0]`, `.a[?(@.b=="c")].d`. */
function lookUp(object: unknown, path: string): unknown {
  let value = object;
  for (const [, key, index, field, wanted] of path.matchAll(
    /\.([\w-]+)|\[(\d+)\]|\[\?\(@\.(\w+)\s*==\s*["']([^"']*)["']\)\]/g,
  )) {
    if (key !== undefined) value = isFields(value) ? value[key] : undefined;
    else if (!Array.isArray(value)) return undefined;
    else if (index !== undefined) value = value[Number(index)];
    else value = value.find((one) => isFields(one) && one[field ?? ''] === wanted);
  }
  return value;
}

/** `45s`, `3m12s`, `5h`, `3d`: like kubectl, in two units only where that is short. */
function ageOf(time: string): string {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}
