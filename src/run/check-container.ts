import type { Release } from '../decide/model.ts';
import type { HttpCheck, SyncTest } from '../synctest.ts';
import { mapValues } from '../values.ts';
import { literal, paramsOf, withParams } from './job-env.ts';
import type { Container } from './plain.ts';

/** The variable that brings a check to the program that makes it. */
export const CHECK_VARIABLE = 'POSTSYNC_CHECK';

/** A check ends so long before the test's own timeout that it can still say what was wrong. */
const SPARE_MS = 5000;

/** The container that makes a test's HTTP checks: postsync's own image, told what to ask by a variable. */
export function checkContainer(syncTest: SyncTest, checks: readonly HttpCheck[], given: Given): Container {
  const { release, image } = given;
  const params = paramsOf(syncTest, release);
  const targetNamespace = release.revision?.targetNamespace ?? release.ref.namespace;
  const longest = Math.max(1000, syncTest.limits.timeoutMs - SPARE_MS);
  const asked = checks.map(({ url, bodyMatch, headers, timeoutMs, ...rest }) => ({
    ...rest,
    url: located(withParams(url, params), targetNamespace),
    ...(bodyMatch !== undefined && { bodyMatch: withParams(bodyMatch, params) }),
    ...(headers && { headers: mapValues(headers, (value) => withParams(value, params)) }),
    timeoutMs: Math.min(timeoutMs, longest),
  }));
  return {
    name: 'check',
    image,
    imagePullPolicy: 'IfNotPresent',
    args: ['check'],
    env: [{ name: CHECK_VARIABLE, value: literal(JSON.stringify(asked)) }],
    resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '256Mi' } },
    securityContext: { readOnlyRootFilesystem: true },
  };
}

interface Given {
  readonly release: Release;
  readonly image: string;
}

/** A host of one label is a Service where the release deploys to, wherever the Job runs. */
function located(text: string, targetNamespace: string): string {
  const url = URL.parse(text);
  if (!url || url.hostname === 'localhost' || /[.:]/.test(url.hostname)) return text;
  url.hostname = `${url.hostname}.${targetNamespace}`;
  return url.href;
}
