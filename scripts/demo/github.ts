import { type GitHub, openGitHub } from '../../test/support/github/github.ts';

export const REPOSITORY = 'acme/e2e';
const TOKEN = 'a-token-of-the-demo';

/** GitHub for the demo: a stand-in with one repository, whose workflow tests the shop and passes. */
export async function openRepository(): Promise<{
  readonly github: GitHub;
  /** The files of the administrator's credential, by name. */
  readonly credential: Readonly<Record<string, string>>;
}> {
  const github = await openGitHub();
  github.addRepository(REPOSITORY, {
    workflows: [
      {
        path: '.github/workflows/e2e.yaml',
        name: 'e2e',
        repositoryDispatch: { types: ['postsync'] },
        runName: ({ payload }) => `e2e ${(payload['postsync'] as { run?: string } | undefined)?.run}`,
        ends: () => ({ conclusion: 'success', ms: 1000 }),
      },
    ],
  });
  github.addToken(TOKEN);
  return { github, credential: { token: TOKEN, 'ca.crt': github.ca } };
}
