import { type Database, selectRows, type Transaction } from '../../platform/db.ts';
import type { CountedRelayer, RelayerLoad } from '../relayers/model.ts';

interface LoadRow {
  readonly place: string | number;
  readonly kind: 'sent' | 'flying' | 'abandoned';
  readonly count: string | number;
  readonly oldest: Date | null;
  readonly latest: Date | null;
}

/** Each part reads entries of one index, in its order, and no rows. */
const LOAD_PARTS = [
  ['sent', 'sent_at > ? ORDER BY sent_at DESC'],
  ['flying', 'is_flying = TRUE ORDER BY sent_at'],
  ['abandoned', 'abandoned_at IS NOT NULL ORDER BY abandoned_at'],
] as const;

const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/**
 * One for each, in that order. It is read under the relayers' locks, so it costs the same however
 * many requests are on their way.
 */
export async function readRelayerLoads(
  db: Database | Transaction,
  relayers: readonly CountedRelayer[],
  windowStart: Date,
): Promise<RelayerLoad[]> {
  if (relayers.length === 0) return [];
  const parts = relayers.flatMap(({ id, mostSent = NO_LIMIT, mostInFlight = NO_LIMIT }, place) =>
    LOAD_PARTS.map(([kind, condition]) => ({
      sql: `(SELECT ${place} AS place, '${kind}' AS kind, COUNT(*) AS count, MIN(sent_at) AS oldest, MAX(sent_at) AS latest
        FROM (SELECT sent_at FROM relay_transactions WHERE relayer_id = ? AND ${condition} LIMIT ?) AS counted)`,
      bindings: kind === 'sent' ? [id, windowStart, mostSent] : [id, mostInFlight],
    })),
  );
  const rows = await selectRows<LoadRow>(
    db,
    parts.map(({ sql }) => sql).join(' UNION ALL '),
    parts.flatMap(({ bindings }) => bindings),
  );
  return relayers.map(({ id: relayerId }, place) => {
    const of = (kind: LoadRow['kind']) =>
      rows.find((row) => Number(row.place) === place && row.kind === kind);
    const [sent, flying, abandoned] = [of('sent'), of('flying'), of('abandoned')];
    const [oldestInFlight] = [flying?.oldest, abandoned?.oldest]
      .flatMap((date) => date ?? [])
      .sort((a, b) => a.getTime() - b.getTime());
    return {
      relayerId,
      sent: Number(sent?.count ?? 0),
      oldestSentAt: sent?.oldest ?? null,
      latestSentAt: sent?.latest ?? null,
      inFlight: Number(flying?.count ?? 0),
      abandoned: Number(abandoned?.count ?? 0),
      oldestInFlightAt: oldestInFlight ?? null,
    };
  });
}
