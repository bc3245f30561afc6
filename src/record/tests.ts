import { z } from 'zod';
import type { Ref } from '../decide/model.ts';
import { isoSeconds } from '../decide/time.ts';
import type { Kubernetes } from '../kubernetes.ts';
import type { TestFinding } from '../ports.ts';

const Status = z.object({
  metadata: z.object({ generation: z.number() }),
  status: z
    .object({
      observedGeneration: z.number().optional(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string(),
            message: z.string().prefault(''),
            lastTransitionTime: z.string(),
          }),
        )
        .prefault([]),
    })
    .prefault({}),
});

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/**
 * Writes what was found out about a SyncTest, where its author looks. Ready False with Stalled True is said only of a
 * spec that can never work, because kstatus, and so Flux, reads it as failed; what may mend itself is a condition of
 * its own beside Ready True.
 *
 * @returns the object as it is now
 */
export async function writeFinding(kubernetes: Kubernetes, ref: Ref, finding: TestFinding): Promise<unknown> {
  const target = { resource: 'synctests', ...ref } as const;
  const object = await kubernetes.get(target);
  const { metadata, status } = Status.parse(object);
  if (metadata.generation !== finding.generation) return object;
  const known = new Map(status.conditions.map((condition) => [condition.type, condition]));
  const now = isoSeconds(Date.now());
  const conditions = conditionsOf(finding).map((condition) => {
    const before = known.get(condition.type);
    const since = before?.status === condition.status ? before.lastTransitionTime : now;
    return { ...condition, observedGeneration: finding.generation, lastTransitionTime: since };
  });
  const isSame =
    status.observedGeneration === finding.generation &&
    known.size === conditions.length &&
    conditions.every(({ type, status: value, reason, message }) => {
      const before = known.get(type);
      return before?.status === value && before.reason === reason && before.message === message;
    });
  if (isSame) return object;
  const written = { observedGeneration: finding.generation, conditions };
  return kubernetes.patch({ ...target, subresource: 'status' }, { status: written });
}

function conditionsOf(finding: TestFinding): readonly Condition[] {
  const { invalid, obstacle } = finding;
  const selected = selectedOf(finding);
  const admitted: Condition[] =
    obstacle === undefined
      ? []
      : [{ type: 'Accepted', status: 'False', reason: 'RefusedNow', message: obstacle }];
  if (invalid === undefined) {
    const message = obstacle === undefined ? 'it would be accepted' : 'its spec can work';
    return [{ type: 'Ready', status: 'True', reason: 'Checked', message }, ...admitted, ...selected];
  }
  const { reason, message } = invalid;
  return [
    { type: 'Ready', status: 'False', reason, message },
    { type: 'Stalled', status: 'True', reason, message },
    ...selected,
  ];
}

/** Nothing in it changes with each release that comes or goes: it would be written each time. */
function selectedOf({ matches, skipsExisting, namespacesIgnored }: TestFinding): readonly Condition[] {
  const later =
    '; what was deployed before this SyncTest was created is tested from its next deployment on (existing: skip)';
  const selected: Condition = matches
    ? {
        type: 'ReleasesSelected',
        status: 'True',
        reason: 'Selected',
        message: `at least one release is selected${skipsExisting ? later : ''}`,
      }
    : {
        type: 'ReleasesSelected',
        status: 'False',
        reason: 'NoneSelected',
        message: 'no release is selected or names it',
      };
  if (namespacesIgnored === undefined) return [selected];
  const message = namespacesIgnored;
  return [selected, { type: 'NamespacesSelected', status: 'False', reason: 'NotInTestsNamespace', message }];
}
