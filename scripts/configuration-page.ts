import { settings } from '../src/config.ts';

/** docs/configuration.md, made from the schema. */
export function configurationPage(): string {
  const rows = settings().map(({ flag, variable, shown, isLiteral, description }) => {
    const fallback = shown === '' ? '' : `\nDefault: ${isLiteral ? `\`${shown}\`` : shown}\n`;
    return `### \`${flag}\`\n\nVariable: \`${variable}\`\n${fallback}\n${description}\n`;
  });
  return `# Configuration

<!-- Made by \`node scripts/configuration.ts\` from src/settings.ts. Do not edit. -->

Each setting is a flag or an environment variable; the flag wins, and an empty text counts as not given. All mistakes are said at once, at
start, and then postsync exits. Secrets are given as files (a mounted Secret), never as values. Files are read once, at start: restart
postsync after a change. Only the credential for GitHub is read again, every minute. Durations are whole numbers with units: \`30s\`, \`10m\`, \`1h30m\`.
Outside of a cluster, \`KUBECONFIG\` says which one.

A Service called \`postsync\` makes Kubernetes set \`POSTSYNC_PORT=tcp://…\` in Pods of its namespace; such a value is ignored. Any other variable that begins with
\`POSTSYNC_\` and is none of these is ignored as well, and the log says so at start.

${rows.join('\n')}`;
}
