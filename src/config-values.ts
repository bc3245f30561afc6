import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** A Node timer holds at most 2^31-1 ms; a longer one would fire at once. */
const MAX_DURATION_MS = 2 ** 31 - 1;

/** A duration with its unit, as Flux and Kubernetes write it: `30s`, `15m`, `1h30m`. Parsed to milliseconds. */
export const Duration = z.string().transform((text, ctx) => {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/(\d+)(ms|s|m|h)/g)];
  const ms = parts.reduce((sum, [, digits, unit = '']) => sum + Number(digits) * (UNIT_MS[unit] ?? 0), 0);
  if (text !== '' && parts.map(([part]) => part).join('') === text && ms <= MAX_DURATION_MS) return ms;
  ctx.addIssue({
    code: 'custom',
    message: 'use whole numbers with units, at most 596h, such as 30s or 1h30m',
  });
  return z.NEVER;
});
export const PositiveDuration = Duration.refine((ms) => ms > 0, 'must be longer than 0s');

export const Count = z
  .string()
  .regex(/^\d{1,9}$/, 'use a whole number')
  .transform(Number);

export const CommaSeparated = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

/** A name that Kubernetes takes for a namespace or a Lease: a DNS label. */
export const Label = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'use lower-case letters, digits and dashes');

/** What paths are put behind; without a slash at its end. */
export const BaseUrl = z
  .string()
  .regex(
    /^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/,
    'must begin with http:// or https://, and have no user, ? or #',
  )
  .transform((url) => url.replace(/\/+$/, ''));

/** A key, or the new one and the old one while it is rotated. */
export const KeyPair = z
  .array(z.instanceof(Buffer))
  .max(2, 'name at most two files: the new key and the old one');

const ALLOWED = /^([\w.-]+\/(?:[\w.-]+|\*))=([a-z0-9]([-a-z0-9]*[a-z0-9])?|\*)$/;

/** Repositories, and who may dispatch to each: `owner/name=namespace`, with `*` for any name or any namespace. */
export const GithubAllow = CommaSeparated.transform((entries, ctx) =>
  entries.map((entry) => {
    const [, repository = '', namespace = ''] = ALLOWED.exec(entry) ?? [];
    if (repository === '') ctx.addIssue({ code: 'custom', message: 'use OWNER/REPOSITORY=NAMESPACE' });
    return { repository, namespace };
  }),
);

/** By namespace. Written out in a Canary, so that others can read it: each opens no more than its own. */
export const FlaggerTokens = z.record(
  Label,
  z.string().min(16, 'a token has at least 16 characters').max(256),
);

const Texts = z.record(z.string(), z.string());
const Quantities = z.record(z.string(), z.union([z.string(), z.number().transform(String)]));

/** What every Job of a test gets. The API server judges the rest of it; a wrong shape would only be seen in a look. */
export const JobDefaults = z
  .strictObject({
    labels: Texts,
    annotations: Texts,
    nodeSelector: Texts,
    tolerations: z.array(
      z.strictObject({
        key: z.string().exactOptional(),
        operator: z.enum(['Exists', 'Equal']).exactOptional(),
        value: z.string().exactOptional(),
        effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).exactOptional(),
        tolerationSeconds: z.number().exactOptional(),
      }),
    ),
    resources: z.strictObject({ requests: Quantities.exactOptional(), limits: Quantities.exactOptional() }),
    imagePullSecrets: z.array(z.strictObject({ name: z.string() })),
    registry: z.string(),
    priorityClassName: z.string(),
  })
  .partial();

/** The mapping that a file holds; an issue when it holds none. */
export function yamlOf(path: string, content: Buffer | undefined, ctx: z.RefinementCtx): unknown {
  if (!content) return z.NEVER;
  try {
    const value: unknown = parseYaml(content.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
    ctx.addIssue({ code: 'custom', message: `${path} is not a YAML mapping` });
  } catch {
    ctx.addIssue({ code: 'custom', message: `${path} is neither YAML nor JSON` });
  }
  return z.NEVER;
}
