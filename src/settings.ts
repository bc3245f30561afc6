import { z } from 'zod';
import {
  BaseUrl,
  CommaSeparated,
  Count,
  Duration,
  FlaggerTokens,
  GithubAllow,
  JobDefaults,
  KeyPair,
  Label,
  PositiveDuration,
  yamlOf,
} from './config-values.ts';
import { LOG_URL_VARIABLES, unknownLogUrlVariables } from './log-url.ts';

/** What the configuration needs from outside besides flags and environment. */
export interface Outside {
  /** @throws when the file cannot be read. */
  readonly read: (path: string) => Buffer;
  readonly hostname: () => string;
}

const NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/**
 * Every setting, once: its name makes the variable and the flag, its description and default the help and
 * docs/configuration.md. Input is text; an empty text counts as not given.
 */
export function schema({ read, hostname }: Outside) {
  /** A file's bytes; undefined, with an issue, when it cannot be read or is empty. */
  function contentOf(path: string, ctx: z.RefinementCtx): Buffer | undefined {
    try {
      const content = read(path);
      if (content.toString('latin1').trim() !== '') return content;
      ctx.addIssue({ code: 'custom', message: `${path} is empty` });
    } catch {
      ctx.addIssue({ code: 'custom', message: `cannot read ${path}` });
    }
    return undefined;
  }
  const SecretFiles = CommaSeparated.transform((paths, ctx) =>
    paths.map((path) => contentOf(path, ctx) ?? Buffer.alloc(0)),
  );
  const ownNamespace = () => {
    try {
      return read(NAMESPACE_FILE).toString('utf8').trim();
    } catch {
      return 'postsync-system';
    }
  };

  return z
    .object({
      port: Count.pipe(z.int().max(65_535))
        .prefault('8080')
        .describe('Port of the HTTP server; 0 takes a free one.'),
      logLevel: z
        .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
        .prefault('info')
        .describe('Lowest level of what is logged: trace, debug, info, warn, error or fatal.'),
      clusterName: z
        .string()
        .prefault('')
        .describe('Name of this cluster, told to tests as POSTSYNC_CLUSTER and put into metrics.'),
      namespace: Label.prefault(ownNamespace).meta({
        description: "postsync's own namespace, where its Lease is.",
        shown: "the service account's, else postsync-system",
      }),
      testsNamespace: Label.optional().describe(
        'The only namespace whose SyncTests may select releases of other namespaces. It must not be the one postsync runs in. Without it, SyncTests select releases of their own namespace only.',
      ),
      image: z.string().optional().meta({
        description: "postsync's own image, which HTTP checks and chart tests run.",
        shown: "that of postsync's own Pod",
      }),
      fluxHmacKeyFiles: SecretFiles.pipe(KeyPair)
        .prefault('')
        .describe(
          'Files with the key of the generic-hmac Provider, comma separated; two while the key is rotated. The bytes count as they are; a key with white space around it is also tried without.',
        ),
      fluxBearerTokenFiles: SecretFiles.transform((files) =>
        files.map((file) => file.toString('utf8').trim()),
      )
        .prefault('')
        .describe('Files with a bearer token that a generic Provider sends, comma separated.'),
      fluxReasons: CommaSeparated.prefault(
        'InstallSucceeded,UpgradeSucceeded,TestSucceeded,ReconciliationSucceeded',
      ).describe('Reasons of Flux events that cause a look at the release, comma separated.'),
      callbackUrl: BaseUrl.optional().describe(
        'Address at which GitHub workflows reach postsync, such as https://postsync.example.com. Without it, workflows are not asked to call back, and postsync polls only.',
      ),
      callbackKeyFiles: SecretFiles.pipe(
        KeyPair.refine((keys) => keys.every((key) => key.length >= 32), 'a key has at least 32 bytes'),
      )
        .prefault('')
        .describe(
          'Files with the key that makes the token by which the workflow of a run may call back, comma separated; two while the key is rotated, the new one first. At least 32 bytes. Without it, workflows call back with their OIDC token.',
        ),
      eventAddress: BaseUrl.optional().describe(
        "Address of Flux' notification-controller, to which each verdict is told for Alerts to pass on; as Flux installs it, http://notification-controller.flux-system.svc.cluster.local./. Without it, nothing is told to Flux.",
      ),
      flaggerTokensFile: z
        .string()
        .transform((path, ctx) => yamlOf(path, contentOf(path, ctx), ctx))
        .pipe(FlaggerTokens)
        .optional()
        .describe(
          'YAML or JSON file that maps a namespace to the token by which webhooks of Flagger may ask for the tests of its releases; at least 16 characters each. Without it, Flagger may ask for nothing.',
        ),
      githubApiUrl: BaseUrl.prefault('https://api.github.com').describe(
        "Address of GitHub's API for the administrator's credential and for SyncTests that name none; https://HOST/api/v3 for GitHub Enterprise Server.",
      ),
      githubCredentialDirectory: z
        .string()
        .optional()
        .describe(
          "Directory with the administrator's credential for GitHub, such as a mounted Secret: a file token, or the files githubAppID, githubAppInstallationID and githubAppPrivateKey. It is for the annotation postsync.dev/github and for SyncTests without a secretRef.",
        ),
      githubAllow: GithubAllow.prefault('').describe(
        "What the administrator's credential for GitHub may be used for: OWNER/REPOSITORY=NAMESPACE, comma separated; * stands for any repository of an owner, or for any namespace.",
      ),
      maxRuns: Count.prefault('20').describe('Runs at once in the whole cluster; 0 for no limit.'),
      parallelLooks: Count.pipe(z.int().min(1).max(1000))
        .prefault('16')
        .describe('Releases that are looked at at the same time.'),
      resyncInterval: Duration.prefault('10m').describe(
        'How often every release is looked at though nothing was heard of it; 0 turns it off.',
      ),
      retryBackoff: PositiveDuration.prefault('30s').describe(
        'Wait before an inconclusive run is tried again; it doubles with each further try.',
      ),
      jobDefaultsFile: z
        .string()
        .transform((path, ctx) => yamlOf(path, contentOf(path, ctx), ctx))
        .pipe(JobDefaults)
        .optional()
        .describe(
          'YAML or JSON file with what every Job of a test gets: labels, annotations, tolerations, nodeSelector, resources, imagePullSecrets, registry, priorityClassName.',
        ),
      logUrlTemplate: z
        .string()
        .regex(/^https?:\/\//, 'must begin with http:// or https://')
        .superRefine((template, ctx) => {
          for (const name of unknownLogUrlVariables(template))
            ctx.addIssue({
              code: 'custom',
              message: `{${name}} is none of {${LOG_URL_VARIABLES.join('}, {')}}`,
            });
        })
        .optional()
        .describe(
          `Where a run's log can be read, for the url in its status. Filled in, percent-encoded: {${LOG_URL_VARIABLES.join('}, {')}}; namespace and job are those of the Job, whose Pods carry the label job-name.`,
        ),
      leaderElection: z
        .enum(['true', 'false'])
        .transform((text) => text === 'true')
        .prefault('true')
        .describe(
          'Whether replicas agree by a Lease on which of them is active. Turn it off only for a single process.',
        ),
      identity: z
        .string()
        .prefault(hostname)
        .meta({ description: 'Name of this replica in the Lease.', shown: "the host's name" }),
      apiServerTimeout: PositiveDuration.prefault('10s').describe('Time for one call to the Kubernetes API.'),
      shutdownGrace: PositiveDuration.prefault('25s').describe(
        "Time to finish what was begun when asked to stop; keep it below the Pod's terminationGracePeriodSeconds.",
      ),
    })
    .refine(({ namespace, testsNamespace }) => testsNamespace === undefined || testsNamespace !== namespace, {
      path: ['testsNamespace'],
      message: 'must not be the namespace that postsync itself runs in',
      when: () => true,
    })
    .transform(
      ({
        fluxHmacKeyFiles,
        fluxBearerTokenFiles,
        callbackKeyFiles,
        resyncInterval,
        retryBackoff,
        apiServerTimeout,
        shutdownGrace,
        jobDefaultsFile,
        flaggerTokensFile,
        ...rest
      }) => ({
        ...rest,
        fluxHmacKeys: fluxHmacKeyFiles,
        fluxBearerTokens: fluxBearerTokenFiles,
        callbackKeys: callbackKeyFiles,
        resyncIntervalMs: resyncInterval,
        retryBackoffMs: retryBackoff,
        apiServerTimeoutMs: apiServerTimeout,
        shutdownGraceMs: shutdownGrace,
        jobDefaults: jobDefaultsFile,
        flaggerTokens: flaggerTokensFile,
      }),
    );
}

/** The whole configuration. Durations are milliseconds, secrets are the content of their files. */
export type Config = Readonly<z.output<ReturnType<typeof schema>>>;
