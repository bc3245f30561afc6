import { callbackToken } from './callback-token.ts';
import { keyOf, type Ref, type Run } from './decide/model.ts';
import { refusalOf } from './github-allow.ts';
import type { Kubernetes } from './kubernetes.ts';
import type { Logger } from './log.ts';
import type { GithubLimit, Metrics } from './metrics.ts';
import type { Dispatches, Obstacle, Reports } from './ports.ts';
import { type Accounts, createAccounts } from './run/github/accounts.ts';
import { createCredentials } from './run/github/credentials.ts';
import { createDispatches } from './run/github/dispatches.ts';
import { createRunLists } from './run/github/lists.ts';
import type { Callback } from './run/github/payload.ts';
import { createReports } from './run/github/reports.ts';
import { validateTest } from './run/github/validate.ts';
import type { Config } from './settings.ts';
import type { GithubDefaults, SyncTest } from './synctest.ts';

export interface GithubOptions {
  readonly config: Config;
  readonly kubernetes: Kubernetes;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Something was heard of a release's workflow run. */
  readonly wake: (release: Ref) => void;
}

export interface WiredGithub {
  readonly dispatches: Dispatches;
  readonly reports: Reports;
  readonly validate: (syncTest: SyncTest) => Promise<Obstacle | undefined>;
  /** How the credentials in use stand with GitHub's limits. */
  readonly limits: () => readonly GithubLimit[];
}

/** What the administrator lets annotations ask of GitHub. */
export function githubDefaults({ githubCredentialDirectory, githubAllow }: Config): GithubDefaults {
  return { refusal: refusalOf(githubCredentialDirectory === undefined ? undefined : githubAllow) };
}

/** Joins what runs tests on GitHub. Octokit is loaded when it is needed first: most have no such test. */
export function wireGithub({ config, kubernetes, metrics, log, wake }: GithubOptions): WiredGithub {
  const { githubCredentialDirectory: directory, githubApiUrl: apiUrl, clusterName } = config;
  const { refusal } = githubDefaults(config);
  const onCall = (operation: string, code: number, seconds: number) =>
    metrics.githubCall(operation, code, seconds);
  const accounts = createAccounts({
    credentials: createCredentials(kubernetes, { ...(directory !== undefined && { directory }) }),
    async connect(url, credential) {
      const { connectGitHub } = await import('./run/github/octokit.ts');
      return connectGitHub({ apiUrl: url, credential, onCall });
    },
    wake,
    now: Date.now,
  });
  const options = { accounts, apiUrl, refusal, clusterName };
  const lists = createRunLists({ now: Date.now, wake });
  return {
    dispatches: createDispatches({ ...options, lists, callbackOf: (run) => callbackOf(config, run) }),
    reports: createReports({ accounts, kubernetes, apiUrl, clusterName, wake, log, now: Date.now }),
    validate: (syncTest) => validateTest(options, syncTest),
    limits: () => accounts.all().map(limitOf),
  };
}

function limitOf({ target, account }: ReturnType<Accounts['all']>[number]): GithubLimit {
  const { remaining, waiting, blockedUntil } = account.github.limits;
  const credential = target.secret ? keyOf(target.secret) : 'default';
  return { credential, remaining, waiting, isBlocked: blockedUntil !== undefined };
}

/** Where the workflow of a run may say that it has started or ended, if the administrator gave an address for it. */
function callbackOf({ callbackUrl, callbackKeys: [key] }: Config, { ref, uid }: Run): Callback | undefined {
  if (callbackUrl === undefined) return undefined;
  const url = `${callbackUrl}/api/v1/runs/${ref.namespace}/${ref.name}`;
  return { url, ...(key && { token: callbackToken(key, { ...ref, uid }) }) };
}
