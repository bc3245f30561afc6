import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import { suggestion } from './decide/nearest.ts';
import { PostsyncError } from './errors.ts';
import { argumentsOf, flagOf, nameOf, variableOf } from './flags.ts';
import { type Config, type Outside, schema } from './settings.ts';
import { VERSION } from './version.ts';

/** One setting, as people are told of it. */
export interface Setting {
  readonly flag: string;
  readonly variable: string;
  /** The default; empty where there is none. */
  readonly shown: string;
  /** Whether that can be typed, and is no description. */
  readonly isLiteral: boolean;
  readonly description: string;
}

/** All settings in the order of the schema. Nothing is read for it. */
export function settings(): Setting[] {
  const nowhere: Outside = { read: () => Buffer.alloc(0), hostname: () => '' };
  const { properties = {} } = z.toJSONSchema(schema(nowhere), { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, property]) => {
    const { description = '', default: fallback = '', shown } = property as Described;
    const isLiteral = shown === undefined;
    return {
      flag: flagOf(name),
      variable: variableOf(name),
      shown: shown ?? fallback,
      isLiteral,
      description,
    };
  });
}

interface Described {
  readonly description?: string;
  readonly default?: string;
  /** Said instead of the default, where that depends on the machine. */
  readonly shown?: string;
}

/** What `--help` prints. */
export function help(): string {
  const lines = settings().map(({ flag, variable, shown, description }) => {
    const fallback = shown === '' ? '' : ` (default: ${shown})`;
    return `  ${flag}, ${variable}${fallback}\n      ${description}\n`;
  });
  return `postsync runs your tests each time Flux has installed or upgraded a HelmRelease

Usage: postsync [flags]
       postsync run NAMESPACE/NAME …   runs the tests of a release again; see postsync run --help

Each setting is a flag or an environment variable; the flag wins. KUBECONFIG names the cluster outside of one.

${lines.join('')}
  --help
      Print this.
  --version
      Print the version.
`;
}

export type Parsed =
  | {
      readonly kind: 'config';
      readonly config: Config;
      /** Variables that look like settings and are none, in a sentence each. */
      readonly ignored: readonly string[];
    }
  /** Something to print, and no more. */
  | { readonly kind: 'text'; readonly text: string };

/**
 * The whole configuration, from flags and environment, once, at start. Reports every problem at a time.
 *
 * @throws {PostsyncError} `CONFIG_INVALID`
 */
export function parseConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  outside: Outside = { read: (path) => readFileSync(path), hostname },
): Parsed {
  refuseCommand(argv);
  const { flags, texts, problems } = gather(argv, env);
  const text = wanted(flags);
  if (text !== undefined) return { kind: 'text', text };
  const given = [...texts].filter(([, { text }]) => text !== '').map(([name, { text }]) => [name, text]);
  const parsed = schema(outside).safeParse(Object.fromEntries(given));
  for (const { message, path } of parsed.error?.issues ?? []) {
    const [name = '', ...inside] = path.map(String);
    const key = inside.length > 0 ? `, ${inside.join('.')}` : '';
    problems.push(`✖ ${message}\n  → at ${texts.get(name)?.from ?? variableOf(name)}${key}`);
  }
  if (parsed.success && problems.length === 0) {
    return { kind: 'config', config: parsed.data, ignored: ignored(env) };
  }
  throw new PostsyncError('CONFIG_INVALID', `the configuration is not valid\n${problems.join('\n')}`);
}

/** Whoever begins with a word means a command. */
function refuseCommand([first = '-']: readonly string[]): void {
  if (first.startsWith('-') || first === 'help') return;
  const what = `there is no command ${first}: postsync run NAMESPACE/NAME runs tests, and flags alone start the service`;
  throw new PostsyncError('CONFIG_INVALID', `${what}\nsee: postsync --help`);
}

/** What to print instead of serving. */
function wanted(flags: ReadonlySet<string>): string | undefined {
  if (['--help', '-h', 'help'].some((flag) => flags.has(flag))) return help();
  return flags.has('--version') ? `${VERSION}\n` : undefined;
}

/** The text of each setting that was given, and the flag or variable it is from; and which flags were given. */
function gather(argv: readonly string[], env: Readonly<Record<string, string | undefined>>) {
  const texts = new Map<string, { readonly text: string; readonly from: string }>();
  const problems: string[] = [];
  const known = settings();
  for (const { flag, variable } of known) {
    const text = env[variable];
    if (text !== undefined && !isServiceLink(text)) texts.set(nameOf(flag), { text, from: variable });
  }

  const knownFlags = known.map(({ flag }) => flag);
  const given = argumentsOf(argv, knownFlags);
  for (const { flag, value } of given) {
    if (!flag.startsWith('-')) problems.push(`✖ unexpected argument\n  → at ${flag}`);
    else if (!knownFlags.includes(flag))
      problems.push(`✖ no such flag${suggestion(flag, knownFlags)}\n  → at ${flag}`);
    else if (value === undefined) problems.push(`✖ needs a value\n  → at ${flag}`);
    else texts.set(nameOf(flag), { text: value, from: flag });
  }
  return { texts, problems, flags: new Set(given.map(({ flag }) => flag)) };
}

/** What is likely a mistyped setting. It is told, not refused: others may have variables of such names, too. */
function ignored(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = settings().map(({ variable }) => variable);
  return Object.keys(env)
    .filter((name) => name.startsWith('POSTSYNC_') && !known.includes(name) && !SERVICE_LINK.test(name))
    .map((name) => `${name} is not a setting of postsync, and does nothing${suggestion(name, known)}`);
}

/** What else Kubernetes gives Pods for a Service called postsync, or postsync-… */
const SERVICE_LINK = /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/;

/**
 * Kubernetes gives Pods `POSTSYNC_PORT=tcp://…` where a Service is called postsync, unless `enableServiceLinks` is
 * false. That is not meant for us.
 */
function isServiceLink(text: string): boolean {
  return /^(tcp|udp):\/\//.test(text);
}
