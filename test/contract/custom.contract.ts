import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type Answer, eventually, type Subject, type Thing } from './subject.ts';

const GROUP = `g${randomBytes(3).toString('hex')}.contract.example`;

const schema = {
  type: 'object',
  required: ['spec'],
  'x-kubernetes-validations': [
    { rule: "self.metadata.name.size() <= 10 && !(self.metadata.name in ['http'])", message: 'another name' },
  ],
  properties: {
    spec: {
      type: 'object',
      required: ['release'],
      'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'spec is immutable' }],
      properties: {
        release: { type: 'string', minLength: 1, maxLength: 5, pattern: '^[a-z]+$' },
        mode: { type: 'string', enum: ['a', 'b'], default: 'a' },
        count: { type: 'integer', minimum: 0, maximum: 5 },
        at: { type: 'string', format: 'date-time' },
        list: {
          type: 'array',
          maxItems: 2,
          items: { type: 'object', required: ['x'], properties: { x: { type: 'string' } } },
        },
        rules: {
          type: 'object',
          'x-kubernetes-validations': [
            { rule: '[has(self.a), has(self.b)].filter(given, given).size() == 1', message: 'give a or b' },
            { rule: "!has(self.names) || self.names.all(name, name.matches('^[a-z]+$') && name != self.b)" },
          ],
          properties: {
            a: { type: 'string', maxLength: 20 },
            b: { type: 'string', maxLength: 20 },
            wait: {
              type: 'string',
              maxLength: 20,
              'x-kubernetes-validations': [
                { rule: "duration(self) >= duration('1s') || self == 'none'", message: 'at least a second' },
              ],
            },
            names: { type: 'array', maxItems: 5, items: { type: 'string', maxLength: 20 } },
          },
        },
        open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
    status: { type: 'object', properties: { phase: { type: 'string' }, count: { type: 'integer' } } },
  },
};

/** A kind like postsync's own: a CRD with a status subresource, rules, selectable fields and columns. */
const CRD = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `widgets.${GROUP}` },
  spec: {
    group: GROUP,
    scope: 'Namespaced',
    names: {
      kind: 'Widget',
      listKind: 'WidgetList',
      plural: 'widgets',
      singular: 'widget',
      shortNames: ['wi'],
    },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        selectableFields: [{ jsonPath: '.spec.release' }, { jsonPath: '.status.phase' }],
        additionalPrinterColumns: [
          { name: 'Release', type: 'string', jsonPath: '.spec.release' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: { openAPIV3Schema: schema },
      },
    ],
  },
};

const widget = (name: string, spec: object | undefined, more: object = {}) => ({
  apiVersion: `${GROUP}/v1`,
  kind: 'Widget',
  metadata: { name },
  ...(spec && { spec }),
  ...more,
});
/** What a refusal says is wrong. */
const faults = ({ status, body }: Answer) => {
  assert.equal(status, 422, body.message);
  return (body.details?.causes ?? []).map(({ field, message }) => `${field}: ${message}`);
};

/** What postsync relies on of kinds that a CRD defines. */
export function customContract(open: () => Promise<Subject>): void {
  describe('custom resources', () => {
    let subject: Subject;
    const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    before(async () => {
      subject = await open();
      await subject.raw('POST', crds, { body: CRD });
      await eventually('the CRD is served', async () => (await subject.raw('GET', path())).status === 200);
    });
    after(async () => {
      await subject.raw('DELETE', `${crds}/${CRD.metadata.name}`);
      await subject.close();
    });

    const path = (name = '') =>
      `/apis/${GROUP}/v1/namespaces/${subject.namespace}/widgets${name && `/${name}`}`;
    const create = (name: string, spec: object | undefined, more?: object) =>
      subject.raw('POST', path(), { body: widget(name, spec, more) });
    const merge = (at: string, body: object) =>
      subject.raw('PATCH', at, { body, type: 'application/merge-patch+json' });

    test('a new object has generation 1, defaults, no status, and nothing that its schema does not know', async () => {
      const more = { status: { phase: 'X' }, junk: 1 };
      const { status, body } = await create('fresh', { release: 'abc', junk: 1, open: { kept: 1 } }, more);
      assert.equal(status, 201);
      assert.equal(body.metadata.generation, 1);
      assert.deepEqual(body.spec, { release: 'abc', mode: 'a', open: { kept: 1 } });
      assert.equal(body.status, undefined);
      assert.equal('junk' in body, false);
    });

    test('an object says its kind', async () => {
      const { kind: _, ...body } = widget('kindless', { release: 'abc' });
      const { status, body: answer } = await subject.raw('POST', path(), { body });
      assert.equal(status, 400);
      assert.match(answer.message ?? '', /must be of type Widget\): Object 'Kind' is missing in/);
    });

    test('unknown fields are refused, by name, when asked to be', async () => {
      const body = widget('strict', { release: 'abc', junk: 1, list: [{ x: 'a', y: 1 }] }, { more: 1 });
      const { status, body: answer } = await subject.raw('POST', `${path()}?fieldValidation=Strict`, {
        body,
      });
      assert.equal(status, 400);
      assert.equal(
        answer.message,
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "more", ' +
          'unknown field "spec.junk", unknown field "spec.list[0].y"',
      );
    });

    const wrong = async (spec: object | undefined) => faults(await create('wrong', spec))[0];

    test('what the schema says is wrong is said field by field', async () => {
      assert.equal(await wrong(undefined), 'spec: Required value');
      assert.equal(await wrong({}), 'spec.release: Required value');
      assert.equal(await wrong({ release: null }), 'spec.release: Required value');
      assert.equal(
        await wrong({ release: 5 }),
        'spec.release: Invalid value: "integer": spec.release in body must be of type string: "integer"',
      );
      assert.equal(
        await wrong({ release: 'abcdef' }),
        'spec.release: Too long: may not be more than 5 bytes',
      );
      assert.equal(
        await wrong({ release: '' }),
        'spec.release: Invalid value: "": spec.release in body should be at least 1 chars long',
      );
      assert.equal(
        await wrong({ release: 'A' }),
        `spec.release: Invalid value: "A": spec.release in body should match '^[a-z]+$'`,
      );
      assert.equal(
        await wrong({ release: 'a', mode: 'c' }),
        'spec.mode: Unsupported value: "c": supported values: "a", "b"',
      );
      assert.equal(
        await wrong({ release: 'a', count: 6 }),
        'spec.count: Invalid value: 6: spec.count in body should be less than or equal to 5',
      );
      assert.equal(await wrong({ release: 'a', list: [{}] }), 'spec.list[0].x: Required value');
      assert.equal(
        await wrong({ release: 'a', list: [{ x: 'a' }, { x: 'a' }, { x: 'a' }] }),
        'spec.list: Too many: 3: must have at most 2 items',
      );
      assert.equal(
        await wrong({ release: 'a', at: 'noon' }),
        'spec.at: Invalid value: "noon": spec.at in body must be of type date-time: "noon"',
      );
    });

    test('a rule that compares with the old object makes a spec immutable, and leaves the rest alone', async () => {
      await create('fixed', { release: 'abc' });
      assert.deepEqual(faults(await merge(path('fixed'), { spec: { release: 'x' } })), [
        'spec: Invalid value: spec is immutable',
      ]);
      assert.equal((await merge(path('fixed'), { metadata: { labels: { a: 'b' } } })).status, 200);
    });

    const ruled = (rules: object, name = 'ruled') =>
      subject.raw('POST', `${path()}?dryRun=All`, { body: widget(name, { release: 'abc', rules }) });

    test('rules are asked about what is created', async () => {
      assert.equal((await ruled({ a: 'x', wait: '1m30s', names: ['y'] })).status, 422, 'b is not there');
      assert.equal((await ruled({ b: 'x', wait: '1m30s', names: ['y'] })).status, 201);
      assert.equal((await ruled({ a: 'x', wait: 'none' })).status, 201, 'an error beside what holds is none');
      assert.deepEqual(faults(await ruled({})), ['spec.rules: Invalid value: give a or b']);
      assert.deepEqual(faults(await ruled({ a: 'x', b: 'y' })), ['spec.rules: Invalid value: give a or b']);
      assert.deepEqual(faults(await ruled({ a: 'x', wait: '10ms' })), [
        'spec.rules.wait: Invalid value: "10ms": at least a second',
      ]);
      assert.match(faults(await ruled({ b: 'y', names: ['y'] }))[0] ?? '', /^spec\.rules: Invalid value: /);
      assert.deepEqual(faults(await ruled({ a: 'x' }, 'http')), ['<nil>: Invalid value: another name']);
      assert.deepEqual(faults(await ruled({ a: 'x' }, 'elevenchars')), [
        '<nil>: Invalid value: another name',
      ]);
    });

    test('status is written under /status alone, and nothing else is written there', async () => {
      const { body: made } = await create('split', { release: 'abc' });
      const by = await merge(`${path('split')}?fieldManager=contract`, { status: { phase: 'Y' } });
      assert.equal(by.body.status, undefined);
      const change = {
        status: { phase: 'Y', junk: 1 },
        spec: { release: 'x' },
        metadata: { labels: { a: 'b' } },
      };
      const { body } = await merge(`${path('split')}/status?fieldManager=contract`, change);
      assert.deepEqual(body.status, { phase: 'Y' });
      assert.deepEqual(body.spec, made.spec);
      assert.equal(body.metadata.labels, undefined);
      assert.equal(body.metadata.generation, 1);
      const entry = body.metadata.managedFields?.find(({ subresource }) => subresource === 'status');
      assert.equal(entry?.manager, 'contract');
    });

    test('a status that the schema refuses is refused', async () => {
      await create('typed', { release: 'abc' });
      const [first] = faults(await merge(`${path('typed')}/status`, { status: { phase: 3 } }));
      assert.match(first ?? '', /^status\.phase: Invalid value: "integer"/);
    });

    test('the version guards a status as well', async () => {
      const { body } = await create('guarded', { release: 'abc' });
      const { resourceVersion } = body.metadata;
      const write = (phase: string) =>
        merge(`${path('guarded')}/status`, { metadata: { resourceVersion }, status: { phase } });
      assert.equal((await write('A')).status, 200);
      assert.equal((await write('B')).body.reason, 'Conflict');
    });

    test('metadata raises no generation, and a deletion that waits for a finalizer raises it', async () => {
      await create('held', { release: 'abc' });
      const finalizers = ['contract.example/held'];
      const { body: held } = await merge(path('held'), { metadata: { finalizers, annotations: { a: 'b' } } });
      assert.equal(held.metadata.generation, 1);
      const { body: deleting } = await subject.raw('DELETE', path('held'));
      assert.equal(deleting.metadata.generation, 2);
      assert.ok(deleting.metadata.deletionTimestamp);
      const { body: again } = await subject.raw('DELETE', path('held'));
      assert.equal(again.metadata.resourceVersion, deleting.metadata.resourceVersion);
      const more = { metadata: { finalizers: [...finalizers, 'contract.example/more'] } };
      assert.match(faults(await merge(path('held'), more))[0] ?? '', /no new finalizers can be added/);
      assert.equal((await merge(path('held'), { metadata: { finalizers: null } })).status, 200);
      assert.equal((await subject.raw('GET', path('held'))).status, 404);
    });

    test('selectable fields select', async () => {
      await create('one', { release: 'one' });
      await create('two', { release: 'two' });
      await merge(`${path('two')}/status`, { status: { phase: 'Done' } });
      const select = async (selector: string) => {
        const { body } = await subject.raw('GET', `${path()}?fieldSelector=${encodeURIComponent(selector)}`);
        return body.items.map(({ metadata }) => metadata.name);
      };
      assert.deepEqual(await select('spec.release=one'), ['one']);
      assert.deepEqual(await select('status.phase=Done,spec.release!=one'), ['two']);
      const { status, body } = await subject.raw('GET', `${path()}?fieldSelector=spec.mode%3Da`);
      assert.equal(status, 400);
      assert.equal(body.message, 'field label not supported: spec.mode');
    });

    test('items of custom kinds say their kind', async () => {
      await create('item', { release: 'abc' });
      const { body } = await subject.raw('GET', path());
      assert.equal(body.kind, 'WidgetList');
      assert.equal(body.items[0]?.kind, 'Widget');
    });

    test('what lost its owner is deleted, and so is what names an owner that is not in its namespace', async () => {
      const { body: owner } = await create('owner', { release: 'abc' });
      const owned = (name: string, uid: string) => {
        const reference = { apiVersion: `${GROUP}/v1`, kind: 'Widget', name: 'owner', uid };
        return create(name, { release: 'abc' }, { metadata: { name, ownerReferences: [reference] } });
      };
      assert.equal((await owned('child', owner.metadata.uid)).status, 201);
      await owned('stray', '00000000-0000-4000-8000-000000000000');
      const gone = (name: string) => async () => (await subject.raw('GET', path(name))).status === 404;
      await eventually('the stray is gone', gone('stray'));
      assert.equal((await subject.raw('GET', path('child'))).status, 200);
      await subject.raw('DELETE', path('owner'));
      await eventually('the child is gone', gone('child'));
      assert.match(faults(await owned('nameless', ''))[0] ?? '', /metadata\.ownerReferences\.uid/);
    });

    test('a strategic merge patch is not for custom kinds', async () => {
      await create('plain', { release: 'abc' });
      const type = 'application/strategic-merge-patch+json';
      assert.equal((await subject.raw('PATCH', path('plain'), { body: {}, type })).status, 415);
    });

    test('it is found by discovery, and shown as a table with its columns', async () => {
      await create('shown', { release: 'abc' });
      const { body: found } = await subject.raw('GET', `/apis/${GROUP}/v1`);
      const { resources } = found as unknown as { resources: { name: string; shortNames?: string[] }[] };
      assert.deepEqual(
        resources.map(({ name }) => name),
        ['widgets', 'widgets/status'],
      );
      assert.deepEqual(resources[0]?.shortNames, ['wi']);
      const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
      const { body } = await subject.raw('GET', path('shown'), { accept });
      const { columnDefinitions, rows } = body as unknown as {
        columnDefinitions: { name: string }[];
        rows: { cells: unknown[]; object: Thing }[];
      };
      assert.deepEqual(
        columnDefinitions.map(({ name }) => name),
        ['Name', 'Release', 'Age'],
      );
      assert.deepEqual(rows[0]?.cells.slice(0, 2), ['shown', 'abc']);
      assert.equal(rows[0]?.object.kind, 'PartialObjectMetadata');
    });
  });
}
