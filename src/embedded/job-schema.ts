import type { Schema } from './schema.ts';

const string: Schema = { type: 'string' };
const integer: Schema = { type: 'integer' };
const boolean: Schema = { type: 'boolean' };
const open: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const intOrString: Schema = { 'x-kubernetes-int-or-string': true };
const strings: Schema = { type: 'object', additionalProperties: string };

const object = (properties: Readonly<Record<string, Schema>>): Schema => ({ type: 'object', properties });
const list = (items: Schema): Schema => ({ type: 'array', items });
const each = (names: string, schema: Schema) =>
  Object.fromEntries(names.split(' ').map((name) => [name, schema]));

const keyRef = object({ ...each('name key', string), optional: boolean });
const sourceRef = object({ name: string, optional: boolean });
const resources = object({
  ...each('limits requests', { type: 'object', additionalProperties: {} }),
  claims: list(open),
});
const probe = object({
  ...each('exec httpGet tcpSocket grpc', open),
  ...each(
    'initialDelaySeconds periodSeconds timeoutSeconds successThreshold failureThreshold terminationGracePeriodSeconds',
    integer,
  ),
});
const capabilities = object({ add: list(string), drop: list(string) });
const seccompProfile = object(each('type localhostProfile', string));

const container = object({
  ...each('name image imagePullPolicy workingDir terminationMessagePath terminationMessagePolicy', string),
  ...each('command args', list(string)),
  ...each('stdin stdinOnce tty', boolean),
  restartPolicy: string,
  env: list(
    object({
      ...each('name value', string),
      valueFrom: object({
        ...each('secretKeyRef configMapKeyRef', keyRef),
        fieldRef: object(each('apiVersion fieldPath', string)),
        resourceFieldRef: object({ ...each('containerName resource', string), divisor: intOrString }),
        fileKeyRef: open,
      }),
    }),
  ),
  envFrom: list(object({ prefix: string, ...each('configMapRef secretRef', sourceRef) })),
  ports: list(
    object({ ...each('name protocol hostIP', string), ...each('containerPort hostPort', integer) }),
  ),
  resources,
  resizePolicy: list(open),
  restartPolicyRules: list(open),
  lifecycle: open,
  ...each('livenessProbe readinessProbe startupProbe', probe),
  volumeMounts: list(
    object({
      ...each('name mountPath subPath subPathExpr mountPropagation recursiveReadOnly', string),
      readOnly: boolean,
    }),
  ),
  volumeDevices: list(open),
  securityContext: object({
    ...each('privileged runAsNonRoot readOnlyRootFilesystem allowPrivilegeEscalation', boolean),
    ...each('runAsUser runAsGroup', integer),
    procMount: string,
    capabilities,
    seccompProfile,
    ...each('seLinuxOptions windowsOptions appArmorProfile', open),
  }),
});

const items = list(object({ ...each('key path', string), mode: integer }));

const podSpec = object({
  ...each('containers initContainers', list(container)),
  ephemeralContainers: list(open),
  ...each(
    'restartPolicy serviceAccountName serviceAccount nodeName hostname subdomain schedulerName priorityClassName dnsPolicy runtimeClassName preemptionPolicy hostnameOverride',
    string,
  ),
  ...each(
    'automountServiceAccountToken hostNetwork hostPID hostIPC hostUsers shareProcessNamespace setHostnameAsFQDN enableServiceLinks',
    boolean,
  ),
  ...each('terminationGracePeriodSeconds activeDeadlineSeconds priority', integer),
  nodeSelector: strings,
  imagePullSecrets: list(object({ name: string })),
  volumes: list(
    object({
      name: string,
      secret: object({ secretName: string, items, defaultMode: integer, optional: boolean }),
      configMap: object({ name: string, items, defaultMode: integer, optional: boolean }),
      emptyDir: object({ medium: string, sizeLimit: intOrString }),
      ...each(
        'hostPath persistentVolumeClaim projected downwardAPI nfs csi ephemeral image iscsi rbd cephfs fc',
        open,
      ),
    }),
  ),
  tolerations: list(object({ ...each('key operator value effect', string), tolerationSeconds: integer })),
  securityContext: object({
    ...each('runAsUser runAsGroup fsGroup', integer),
    runAsNonRoot: boolean,
    ...each('fsGroupChangePolicy supplementalGroupsPolicy seLinuxChangePolicy', string),
    supplementalGroups: list(integer),
    sysctls: list(open),
    seccompProfile,
    ...each('seLinuxOptions windowsOptions appArmorProfile', open),
  }),
  ...each('affinity dnsConfig overhead os resources workloadRef', open),
  ...each('topologySpreadConstraints hostAliases readinessGates schedulingGates resourceClaims', list(open)),
});

const onExitCodes = object({ ...each('containerName operator', string), values: list(integer) });
const onPodConditions = list(object(each('type status', string)));

/**
 * The fields of a Job down to its containers, by which an unknown one is found (`fieldValidation=Strict`). It is the
 * API of Kubernetes 1.36 with what a test hardly uses left open: probes' handlers, affinity, exotic volumes.
 */
export function jobSchema(): Schema {
  return object({
    spec: object({
      ...each(
        'parallelism completions activeDeadlineSeconds backoffLimit backoffLimitPerIndex maxFailedIndexes ttlSecondsAfterFinished',
        integer,
      ),
      ...each('completionMode podReplacementPolicy managedBy', string),
      ...each('manualSelector suspend', boolean),
      selector: object({ matchLabels: strings, matchExpressions: list(open) }),
      podFailurePolicy: object({ rules: list(object({ action: string, onExitCodes, onPodConditions })) }),
      successPolicy: open,
      scheduling: open,
      template: object({
        metadata: object({
          ...each('name generateName namespace creationTimestamp', string),
          ...each('labels annotations', strings),
          finalizers: list(string),
        }),
        spec: podSpec,
      }),
    }),
    status: open,
  });
}
