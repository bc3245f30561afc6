import type { JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { isCode, PostsyncError } from '../errors.ts';
import { AUDIENCE } from './access.ts';
import { createIssuerKeys, type IssuerKeysOptions } from './issuer-keys.ts';

/** A job of GitHub Actions, as its token names it. */
export interface Job {
  /** `owner/name`. */
  readonly repository: string;
  /** The workflow run that it is part of. */
  readonly runId: number;
}

/** Reads the tokens of jobs (`permissions: {id-token: write}`). */
export interface JobTokens {
  /**
   * @returns whose token it is, or why it is none of this issuer's for postsync
   * @throws {PostsyncError} `ISSUER_UNAVAILABLE`: whether it is one cannot be said now
   */
  read(token: string, issuer: string): Promise<Job | string>;
}

const CLOCK_TOLERANCE_SECONDS = 30;

const Claims = z.object({
  repository: z.string(),
  run_id: z
    .string()
    .regex(/^[1-9]\d{0,15}$/)
    .transform(Number),
});

/**
 * Who issues the tokens of the jobs that are dispatched to by this address of GitHub's API.
 *
 * @see https://docs.github.com/en/actions/concepts/security/openid-connect
 */
export function issuerOf(apiUrl: string): string {
  const { hostname, origin } = new URL(apiUrl);
  if (hostname === 'api.github.com') return 'https://token.actions.githubusercontent.com';
  const [, subdomain] = /^api\.([a-z0-9-]+)\.ghe\.com$/.exec(hostname) ?? [];
  if (subdomain !== undefined) return `https://token.actions.${subdomain}.ghe.com`;
  return `${origin}/_services/token`;
}

export function createJobTokens(options: IssuerKeysOptions = {}): JobTokens {
  const issuerKeys = createIssuerKeys(options);
  return {
    async read(token, issuer) {
      const { decodeJwt, errors, jwtVerify } = await import('jose');
      const keyOf: JWTVerifyGetKey = async (header, jws) => {
        const known = await issuerKeys.of(issuer);
        try {
          return await known(header, jws);
        } catch (error) {
          if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
          const renewed = await issuerKeys.renewed(issuer);
          return renewed(header, jws);
        }
      };
      try {
        // Nothing is fetched for a token that does not even claim to be from there.
        if (decodeJwt(token).iss !== issuer) return 'another issuer';
        const { payload } = await jwtVerify(token, keyOf, {
          issuer,
          audience: AUDIENCE,
          algorithms: ['RS256'],
          requiredClaims: ['exp'],
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
        });
        const claims = Claims.safeParse(payload);
        if (!claims.success) return 'not the token of a job';
        return { repository: claims.data.repository, runId: claims.data.run_id };
      } catch (error) {
        if (error instanceof errors.JOSEError) return error.code;
        if (isCode(error, 'ISSUER_UNAVAILABLE')) throw error;
        throw new PostsyncError('ISSUER_UNAVAILABLE', `a key of ${issuer} cannot be used`, { cause: error });
      }
    },
  };
}
