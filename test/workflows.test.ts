import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { type Dispatched, dispatched, shown } from './support/dispatched.ts';
import { type Expression, expressionsIn, fillIn, parse, partsOf } from './support/github/expressions.ts';
import { manifestsIn, only, validatorOf } from './support/manifests.ts';
import {
  problemOf,
  type Step,
  textOf,
  textsOf,
  type Workflow,
  workflowOf,
  workflows,
} from './support/workflows.ts';

const examples = workflows();
/** Those that something outside of GitHub starts. */
const started = [...examples].filter(([, { on }]) => !('workflow_call' in on));
const CALLBACK = { url: 'https://postsync.example.com/api/v1/runs/apps/x', token: 'pst_x' };
const SENT = '(github.event.client_payload.postsync || fromJSON(inputs.postsync))';

function stepsOf({ jobs }: Workflow): Step[] {
  return Object.values(jobs).flatMap(({ steps = [] }) => steps);
}

/** Every expression of a workflow, those of `if` included. */
function expressionsOf(workflow: Workflow): Expression[] {
  return textsOf(workflow).flatMap(([path, text]) =>
    path.endsWith('/if') ? [parse(text)] : expressionsIn(text),
  );
}

/** Whether an expression is what postsync has sent. */
function isSent(expression: Expression): boolean {
  if (expression.kind === '||') return isSent(expression.left) && isSent(expression.right);
  if (expression.kind === 'call')
    return expression.name === 'fromJSON' && pathOf(expression.given[0]).endsWith('inputs.postsync');
  return pathOf(expression) === 'github.event.client_payload.postsync';
}

function pathOf(expression: Expression | undefined): string {
  if (expression?.kind === 'context') return expression.name;
  return expression?.kind === 'property' ? `${pathOf(expression.of)}.${expression.key}` : '?';
}

/** The keys of what postsync has sent that a workflow's expressions read. */
function keysRead(workflow: Workflow): string[] {
  const parts = expressionsOf(workflow).flatMap(partsOf);
  return [
    ...new Set(parts.flatMap((part) => (part.kind === 'property' && isSent(part.of) ? [part.key] : []))),
  ];
}

/** What a workflow needs to be sent. */
function schemaOf(workflow: Workflow) {
  const text = z.union([z.string().min(1), z.number()]);
  return z.object(
    Object.fromEntries(
      keysRead(workflow).map((key) => [key, key === 'callback' ? z.looseObject({}).optional() : text]),
    ),
  );
}

/** The tests of the README that start a workflow. */
function dispatchesTo(file: string, { on }: Workflow): Dispatched[] {
  const { types = [] } = (on['repository_dispatch'] ?? {}) as { types?: string[] };
  const all = shown().map((object) => dispatched(object, CALLBACK));
  return all.filter(({ trigger, to }) =>
    trigger === 'workflow_dispatch' ? to === file : types.includes(to),
  );
}

describe('the README of the example workflows', () => {
  const readme = textOf('README.md');

  test('begins by saying that they are not the CI of this repository', () => {
    const [, , first = ''] = readme.split('\n');
    assert.match(first, /^This folder is not this repository's own CI/);
  });

  test('names every file, and no other', () => {
    const named = [...readme.matchAll(/\]\(([\w.-]+\.yaml)\)/g)].map(([, file]) => file);
    assert.deepEqual(new Set(named), new Set(examples.keys()));
    for (const [, path = ''] of readme.matchAll(/\]\((\.\.[^)#]*)\)/g)) {
      assert.ok(existsSync(new URL(`../workflows/${path}`, import.meta.url)), path);
    }
  });

  test('shows SyncTests that the API takes, and each starts an example', () => {
    const validate = validatorOf('synctests');
    for (const object of shown()) {
      assert.ok(validate(object), JSON.stringify(validate.errors));
      const { trigger, to } = dispatched(object);
      assert.ok(
        started.some(([file, workflow]) => dispatchesTo(file, workflow).some((one) => one.to === to)),
        `${trigger} ${to}`,
      );
    }
  });

  test('uses one Secret, which the component github lets postsync read', () => {
    const { rules } = only(manifestsIn('components/github'), 'Role') as unknown as {
      rules: { resourceNames: string[] }[];
    };
    const made = [...readme.matchAll(/create secret generic (\S+)/g)].map(([, secret]) => secret);
    const used = shown().map(({ spec }) => spec.github.secretRef?.name);
    assert.deepEqual(new Set([...made, ...used]), new Set(rules[0]?.resourceNames));
  });

  test('shows what is sent, with all its keys', () => {
    const [, block = ''] = /```json\n(.*?)```/s.exec(readme) ?? [];
    const said = JSON.parse(block) as Record<string, object>;
    const { ours } = dispatched(shown()[0]!, CALLBACK);
    assert.deepEqual(Object.keys(said), Object.keys(ours));
    assert.deepEqual(Object.keys(said['callback'] ?? {}), Object.keys(CALLBACK));
  });
});

describe('example workflows', () => {
  for (const [file, workflow] of started) {
    const dispatches = dispatchesTo(file, workflow);
    const triggers = Object.keys(workflow.on);

    test(`${file}: there is a test in the README for each of its triggers`, () => {
      assert.deepEqual(new Set(dispatches.map(({ trigger }) => trigger)), new Set(triggers));
    });

    for (const { trigger, run, ours, event, contexts } of dispatches) {
      test(`${file} by ${trigger}: what it reads is what is sent`, () => {
        assert.ok(keysRead(workflow).includes('run'));
        const { error } = schemaOf(workflow).safeParse(ours);
        assert.equal(error, undefined, error && z.prettifyError(error));
      });

      test(`${file} by ${trigger}: its run is found by its name, and does not run beside itself`, () => {
        const title = fillIn(workflow['run-name'] ?? '', contexts);
        assert.ok(title.includes(run.ref.name), title);
        assert.equal(fillIn(workflow.concurrency?.group ?? '', contexts), `postsync-${run.ref.name}`);
      });

      test(`${file} by ${trigger}: it takes each input that is sent, and needs no other`, () => {
        const { inputs = {} } = (workflow.on['workflow_dispatch'] ?? {}) as {
          inputs?: Record<string, { required?: boolean }>;
        };
        if (trigger !== 'workflow_dispatch') return;
        const given = Object.keys((event as { inputs: object }).inputs);
        assert.deepEqual(
          given.filter((name) => !(name in inputs)),
          [],
        );
        const needed = Object.entries(inputs).filter(([, { required }]) => required);
        assert.deepEqual(
          needed.filter(([name]) => !given.includes(name)),
          [],
        );
      });
    }
  }

  test('that postsync starts listen each to an event type of its own', () => {
    const types = started.flatMap(
      ([, { on }]) => (on['repository_dispatch'] as { types?: string[] } | undefined)?.types ?? [],
    );
    assert.equal(new Set(types).size, types.length);
    assert.ok(types.includes('postsync'));
  });

  for (const [file, workflow] of examples) {
    test(`${file}: nothing that was sent is pasted into a script`, () => {
      for (const { run = '' } of stepsOf(workflow)) assert.deepEqual(expressionsIn(run), []);
    });

    test(`${file}: no variable or input that a log shows has the token of the callback`, () => {
      for (const [path, text] of textsOf(workflow).filter(([path]) => !path.endsWith('/if'))) {
        for (const expression of expressionsIn(text)) {
          assert.ok(!isSent(expression), path);
          assert.ok(
            !partsOf(expression).some((part) => part.kind === 'property' && part.key === 'callback'),
            path,
          );
          assert.ok(
            !partsOf(expression).some((part) => part.kind === 'call' && part.name !== 'fromJSON'),
            path,
          );
        }
      }
    });

    test(`${file}: jobs are given what they need, and end in time`, () => {
      assert.deepEqual(workflow.permissions, {});
      for (const [name, { permissions = {}, steps, uses, ...job }] of Object.entries(workflow.jobs)) {
        const expected = {
          ...((uses ?? steps?.some((step) => step.uses?.startsWith('actions/checkout@'))) && {
            contents: 'read',
          }),
          ...((uses ?? steps?.some((step) => step.name === 'Call back')) && { 'id-token': 'write' }),
        };
        assert.deepEqual(permissions, expected, name);
        assert.equal('timeout-minutes' in job, uses === undefined, name);
      }
    });

    test(`${file}: bash can read its scripts`, async () => {
      for (const { run, name } of stepsOf(workflow)) {
        if (run !== undefined) assert.equal(await problemOf(run), '', name);
      }
      if (stepsOf(workflow).length > 0) assert.deepEqual(workflow.defaults, { run: { shell: 'bash' } });
    });

    test(`${file}: actions of others are named by the hash of a commit, with their version beside it`, () => {
      const uses = [...textOf(file).matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map(([, name = '']) => name);
      for (const name of uses)
        assert.match(
          name,
          /^\.\/\.github\/workflows\/[\w-]+\.yaml$|^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/,
        );
    });
  }

  test('call back by the same script everywhere, in a job that is not there where it cannot', () => {
    const scripts = [...examples.values()].flatMap(({ jobs }) =>
      Object.values(jobs).flatMap((job) =>
        (job.steps ?? []).filter(({ name }) => name === 'Call back').map((step) => ({ job, step })),
      ),
    );
    assert.equal(scripts.length, 4);
    assert.equal(new Set(scripts.map(({ step }) => step.run)).size, 1);
    for (const { job, step } of scripts) {
      assert.equal(step['continue-on-error'], true);
      assert.match(job.if ?? '', /\.callback$/);
    }
  });
});

describe('the above', () => {
  const smoke = textOf('smoke.yaml');

  test('notices a key that is not sent', () => {
    const changed = workflowOf(smoke.replace(`${SENT}.chartVersion`, `${SENT}.version`));
    assert.equal(schemaOf(changed).safeParse(dispatched(shown()[0]!).ours).success, false);
  });
});
