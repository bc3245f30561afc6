import type { Container, PodSecurityContext, SecurityContext } from './plain.ts';

/** `nonroot` of the distroless images; any number but 0 would do. */
const NONROOT = 65_532;

/**
 * A container's security context as Pod Security's `restricted` wants it, where the test does not ask otherwise.
 * A user is named because an image that is silent about its own runs as root, and is then refused by the kubelet.
 */
export function restricted(asked: SecurityContext = {}, pod: PodSecurityContext = {}): SecurityContext {
  const user = asked.runAsUser ?? pod.runAsUser;
  const nonRoot = asked.runAsNonRoot ?? pod.runAsNonRoot;
  return {
    ...(nonRoot === undefined && user !== 0 && { runAsNonRoot: true }),
    ...(user === undefined && nonRoot !== false && { runAsUser: NONROOT }),
    ...(!(asked.seccompProfile ?? pod.seccompProfile) && { seccompProfile: { type: 'RuntimeDefault' } }),
    ...(!asked.privileged && { allowPrivilegeEscalation: false }),
    capabilities: { drop: ['ALL'] },
    ...asked,
  };
}

/** A container as each of a test's is: restricted, and with the end of its log in the Pod's status. */
export function tamed(container: Container, pod?: PodSecurityContext): Container {
  return {
    ...container,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: restricted(container.securityContext, pod),
  };
}
