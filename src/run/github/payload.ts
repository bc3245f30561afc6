import type { Release, Run } from '../../decide/model.ts';
import type { Github, SyncTest } from '../../synctest.ts';
import { metaOf, paramsOf, variablesOf } from '../job-env.ts';

/** Where a workflow may say that it has started or ended. */
export interface Callback {
  readonly url: string;
  readonly token?: string;
}

export interface PayloadInput {
  readonly run: Run;
  readonly syncTest: SyncTest;
  readonly release: Release;
  readonly clusterName: string;
  readonly callback?: Callback | undefined;
}

/** What is sent: the `client_payload` of a `repository_dispatch`, or the `inputs` of a `workflow_dispatch`. */
export type Payload =
  | { readonly trigger: 'repository_dispatch'; readonly eventType: string; readonly payload: object }
  | {
      readonly trigger: 'workflow_dispatch';
      readonly workflow: string;
      readonly ref: string;
      readonly inputs: Readonly<Record<string, string>>;
    };

/** Our part of what is sent: all of it is under this one key. */
const PAYLOAD_KEY = 'postsync';

const EVENT_TYPE = 'postsync';

/** @see https://docs.github.com/rest/repos/repos#create-a-repository-dispatch-event */
const MAX_PROPERTIES = 10;
const MAX_EVENT_TYPE = 100;
const MAX_CHARACTERS = 65_535;
/** @see https://docs.github.com/rest/actions/workflows#create-a-workflow-dispatch-event */
const MAX_INPUTS = 25;

/** What a run sends to GitHub. Pure. */
export function payloadOf(input: PayloadInput, github: Github): Payload {
  const { run, release, syncTest, clusterName } = input;
  const texts = new Map([
    ...Object.entries(paramsOf(syncTest, release)).map(([name, value]) => [`PARAM_${name}`, value] as const),
    ...variablesOf(run, release, clusterName),
  ]);
  const fill = (text: string) => filled(text, texts);
  const ours = { ...aboutOf(input), ...(input.callback && { callback: input.callback }) };
  if (github.trigger === 'repository_dispatch') {
    const payload = { ...(filledIn(github.payload ?? {}, fill) as object), [PAYLOAD_KEY]: ours };
    return { trigger: 'repository_dispatch', eventType: github.eventType ?? EVENT_TYPE, payload };
  }
  const given = Object.entries(github.inputs ?? {}).map(([name, value]) => [name, fill(value)] as const);
  return {
    trigger: 'workflow_dispatch',
    workflow: github.workflow ?? '',
    ref: github.ref ?? '',
    inputs: { ...Object.fromEntries(given), [PAYLOAD_KEY]: JSON.stringify(ours) },
  };
}

/** What GitHub would refuse of it, in a sentence; it is counted before anything is sent. */
export function tooMuch(payload: Payload): string | undefined {
  if (payload.trigger === 'workflow_dispatch') {
    const count = Object.keys(payload.inputs).length;
    if (count > MAX_INPUTS) {
      return `it has ${count} inputs with that of postsync, and GitHub takes ${MAX_INPUTS}: give fewer`;
    }
    return tooLong('the inputs are', payload.inputs);
  }
  const { eventType } = payload;
  if (eventType.length > MAX_EVENT_TYPE) {
    return `the event type has ${eventType.length} characters, and GitHub takes ${MAX_EVENT_TYPE}`;
  }
  const count = Object.keys(payload.payload).length;
  if (count > MAX_PROPERTIES) {
    return `the payload has ${count} top-level keys with that of postsync, and GitHub takes ${MAX_PROPERTIES}: put yours under one key`;
  }
  return tooLong('the payload is', payload.payload);
}

function tooLong(what: string, value: object): string | undefined {
  // GitHub says characters in one place and 64 KB in another: bytes are at least as many.
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes <= MAX_CHARACTERS) return undefined;
  return `${what} ${bytes} bytes long with the part of postsync, and GitHub takes ${MAX_CHARACTERS}: send less`;
}

/** What the run tests: the variables of a Job under the same names in camel case. */
function aboutOf({ run, release, clusterName }: PayloadInput): object {
  const { revision } = release;
  return {
    run: run.ref.name,
    test: run.test.name,
    attempt: run.attempt,
    cause: run.cause,
    release: release.ref.name,
    namespace: release.ref.namespace,
    ...(revision && {
      helmRelease: revision.helmRelease,
      targetNamespace: revision.targetNamespace,
      revision: revision.version,
      digest: revision.digest,
      chart: revision.chart,
      chartVersion: revision.chartVersion,
      ...(revision.appVersion !== undefined && { appVersion: revision.appVersion }),
      ...(revision.ociDigest !== undefined && { ociDigest: revision.ociDigest }),
    }),
    cluster: clusterName,
    meta: Object.fromEntries(metaOf(release)),
  };
}

/** `$(NAME)` in every text of a value, at any depth. */
function filledIn(value: unknown, fill: (text: string) => string): unknown {
  if (typeof value === 'string') return fill(value);
  if (Array.isArray(value)) return value.map((item) => filledIn(item, fill));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filledIn(item, fill)]));
}

/** As Kubernetes does it in a container: an unknown `$(NAME)` stays, and `$$` is `$`. */
function filled(text: string, texts: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([\w.-]+)\)/g, (whole, name?: string) =>
    name === undefined ? '$' : (texts.get(name) ?? whole),
  );
}
