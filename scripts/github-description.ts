import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cutDown, type Description } from './github-description/cut.ts';

/**
 * Writes test/fixtures/github/description.json anew: of GitHub's own description of its API, what postsync uses.
 * The package is no dependency, since it is 390 MB on disk for the one file of it that is read.
 */
const PACKAGE = '@octokit/openapi@23.0.2';
const FILE = 'package/generated/api.github.com.json';

const OPERATIONS = [
  'POST /repos/{owner}/{repo}/dispatches',
  'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches',
  'GET /repos/{owner}/{repo}/actions/runs',
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}',
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel',
  'POST /repos/{owner}/{repo}/statuses/{sha}',
  'GET /repos/{owner}/{repo}/commits/{ref}/statuses',
  'POST /app/installations/{installation_id}/access_tokens',
];

const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), 'github-description-'));
try {
  const { stdout } = await run('npm', ['pack', PACKAGE, '--silent', '--pack-destination', folder]);
  await run('tar', ['-xzf', join(folder, stdout.trim()), '-C', folder, FILE]);
  const whole = JSON.parse(await readFile(join(folder, FILE), 'utf8')) as Description;
  const target = new URL('../test/fixtures/github/description.json', import.meta.url);
  await writeFile(target, `${JSON.stringify(cutDown(whole, OPERATIONS))}\n`);
} finally {
  await rm(folder, { recursive: true });
}
