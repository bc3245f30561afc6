import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isCode, PostsyncError } from './errors.ts';
import type { Kubernetes, Target } from './kubernetes.ts';
import type { Logger } from './log.ts';

export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  /** Who holds it. A process that comes back under the same identity goes on holding it: give each replica its own. */
  readonly identity: string;
  readonly log: Logger;
  /** How long others wait, after the last renewal they saw, before they take it. */
  readonly durationMs?: number;
  /** How long after its last renewal the holder stops. The gap to `durationMs` is for what is under way. */
  readonly renewDeadlineMs?: number;
  /** Between two renewals, or two tries. */
  readonly retryMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** Resolves after so long, or as soon as the signal aborts. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface Lease {
  /** Whether this replica may still act. Ask before each create: it goes by the clock, whatever the loop is doing. */
  held(): boolean;
  /**
   * Takes the Lease, again and again, until `stop` aborts; then gives it back. While it is held, `lead` runs; its
   * signal aborts when the Lease is lost or `stop` aborts. It is renewed until `lead` has ended, so that what was begun
   * can be finished, and not taken again before.
   *
   * @throws what `lead` throws, after giving the Lease back.
   */
  run(stop: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void>;
}

/** The part of a Lease that says who holds it. */
const LeaseObject = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z
    .object({
      holderIdentity: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
      renewTime: z.string().nullish(),
      leaseTransitions: z.number().nullish(),
    })
    .default({}),
});
type LeaseObject = z.output<typeof LeaseObject>;

/** The Lease as it was seen, and when, by our own clock, it was first seen so. Other clocks are never believed. */
interface Sight {
  readonly held: LeaseObject;
  readonly at: number;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/**
 * Leader election by a coordination.k8s.io Lease, as client-go does it: compare and swap by resourceVersion, and a
 * Lease counts as given up when it did not change for its duration. It does not fence: a replica that lost it may
 * still finish a write that is on its way.
 *
 * @see https://github.com/kubernetes/client-go/blob/master/tools/leaderelection/leaderelection.go
 */
export function createLease(
  kubernetes: Pick<Kubernetes, 'get' | 'create' | 'patch'>,
  options: LeaseOptions,
): Lease {
  const { namespace, name, identity, log } = options;
  const { durationMs = 15_000, renewDeadlineMs = 10_000, retryMs = 2_000 } = options;
  const { now = () => performance.now(), delay = pause } = options;
  const target: Target = { resource: 'leases', namespace, name };
  let sight: Sight | undefined;
  let renewedAt = Number.NEGATIVE_INFINITY;

  const held = () => now() - renewedAt < renewDeadlineMs;

  function see(object: unknown): LeaseObject {
    const seen = LeaseObject.parse(object);
    const isSame = sight?.held.metadata.resourceVersion === seen.metadata.resourceVersion;
    sight = { held: seen, at: isSame && sight ? sight.at : now() };
    return seen;
  }

  /** Takes or renews it by one write; the time counts from before it was sent. */
  async function hold(before: LeaseObject | undefined): Promise<void> {
    const at = now();
    const time = microTime(new Date());
    const mine = before?.spec.holderIdentity === identity;
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      renewTime: time,
      ...(!mine && { acquireTime: time, leaseTransitions: (before?.spec.leaseTransitions ?? -1) + 1 }),
    };
    const written = before
      ? await kubernetes.patch(target, { metadata: before.metadata, spec })
      : await kubernetes.create(
          { resource: 'leases', namespace },
          { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec },
        );
    see(written);
    renewedAt = at;
  }

  async function look(): Promise<LeaseObject | undefined> {
    try {
      return see(await kubernetes.get(target));
    } catch (error) {
      if (isCode(error, 'API_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  function isFree({ spec }: LeaseObject): boolean {
    if (!spec.holderIdentity || spec.holderIdentity === identity) return true;
    const lasts = spec.leaseDurationSeconds ? spec.leaseDurationSeconds * 1000 : durationMs;
    return sight !== undefined && now() - sight.at >= lasts;
  }

  /** One try to take it. @returns whether it is held now. */
  async function acquire(): Promise<boolean> {
    const seen = await look();
    if (seen && !isFree(seen)) return false;
    await hold(seen);
    return true;
  }

  /** One try to renew it. Somebody else's name in it means that it is lost at once. */
  async function renew(): Promise<void> {
    try {
      await hold(sight?.held);
    } catch (error) {
      if (!isCode(error, 'API_CONFLICT', 'API_EXISTS', 'API_NOT_FOUND')) throw error;
      const seen = await look();
      if (seen && seen.spec.holderIdentity !== identity) {
        renewedAt = Number.NEGATIVE_INFINITY;
        throw new PostsyncError('API_CONFLICT', `${seen.spec.holderIdentity || 'nobody'} holds the lease`, {
          cause: error,
        });
      }
      await hold(seen);
    }
  }

  async function renewUntil(ended: AbortSignal): Promise<void> {
    while (held()) {
      await delay(retryMs, ended);
      if (ended.aborted) return;
      const answered = new AbortController();
      const left = Math.max(0, renewDeadlineMs - (now() - renewedAt));
      await Promise.race([
        renew().catch((err: unknown) => log.warn({ err, lease: name }, 'lease not renewed')),
        delay(left, answered.signal),
      ]);
      answered.abort();
    }
  }

  async function giveBack(): Promise<void> {
    if (!held() || !sight) return;
    renewedAt = Number.NEGATIVE_INFINITY;
    const spec = { holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(new Date()) };
    await kubernetes
      .patch(target, { metadata: sight.held.metadata, spec })
      .catch((err: unknown) => log.warn({ err, lease: name }, 'lease not given back'));
  }

  async function leadWhileHeld(
    stop: AbortSignal,
    lead: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const lost = new AbortController();
    const ended = new AbortController();
    const leading = lead(AbortSignal.any([stop, lost.signal])).finally(() => ended.abort());
    leading.catch(() => undefined);
    await renewUntil(ended.signal);
    if (!ended.signal.aborted) {
      log.warn({ lease: name }, 'lease lost');
      lost.abort();
    }
    try {
      await leading;
    } finally {
      await giveBack();
    }
  }

  return {
    held,
    async run(stop, lead) {
      while (!stop.aborted) {
        const taken = await acquire().catch((err: unknown) => {
          if (!isCode(err, 'API_CONFLICT', 'API_EXISTS')) log.warn({ err, lease: name }, 'lease not taken');
          return false;
        });
        if (taken && stop.aborted) await giveBack();
        else if (taken) {
          log.info({ lease: name, identity }, 'lease taken');
          await leadWhileHeld(stop, lead);
        }
        await delay(retryMs, stop);
      }
    },
  };
}

/** Kubernetes' MicroTime wants exactly six digits after the point. */
function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z');
}
