import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import { convert, type Document, parametersOf, type Route, routesOf } from './openapi.ts';

/** GitHub's own description of its API, cut down: scripts/github-description.ts. */
const FILE = new URL('../../fixtures/github/description.json', import.meta.url);

/** A request that the description knows. */
export interface Matched {
  /** `repos/create-dispatch-event` */
  readonly id: string;
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
}

export interface Description {
  match(method: string, path: string): Matched | undefined;
  requestFaults(matched: Matched, query: URLSearchParams, body: unknown): string[];
  answerFaults(matched: Matched, status: number, body: unknown): readonly string[];
}

let known: Description | undefined;

/** Made once for a process: to compile it takes a moment, and it never changes. */
export function description(): Description {
  known ??= createDescription(JSON.parse(readFileSync(FILE, 'utf8')) as Document);
  return known;
}

/** Formats of GitHub's that say no more than the type does. */
const LOOSE = ['email', 'uri', 'int32', 'int64', 'timestamp', 'repo.nwo'];
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
/**
 * Search syntax, which GitHub takes for `created` (docs: "search by date", of listing runs), though its description
 * says `date-time` only.
 */
const SEARCH = /^(>=|<=|>|<)?DATE$|^(DATE|\*)\.\.(DATE|\*)$/.source.replaceAll(
  'DATE',
  String.raw`\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d))?`,
);
const CREATED = new RegExp(SEARCH);

function createDescription(document: Document): Description {
  const ajv = new Ajv({ strict: false, allErrors: true });
  for (const name of LOOSE) ajv.addFormat(name, true);
  ajv.addFormat('date-time', DATE_TIME);
  ajv.addSchema(convert(document) as object, 'github');
  const routes = routesOf(document);
  const compiled = new Map<string, ValidateFunction>();

  function faults(pointer: string, value: unknown, what: string): readonly string[] {
    const validate = compiled.get(pointer) ?? ajv.compile({ $ref: `github#${pointer}` });
    compiled.set(pointer, validate);
    if (validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message, params }) => {
      const allowed = 'allowedValues' in params ? `: ${JSON.stringify(params['allowedValues'])}` : '';
      return `${what}${instancePath} ${message}${allowed}`;
    });
  }

  function parameterFaults({ route, path }: Matched, query: URLSearchParams): readonly string[] {
    const placed = parametersOf(route, document);
    const unknown = [...new Set(query.keys())].filter(
      (name) => !placed.some(({ parameter }) => parameter.in === 'query' && parameter.name === name),
    );
    const wrong = placed.flatMap(({ parameter, pointer }) => {
      const { name, required, schema } = parameter;
      const value = parameter.in === 'path' ? path[name] : (query.get(name) ?? undefined);
      if (value === undefined) return required ? [`${name} is missing`] : [];
      if (name === 'created' && CREATED.test(value)) return [];
      return faults(pointer, typed(value, schema.type), name);
    });
    return [...wrong, ...unknown.map((name) => `query has an unknown ${name}`)];
  }

  function bodyFaults({ route }: Matched, body: unknown): readonly string[] {
    const described = route.operation.requestBody;
    if (!described) return body === undefined ? [] : ['there is a body, though none is described'];
    if (body === undefined) return described.required ? ['the body is missing'] : [];
    const { properties = {} } = described.content['application/json'].schema;
    const unknown = Object.keys(Object(body)).filter((key) => !Object.hasOwn(properties, key));
    return [
      ...faults(`${route.pointer}/requestBody/content/application~1json/schema`, body, 'body'),
      ...unknown.map((key) => `body has an unknown ${key}`),
    ];
  }

  return {
    match(method, path) {
      for (const route of routes) {
        const found = route.method === method ? route.pattern.exec(path) : null;
        if (!found) continue;
        const values = found.slice(1).map(decodeURIComponent);
        const named = Object.fromEntries(route.names.map((name, index) => [name, values[index] ?? '']));
        return { id: route.operation.operationId, route, path: named };
      }
      return undefined;
    },
    requestFaults: (matched, query, body) => [
      ...parameterFaults(matched, query),
      ...bodyFaults(matched, body),
    ],
    answerFaults({ route }, status, body) {
      const { responses } = route.operation;
      const response = responses[status];
      if (status === 304) return body === undefined ? [] : ['a 304 has a body'];
      if (!response) {
        if (status < 400) return [`the description has no answer ${status}`];
        return faults('/components/schemas/basic-error', body, 'answer');
      }
      if (!response.$ref && !response.content) return body === undefined ? [] : [`a ${status} has a body`];
      const at = response.$ref?.slice(1) ?? `${route.pointer}/responses/${status}`;
      return faults(`${at}/content/application~1json/schema`, body, 'answer');
    },
  };
}

function typed(value: string, type: string | undefined): unknown {
  if (type === 'integer' && /^-?\d+$/.test(value)) return Number(value);
  if (type === 'boolean' && /^(true|false)$/.test(value)) return value === 'true';
  return value;
}
