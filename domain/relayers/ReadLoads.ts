import type { Database, Transaction } from '../../platform/db.ts';
import type { CountedRelayer, RelayerLoad } from './model.ts';

/**
 * Who sends through the relayers knows what each of them has to do, and tells it here: one load for
 * each of `relayers`, in that order.
 * @param windowStart transactions handed over since then count as sent
 */
export type ReadLoads = (
  db: Database | Transaction,
  relayers: readonly CountedRelayer[],
  windowStart: Date,
) => Promise<RelayerLoad[]>;
