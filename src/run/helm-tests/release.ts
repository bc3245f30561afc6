import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { z } from 'zod';
import { PostsyncError } from '../../errors.ts';
import { asked } from './filters.ts';
import type { HelmTestTask } from './task.ts';

/** A test hook of a release, as Helm has stored it. */
export interface Hook {
  readonly name: string;
  readonly kind: string;
  readonly weight: number;
  readonly object: HookObject;
}

/** A Kubernetes object. */
export interface HookObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** A Secret is at most 1 MiB; what it unpacks to is bounded here. */
const UNPACKED_LIMIT = 64 * 1024 * 1024;

/** @see https://github.com/helm/helm/blob/v4.2.2/pkg/release/v1/release.go and hook.go */
const Stored = z.object({
  name: z.string(),
  namespace: z.string(),
  version: z.int(),
  info: z.object({ status: z.string() }),
  hooks: z
    .array(
      z.object({
        name: z.string(),
        kind: z.string(),
        manifest: z.string(),
        events: z.array(z.string()).nullish(),
        weight: z.int().default(0),
      }),
    )
    .nullish(),
});

/** The Secret that Helm keeps a release in. */
export function secretOf({ storageNamespace, helmRelease, version }: HelmTestTask) {
  return {
    resource: 'secrets',
    namespace: storageNamespace,
    name: `sh.helm.release.v1.${helmRelease}.v${version}`,
  } as const;
}

/**
 * The test hooks that a task asks for, in Helm's order.
 *
 * @param secret the release's Secret, as the API serves it
 * @throws {PostsyncError} `OBJECT_INVALID` where it is another release, is not deployed any more, or has no such hook
 */
export function hooksOf(secret: unknown, task: HelmTestTask): readonly Hook[] {
  const { name, namespace, version, info, hooks } = decode(secret);
  if (name !== task.helmRelease || namespace !== task.namespace || version !== task.version) {
    throw invalid(`the Secret holds ${namespace}/${name}.v${version}, which is not the release to be tested`);
  }
  if (info.status !== 'deployed') throw invalid(`v${version} of ${name} is ${info.status}, not deployed`);
  const tests = (hooks ?? []).filter(({ events }) => events?.includes('test'));
  const { chosen, missing } = asked(tests, task.filters);
  if (missing.length > 0) throw invalid(`the release has no test hook ${missing.join(', ')}`);
  if (chosen.length === 0) {
    throw invalid(tests.length === 0 ? 'the release has no test hooks' : 'the filters leave no test hook');
  }
  return chosen
    .map(({ name, kind, weight, manifest }) => ({ name, kind, weight, object: objectOf(name, manifest) }))
    .toSorted((a, b) => a.weight - b.weight || (a.name < b.name ? -1 : 1));
}

/** Base64 of gzip of JSON, and base64 again as in every Secret. What it says is not quoted: values are in it. */
function decode(secret: unknown): z.output<typeof Stored> {
  try {
    const { release } = (secret as { data: { release: string } }).data;
    const packed = Buffer.from(Buffer.from(release, 'base64').toString('latin1'), 'base64');
    const isPacked = packed[0] === 0x1f && packed[1] === 0x8b;
    const json = isPacked ? gunzipSync(packed, { maxOutputLength: UNPACKED_LIMIT }) : packed;
    return Stored.parse(JSON.parse(json.toString('utf8')));
  } catch {
    throw invalid("the Secret does not hold a release as Helm's version 3 and 4 store it");
  }
}

/** Helm reads YAML 1.1, in which `0755` is octal and `yes` is true, but knows no times and no numbers to base 60. */
function objectOf(hook: string, manifest: string): HookObject {
  try {
    const object: unknown = parse(manifest, {
      schema: 'yaml-1.1',
      merge: true,
      customTags: (tags) =>
        tags.filter(
          (tag) => typeof tag === 'string' || (tag.format !== 'TIME' && !tag.tag.endsWith(':timestamp')),
        ),
      logLevel: 'error',
    });
    if (typeof object === 'object' && object !== null) return object as HookObject;
  } catch {
    // Said below, without the lines that the parser quotes.
  }
  throw invalid(`the manifest of hook ${hook} cannot be read`);
}

function invalid(message: string): PostsyncError {
  return new PostsyncError('OBJECT_INVALID', message);
}
