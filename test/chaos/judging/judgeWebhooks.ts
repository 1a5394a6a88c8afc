import { selectRows } from '../../../platform/db.ts';
import type { Harness } from '../../support/harness.ts';
import type { StoreServer } from '../../support/storeServer.ts';

/** Each event reached the store, as one message, however often that was delivered. */
export async function judgeWebhooks(
  { ctx }: Harness,
  storeId: string,
  storeServer: StoreServer,
): Promise<string[]> {
  const breaches = storeServer.refused.map(
    (refused) => `the store refused a webhook: ${refused.slice(0, 200)}`,
  );
  const events = await selectRows<{ id: string }>(
    ctx.db,
    'SELECT id FROM events WHERE store_id = ?',
    [storeId],
  );
  const known = new Set(events.map(({ id }) => id));
  const bodies = new Map<string, Set<string>>();
  for (const { id, body } of storeServer.received)
    bodies.set(id, (bodies.get(id) ?? new Set()).add(body));
  const unknown = [...bodies.keys()].filter((id) => !known.has(id));
  const missing = events.filter(({ id }) => !bodies.has(id));
  if (unknown.length > 0) breaches.push(`${unknown.length} webhooks tell of no event`);
  if (missing.length > 0) breaches.push(`${missing.length} events were never told`);
  for (const [id, different] of bodies)
    if (different.size > 1) breaches.push(`event ${id} was told with ${different.size} bodies`);
  return breaches;
}
