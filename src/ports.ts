import type { Rollout } from './decide/identity.ts';
import type {
  Cause,
  CommitReport,
  Dispatch,
  JobRef,
  Link,
  Outcome,
  Reason,
  Ref,
  Release,
  Result,
  Revision,
  Run,
  RunState,
  Test,
  Time,
  Workload,
} from './decide/model.ts';
import type { Projection } from './decide/result.ts';
import type { Problem } from './decide/select.ts';
import type { SyncTest } from './synctest.ts';

/** What a new run is created with; its name is computed by `decide/identity.ts`. */
export interface NewRun {
  readonly name: string;
  readonly release: Release;
  readonly test: Test;
  readonly revision: Revision;
  readonly attempt: number;
  readonly cause: Cause;
  readonly request?: string | undefined;
  readonly requestedBy?: string | undefined;
  readonly reason?: string | undefined;
  readonly verdict?: 'passed' | 'failed' | undefined;
}

/** Where a run was started, pinned before anything else can happen to it. */
export interface Started {
  readonly release: Release;
  readonly revision: Revision;
  readonly test: Test;
  readonly job: JobRef;
  readonly url?: string | undefined;
}

/** What is written down before a test is dispatched. */
export interface Claim {
  readonly release: Release;
  readonly revision: Revision;
  readonly test: Test;
  readonly dispatch: Dispatch;
}

/** What is known of a run that has ended, besides its outcome. */
export interface Ending {
  readonly startedAt?: Time | undefined;
  readonly link?: Link | undefined;
  /** Of a dispatch: nothing of it goes on any more. */
  readonly settled?: boolean;
}

/** What the loop writes down, and reads live. What is written or read is known from then on. */
export interface Records {
  /** @returns the release as the API server has it now; `undefined`: there is none */
  readRelease(ref: Ref): Promise<Release | undefined>;
  /** @returns the run as the API server has it now; `undefined`: there is none */
  readRun(ref: Ref): Promise<Run | undefined>;
  /** @returns the runs of a release as the API server has them now */
  readRuns(release: Ref): Promise<readonly Run[]>;
  /** Reads a SyncTest live; afterwards, its absence counts. */
  readTest(ref: Ref): Promise<void>;
  /** @returns the run that was created, or the one that has had its name before */
  createRun(given: NewRun): Promise<Run>;
  /** @param test where it is known in which generation it is run */
  pinRun(run: Run, release: Release, revision: Revision, test?: Test): Promise<Run>;
  startRun(run: Run, started: Started): Promise<Run>;
  /** @throws {PostsyncError} `API_CONFLICT`: the run changed since it was read, so another may have claimed it */
  claimRun(run: Run, claim: Claim): Promise<Run>;
  /** Takes a claim back: nothing was sent. */
  unclaimRun(run: Run): Promise<Run>;
  noteDispatch(run: Run, note: Pick<Dispatch, 'unanswered'> | Pick<Dispatch, 'settled'> | Link): Promise<Run>;
  /** Writes down what came of a report, and tells a problem on the release. */
  noteReport(release: Release, run: Run, report: CommitReport): Promise<Run>;
  endRun(run: Run, outcome: Outcome, ending?: Ending): Promise<Run>;
  removeRun(run: Run): Promise<void>;
  /** @throws {PostsyncError} `API_CONFLICT` when the release changed since it was read */
  writeProjection(release: Release, projection: Projection): Promise<void>;
  tellVerdict(release: Release, run: Run, outcome: Outcome): Promise<void>;
  tellProblem(release: Release, problem: Problem): Promise<void>;
  /** @returns the first workload that is not rolled out */
  notRolledOut(workloads: readonly Workload[]): Promise<Workload | undefined>;
}

/** A Job of ours, as far as tidying up needs it. */
export interface KnownJob extends JobRef {
  readonly runUid: string;
  readonly run: Ref;
  readonly isFinished: boolean;
  /** It was told to stop. */
  readonly isStopping: boolean;
  /** It has a TTL: its outcome was written and told. */
  readonly isSealed: boolean;
}

/** Runs tests as Jobs. */
export interface Jobs {
  /** What a run's Job is doing; `undefined`: no such Job is known, which does not mean that there is none. */
  stateOf(run: Run, now: Time): RunState | undefined;
  /**
   * Creates the Job of a run, or finds that it was created before; or finds that no Job is needed, and says the outcome.
   *
   * @throws {PostsyncError} `API_REJECTED`, `JOB_CONFLICT`: it can never be created; any other code: try again
   */
  start(
    run: Run,
    syncTest: SyncTest,
    release: Release,
    now: Time,
  ): Promise<{ readonly job: JobRef; readonly url?: string | undefined } | { readonly outcome: Outcome }>;
  /** Whether a Job is known where a run's would be, that says it is the run's. */
  has(run: Run, syncTest: SyncTest, release: Release): boolean;
  /**
   * Finds the Job of a run that was created before.
   *
   * @returns `undefined`: it is not there
   * @throws {PostsyncError} `JOB_CONFLICT`: it is not the one that we would have created
   */
  adopt(
    run: Run,
    syncTest: SyncTest,
    release: Release,
  ): Promise<{ readonly job: JobRef; readonly url?: string | undefined } | undefined>;
  /** Reads a run's Job and Pods live; afterwards, absence counts. */
  refresh(run: Run): Promise<void>;
  /** Jobs that were started for a release. */
  of(release: Ref): readonly KnownJob[];
  /** Ends a Job and its Pods; the Job stays, for people to look at. */
  stop(job: KnownJob): Promise<void>;
  /** Lets Kubernetes remove the Job after a while. */
  seal(job: KnownJob): Promise<void>;
}

/** Something keeps a test from being dispatched now. */
export interface Held {
  readonly kind: 'held';
  readonly until: Time;
  /** What it means when it lasts too long; absent: it waits for its turn, which costs nothing of its time to start. */
  readonly why?: { readonly reason: Reason; readonly message: string };
}

/** A test will never be dispatched, and surely was not. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: Reason;
  readonly message: string;
}

/** A test that can be dispatched now. It is claimed first, and sent once. */
export interface Ready {
  readonly kind: 'ready';
  readonly dispatch: Dispatch;
  /** @returns `held`: it surely did not arrive; `unanswered`: it may have arrived */
  send(): Promise<
    | { readonly kind: 'accepted'; readonly link?: Link | undefined }
    | { readonly kind: 'unanswered'; readonly message: string }
    | Held
    | Refusal
  >;
  /** The claim may stand, but nothing was sent after it, nor will be. */
  drop(): void;
}

/** Runs tests as workflows on GitHub. */
export interface Dispatches {
  /**
   * What is known of a run that was dispatched. When that is old, it is asked for, and the release looked at again.
   *
   * @returns `undefined`: it was not, though a claim may stand that was dropped
   */
  stateOf(run: Run, now: Time): RunState | undefined;
  prepare(run: Run, syncTest: SyncTest, release: Release, now: Time): Promise<Ready | Held | Refusal>;
  /** Asks whether a workflow run may be the one of a run. @returns it, when it may */
  confirm(run: Run, workflowRunId: number): Promise<Link | undefined>;
  /** Cancels what goes on of an ended run. @returns when to try again; `undefined`: nothing goes on, or it is given up */
  stop(run: Run, now: Time): Promise<Time | undefined>;
}

/** A run with a verdict. */
export type Ended = Run & { readonly outcome: Outcome };

/** Says verdicts on the commits that releases came from. A report that fails changes no verdict. */
export interface Reports {
  /**
   * Reports a run that has ended, in the background; `release` is looked at again when something came of it.
   *
   * @returns what came of it, to be written down; a time: ask again then; `undefined`: it is under way
   */
  report(run: Ended, syncTest: SyncTest, release: Release): CommitReport | Time | undefined;
}

/** A run that was dispatched, as far as it says who may call back. */
export interface CalledBack {
  /** Of the SyncTestRun. */
  readonly uid: string;
  readonly repository: string;
  readonly apiUrl: string;
  readonly ended: boolean;
}

/** What workflows tell of themselves. It only speeds up: what counts is what GitHub says. */
export interface Callbacks {
  /** @returns `undefined`: no such run is known, or it is no dispatch */
  dispatchOf(run: Ref): CalledBack | undefined;
  /**
   * A workflow run says that it is the one of this run.
   *
   * @throws {PostsyncError} `OTHER_WORKFLOW_RUN`: it is not; `GITHUB_…`, `CREDENTIALS_MISSING`: GitHub does not say
   */
  told(run: Ref, workflowRunId: number, status: 'started' | 'completed'): Promise<void>;
}

/** What was found out about a SyncTest. */
export interface TestFinding {
  readonly generation: number;
  /** Why it can never work, with the server's own words where it was asked. */
  readonly invalid?: { readonly reason: 'InvalidSpec' | 'Refused'; readonly message: string };
  /** What keeps it from being started now, in the words of the API server or of GitHub, and may mend itself. */
  readonly obstacle?: string;
  /** Whether any release asks for it. */
  readonly matches: boolean;
  /** Releases that it selects are not tested before their next deployment. */
  readonly skipsExisting?: boolean;
  /** Why its `namespaceSelector` selects nothing. */
  readonly namespacesIgnored?: string;
}

/** The API server would not take a Job. */
export interface Obstacle {
  readonly words: string;
  /** Whether it never will, as long as the test is as it is. */
  readonly isFinal: boolean;
}

/** What the loop over SyncTests needs. */
export interface SyncTests {
  /** Asks the API server whether it would take the test's Job. @returns its words when it would not */
  dryRun(syncTest: SyncTest): Promise<Obstacle | undefined>;
  writeFinding(ref: Ref, finding: TestFinding): Promise<void>;
}

/** A person's, or a pipeline's, wish for a run. */
export interface Asked {
  /** Names of tests; absent: all that the release asks for. */
  readonly tests?: readonly string[];
  readonly reason?: string;
  /** Who asks, as Kubernetes knows them. */
  readonly by: string;
  /** The Idempotency-Key: the same again creates nothing. */
  readonly key?: string;
}

/** A person's decision about a deployment, instead of a test's. */
export interface Decided {
  readonly test?: string;
  readonly verdict: 'passed' | 'failed';
  readonly reason: string;
  readonly by: string;
  /** The digest it is about; absent: what is deployed now. */
  readonly digest?: string;
  readonly key?: string;
}

/** What stands on a release, read live. */
export interface ReleaseVerdict {
  readonly result?: Result;
  /** The digest that `result` is about. */
  readonly digest?: string;
  /** Whether `result` is about what is deployed, the release stands still, and nothing newer is to come. */
  readonly isCurrent: boolean;
  /** What newer is to come. */
  readonly because?: string;
  readonly deployed?: Pick<Revision, 'digest' | 'version' | 'chartVersion'> & {
    readonly appVersion?: string;
  };
  /** One line a test. */
  readonly tests: Readonly<Record<string, string>>;
}

/** What people ask for over HTTP. */
export interface Requests {
  /**
   * Creates a manual run for each test.
   *
   * @returns the names of the SyncTestRuns
   * @throws {PostsyncError} `RELEASE_NOT_FOUND`, `TEST_NOT_FOUND`, `NOTHING_TO_TEST`: no test is asked for, or nothing
   *   is deployed
   */
  run(release: Ref, asked: Asked): Promise<readonly string[]>;
  /** Records a decision as ended runs. Throws as `run`, and `NOTHING_TO_TEST` when another digest is deployed. */
  override(release: Ref, decided: Decided): Promise<readonly string[]>;
  /** @returns `undefined`: there is no such release */
  verdict(release: Ref): Promise<ReleaseVerdict | undefined>;
}

/** How the tests stand that a rollout of a canary asks for. */
export interface RolloutVerdict {
  readonly result: Result;
  /** A sentence, with a part for each test. */
  readonly message: string;
  readonly runs: readonly string[];
  /** What is deployed; absent: nothing. */
  readonly digest?: string;
}

/** What Flagger asks for. */
export interface Rollouts {
  /**
   * How the tests stand, by what has ended since the rollout asked for them first: its own runs, their retries, and what
   * people asked for or decided. Pending while the release does not stand still.
   *
   * @param options.start creates the run of each test, where the rollout has none on what is deployed
   * @param options.digest pending, and nothing is created, where another one is deployed
   * @throws {PostsyncError} `RELEASE_NOT_FOUND`, `TEST_NOT_FOUND`; `API_CONFLICT`: somebody else's run has such a name
   */
  ask(
    release: Ref,
    rollout: Rollout,
    options: {
      readonly tests: readonly string[];
      readonly start: boolean;
      readonly digest?: string | undefined;
    },
  ): Promise<RolloutVerdict>;
}
