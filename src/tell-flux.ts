import type { Reason } from './decide/model.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Records } from './ports.ts';
import { syncTestOf, type World } from './reconcile/world.ts';
import { fluxEventOf } from './record/flux-event.ts';
import { createOutbox } from './record/outbox.ts';
import type { Config } from './settings.ts';
import type { SyncTest } from './synctest.ts';

export interface TellFluxOptions {
  readonly config: Pick<Config, 'eventAddress' | 'identity'>;
  readonly world: World;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'told'>;
}

/** Records that also tell each verdict to notification-controller, where an address of it is configured. */
export function tellFlux(
  records: Records,
  { config, world, log, metrics }: TellFluxOptions,
): { readonly records: Records; readonly flush: () => Promise<void> } {
  const { eventAddress: address, identity: instance } = config;
  if (address === undefined) return { records, flush: () => Promise.resolve() };
  const outbox = createOutbox({ address, log, onDelivery: metrics.told });
  const tellVerdict: Records['tellVerdict'] = (release, run, outcome) => {
    const syncTest = syncTestOf(world, run, release);
    const sharesOutput = syncTest !== undefined && maySay(syncTest, outcome.reason);
    const event = fluxEventOf({ release, run, outcome }, { instance, sharesOutput });
    if (event) outbox.send(`${run.uid} ${outcome.verdict}`, event);
    return records.tellVerdict(release, run, outcome);
  };
  return { records: { ...records, tellVerdict }, flush: () => outbox.close() };
}

/** What the container of the built-in check says is postsync's own, and a workflow says nothing of the cluster. */
function maySay({ shareOutput, body }: SyncTest, reason: Reason): boolean {
  if (shareOutput || body.kind === 'github') return true;
  return body.kind === 'check' && (reason === 'JobFailed' || reason === 'TestSaidSo');
}
