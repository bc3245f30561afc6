import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PostsyncError } from '../../src/errors.ts';
import { eventually, type Subject, type Thing, until } from './subject.ts';

const lease = (name: string, more: object = {}) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name, ...more },
  spec: { holderIdentity: 'me', leaseDurationSeconds: 15 },
});
/** Tells an error of ours by its code and its words. */
const refused = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PostsyncError);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};
const timed = (renewTime: string) => ({ ...lease('timed'), spec: { renewTime } });
const relabelled = (value: string) => [
  { op: 'test', path: '/spec/holderIdentity', value },
  { op: 'add', path: '/metadata/labels', value: { 'a/b': 'c' } },
  { op: 'replace', path: '/metadata/labels/a~1b', value: 'd' },
];
/** How long a watch is read. */
const patience = () => AbortSignal.timeout(30_000);
/** The names of a list's items. */
const names = (page: unknown) => (page as Thing).items.map(({ metadata }) => metadata.name);

/**
 * What postsync relies on of a Kubernetes API. Everything here holds for a real kube-apiserver; the embedded cluster is
 * held to it by running the same.
 */
export function apiContract(open: () => Promise<Subject>): void {
  describe('the Kubernetes API', () => {
    let subject: Subject;
    before(async () => {
      subject = await open();
    });
    after(() => subject.close());

    const leases = (name?: string) => ({
      resource: 'leases' as const,
      namespace: subject.namespace,
      ...(name !== undefined && { name }),
    });
    const createLease = async (name: string, more: object = {}) =>
      (await subject.api.create(leases(), lease(name, more))) as Thing;
    const leasePath = (name: string) =>
      `/apis/coordination.k8s.io/v1/namespaces/${subject.namespace}/leases/${name}`;
    const list = (query: Record<string, string | number>) =>
      subject.api.list(leases(), query) as Promise<Thing>;

    test('an object that is created has a uid, a version and a time, and its writer is on record', async () => {
      const made = await createLease('made');
      assert.match(made.metadata.uid, /^[0-9a-f-]{36}$/);
      assert.match(made.metadata.resourceVersion, /^\d+$/);
      assert.match(made.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.equal(made.metadata.generation, undefined);
      const [entry] = made.metadata.managedFields ?? [];
      assert.equal(entry?.manager, 'postsync');
      assert.equal(entry?.operation, 'Update');
    });

    test('a name can be had once', async () => {
      await createLease('once');
      await assert.rejects(
        createLease('once'),
        refused('API_EXISTS', /leases\.coordination\.k8s\.io "once" already exists$/),
      );
      const { body } = await subject.raw('POST', leasePath('').slice(0, -1), { body: lease('once') });
      assert.equal(body.reason, 'AlreadyExists');
      assert.deepEqual(body.details, { name: 'once', group: 'coordination.k8s.io', kind: 'leases' });
    });

    test('an object may leave out its kind, which the path says', async () => {
      const { kind: _, apiVersion: _v, ...body } = lease('kindless');
      const made = (await subject.api.create(leases(), body)) as Thing;
      assert.equal(made.kind, 'Lease');
    });

    test('a name may be left to the server', async () => {
      const body = { ...lease(''), metadata: { generateName: 'some-' } };
      const made = (await subject.api.create(leases(), body)) as Thing;
      assert.match(made.metadata.name, /^some-[a-z0-9]{5}$/);
      await assert.rejects(
        subject.api.create(leases(), { ...lease(''), metadata: {} }),
        refused('API_REJECTED', /name or generateName is required/),
      );
    });

    test('a name that no object may have is refused', async () => {
      await assert.rejects(
        createLease('No_Name'),
        refused('API_REJECTED', /metadata\.name: Invalid value: "No_Name"/),
      );
    });

    test('nothing can be created in a namespace that is not there', async () => {
      await assert.rejects(
        subject.api.create({ resource: 'leases', namespace: 'no-such' }, lease('lost')),
        refused('API_NOT_FOUND', /namespaces "no-such" not found/),
      );
    });

    test('an object that is not there is not found, by any verb', async () => {
      const missing = refused('API_NOT_FOUND', /leases\.coordination\.k8s\.io "missing" not found/);
      await assert.rejects(subject.api.get(leases('missing')), missing);
      await assert.rejects(subject.api.patch(leases('missing'), {}), missing);
      await assert.rejects(subject.api.remove(leases('missing')), missing);
    });

    test('a resource that is not served is not found', async () => {
      const { status, body } = await subject.raw(
        'GET',
        `/apis/batch/v1/namespaces/${subject.namespace}/nopes`,
      );
      assert.equal(status, 404);
      assert.equal(body.message, 'the server could not find the requested resource');
    });

    test('who is not known is turned away', async () => {
      const stranger = subject.as('not-a-token');
      await assert.rejects(stranger.get(leases('made')), refused('API_FORBIDDEN', /Unauthorized/));
      await stranger.close();
    });

    test('a merge patch sets, and null removes', async () => {
      await createLease('patched', { annotations: { a: '1', b: '2' } });
      const patch = { metadata: { annotations: { a: null, c: '3' } }, spec: { holderIdentity: 'you' } };
      const after = (await subject.api.patch(leases('patched'), patch)) as Thing;
      assert.deepEqual(after.metadata.annotations, { b: '2', c: '3' });
      assert.deepEqual(after.spec, { holderIdentity: 'you', leaseDurationSeconds: 15 });
    });

    test('a merge patch for a version that is gone is a conflict, and changes nothing', async () => {
      const { metadata } = await createLease('contested');
      const patch = (holderIdentity: string) =>
        subject.api.patch(leases('contested'), {
          metadata: { resourceVersion: metadata.resourceVersion },
          spec: { holderIdentity },
        });
      await patch('first');
      await assert.rejects(patch('second'), refused('API_CONFLICT', /the object has been modified/));
      const now = (await subject.api.get(leases('contested'))) as Thing;
      assert.equal(now.spec['holderIdentity'], 'first');
    });

    test('of several that patch one version at once, one wins', async () => {
      const { metadata } = await createLease('raced');
      const attempts = ['a', 'b', 'c', 'd'].map((holderIdentity) =>
        subject.api.patch(leases('raced'), {
          metadata: { resourceVersion: metadata.resourceVersion },
          spec: { holderIdentity },
        }),
      );
      const results = await Promise.allSettled(attempts);
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    });

    test('a patch that changes nothing makes no new version', async () => {
      const { metadata } = await createLease('same');
      const after = (await subject.api.patch(leases('same'), { spec: { holderIdentity: 'me' } })) as Thing;
      assert.equal(after.metadata.resourceVersion, metadata.resourceVersion);
    });

    test("a Lease's times have six digits after the point", async () => {
      await assert.rejects(
        subject.api.create(leases(), timed('2026-11-21T10:00:00.000Z')),
        refused('API_REJECTED', /parsing time "2026-11-21T10:00:00.000Z"/),
      );
      await subject.api.create(leases(), timed('2026-11-21T10:00:00.000000Z'));
    });

    test('a replacement needs the current version', async () => {
      await createLease('replaced');
      const stale = { ...lease('replaced'), metadata: { name: 'replaced', resourceVersion: '1' } };
      assert.equal(
        (await subject.raw('PUT', leasePath('replaced'), { body: stale })).body.reason,
        'Conflict',
      );
      const blind = await subject.raw('PUT', leasePath('replaced'), { body: lease('replaced') });
      assert.equal(blind.status, 422);
      assert.match(
        blind.body.message ?? '',
        /metadata\.resourceVersion: Invalid value: 0: must be specified/,
      );
    });

    test('a JSON patch is carried out as a whole or not at all', async () => {
      await createLease('listed');
      const type = 'application/json-patch+json';
      assert.equal(
        (await subject.raw('PATCH', leasePath('listed'), { type, body: relabelled('you') })).status,
        422,
      );
      const { body } = await subject.raw('PATCH', leasePath('listed'), { type, body: relabelled('me') });
      assert.deepEqual(body.metadata.labels, { 'a/b': 'd' });
    });

    test('a patch of an unknown kind is refused', async () => {
      await createLease('typed');
      const { status } = await subject.raw('PATCH', leasePath('typed'), {
        type: 'application/json',
        body: {},
      });
      assert.equal(status, 415);
    });

    const label = (value: string) =>
      subject.api.patch(leases('labelled'), { metadata: { labels: { key: value } } });

    test('labels that are none are refused', async () => {
      await createLease('labelled');
      await assert.rejects(label('a b'), refused('API_REJECTED', /metadata\.labels: Invalid value: "a b"/));
      await assert.rejects(label('a'.repeat(64)), refused('API_REJECTED', /must be no more than 63 bytes/));
    });

    test('an object that is removed is gone', async () => {
      const { metadata } = await createLease('removed');
      const body = { preconditions: { uid: 'another' } };
      assert.equal((await subject.raw('DELETE', leasePath('removed'), { body })).body.reason, 'Conflict');
      const answer = (await subject.api.remove(leases('removed'))) as { details: { uid: string } };
      assert.equal(answer.details.uid, metadata.uid);
      await assert.rejects(subject.api.get(leases('removed')), refused('API_NOT_FOUND', /not found/));
    });

    describe('of collections', () => {
      before(async () => {
        for (const name of ['page-a', 'page-b', 'page-c', 'page-d', 'page-e']) {
          await createLease(name, { labels: { page: name.slice(-1), paged: 'yes' } });
        }
      });

      test('pages are of one version, though something comes and goes meanwhile', async () => {
        const query = { labelSelector: 'paged=yes', limit: 2 };
        const first = await list(query);
        assert.deepEqual(names(first), ['page-a', 'page-b']);
        await createLease('page-bb', { labels: { paged: 'yes' } });
        await subject.api.remove(leases('page-e'));
        const second = await list({ ...query, continue: first.metadata.continue ?? '' });
        assert.deepEqual(names(second), ['page-c', 'page-d']);
        assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
        const third = await list({ ...query, continue: second.metadata.continue ?? '' });
        assert.deepEqual(names(third), ['page-e']);
        assert.ok(!third.metadata.continue);
        assert.deepEqual(names(await list({ labelSelector: 'paged=yes' })), [
          'page-a',
          'page-b',
          'page-bb',
          'page-c',
          'page-d',
        ]);
        await subject.api.remove(leases('page-bb'));
        await createLease('page-e', { labels: { page: 'e', paged: 'yes' } });
      });

      test('items of built-in kinds do not say their kind', async () => {
        const { kind, items } = await list({ labelSelector: 'page=a' });
        assert.equal(kind, 'LeaseList');
        assert.equal(items[0]?.kind, undefined);
      });

      test('labels select', async () => {
        const select = async (labelSelector: string) => names(await list({ labelSelector }));
        assert.deepEqual(await select('page=a'), ['page-a']);
        assert.deepEqual(await select('page in (a,c),paged'), ['page-a', 'page-c']);
        assert.deepEqual(await select('paged,page notin (a,b),page!=e'), ['page-c', 'page-d']);
        assert.deepEqual(await select('!paged,page'), []);
        await assert.rejects(list({ labelSelector: 'a=b=c' }), refused('API_REJECTED', /./));
      });

      test('fields select, those that are served', async () => {
        assert.deepEqual(names(await list({ fieldSelector: 'metadata.name=page-c' })), ['page-c']);
        await assert.rejects(
          list({ fieldSelector: 'spec.holderIdentity=me' }),
          refused(
            'API_REJECTED',
            /"spec\.holderIdentity" is not a known field selector: only "metadata\.name", "metadata\.namespace"/,
          ),
        );
      });

      test('a page token that is none is refused', async () => {
        await assert.rejects(list({ limit: 1, continue: 'x' }), refused('API_REJECTED', /continue/));
      });

      test('a version from the future is not waited for', async () => {
        await assert.rejects(
          list({ resourceVersion: 4_000_000_000_000 }),
          refused('API_UNAVAILABLE', /Too large resource version: 4000000000000/),
        );
      });

      test('a watch from the version of a list tells what came after it, in order', async () => {
        const { metadata } = await list({ labelSelector: 'watched' });
        const query = { resourceVersion: metadata.resourceVersion, labelSelector: 'watched' };
        const lines = subject.api.watch(leases(), query, patience());
        await createLease('watched', { labels: { watched: 'a' } });
        await subject.api.patch(leases('watched'), { spec: { holderIdentity: 'you' } });
        await createLease('unwatched');
        await subject.api.remove(leases('watched'));
        const seen = await until(lines, ({ type }) => type === 'DELETED');
        assert.deepEqual(
          seen.map(({ type }) => type),
          ['ADDED', 'MODIFIED', 'DELETED'],
        );
        const versions = seen.map(({ object }) => Number((object as Thing).metadata.resourceVersion));
        assert.deepEqual(
          versions,
          versions.toSorted((a, b) => a - b),
        );
        assert.equal(new Set(versions).size, 3, 'a deletion has a version of its own');
        assert.equal((seen[0]!.object as Thing).kind, 'Lease');
      });

      test('what leaves the selection is deleted for its watch, and is added when it comes back', async () => {
        const { metadata } = await list({ labelSelector: 'here' });
        const query = { labelSelector: 'here=yes', resourceVersion: metadata.resourceVersion };
        const label = (here: string | null) =>
          subject.api.patch(leases('leaves'), { metadata: { labels: { here } } });
        await createLease('leaves', { labels: { here: 'yes' } });
        await label(null);
        await label('yes');
        await subject.api.remove(leases('leaves'));
        const seen: string[] = [];
        for await (const { type, object } of subject.api.watch(leases(), query, patience())) {
          seen.push(`${type} ${(object as Thing).metadata.labels?.['here']}`);
          if (seen.length === 4) break;
        }
        assert.deepEqual(seen, ['ADDED yes', 'DELETED yes', 'ADDED yes', 'DELETED yes']);
      });

      test('a watch ends when its time is up, with a bookmark of where it got to', async () => {
        const query = { allowWatchBookmarks: true, timeoutSeconds: 5, labelSelector: 'nothing=here' };
        const { metadata } = await list({ labelSelector: 'nothing=here' });
        const lines = subject.api.watch(
          leases(),
          { ...query, resourceVersion: metadata.resourceVersion },
          patience(),
        );
        const { metadata: later } = await createLease('unseen');
        const seen = await until(lines, () => false);
        const last = seen.at(-1);
        assert.equal(last?.type, 'BOOKMARK');
        const { kind, metadata: bookmark } = last.object as Thing;
        assert.equal(kind, 'Lease');
        assert.ok(Number(bookmark.resourceVersion) >= Number(later.resourceVersion));
      });

      test('a watch without a version begins with what is there, and says when that was all', async () => {
        const query = { labelSelector: 'page in (a,b)', allowWatchBookmarks: true };
        const seen = await until(
          subject.api.watch(leases(), query, patience()),
          ({ type }) => type === 'BOOKMARK',
        );
        const told = seen.map(({ type, object }) => `${type} ${(object as Thing).metadata.name ?? ''}`);
        assert.deepEqual(told, ['ADDED page-a', 'ADDED page-b', 'BOOKMARK ']);
        assert.deepEqual((seen.at(-1)!.object as Thing).metadata.annotations, {
          'k8s.io/initial-events-end': 'true',
        });
      });

      test('a watch from a version that is forgotten is told 410 in the stream', async () => {
        const lines = subject.api.watch(leases(), { resourceVersion: 1 }, patience());
        const [line] = await until(lines, () => true);
        assert.equal(line?.type, 'ERROR');
        const { code, reason } = line.object as Thing;
        assert.equal(code, 410);
        assert.equal(reason, 'Expired');
      });
    });

    test('a namespace that is being deleted takes nothing new, and goes when it is empty', async () => {
      const namespace = `${subject.namespace}-2`;
      const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
      await subject.api.create({ resource: 'namespaces' }, body);
      const held = { ...lease('held'), metadata: { name: 'held', finalizers: ['contract.example/held'] } };
      await subject.api.create({ resource: 'leases', namespace }, held);
      await subject.api.remove({ resource: 'namespaces', name: namespace });
      const there = (await subject.api.get({ resource: 'namespaces', name: namespace })) as Thing;
      assert.equal(there.status?.['phase'], 'Terminating');
      await assert.rejects(
        subject.api.create({ resource: 'leases', namespace }, lease('late')),
        refused('API_FORBIDDEN', /because it is being terminated/),
      );
      const target = { resource: 'leases', namespace, name: 'held' } as const;
      await subject.api.patch(target, { metadata: { finalizers: null } });
      await eventually('the namespace is gone', async () => {
        const { status } = await subject.raw('GET', `/api/v1/namespaces/${namespace}`);
        return status === 404;
      });
    });
  });
}
