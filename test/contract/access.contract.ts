import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Subject, Thing } from './subject.ts';

const event = (name: string, namespace: string) => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name },
  involvedObject: { apiVersion: 'v1', kind: 'ConfigMap', name: 'thing', namespace, uid: 'u' },
  type: 'Warning',
  reason: 'Because',
  message: 'so',
  count: 1,
  firstTimestamp: '2026-11-21T10:00:00Z',
  lastTimestamp: '2026-11-21T10:00:00Z',
  reportingComponent: 'contract',
  source: { component: 'contract' },
});

/** What postsync relies on to know who asks, and what they may; and of Events. */
export function accessContract(open: () => Promise<Subject>): void {
  describe('reviews and Events', () => {
    let subject: Subject;
    before(async () => {
      subject = await open();
    });
    after(() => subject.close());

    const reviewToken = async (spec: object) => {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec };
      return ((await subject.api.create({ resource: 'tokenreviews' }, body)) as Thing).status ?? {};
    };
    const mayCreateRuns = async (spec: object) => {
      const resourceAttributes = {
        namespace: subject.namespace,
        verb: 'create',
        group: 'postsync.dev',
        resource: 'synctestruns',
      };
      const body = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { ...spec, resourceAttributes },
      };
      return ((await subject.api.create({ resource: 'subjectaccessreviews' }, body)) as Thing).status?.[
        'allowed'
      ];
    };

    test('a token of nobody is nobody', async () => {
      const { authenticated, user, error } = await reviewToken({ token: 'x', audiences: ['postsync'] });
      assert.equal(authenticated, undefined);
      assert.deepEqual(user, {});
      assert.match(String(error), /invalid bearer token/);
    });

    test('a token says whose it is, to the audience that it was made for', async () => {
      const { token, user } = await subject.token('postsync');
      const status = await reviewToken({ token, audiences: ['postsync', 'another'] });
      assert.equal(status['authenticated'], true);
      assert.deepEqual(status['audiences'], ['postsync']);
      const { username, groups } = status['user'] as { username: string; groups: string[] };
      assert.equal(username, user);
      assert.ok(groups.includes('system:authenticated'));
      for (const audiences of [['another'], undefined]) {
        const refused = await reviewToken({ token, ...(audiences && { audiences }) });
        assert.equal(refused['authenticated'], undefined);
        assert.match(
          String(refused['error']),
          /token audiences \["postsync"\] is invalid for the target audiences/,
        );
      }
    });

    test('a token for another audience does not open the API', async () => {
      const { token } = await subject.token('postsync');
      const stranger = subject.as(token);
      const list = stranger.list({ resource: 'jobs', namespace: subject.namespace });
      await assert.rejects(list, /: Unauthorized$/);
      await stranger.close();
    });

    test('whoever may call can ask who that is', async () => {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
      const answer = await subject.api.create({ resource: 'selfsubjectreviews' }, body);
      const { userInfo } = (answer as Thing).status ?? {};
      const { username, groups } = userInfo as { username: string; groups: string[] };
      assert.notEqual(username, '');
      assert.ok(groups.includes('system:authenticated'));
    });

    test('who has no right is not allowed, who has all is', async () => {
      assert.equal(await mayCreateRuns({ user: 'nobody-in-particular', groups: ['some'] }), false);
      assert.equal(await mayCreateRuns({ user: 'anybody', groups: ['system:masters'] }), true);
    });

    test('Events are of the namespace of what they are about, and are found by it', async () => {
      const events = { resource: 'events', namespace: subject.namespace } as const;
      await subject.api.create(events, event('told', subject.namespace));
      await assert.rejects(
        subject.api.create(events, event('astray', 'elsewhere')),
        /involvedObject\.namespace: Invalid value: "elsewhere": does not match event\.namespace/,
      );
      const found = async (fieldSelector: string) =>
        ((await subject.api.list(events, { fieldSelector })) as Thing).items.map(
          ({ metadata }) => metadata.name,
        );
      assert.deepEqual(await found('involvedObject.kind=ConfigMap,involvedObject.name=thing'), ['told']);
      assert.deepEqual(await found('involvedObject.uid=u,reason=Because,type=Warning'), ['told']);
      assert.deepEqual(await found('involvedObject.name=thing,reason!=Because'), []);
    });
  });
}
