/** Every code this program can fail with. Codes are API: logs, tests and docs use them. */
export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'OBJECT_INVALID'
  /** A Job of a run's name is there, and it is not the one that postsync would have created. */
  | 'JOB_CONFLICT'
  /** A request names a HelmRelease that is not there. */
  | 'RELEASE_NOT_FOUND'
  /** A request names a test that the release does not ask for. */
  | 'TEST_NOT_FOUND'
  /** A request finds nothing deployed, another deployment than it names, or no test. */
  | 'NOTHING_TO_TEST'
  /** The keys of those who issue the tokens of jobs cannot be had. */
  | 'ISSUER_UNAVAILABLE'
  /** 400, 404, 410, 422 and the like of GitHub: the request is wrong; nothing was started, and sending it again cannot help. */
  | 'GITHUB_REJECTED'
  /** 401 of GitHub, or a GitHub App that gets no token: the credential is wrong. */
  | 'GITHUB_UNAUTHORIZED'
  /** GitHub refused, and a limit is not why: a right, a policy. Nothing was started; it may change. */
  | 'GITHUB_FORBIDDEN'
  /** A primary or secondary limit of GitHub's. Nothing was started; `limits` knows until when. */
  | 'GITHUB_LIMITED'
  /** The request was surely not sent: no connection to GitHub could be made. */
  | 'GITHUB_UNREACHABLE'
  /** No answer, or 5xx: whether GitHub carried it out is not known. */
  | 'GITHUB_UNANSWERED'
  /** There is no credential for GitHub where there should be one, or it cannot be read. */
  | 'CREDENTIALS_MISSING'
  /** A workflow run calls back for a run that did not cause it. */
  | 'OTHER_WORKFLOW_RUN'
  /** 404 of the Kubernetes API. */
  | 'API_NOT_FOUND'
  /** 409 AlreadyExists: the name is taken. */
  | 'API_EXISTS'
  /** 409 Conflict: the object changed since it was read. */
  | 'API_CONFLICT'
  /** 410: the resourceVersion is too old to go on from. */
  | 'API_GONE'
  /** 401 or 403: RBAC, a quota, a webhook or an admission policy said no. */
  | 'API_FORBIDDEN'
  /** 400, 413, 415, 422: the request itself is wrong; sending it again cannot help. */
  | 'API_REJECTED'
  /** No answer, 408, 429, 5xx: try again later. Whether it was carried out is not known. */
  | 'API_UNAVAILABLE';

/** The one error class of the program. `message` is for people, `code` is for code. */
export class PostsyncError extends Error {
  override readonly name = 'PostsyncError';
  readonly code: ErrorCode;
  /** Of `API_UNAVAILABLE`: the server itself said that something failed, such as a webhook it asked. */
  readonly isAnswer?: true;

  constructor(
    code: ErrorCode,
    message: string,
    options?: { cause?: unknown; isAnswer?: boolean | undefined },
  ) {
    super(message, options);
    this.code = code;
    if (options?.isAnswer) this.isAnswer = true;
  }
}

/** Tells whether an error is ours and has one of these codes. */
export function isCode(error: unknown, ...codes: readonly ErrorCode[]): error is PostsyncError {
  return error instanceof PostsyncError && codes.includes(error.code);
}

/** Tells whether the API server answered with a 5xx. What it was asked for may have been done all the same. */
export function isServerError(error: unknown): error is PostsyncError {
  return isCode(error, 'API_UNAVAILABLE') && error.isAnswer === true;
}
