import type {
  V1Container,
  V1PodSecurityContext,
  V1PodSpec,
  V1SecurityContext,
} from '@kubernetes/client-node';

/** client-node's models are classes; ours are plain objects of the same shape. */
type Plain<T> = Pick<T, keyof T>;

export type Container = Plain<V1Container>;
export type PodSpec = Plain<V1PodSpec>;
export type SecurityContext = Plain<V1SecurityContext>;
export type PodSecurityContext = Plain<V1PodSecurityContext>;
