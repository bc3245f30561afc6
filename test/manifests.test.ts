import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseConfig, settings } from '../src/config.ts';
import { KEYS, LINES, PARAMS } from '../src/decide/keys.ts';
import { HELM_TEST_ACCOUNT } from '../src/run/helm-test-container.ts';
import { JOB_KEYS } from '../src/run/labels.ts';
import { readSyncTest } from '../src/synctest.ts';
import {
  beside,
  documentsOf,
  filesOf,
  kustomizations,
  type Manifest,
  manifestsIn,
  only,
  validatorOf,
} from './support/manifests.ts';

const base = manifestsIn('base');
const examples = manifestsIn('examples');
const deployment = only(base, 'Deployment');
const { template } = deployment.spec as { template: { spec: PodSpec } };
const pod = template.spec;
const [container] = pod.containers;

interface PodSpec {
  readonly serviceAccountName: string;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: object;
  readonly containers: readonly [Container];
  readonly volumes?: readonly { readonly secret: { readonly secretName: string } }[];
}

interface Container {
  readonly image: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: object;
  readonly volumeMounts?: readonly { readonly mountPath: string }[];
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: string } };
}

describe('manifests', () => {
  test('are YAML, and each object says what it is', () => {
    const files = filesOf('.');
    assert.ok(files.length > 15);
    for (const file of files) {
      for (const document of documentsOf(file)) {
        const { apiVersion, kind } = document as Manifest;
        assert.ok(apiVersion && kind, file);
      }
    }
  });

  test('are in a kustomization, but for the examples', () => {
    const named = kustomizations().flatMap(({ file, resources = [], patches = [] }) =>
      [...resources, ...patches.flatMap(({ path }) => path ?? [])].map((path) => beside(file, path)),
    );
    const files = filesOf('.').filter((file) => !/^examples\/|(^|\/)kustomization\.yaml$/.test(file));
    assert.deepEqual(
      files.filter((file) => !named.includes(file)),
      [],
    );
    for (const path of named) assert.ok(path === 'base' || files.includes(path), path);
  });

  test('keep Flux from pruning the CRDs, and all that was ever tested with them', () => {
    const crds = base.filter(({ kind }) => kind === 'CustomResourceDefinition');
    assert.equal(crds.length, 2);
    for (const { metadata } of crds) {
      assert.equal(metadata.annotations?.['kustomize.toolkit.fluxcd.io/prune'], 'disabled');
    }
  });
});

describe('the service may do what it does, and no more', () => {
  /** Every call it makes: `src/` names the resource, this table the verbs. */
  const CALLS: Readonly<Record<string, string>> = {
    helmreleases: 'get list watch patch',
    synctests: 'get list watch',
    'synctests/status': 'patch',
    synctestruns: 'get list watch create delete',
    'synctestruns/status': 'patch',
    jobs: 'get list watch create patch',
    pods: 'list watch',
    events: 'list watch create',
    namespaces: 'list watch',
    deployments: 'get',
    statefulsets: 'get',
    daemonsets: 'get',
    tokenreviews: 'create',
    subjectaccessreviews: 'create',
    leases: 'get create patch',
  };
  const rules = [only(base, 'ClusterRole', 'postsync'), only(base, 'Role')]
    .flatMap((role) => role.rules as { resources: string[]; verbs: string[] }[])
    .filter(({ verbs }) => verbs.join() !== 'serve');
  const granted = new Map(
    rules.flatMap(({ resources, verbs }) =>
      resources.map((resource) => [resource, verbs.join(' ')] as const),
    ),
  );

  test('by the roles', () => {
    assert.deepEqual(Object.fromEntries(granted), CALLS);
  });

  test('and no role of the base grants Secrets, or anything by a wildcard', () => {
    const roles = base.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
    assert.equal(roles.length, 5);
    assert.doesNotMatch(JSON.stringify(roles), /secrets|"\*"/);
  });

  test('as far as calls can be read off the source, with what only components grant', () => {
    const files = readdirSync(new URL('../src/', import.meta.url), { recursive: true, encoding: 'utf8' });
    const sources = files
      .filter((file) => file.endsWith('.ts') && !file.startsWith('embedded'))
      .map((file) => readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8'));
    const calls = sources.flatMap((source) => [
      ...source.matchAll(/\.(get|list|create|patch|remove|watch)\(\s*\{ resource: '(\w+)'/g),
    ]);
    assert.ok(calls.length >= 5);
    for (const [, verb = '', resource = ''] of calls) {
      const verbs = granted.get(resource)?.split(' ') ?? [];
      if (resource === 'secrets' || resource === 'kustomizations') assert.equal(verb, 'get');
      else assert.ok(verbs.includes(verb === 'remove' ? 'delete' : verb), `${verb} ${resource}`);
    }
  });

  test('under the account that the bindings name', () => {
    const { name, namespace } = only(base, 'ServiceAccount').metadata;
    assert.equal(pod.serviceAccountName, name);
    const subject = { kind: 'ServiceAccount', name, namespace };
    for (const kind of ['ClusterRoleBinding', 'RoleBinding']) {
      assert.deepEqual(only(base, kind).subjects, [subject]);
    }
  });

  test('and is known to the admission policies in any namespace, by a verb that nobody else is given', () => {
    const { name, namespace = '' } = only(base, 'ServiceAccount').metadata;
    const policies = base.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');
    const text = JSON.stringify(policies);
    assert.ok(!text.includes(namespace));
    const names = text.match(/matches\('\^system:serviceaccount:[^']+'\) && [^ ]+\.check\('serve'\)/g) ?? [];
    assert.equal(names.length, 3);
    const account = new RegExp(/'(.*?)'/.exec(names[0])?.[1] as string);
    assert.match(`system:serviceaccount:elsewhere:${name}`, account);
    for (const other of [`a:x${name}`, `a:${name}-helm-test`, `a:b:${name}`, `a:${name}:b`]) {
      assert.doesNotMatch(`system:serviceaccount:${other}`, account);
    }
    const roles = base.filter((one) => JSON.stringify(one.rules ?? '').includes('"serve"'));
    assert.deepEqual(
      roles.map(({ kind, metadata }) => [kind, metadata.name]),
      [['ClusterRole', 'postsync']],
    );
  });

  test('with every admission policy in force', () => {
    const policies = base.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');
    assert.equal(policies.length, 4);
    for (const { metadata, spec } of policies) {
      assert.equal((spec as { failurePolicy: string }).failurePolicy, 'Fail');
      const binding = only(base, 'ValidatingAdmissionPolicyBinding', metadata.name);
      assert.deepEqual(binding.spec, { policyName: metadata.name, validationActions: ['Deny'] });
    }
  });

  test('on a HelmRelease to the keys that it writes', () => {
    const policy = JSON.stringify(only(base, 'ValidatingAdmissionPolicy', 'postsync-helmreleases').spec);
    const literal = /"name":"ours","expression":"'(.*?)'"/.exec(policy)?.[1] ?? '';
    const ours = new RegExp(literal.replaceAll('\\\\\\\\', '\\'));
    for (const key of [KEYS.result, KEYS.digest, KEYS.handled, `${LINES}smoke`]) assert.match(key, ours);
    for (const key of [
      'evilpostsync.dev/a',
      'postsyncxdev/a',
      'postsyn.dev/a',
      'reconcile.fluxcd.io/forceAt',
      'x/postsync.dev/',
    ]) {
      assert.doesNotMatch(key, ours);
    }
  });

  test('and on a Job guards every key that it goes by', () => {
    const { matchConstraints, validations } = only(base, 'ValidatingAdmissionPolicy', 'postsync-jobs')
      .spec as { matchConstraints: { objectSelector: object }; validations: [{ expression: string }] };
    assert.deepEqual(matchConstraints.objectSelector, {
      matchExpressions: [{ key: JOB_KEYS.runUid, operator: 'Exists' }],
    });
    const guarded = validations[0].expression.match(/(?<=')[^',]+(?=')/g);
    assert.deepEqual(guarded, Object.values(JOB_KEYS));
  });
});

describe('the Deployment', () => {
  test('is what Pod Security calls restricted, and cannot write its own files', () => {
    assert.deepEqual(pod.securityContext, {
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    const { labels } = only(base, 'Namespace').metadata;
    assert.equal(labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
  });

  test('gives the service more time to stop than it takes', () => {
    const { shutdownGraceMs } = defaults();
    assert.ok(pod.terminationGracePeriodSeconds * 1000 >= shutdownGraceMs + 10_000);
  });

  test('is probed at paths that there are', () => {
    const app = readFileSync(new URL('../src/receive/app.ts', import.meta.url), 'utf8');
    const probes = Object.entries(container).filter(([key]) => key.endsWith('Probe'));
    assert.equal(probes.length, 3);
    for (const [, probe] of probes as [string, Container['livenessProbe']][]) {
      assert.equal(probe?.httpGet.port, 'http');
      assert.ok(app.includes(`app.get('${probe.httpGet.path}'`), probe.httpGet.path);
    }
  });

  test('is reached at the port that the service listens on', () => {
    const [port] = container.ports;
    assert.deepEqual(port, { name: 'http', containerPort: defaults().port });
    const { ports } = only(base, 'Service').spec as { ports: object };
    assert.deepEqual(ports, [{ name: 'http', port: 80, targetPort: 'http' }]);
    assert.match(
      JSON.stringify(only(base, 'NetworkPolicy')),
      /"ports":\[\{"protocol":"TCP","port":"http"\}\]/,
    );
  });

  test('has settings that there are', () => {
    const known = settings().map(({ variable }) => variable);
    const wanted = [deployment, ...manifestsIn('components'), ...examples];
    const texts = [...wanted, ...kustomizations()].map((one) => JSON.stringify(one));
    const used = texts.flatMap((text) => text.match(/(?<!\$\()POSTSYNC_[A-Z_]+/g) ?? []);
    assert.ok(used.includes('POSTSYNC_TESTS_NAMESPACE') && used.includes('POSTSYNC_FLUX_HMAC_KEY_FILES'));
    for (const name of used) assert.ok(known.includes(name), name);
  });
});

describe('the component flux-alert', () => {
  const component = manifestsIn('components/flux-alert');
  const provider = only(component, 'Provider').spec as { address: string; secretRef: { name: string } };

  test('posts to the Service', () => {
    const { name, namespace } = only(base, 'Service').metadata;
    assert.equal(provider.address, `http://${name}.${namespace}.svc.cluster.local/flux`);
  });

  test('gives both sides the same Secret, and the service the file it reads', () => {
    const { spec } = only(component, 'Deployment') as unknown as { spec: { template: { spec: PodSpec } } };
    const patch = spec.template.spec;
    assert.equal(patch.volumes?.[0]?.secret.secretName, provider.secretRef.name);
    const [folder] = patch.containers[0].volumeMounts ?? [];
    const variable = { name: 'POSTSYNC_FLUX_HMAC_KEY_FILES', value: `${folder?.mountPath}/token` };
    assert.deepEqual(patch.containers[0].env, [variable]);
  });

  test('lets the events through that the service looks at', () => {
    const { inclusionList } = only(component, 'Alert').spec as { inclusionList: [string] };
    for (const action of ['install', 'upgrade', 'test']) {
      const message = `Helm ${action} succeeded for release apps/podinfo.v1 with chart podinfo@6.9.1`;
      assert.match(message, new RegExp(inclusionList[0]));
    }
  });
});

describe('the component flux-events', () => {
  const component = manifestsIn('components/flux-events');
  const [env] = (only(component, 'Deployment').spec as { template: { spec: PodSpec } }).template.spec
    .containers[0].env;
  const policy = only(examples, 'NetworkPolicy', 'allow-postsync-events');

  test('names an address of Flux, to which an example lets the service through', () => {
    assert.equal(env?.name, 'POSTSYNC_EVENT_ADDRESS');
    const parsed = parseConfig(
      [`--event-address=${env.value}`],
      {},
      { read: () => Buffer.from('a'), hostname: () => 'a' },
    );
    assert.ok(parsed.kind === 'config');
    assert.equal(
      new URL(parsed.config.eventAddress ?? '').hostname,
      `notification-controller.${policy.metadata.namespace}.svc.cluster.local.`,
    );
    const { ingress } = policy.spec as { ingress: { from?: object[] }[] };
    assert.deepEqual(ingress.at(-1)?.from, [
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': deployment.metadata.namespace } },
        podSelector: (deployment.spec as { selector: object }).selector,
      },
    ]);
  });
});

describe('the component helm-test', () => {
  const component = manifestsIn('components/helm-test');
  const rightsOf = (name: string) =>
    Object.fromEntries(
      (only(component, 'Role', name).rules as { resources: string[]; verbs: string[] }[]).flatMap(
        ({ resources, verbs }) => resources.map((resource) => [resource, verbs.join(' ')] as const),
      ),
    );

  test('gives the account of the Jobs what their program does, and no more', () => {
    assert.equal(only(component, 'ServiceAccount').metadata.name, HELM_TEST_ACCOUNT);
    assert.deepEqual(rightsOf(HELM_TEST_ACCOUNT), {
      pods: 'get list create delete',
      jobs: 'get create delete',
      configmaps: 'create delete',
      secrets: 'create delete',
      serviceaccounts: 'create delete',
    });
    assert.deepEqual(rightsOf(`${HELM_TEST_ACCOUNT}-storage`), { secrets: 'get' });
  });

  test('binds each role to that account', () => {
    const bindings = component.filter(({ kind }) => kind === 'RoleBinding');
    assert.equal(bindings.length, 2);
    for (const { metadata, roleRef, subjects } of bindings) {
      assert.equal((roleRef as { name: string }).name, metadata.name);
      assert.deepEqual(subjects, [{ kind: 'ServiceAccount', name: HELM_TEST_ACCOUNT }]);
    }
  });
});

describe('the component github-default', () => {
  test('mounts the Secret where the service reads it, and allows something', () => {
    const { spec } = only(manifestsIn('components/github-default'), 'Deployment') as unknown as {
      spec: { template: { spec: PodSpec } };
    };
    const [{ env, volumeMounts = [] }] = spec.template.spec.containers;
    assert.deepEqual(env, [
      { name: 'POSTSYNC_GITHUB_CREDENTIAL_DIRECTORY', value: volumeMounts[0]?.mountPath },
      { name: 'POSTSYNC_GITHUB_ALLOW', value: 'acme/e2e=apps' },
    ]);
    assert.equal(spec.template.spec.volumes?.[0]?.secret.secretName, 'postsync-github');
  });
});

describe('the component flagger', () => {
  test('gives the service the file with the tokens, from the Secret that it says how to make', () => {
    const { spec } = only(manifestsIn('components/flagger'), 'Deployment') as unknown as {
      spec: { template: { spec: PodSpec } };
    };
    const [{ env, volumeMounts = [] }] = spec.template.spec.containers;
    assert.deepEqual(env, [
      { name: 'POSTSYNC_FLAGGER_TOKENS_FILE', value: `${volumeMounts[0]?.mountPath}/tokens.yaml` },
    ]);
    assert.deepEqual(spec.template.spec.volumes?.[0]?.secret, {
      secretName: 'postsync-flagger',
      items: [{ key: 'tokens.yaml', path: 'tokens.yaml' }],
    });
  });
});

describe('the example of a canary', () => {
  const canary = only(examples, 'Canary');
  const { analysis } = canary.spec as {
    analysis: {
      webhooks: { type: string; url: string; timeout?: string; metadata: Record<string, string> }[];
    };
  };

  for (const { type, url, timeout = '10s', metadata } of analysis.webhooks) {
    const { host, pathname, searchParams } = new URL(url);

    test(`calls the Service at the address for ${type}, and waits longer than it is asked to`, () => {
      const { name, namespace } = only(base, 'Service').metadata;
      assert.equal(host, `${name}.${namespace}`);
      const role = { 'confirm-traffic-increase': 'gate', rollback: 'rollback' }[type];
      assert.equal(pathname, `/flagger/apps/podinfo/${role}`);
      assert.ok(Number.parseInt(timeout, 10) > Number.parseInt(searchParams.get('wait') ?? '0', 10));
    });

    test(`names for ${type} a test that is beside it, and is not run unless it is asked for`, () => {
      assert.deepEqual(Object.keys(metadata), ['tests', 'token']);
      const { file, metadata: named, spec } = only(examples, 'SyncTest', metadata['tests']);
      assert.deepEqual([file, named.namespace], [canary.file, canary.metadata.namespace]);
      assert.deepEqual((spec as { after: unknown }).after, []);
    });
  }
});

describe('an example', () => {
  const isValid = validatorOf('synctests');
  const syncTests = examples.filter(({ kind }) => kind === 'SyncTest');

  for (const one of syncTests) {
    test(`has a sound SyncTest ${one.metadata.name}`, () => {
      const { file, ...object } = one;
      assert.ok(isValid(object), JSON.stringify(isValid.errors));
      const metadata = { ...one.metadata, generation: 1, creationTimestamp: '2026-11-21T10:00:00Z' };
      assert.equal(readSyncTest({ ...object, metadata }).test.invalid, undefined, file);
    });
  }

  test('uses keys that there are', () => {
    const known: readonly string[] = Object.values(KEYS);
    const texts = examples.map((one) => JSON.stringify(one));
    const used = texts.flatMap(
      (text) => text.match(/(?<![\w.])(?:[a-z]+\.)?postsync\.dev\/(?!v1)\w[\w-]*/g) ?? [],
    );
    assert.ok(used.length > 5);
    for (const key of used) {
      assert.ok(known.includes(key) || key.startsWith(LINES) || key.startsWith(PARAMS), key);
    }
  });

  test('of each kind is there', () => {
    assert.equal(syncTests.length, 9);
    const kinds = new Set(examples.map(({ kind }) => kind));
    for (const kind of ['HelmRelease', 'Kustomization', 'GitRepository', 'Role'])
      assert.ok(kinds.has(kind), kind);
  });
});

function defaults() {
  const outside = { read: () => Buffer.from('postsync-system'), hostname: () => 'host' };
  const parsed = parseConfig([], {}, outside);
  assert.ok(parsed.kind === 'config');
  return parsed.config;
}
