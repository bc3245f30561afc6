import { apiVersionOf, REVIEWS, type Registry, type ResourceType } from './resources.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** What the API says of itself, by which kubectl finds its way. `undefined` for another path. */
export function discovery(registry: Registry, path: string): object | undefined {
  const fixed = FIXED[path];
  if (fixed) return fixed;
  if (path.startsWith(OPENAPI)) return openApi(registry, path.slice(OPENAPI.length + 1));
  if (path === '/apis') {
    const groups = [...new Set(registry.all.map(({ group }) => group))].filter((group) => group !== '');
    return {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: groups.map((group) => groupOf(registry, group)),
    };
  }
  const [, root, group = '', version, ...more] = path.split('/');
  if (more.length > 0) return undefined;
  if (root === 'api') return version === undefined ? resourcesOf(registry, '', group) : undefined;
  if (root !== 'apis') return undefined;
  if (version !== undefined) return resourcesOf(registry, group, version);
  const found = groupOf(registry, group);
  return found.versions.length > 0 ? { kind: 'APIGroup', apiVersion: 'v1', ...found } : undefined;
}

const FIXED: Readonly<Record<string, object>> = {
  '/version': { major: '1', minor: '36', gitVersion: 'v1.36.0+embedded', platform: 'embedded' },
  '/api': { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] },
};

const OPENAPI = '/openapi/v3';

/** No schemas: only what kubectl looks for before it leaves the checking of fields to the server. */
function openApi(registry: Registry, path: string): object | undefined {
  if (path === '') {
    const entries = registry.all
      .map(rootOf)
      .map((root) => [root, { serverRelativeURL: `${OPENAPI}/${root}` }]);
    return { paths: Object.fromEntries(entries) };
  }
  const parameters = [{ name: 'fieldValidation', in: 'query', schema: { type: 'string' } }];
  const paths = registry.all
    .filter((type) => rootOf(type) === path)
    .map(({ group, version, kind, plural }) => {
      const operation = {
        'x-kubernetes-group-version-kind': { group, version, kind },
        parameters,
        responses: {},
      };
      return [`/${path}/namespaces/{namespace}/${plural}/{name}`, { patch: operation }];
    });
  const info = { title: 'embedded', version: '0' };
  return paths.length > 0 ? { openapi: '3.0.0', info, paths: Object.fromEntries(paths) } : undefined;
}

function rootOf(type: ResourceType): string {
  return `${type.group ? 'apis' : 'api'}/${apiVersionOf(type)}`;
}

function groupOf(registry: Registry, name: string) {
  const found = registry.all.filter(({ group }) => group === name).map(({ version }) => version);
  const versions = [...new Set(found)].map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

function resourcesOf(registry: Registry, group: string, version: string): object | undefined {
  const types = registry.all.filter((type) => type.group === group && type.version === version);
  if (types.length === 0) return undefined;
  const groupVersion = group ? `${group}/${version}` : version;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: types.flatMap(entriesOf) };
}

function entriesOf(type: ResourceType): readonly object[] {
  const { plural, singular, namespaced, kind, shortNames } = type;
  const entry = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: REVIEWS.has(type) ? ['create'] : VERBS,
  };
  const part = (name: string, verbs: readonly string[]) => ({
    name: `${plural}/${name}`,
    singularName: '',
    namespaced,
    kind,
    verbs,
  });
  return [
    { ...entry, ...(shortNames.length > 0 && { shortNames }) },
    ...(type.hasStatus ? [part('status', ['get', 'patch', 'update'])] : []),
    ...(plural === 'pods' && type.group === '' ? [part('log', ['get'])] : []),
  ];
}
