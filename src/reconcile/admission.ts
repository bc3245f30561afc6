import { admit, type Claim } from '../decide/admit.ts';
import { keyOf, type Run, type Test, type Time } from '../decide/model.ts';

/**
 * Caps how many runs go on at once in the whole cluster. It knows what this process has admitted; a run that was
 * started before is admitted when it is first seen. A run that waits costs nothing of its timeouts.
 */
export interface Admission {
  /** Whether a run may start now; if not, `onRoom` will be told when it may. */
  ask(run: Run, test: Test): boolean;
  /** A run goes on, whoever admitted it. */
  count(run: Run, test: Test | undefined): void;
  /** A run has ended, or is gone. */
  leave(run: Run): void;
  /** A run could not be started, and asks again. The time it had to start stays spent. */
  giveBack(run: Run): void;
  /** A run that waited has not asked again: it stands in nobody's way. */
  withdraw(run: Run): void;
  /** When a run was admitted; later, by as long as its place was given back. */
  admittedAt(run: Run): Time | undefined;
  readonly waiting: number;
  readonly running: number;
}

export interface AdmissionOptions {
  /** 0: no cap. */
  readonly maxRuns: number;
  readonly now: () => Time;
  /** Told the release of a run that may start now. */
  readonly onRoom: (release: { readonly namespace: string; readonly name: string }) => void;
}

interface Waiting extends Claim {
  readonly release: string;
}

export function createAdmission({ maxRuns, now, onRoom }: AdmissionOptions): Admission {
  const waiting = new Map<string, Waiting>();
  const running = new Map<string, Claim & { readonly at: Time }>();

  /** How long a run had a place that it gave back. */
  const spentMs = new Map<string, number>();

  function enter(claim: Claim): void {
    waiting.delete(claim.run);
    running.set(claim.run, { ...claim, at: now() - (spentMs.get(claim.run) ?? 0) });
  }

  /** Tells those who wait and now may start; they ask again. */
  function offer(): void {
    if (waiting.size === 0) return;
    for (const next of admit([...waiting.values()], [...running.values()], maxRuns)) {
      const { namespace, release } = waiting.get(next.run) as Waiting;
      onRoom({ namespace, name: release });
    }
  }

  return {
    ask(run, test) {
      const claim = { ...claimOf(run, test), release: run.release };
      if (running.has(claim.run)) return true;
      const isFree = maxRuns === 0 && test.maxParallel === 0;
      waiting.set(claim.run, claim);
      const may =
        isFree ||
        admit([...waiting.values()], [...running.values()], maxRuns).some((one) => one.run === claim.run);
      if (may) enter(claim);
      return may;
    },
    count(run, test) {
      const claim = claimOf(run, test);
      if (!running.has(claim.run)) enter(claim);
    },
    leave(run) {
      const key = keyOf(run.ref);
      spentMs.delete(key);
      const waited = waiting.delete(key);
      if (running.delete(key) || waited) offer();
    },
    giveBack(run) {
      const key = keyOf(run.ref);
      const claim = running.get(key);
      if (!claim) return;
      running.delete(key);
      spentMs.set(key, now() - claim.at);
      offer();
    },
    withdraw(run) {
      if (waiting.delete(keyOf(run.ref))) offer();
    },
    admittedAt: (run) => running.get(keyOf(run.ref))?.at,
    get waiting() {
      return waiting.size;
    },
    get running() {
      return running.size;
    },
  };
}

function claimOf(run: Run, test: Test | undefined): Claim {
  return {
    run: keyOf(run.ref),
    namespace: run.ref.namespace,
    test: keyOf(run.test),
    maxParallel: test?.maxParallel ?? 0,
    createdAt: run.createdAt,
  };
}
