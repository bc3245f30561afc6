import { type ChildProcess, spawn } from 'node:child_process';
import type { Api } from './api.ts';
import { type Container, type Images, type Start, startOf } from './container.ts';
import { recordEvent } from './events.ts';
import { loop } from './loop.ts';
import { type KubeObject, timestamp } from './objects.ts';
import { isFinished, type State, statusWith } from './pod-status.ts';
import { PODS } from './resources.ts';

const COMPONENT = 'kubelet';
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const NODE = 'embedded';
const LOG_BYTES = 1024 * 1024;
const RETRY_MS = 1_000;

interface Running {
  readonly child: ChildProcess;
  readonly startedAt: string;
  killTimer?: NodeJS.Timeout;
}

export interface Kubelet {
  /** What the container of a Pod has written so far. */
  logOf(uid: string): string | undefined;
  stop(): void;
}

/**
 * A stand-in for scheduler and kubelet: runs the FIRST container of each Pod as a local process, with the rights of
 * this one. There is no isolation, nothing is mounted, and no image is pulled. The process gets the container's own
 * environment and a plain PATH, nothing of ours.
 */
export function runPods(api: Api, images: Images): Kubelet {
  const { store } = api;
  const processes = new Map<string, Running>();
  const logs = new Map<string, string>();
  /** When a Pod that could not start is tried again. */
  const retries = new Map<string, number>();
  const look = loop((key) => {
    const [namespace = '', name = ''] = key.split('/');
    const pod = store.get(PODS, namespace, name);
    if (pod) sync(pod);
  });

  function sync(pod: KubeObject): void {
    const { deletionTimestamp, deletionGracePeriodSeconds = 0, uid } = pod.metadata;
    const running = processes.get(uid);
    if (isFinished(pod)) {
      if (deletionTimestamp && deletionGracePeriodSeconds > 0) removeNow(pod);
    } else if (deletionTimestamp) {
      if (running) stop(pod, running, deletionGracePeriodSeconds);
      else end(pod, { exitCode: 137, reason: 'ContainerStatusUnknown', startedAt: timestamp() });
    } else if (!running && (retries.get(uid) ?? 0) <= Date.now()) {
      begin(pod);
    }
  }

  function begin(pod: KubeObject): void {
    if (!pod.spec?.['nodeName']) return assign(pod);
    const container = containerOf(pod);
    const start = startOf(api, pod, container, images);
    if ('waiting' in start) wait(pod, start);
    else launch(pod, container, start);
  }

  function assign({ metadata }: KubeObject): void {
    const place = { type: PODS, namespace: metadata.namespace };
    api.update(place, metadata.name, placed, { manager: 'kube-scheduler' });
  }

  /** The first time as kubelet says it, after that as it says it between two tries. */
  function wait(pod: KubeObject, { waiting, message }: { waiting: string; message: string }): void {
    const { uid } = pod.metadata;
    const backOff = waiting === 'ErrImagePull' && retries.has(uid);
    const { image } = containerOf(pod);
    const reason = backOff ? 'ImagePullBackOff' : waiting;
    const text = backOff ? `Back-off pulling image "${image}": ErrImagePull: ${message}` : message;
    write(pod, { waiting: { reason, message: text } });
    if (!retries.has(uid)) {
      const said =
        waiting === 'ErrImagePull' ? `Failed to pull image "${image}": ${message}` : `Error: ${message}`;
      recordEvent(api, pod, { type: 'Warning', reason: 'Failed', message: said, component: COMPONENT });
    }
    retries.set(uid, Date.now() + RETRY_MS);
    look.addIn(keyOf(pod), RETRY_MS);
  }

  function launch(
    pod: KubeObject,
    container: Container,
    { argv, env, cwd }: Exclude<Start, { waiting: string }>,
  ): void {
    const { uid } = pod.metadata;
    const [file = '', ...args] = argv;
    const child = spawn(file, args, {
      cwd,
      env: { PATH, HOME: '/', ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const running = { child, startedAt: timestamp() };
    processes.set(uid, running);
    logs.set(uid, '');
    const keep = (chunk: Buffer) =>
      void logs.set(uid, ((logs.get(uid) ?? '') + chunk.toString()).slice(-LOG_BYTES));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('spawn', () => write(pod, { running: { startedAt: running.startedAt } }));
    child.once('error', () => {
      const why = file.includes('/')
        ? `stat ${file}: no such file or directory`
        : 'executable file not found in $PATH';
      const message = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "${file}": ${why}`;
      end(pod, { exitCode: 128, reason: 'StartError', message, startedAt: '1970-01-01T00:00:00Z' });
    });
    child.once('exit', () => killGroup(child, 'SIGKILL'));
    child.once('close', (code, signal) => {
      if (child.pid === undefined) return;
      const exitCode = code ?? exitCodeOf(signal);
      const tail = container.terminationMessagePolicy === 'FallbackToLogsOnError' && exitCode !== 0;
      const message = tail ? tailOf(logs.get(uid) ?? '') : '';
      const reason = exitCode === 0 ? 'Completed' : 'Error';
      end(pod, { exitCode, reason, ...(message && { message }), startedAt: running.startedAt });
    });
  }

  function stop(pod: KubeObject, running: Running, graceSeconds: number): void {
    if (running.killTimer) return;
    recordEvent(api, pod, {
      type: 'Normal',
      reason: 'Killing',
      message: `Stopping container ${containerOf(pod).name}`,
      component: COMPONENT,
    });
    killGroup(running.child, 'SIGTERM');
    running.killTimer = setTimeout(() => killGroup(running.child, 'SIGKILL'), graceSeconds * 1000).unref();
  }

  function end(
    pod: KubeObject,
    how: { exitCode: number; reason: string; message?: string; startedAt: string },
  ): void {
    clearTimeout(processes.get(pod.metadata.uid)?.killTimer);
    processes.delete(pod.metadata.uid);
    write(pod, { terminated: { ...how, finishedAt: timestamp() } });
  }

  function removeNow({ metadata }: KubeObject): void {
    const options = { uid: metadata.uid, graceSeconds: 0, policy: 'Background' };
    api.remove({ type: PODS, namespace: metadata.namespace }, metadata.name, options);
  }

  function write({ metadata }: KubeObject, state: State): void {
    const change = (draft: KubeObject) => {
      if (draft.metadata.uid === metadata.uid) draft.status = statusWith(draft, containerOf(draft), state);
    };
    const options = { manager: COMPONENT, subresource: 'status' } as const;
    api.update({ type: PODS, namespace: metadata.namespace }, metadata.name, change, options);
  }

  const unsubscribe = store.onChange(({ type, before, after }) => {
    if (type !== PODS) return;
    if (after) return look.add(keyOf(after));
    const uid = before?.metadata.uid ?? '';
    const gone = processes.get(uid);
    if (gone) killGroup(gone.child, 'SIGKILL');
    logs.delete(uid);
    retries.delete(uid);
  });
  const killAll = () => {
    for (const { child } of processes.values()) killGroup(child, 'SIGKILL');
  };
  process.once('exit', killAll);
  return {
    logOf: (uid) => logs.get(uid),
    stop() {
      unsubscribe();
      look.stop();
      process.off('exit', killAll);
      killAll();
    },
  };
}

const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;

function placed(pod: KubeObject): void {
  pod.spec = { ...pod.spec, nodeName: NODE };
}

function containerOf({ spec = {} }: KubeObject): Container {
  return (spec['containers'] as readonly Container[])[0] as Container;
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

/** A container's first process ignores a SIGTERM that it does not handle, and is killed when its time is up. */
function exitCodeOf(signal: NodeJS.Signals | null): number {
  const numbers: Partial<Record<NodeJS.Signals, number>> = {
    SIGTERM: 9,
    SIGKILL: 9,
    SIGINT: 2,
    SIGSEGV: 11,
    SIGABRT: 6,
  };
  return 128 + (numbers[signal ?? 'SIGKILL'] ?? 9);
}

/** What `FallbackToLogsOnError` shows of a log: its last 80 lines, 2 KiB at most. */
function tailOf(log: string): string {
  const lines = log.split('\n').slice(-81).join('\n');
  return Buffer.from(lines).subarray(-2048).toString();
}
