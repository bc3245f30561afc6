import { createHash } from 'node:crypto';
import { TEST_IMAGE } from './env.ts';
import { tgz } from './tar.ts';

export const CHART = 'subject';
export const CHART_VERSIONS = ['1.0.0', '1.1.0'] as const;

/** What a release of the chart can be told by its values. */
export interface Values {
  /** Changing it makes a new revision and nothing else. */
  readonly message?: string;
  /** Deploys a small web server behind a Service of the release's name, port 8080; else only a ConfigMap. */
  readonly server?: boolean;
  /** The server's Pods never become ready: with a short timeout, a failed upgrade. */
  readonly broken?: boolean;
  /** Seconds until a new Pod of the server is ready: a slow upgrade. */
  readonly readyAfter?: number;
  /** A command for the chart's own test hook; none, no hook. */
  readonly helmTest?: string;
}

const TEMPLATES = {
  'configmap.yaml': `
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  message: {{ .Values.message | quote }}
`,
  'server.yaml': `
{{- if .Values.server }}
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}, annotations: {message: {{ .Values.message | quote }}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: server
          image: {{ .Values.image }}
          imagePullPolicy: IfNotPresent
          command: [sh, -c, 'mkdir /tmp/www && echo "$MESSAGE" >/tmp/www/healthz && exec httpd -f -p 8080 -h /tmp/www']
          env: [{name: MESSAGE, value: {{ .Values.message | quote }}}]
          readinessProbe:
            {{- if .Values.broken }}
            exec: {command: ["false"]}
            {{- else }}
            httpGet: {path: /healthz, port: 8080}
            {{- end }}
            initialDelaySeconds: {{ .Values.readyAfter }}
            periodSeconds: 1
{{- end }}
`,
  'test.yaml': `
{{- if .Values.helmTest }}
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-hook
  annotations: {helm.sh/hook: test, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  restartPolicy: Never
  containers:
    - {name: hook, image: {{ .Values.image }}, imagePullPolicy: IfNotPresent, command: [sh, -c, {{ .Values.helmTest | quote }}]}
{{- end }}
`,
};

/** The files that a Helm repository serves: `index.yaml` and an archive for each version. */
export function chartRepository(): ReadonlyMap<string, Buffer> {
  const archives = CHART_VERSIONS.map((version) => ({ version, archive: packaged(version) }));
  const index = {
    apiVersion: 'v1',
    entries: {
      [CHART]: archives.map(({ version, archive }) => ({
        apiVersion: 'v2',
        name: CHART,
        version,
        appVersion: version,
        urls: [`${CHART}-${version}.tgz`],
        digest: createHash('sha256').update(archive).digest('hex'),
        created: '2026-01-01T00:00:00Z',
      })),
    },
  };
  return new Map([
    ['index.yaml', Buffer.from(JSON.stringify(index))],
    ...archives.map(({ version, archive }) => [`${CHART}-${version}.tgz`, archive] as const),
  ]);
}

function packaged(version: string): Buffer {
  const defaults = {
    message: '',
    server: false,
    broken: false,
    readyAfter: 0,
    helmTest: '',
    image: TEST_IMAGE,
  };
  return tgz({
    [`${CHART}/Chart.yaml`]: JSON.stringify({ apiVersion: 'v2', name: CHART, version, appVersion: version }),
    [`${CHART}/values.yaml`]: JSON.stringify(defaults),
    ...Object.fromEntries(
      Object.entries(TEMPLATES).map(([name, text]) => [`${CHART}/templates/${name}`, text]),
    ),
  });
}
