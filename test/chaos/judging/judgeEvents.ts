import { isDeepStrictEqual } from 'node:util';

import { selectRows, type Database } from '../../../platform/db.ts';
import type { StoreServer } from '../../support/storeServer.ts';

interface EventRow {
  readonly id: string;
  readonly payment_id: string;
  readonly refund_id: string;
  readonly type: string;
  readonly version: string | number;
  readonly data: string | object;
}

/**
 * Each payment and refund has events 1 to n, of which the last tells what it is; and each webhook
 * tells what its event says.
 */
export async function judgeEvents(db: Database, storeServer: StoreServer): Promise<string[]> {
  const events = await selectRows<EventRow>(
    db,
    `SELECT id, COALESCE(parent_id, subject_id) AS payment_id, IF(subject_type = 'refund', subject_id, '') AS refund_id,
       type, version, data FROM events ORDER BY subject_type, subject_id, version`,
    [],
  );
  const subjects = await selectRows<{
    payment_id: string;
    refund_id: string;
    status: string;
    version: string | number;
  }>(
    db,
    `SELECT id AS payment_id, '' AS refund_id, status, version FROM payments
     UNION ALL SELECT payment_id, id, status, version FROM refunds`,
    [],
  );
  const byId = new Map<string, EventRow[]>();
  const keyOf = ({
    payment_id,
    refund_id,
  }: {
    readonly payment_id: string;
    readonly refund_id: string;
  }) => `${payment_id} ${refund_id}`;
  for (const event of events) byId.set(keyOf(event), [...(byId.get(keyOf(event)) ?? []), event]);
  const breaches = subjects.flatMap((subject) => {
    const own = byId.get(keyOf(subject)) ?? [];
    const versions = own.map(({ version }) => Number(version));
    const name =
      subject.refund_id === '' ? `payment ${subject.payment_id}` : `refund ${subject.refund_id}`;
    const found = versions.every((version, index) => version === index + 1)
      ? []
      : [`${name} has events of the versions ${versions.join(', ')}`];
    const last = own.at(-1);
    if (last === undefined) return [`${name} has no events`];
    const told = parse(last.data) as { readonly status?: string; readonly version?: number };
    if (told.status !== subject.status || told.version !== Number(subject.version))
      found.push(
        `${name} was told to be ${String(told.status)} (${String(told.version)}), and is ${subject.status} (${subject.version})`,
      );
    return found;
  });
  const known = new Map(events.map((event) => [event.id, event]));
  for (const { id, type, body } of storeServer.received) {
    const event = known.get(id);
    // judgeWebhooks tells of those that are of no event.
    if (event === undefined) continue;
    const told = JSON.parse(body) as { type: string; data: object };
    if (
      type !== event.type ||
      told.type !== event.type ||
      !isDeepStrictEqual(told.data, parse(event.data))
    )
      breaches.push(`webhook ${id} tells something else than its event`);
  }
  return breaches;
}

function parse(data: string | object): object {
  return typeof data === 'string' ? (JSON.parse(data) as object) : data;
}
