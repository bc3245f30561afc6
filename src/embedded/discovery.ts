import { ACCESS_REVIEWS, type Registry, type ResourceType, TOKEN_REVIEWS } from './resources.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** What the API says of itself, by which kubectl finds its way. `undefined` for another path. */
export function discovery(registry: Registry, path: string): object | undefined {
  const fixed = FIXED[path];
  if (fixed) return fixed;
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
  const review = type === TOKEN_REVIEWS || type === ACCESS_REVIEWS;
  const entry = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: review ? ['create'] : VERBS,
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
