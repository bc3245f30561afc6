import { isFields } from './objects.ts';
import { badRequest, Refusal } from './refusal.ts';

/** A JSON merge patch (RFC 7386). */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch;
  const result: Record<string, unknown> = isFields(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/**
 * An approximation of a strategic merge patch, enough for `kubectl annotate`, `label` and `apply`: a merge patch in
 * which lists of named things are merged by name. Lists with another key than `name` are replaced.
 */
export function strategicPatch(target: unknown, patch: unknown): unknown {
  if (Array.isArray(patch)) return mergeNamed(Array.isArray(target) ? target : [], patch);
  if (!isFields(patch)) return patch;
  const result: Record<string, unknown> =
    isFields(target) && patch['$patch'] !== 'replace' ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue;
    if (value === null) delete result[key];
    else result[key] = strategicPatch(result[key], value);
  }
  return result;
}

function mergeNamed(target: readonly unknown[], patch: readonly unknown[]): unknown[] {
  if (!patch.every((item) => nameOf(item) !== undefined)) return [...patch];
  const merged = [...target];
  for (const item of patch) {
    const at = merged.findIndex((existing) => nameOf(existing) === nameOf(item));
    if (isFields(item) && item['$patch'] === 'delete') merged.splice(at, at < 0 ? 0 : 1);
    else if (at < 0) merged.push(item);
    else merged[at] = strategicPatch(merged[at], item);
  }
  return merged;
}

const nameOf = (item: unknown) => (isFields(item) ? item['name'] : undefined);

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** A JSON patch (RFC 6902). */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) {
    throw badRequest(
      'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
    );
  }
  const root = { '': structuredClone(target) };
  for (const { op, path, from, value } of patch as readonly Operation[]) {
    if (op === 'test') {
      if (JSON.stringify(read(root, path)) !== JSON.stringify(value)) throw rejected();
    } else if (op === 'move' || op === 'copy') {
      const moved = read(root, from ?? '');
      if (op === 'move') write(root, from ?? '', 'remove', undefined);
      write(root, path, 'add', structuredClone(moved));
    } else {
      write(root, path, op, value);
    }
  }
  return root[''];
}

const rejected = () =>
  new Refusal(422, 'Invalid', 'the server rejected our request due to an error in our request', {});

function read(root: object, pointer: string): unknown {
  const [parent, key] = locate(root, pointer);
  const found = Array.isArray(parent) ? parent[Number(key)] : parent[key];
  if (found === undefined) throw rejected();
  return found;
}

function write(root: object, pointer: string, op: string, value: unknown): void {
  const [parent, key] = locate(root, pointer);
  if (op !== 'add') read(root, pointer);
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : Number(key);
    if (op === 'add') parent.splice(index, 0, value);
    else if (op === 'remove') parent.splice(index, 1);
    else parent[index] = value;
  } else if (op === 'remove') delete parent[key];
  else parent[key] = value;
}

function locate(root: object, pointer: string): [Record<string, unknown> | unknown[], string] {
  const keys = pointer.split('/').map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = keys.pop() ?? '';
  let parent: unknown = root;
  for (const key of keys) {
    parent = Array.isArray(parent) ? parent[Number(key)] : isFields(parent) ? parent[key] : undefined;
  }
  if (!isFields(parent) && !Array.isArray(parent)) throw rejected();
  return [parent, last];
}
