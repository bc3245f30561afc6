import { createAppAuth } from '@octokit/auth-app';
import { Octokit } from '@octokit/rest';
import type { Time } from '../../decide/model.ts';
import { iso, isoSeconds } from '../../decide/time.ts';
import { type ErrorCode, PostsyncError } from '../../errors.ts';
import { VERSION } from '../../version.ts';
import { detailsIn, runIn, runsIn, tokenIn } from './answers.ts';
import { type Answer, type Call, type Operation, partsOf } from './calls.ts';
import type { Credential } from './credentials.ts';
import { type Failure, isLimit, translate, wordsOf } from './failures.ts';
import { type GitHub, MOST_LISTED, type WorkflowRun } from './github.ts';
import { createLimits } from './limits.ts';
import { createPages } from './pages.ts';
import { statusCalls } from './statuses.ts';
import { createTokens } from './tokens.ts';
import { createFetch } from './transport.ts';

/** GitHub's own default, which it serves until March 2028 at least; named, so that a newer default changes nothing. */
const API_VERSION = '2022-11-28';

const PER_PAGE = 100;

export interface ConnectOptions {
  /** `https://api.github.com`, or `https://HOST/api/v3` of a GitHub Enterprise Server. */
  readonly apiUrl: string;
  readonly credential: Credential;
  /** Milliseconds for one call, its body included. */
  readonly timeoutMs?: number;
  /** Told of each call: the HTTP status, or 0 when there was no answer. */
  readonly onCall?: ((operation: Operation, status: number, seconds: number) => void) | undefined;
  readonly now?: () => Time;
}

/** What it means for a request that no token can be had for it. */
const WITHOUT_TOKEN: Partial<Record<ErrorCode, ErrorCode>> = {
  GITHUB_UNANSWERED: 'GITHUB_UNREACHABLE',
  GITHUB_REJECTED: 'GITHUB_UNAUTHORIZED',
};

/**
 * GitHub by Octokit, without its plug-ins for retries and throttling: they send a POST again that may have arrived.
 *
 * Import this file when it is needed: without it a process is spared Octokit's memory.
 */
export function connectGitHub(options: ConnectOptions): GitHub {
  const { apiUrl, credential, timeoutMs = 10_000, onCall, now = Date.now } = options;
  const limits = createLimits({ now });
  const pages = createPages();
  const octokit = new Octokit({
    baseUrl: apiUrl.replace(/\/+$/, ''),
    userAgent: `postsync/${VERSION}`,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    request: { fetch: createFetch({ timeoutMs, ca: credential.ca }) },
  });
  const tokens = createTokens({ credential, now, jwt: signer(credential), exchange });
  let saysWhichRun = true;

  async function send(call: Call, authorization: string): Promise<Answer> {
    const began = performance.now();
    let status = 0;
    try {
      const headers = {
        authorization,
        'x-github-api-version': API_VERSION,
        ...(call.etag !== undefined && { 'if-none-match': call.etag }),
      };
      const answer: Answer = await octokit.request(call.route, { ...call.parameters, headers });
      status = answer.status;
      // A redirect to elsewhere, which Octokit takes for a success.
      if (status >= 300) throw failed(answer);
      return answer;
    } catch (error) {
      const failure = error as Failure & { readonly response?: Answer };
      status = failure.response?.status ?? 0;
      if (failure.response && (status === 304 || call.fine?.includes(status))) return failure.response;
      throw error;
    } finally {
      onCall?.(call.operation, status, (performance.now() - began) / 1000);
    }
  }

  /** An App's token. Where none can be had, the request that it is for was surely not sent. */
  async function exchange(installationId: string, jwt: string) {
    const what = `get a token for installation ${installationId} of the GitHub App`;
    const route = 'POST /app/installations/{installation_id}/access_tokens';
    try {
      const parameters = { installation_id: installationId };
      const call: Call = { operation: 'create_token', what, route, parameters };
      return tokenIn((await send(call, `Bearer ${jwt}`)).data, what);
    } catch (error) {
      if (isLimit(error as Failure)) hear(error as Failure);
      const { code, message } = translate(error, what, [...tokens.secrets(), jwt]);
      throw new PostsyncError(WITHOUT_TOKEN[code] ?? code, message);
    }
  }

  async function request(call: Call): Promise<Answer> {
    try {
      const answer = await send(call, `Bearer ${await tokens.token()}`);
      hear(answer);
      return answer;
    } catch (error) {
      if (!(error instanceof PostsyncError)) hear(error as Failure);
      const translated = translate(error, call.what, tokens.secrets());
      if (translated.code === 'GITHUB_UNAUTHORIZED') tokens.forget();
      throw translated;
    }
  }

  function hear(heard: Failure | Answer): void {
    const answer = 'headers' in heard ? heard : heard.response;
    if (answer) limits.heard({ headers: answer.headers, limited: isLimit(heard) });
  }

  function read(call: Call): Promise<Answer> {
    if (!limits.read()) throw limited(call.what, limits.readableAt);
    return request(call);
  }

  async function write(call: Call): Promise<Answer> {
    const { blockedUntil } = limits;
    if (blockedUntil !== undefined) throw limited(call.what, blockedUntil);
    limits.wrote();
    try {
      return await request(call);
    } finally {
      limits.wrote();
    }
  }

  function dispatchOnce(what: string, parameters: Call['parameters']): Promise<Answer> {
    const route = 'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches';
    return write({
      operation: 'dispatch_workflow',
      what,
      route,
      parameters: { ...parameters, ...(saysWhichRun && { return_run_details: true }) },
      fine: saysWhichRun ? [400, 422] : [],
    });
  }

  return {
    limits,
    async dispatchRepository(repository, eventType, payload) {
      await write({
        operation: 'dispatch_repository',
        what: `dispatch to ${repository}`,
        route: 'POST /repos/{owner}/{repo}/dispatches',
        parameters: { ...partsOf(repository), event_type: eventType, client_payload: payload },
      });
    },
    async dispatchWorkflow(repository, { workflow, ref, inputs }) {
      const what = `dispatch workflow ${workflow} of ${repository}`;
      const parameters = { ...partsOf(repository), workflow_id: workflow, ref, inputs };
      let answer = await dispatchOnce(what, parameters);
      // A refused dispatch has started nothing, so this one is sent again: github/cli#12672.
      if (answer.status >= 400 && wordsOf(answer.data)?.includes('return_run_details')) {
        saysWhichRun = false;
        answer = await dispatchOnce(what, parameters);
      }
      if (answer.status >= 400) throw translate(failed(answer), what, tokens.secrets());
      return detailsIn(answer.data);
    },
    async listRuns(repository, { event, since }) {
      const created = `>=${isoSeconds(since)}`;
      const runs = new Map<number, WorkflowRun>();
      for (let page = 1; page <= MOST_LISTED / PER_PAGE; page++) {
        const parameters = { ...partsOf(repository), event, created, per_page: PER_PAGE, page };
        const call: Call = {
          operation: 'list_runs',
          what: `list the workflow runs of ${repository}`,
          route: 'GET /repos/{owner}/{repo}/actions/runs',
          parameters,
        };
        const { found, more } = await pages.read(JSON.stringify(parameters), async (etag) => {
          const answer = await read({ ...call, etag });
          if (answer.status === 304) return undefined;
          const value = { found: runsIn(answer.data, call.what), more: hasNext(answer) };
          return { etag: etagOf(answer), value };
        });
        for (const run of found) runs.set(run.id, run);
        if (!more) break;
      }
      return [...runs.values()];
    },
    async readRun(repository, id) {
      const parameters = { ...partsOf(repository), run_id: id };
      const call: Call = {
        operation: 'read_run',
        what: `read workflow run ${id} of ${repository}`,
        route: 'GET /repos/{owner}/{repo}/actions/runs/{run_id}',
        parameters,
        fine: [404],
      };
      return pages.read(JSON.stringify(parameters), async (etag) => {
        const answer = await read({ ...call, etag });
        if (answer.status === 304) return undefined;
        if (answer.status === 404) return { etag: undefined, value: undefined };
        return { etag: etagOf(answer), value: runIn(answer.data, call.what) };
      });
    },
    async cancelRun(repository, id) {
      await write({
        operation: 'cancel_run',
        what: `cancel workflow run ${id} of ${repository}`,
        route: 'POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel',
        parameters: { ...partsOf(repository), run_id: id },
        // It has ended already.
        fine: [409],
      });
    },
    ...statusCalls({ read, write }),
  };
}

/** Only the signature is Octokit's: its cache of tokens is shared by all accounts that name the same installation. */
function signer(credential: Credential): (() => Promise<string>) | undefined {
  if (credential.kind !== 'app') return undefined;
  const { appId, privateKey } = credential;
  const auth = createAppAuth({ appId, privateKey, log: { warn: quiet } });
  return async () => {
    try {
      return (await auth({ type: 'app' })).token;
    } catch {
      throw new PostsyncError('GITHUB_UNAUTHORIZED', `the private key of GitHub App ${appId} cannot sign`);
    }
  };
}

function failed(response: Answer): Failure {
  return { status: response.status, response };
}

function limited(what: string, until: Time): PostsyncError {
  return new PostsyncError('GITHUB_LIMITED', `cannot ${what}: not before ${iso(until)}, by GitHub's limits`);
}

function hasNext({ headers }: Answer): boolean {
  return /;\s*rel="?next\b/.test(String(headers.link ?? ''));
}

function etagOf({ headers }: Answer): string | undefined {
  return headers.etag === undefined ? undefined : String(headers.etag);
}

function quiet(): void {}
