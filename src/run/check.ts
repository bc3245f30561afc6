import { lookup as resolve } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, type Dispatcher, Headers, interceptors, request } from 'undici';
import { isLinkLocal, urlProblem } from '../link-local.ts';
import type { HttpCheck } from '../synctest.ts';
import { unknownParams } from './job-env.ts';

/** Bytes of a body that are looked at. */
const BODY_LIMIT = 1024 * 1024;
/** Time for one attempt; the last one gets its least, though the time of the check is up before. */
const ATTEMPT_MOST_MS = 10_000;
const ATTEMPT_LEAST_MS = 1000;
const REDIRECTS = 5;

const PASSED = 0;
const FAILED = 1;
/** The check itself is at fault: nothing was learned of the software. */
const INCONCLUSIVE = 75;

/** The code of the error by which an address is refused. */
const REFUSED = 'ERR_LINK_LOCAL';

/**
 * Makes HTTP checks until each has passed or its time is up. It runs inside of a test's Job: one line an attempt,
 * one sentence at the end. No body, header or query is printed.
 *
 * @param text the checks, as JSON
 * @returns what the process is to exit with: 0 passed, 1 failed, 75 the check itself cannot work
 */
export async function runCheck(text: string | undefined, print: (line: string) => void): Promise<number> {
  const checks = parse(text);
  const problems = checks.map(problemOf).filter((problem) => problem !== undefined);
  for (const problem of problems) print(problem);
  if (checks.length === 0) print('there is nothing to check');
  if (checks.length === 0 || problems.length > 0) return INCONCLUSIVE;
  const agent = new Agent({ connect: { lookup: vetted(resolve) } });
  const direct = agent.compose(refuseLinkLocal);
  const following = direct.compose(interceptors.redirect({ maxRedirections: REDIRECTS }));
  try {
    const ends = await Promise.all(
      checks.map((check) => settle(check, wantsRedirect(check) ? direct : following, print)),
    );
    // Said again at the end, whichever was the last to be answered: the last line is what people are shown.
    const bad = ends.filter(({ code }) => code !== PASSED).toSorted((a, b) => a.code - b.code);
    for (const { sentence } of bad) print(sentence);
    return bad.at(-1)?.code ?? PASSED;
  } finally {
    await agent.destroy();
  }
}

/** What is wrong with a check itself. Its params were put in only when its Job was made. */
function problemOf({ url, bodyMatch = '', headers }: HttpCheck): string | undefined {
  const [unset] = [url, bodyMatch, ...Object.values(headers ?? {})].flatMap(unknownParams);
  if (unset !== undefined) return `it names $(PARAM_${unset}), but its test has no param ${unset}`;
  const problem = urlProblem(url);
  if (problem !== undefined) return `the URL ${problem}`;
  try {
    void [new RegExp(bodyMatch), new Headers(headers)];
    return undefined;
  } catch (error) {
    return error instanceof SyntaxError ? 'bodyMatch is not a regular expression' : 'a header is not valid';
  }
}

interface End {
  readonly code: number;
  /** What came of the check, for people. */
  readonly sentence: string;
}

/** Asks until the answer is the wanted one, or the time of the check is up. */
async function settle(check: HttpCheck, dispatcher: Dispatcher, print: (line: string) => void): Promise<End> {
  const { method, intervalMs, timeoutMs } = check;
  const { origin, pathname } = new URL(check.url);
  const name = `${method} ${origin}${pathname}`;
  const deadline = performance.now() + timeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    const left = deadline - performance.now();
    const { problem, hopeless } = await ask(
      check,
      dispatcher,
      Math.ceil(Math.min(ATTEMPT_MOST_MS, Math.max(ATTEMPT_LEAST_MS, left))),
    );
    const answer = `${name}: ${problem ?? 'as expected'}`;
    print(answer);
    if (problem === undefined) return { code: PASSED, sentence: answer };
    if (hopeless) return { code: INCONCLUSIVE, sentence: answer };
    if (performance.now() + intervalMs >= deadline) {
      const times = `${attempt} ${attempt === 1 ? 'time' : 'times'} within ${timeoutMs / 1000} s`;
      return { code: FAILED, sentence: `${name} failed ${times}, at last: ${problem}` };
    }
    await delay(intervalMs);
  }
}

interface Answer {
  /** What is wrong; absent when it is as expected. */
  readonly problem?: string;
  readonly hopeless?: boolean;
}

/** Where a redirect is what is expected, it is not followed. */
function wantsRedirect({ status }: HttpCheck): boolean {
  return status.some((one) => one >= 300 && one < 400);
}

async function ask(check: HttpCheck, dispatcher: Dispatcher, timeoutMs: number): Promise<Answer> {
  const { url, method, headers = {} } = check;
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    return await judge(check, await request(url, { method, headers, dispatcher, signal }));
  } catch (error) {
    return causes(error).includes(REFUSED)
      ? { problem: 'leads to a link-local address', hopeless: true }
      : { problem: whyNot(error) };
  }
}

async function judge(
  { status, bodyMatch }: HttpCheck,
  { statusCode, body }: Dispatcher.ResponseData,
): Promise<Answer> {
  const wanted = status.includes(statusCode);
  if (!wanted || bodyMatch === undefined) {
    // What comes of it after this is nobody's business.
    body.on('error', () => undefined).destroy();
    return wanted ? {} : { problem: `status ${statusCode} instead of ${status.join(' or ')}` };
  }
  return new RegExp(bodyMatch).test(await beginning(body))
    ? {}
    : { problem: `status ${statusCode}, but the body does not match` };
}

async function beginning(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= BODY_LIMIT) break;
  }
  return Buffer.concat(chunks).subarray(0, BODY_LIMIT).toString('utf8');
}

/** Connects only to addresses that were looked at: a name cannot change its mind in between. */
export function vetted(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, options, (error, address, family) => {
      const addresses = Array.isArray(address) ? address.map((one) => one.address) : [address];
      const refused = !error && addresses.some(isLinkLocal);
      callback(refused ? refusal() : error, address, family);
    });
  };
}

/** An address in a URL is not looked up; a redirect may lead to one. */
function refuseLinkLocal(dispatch: Dispatcher['dispatch']): Dispatcher['dispatch'] {
  return (options, handler) => {
    if (isLinkLocal(new URL(String(options.origin)).hostname)) throw refusal();
    return dispatch(options, handler);
  };
}

function refusal(): NodeJS.ErrnoException {
  return Object.assign(new Error('a link-local address'), { code: REFUSED });
}

function whyNot(error: unknown): string {
  const name = error instanceof Error ? error.name : '';
  if (name === 'TimeoutError') return 'no answer in time';
  const code = causes(error).find((one) => /^[A-Z_]+$/.test(one));
  return code === undefined ? 'no answer' : `no answer (${code})`;
}

/** The codes of an error and of what caused it. */
function causes(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const { code } = error as NodeJS.ErrnoException;
  return [...(code === undefined ? [] : [code]), ...causes(error.cause)];
}

function parse(text: string | undefined): readonly HttpCheck[] {
  try {
    return JSON.parse(text ?? '[]') as HttpCheck[];
  } catch {
    return [];
  }
}
