import { Octokit } from '@octokit/rest';
import { type GitHub, type GitHubOptions, openGitHub } from './github.ts';
import type { Workflow } from './model.ts';

export const SHOP = { owner: 'acme', repo: 'shop' };

const SMOKE: Workflow = {
  path: '.github/workflows/smoke.yaml',
  name: 'Smoke',
  repositoryDispatch: { types: ['postsync'] },
  workflowDispatch: {
    inputs: { url: { required: true }, level: { default: 'full', options: ['full', 'quick'] } },
  },
  runName: ({ payload, inputs }) => `smoke ${String(payload['id'] ?? inputs['url'])}`,
};

/** GitHub with the repository acme/shop, whose smoke test reacts to both triggers, and the token `secret` named `ci`. */
export async function aGitHub(options: GitHubOptions = {}, smoke: Partial<Workflow> = {}): Promise<GitHub> {
  const github = await openGitHub(options);
  github.addRepository('acme/shop', { workflows: [{ ...SMOKE, ...smoke }] });
  github.addToken('secret', { name: 'ci' });
  return github;
}

const quiet = () => undefined;
export const QUIET = { debug: quiet, info: quiet, warn: quiet, error: quiet };

export function octokitOf({ url, fetch }: GitHub, auth = 'secret', baseUrl = url): Octokit {
  return new Octokit({ auth, baseUrl, log: QUIET, request: { fetch } });
}

/** Dispatches to acme/shop with this id in the payload. */
export async function dispatch(octokit: Octokit, id: string): Promise<number> {
  const { status } = await octokit.repos.createDispatchEvent({
    ...SHOP,
    event_type: 'postsync',
    client_payload: { id },
  });
  return status;
}

/** Dispatches smoke.yaml of acme/shop by name. */
export function dispatchSmoke(octokit: Octokit, given: object = {}) {
  return octokit.request('POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches', {
    ...SHOP,
    workflow_id: 'smoke.yaml',
    ref: 'main',
    inputs: { url: 'https://shop.example.com' },
    ...given,
  });
}
