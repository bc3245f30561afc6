import { admit, type Candidate } from '../decide/admit.ts';
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

interface Waiting extends Candidate {
  readonly release: string;
}

export function createAdmission({ maxRuns, now, onRoom }: AdmissionOptions): Admission {
  const waiting = new Map<string, Waiting>();
  const running = new Map<string, Candidate & { readonly at: Time }>();

  /** How long a run had a place that it gave back. */
  const spentMs = new Map<string, number>();

  function enter(candidate: Candidate): void {
    waiting.delete(candidate.run);
    running.set(candidate.run, { ...candidate, at: now() - (spentMs.get(candidate.run) ?? 0) });
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
      const candidate = { ...candidateOf(run, test), release: run.release };
      if (running.has(candidate.run)) return true;
      const isFree = maxRuns === 0 && test.maxParallel === 0;
      waiting.set(candidate.run, candidate);
      const may =
        isFree ||
        admit([...waiting.values()], [...running.values()], maxRuns).some((one) => one.run === candidate.run);
      if (may) enter(candidate);
      return may;
    },
    count(run, test) {
      const candidate = candidateOf(run, test);
      if (!running.has(candidate.run)) enter(candidate);
    },
    leave(run) {
      const key = keyOf(run.ref);
      spentMs.delete(key);
      const waited = waiting.delete(key);
      if (running.delete(key) || waited) offer();
    },
    giveBack(run) {
      const key = keyOf(run.ref);
      const candidate = running.get(key);
      if (!candidate) return;
      running.delete(key);
      spentMs.set(key, now() - candidate.at);
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

function candidateOf(run: Run, test: Test | undefined): Candidate {
  return {
    run: keyOf(run.ref),
    namespace: run.ref.namespace,
    test: keyOf(run.test),
    maxParallel: test?.maxParallel ?? 0,
    createdAt: run.createdAt,
  };
}
