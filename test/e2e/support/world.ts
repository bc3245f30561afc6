import { after, before, type TestContext, test } from 'node:test';
import { openApi } from './api.ts';
import { serveChart } from './chart-server.ts';
import { install } from './install.ts';
import { openPostsync, type PostsyncOptions } from './postsync.ts';
import { openScene, type Scene, type World } from './scene.ts';
import { openView } from './view.ts';

const SETUP_MS = 240_000;
const SCENARIO_MS = 240_000;

export interface WorldOptions extends PostsyncOptions {
  /** Leave it to the scenarios to start postsync. */
  readonly started?: boolean;
}

/**
 * What the scenarios of a `describe` share: the cluster with postsync's CRDs and rights in it and no replica of it,
 * a chart to deploy, and one postsync as a process. To be called inside of the `describe`.
 */
export function aWorld(options: WorldOptions): World {
  let open: World | undefined;
  const closes: (() => Promise<void> | void)[] = [];
  const opened = () => {
    if (!open) throw new Error('used before it was set up');
    return open;
  };
  before(
    async () => {
      const api = await openApi();
      closes.unshift(() => api.close());
      await install(process.env['E2E_IMAGE'], { replicas: 0 });
      const charts = await serveChart(api);
      const view = await openView(api);
      closes.unshift(() => view.close());
      const postsync = await openPostsync(api, options);
      closes.unshift(() => postsync.close());
      open = { api, view, charts, postsync };
      if (options.started !== false) await postsync.start();
    },
    { timeout: SETUP_MS },
  );
  after(async () => {
    for (const close of closes) await close();
  });
  return {
    get api() {
      return opened().api;
    },
    get view() {
      return opened().view;
    },
    get charts() {
      return opened().charts;
    },
    get postsync() {
      return opened().postsync;
    },
  };
}

export interface ScenarioOptions {
  readonly timeoutMs?: number;
  /** Labels of its namespace. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** A test with a namespace of its own. Where it fails, its error ends with all that there is to see. */
export function scenario(
  world: World,
  name: string,
  body: (scene: Scene, t: TestContext) => Promise<void>,
  { timeoutMs = SCENARIO_MS, labels = {} }: ScenarioOptions = {},
): void {
  test(name, { timeout: timeoutMs }, async (t) => {
    const scene = await openScene(world, labels);
    try {
      await body(scene, t);
    } catch (error) {
      throw withState(error, await scene.dump().catch(String));
    } finally {
      await scene.close();
    }
  });
}

function withState(error: unknown, state: string): Error {
  const { message, cause, stack } = error instanceof Error ? error : new Error(String(error));
  const because = cause instanceof Error ? ` (${cause.message})` : '';
  const told = new Error(`${message}${because}\n${state}\n`);
  const frames = stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? [];
  told.stack = [told.message, ...frames].join('\n');
  return told;
}
