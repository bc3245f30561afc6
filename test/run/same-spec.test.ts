import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isSameSpec } from '../../src/run/same-spec.ts';

const ours = {
  backoffLimit: 0,
  template: {
    spec: {
      automountServiceAccountToken: false,
      volumes: [],
      containers: [
        {
          name: 'test',
          image: 'busybox:1',
          args: ['a', ''],
          env: [{ name: 'EMPTY', value: '' }],
          volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: false }],
          resources: { limits: { cpu: '1000m', memory: '1024Mi' } },
        },
      ],
    },
  },
};

/** As the API server writes it: canonical quantities, nothing empty, and defaults. */
function served() {
  return {
    backoffLimit: 0,
    completions: 1,
    suspend: false,
    template: {
      spec: {
        automountServiceAccountToken: false,
        dnsPolicy: 'ClusterFirst',
        containers: [
          {
            name: 'test',
            image: 'busybox:1',
            args: ['a', ''],
            env: [{ name: 'EMPTY' }],
            volumeMounts: [{ name: 'v', mountPath: '/v' }],
            resources: { limits: { cpu: '1', memory: '1Gi' } },
            imagePullPolicy: 'IfNotPresent',
          },
        ],
      },
    },
  };
}

test('what the API server makes of our spec is ours', () => {
  assert.equal(isSameSpec(ours, served()), true);
});

test('another value, item, or one item more is not ours', () => {
  for (const change of [
    { image: 'busybox:2' },
    { args: ['', 'a'] },
    { args: ['a'] },
    { args: ['a', '', 'b'] },
    { args: undefined },
    { env: [{ name: 'EMPTY', value: 'x' }] },
    { resources: { limits: { cpu: '2', memory: '1Gi' } } },
    { resources: {} },
  ]) {
    const theirs = served();
    Object.assign(theirs.template.spec.containers[0] ?? {}, change);
    assert.equal(isSameSpec(ours, theirs), false, JSON.stringify(change));
  }
  const second = served();
  const [first] = second.template.spec.containers;
  if (first) second.template.spec.containers.push(first);
  assert.equal(isSameSpec(ours, second), false);
});

test('a false that the API server would have kept is missed when it is gone', () => {
  const theirs = served();
  Object.assign(theirs.template.spec, { automountServiceAccountToken: undefined });
  assert.equal(isSameSpec(ours, JSON.parse(JSON.stringify(theirs))), false);
});

test('numbers are quantities only where quantities stand', () => {
  assert.equal(isSameSpec({ args: ['1000m'] }, { args: ['1'] }), false);
  assert.equal(isSameSpec({ limits: { cpu: 1 } }, { limits: { cpu: '1' } }), true);
  assert.equal(isSameSpec({ limits: { cpu: '0.1' } }, { limits: { cpu: '100m' } }), true);
  assert.equal(isSameSpec({ limits: { memory: '1G' } }, { limits: { memory: '1Gi' } }), false);
  assert.equal(isSameSpec({ limits: { memory: '1e3' } }, { limits: { memory: '1k' } }), true);
});

test('every value is the same as itself with more fields, and not the same as with one changed', () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  fc.assert(
    fc.property(json, fc.string({ minLength: 1 }), (value, text) => {
      assert.equal(isSameSpec({ value }, { value, more: 1 }), true);
      assert.equal(isSameSpec({ value, text }, { value, text: `${text}!` }), false);
    }),
  );
});
