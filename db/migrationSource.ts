import type { Knex } from 'knex';

import * as spine from './migrations/0001_spine.ts';
import * as relayEngine from './migrations/0002_relay_engine.ts';
import * as localRelayer from './migrations/0003_local_relayer.ts';
import * as relayerWatch from './migrations/0004_relayer_watch.ts';
import * as scanProgress from './migrations/0005_scan_progress.ts';
import * as chainRereads from './migrations/0007_chain_rereads.ts';
import * as claims from './migrations/0009_claims.ts';
import * as turns from './migrations/0010_turns.ts';
import * as relayWaste from './migrations/0011_relay_waste.ts';
import * as relayUsage from './migrations/0012_relay_usage.ts';
import * as relayHashes from './migrations/0013_relay_hashes.ts';
import * as relayFlights from './migrations/0014_relay_flights.ts';
import * as listIndexes from './migrations/0015_list_indexes.ts';
import * as settledTime from './migrations/0016_settled_time.ts';
import * as priorities from './migrations/0018_priorities.ts';
import * as readinessWrites from './migrations/0020_readiness_writes.ts';
import * as outboxByQueue from './migrations/0021_outbox_by_queue.ts';
import * as dueDeliveries from './migrations/0022_due_deliveries.ts';
import * as workFailures from './migrations/0026_work_failures.ts';
import * as outboxStores from './migrations/0027_outbox_stores.ts';
import * as outboxPutOff from './migrations/0028_outbox_put_off.ts';
import * as relayTransactionItems from './migrations/0029_relay_transaction_items.ts';

interface Migration {
  readonly name: string;
  readonly up: (knex: Knex) => Promise<void>;
  readonly down: (knex: Knex) => Promise<void>;
}

/**
 * In the order they run. Listed by hand, so that source and compiled runs record the same names.
 */
export const migrationSource: readonly Migration[] = [
  { name: '0001_spine', ...spine },
  { name: '0002_relay_engine', ...relayEngine },
  { name: '0003_local_relayer', ...localRelayer },
  { name: '0004_relayer_watch', ...relayerWatch },
  { name: '0005_scan_progress', ...scanProgress },
  { name: '0007_chain_rereads', ...chainRereads },
  { name: '0009_claims', ...claims },
  { name: '0010_turns', ...turns },
  { name: '0011_relay_waste', ...relayWaste },
  { name: '0012_relay_usage', ...relayUsage },
  { name: '0013_relay_hashes', ...relayHashes },
  { name: '0014_relay_flights', ...relayFlights },
  { name: '0015_list_indexes', ...listIndexes },
  { name: '0016_settled_time', ...settledTime },
  { name: '0018_priorities', ...priorities },
  { name: '0020_readiness_writes', ...readinessWrites },
  { name: '0021_outbox_by_queue', ...outboxByQueue },
  { name: '0022_due_deliveries', ...dueDeliveries },
  { name: '0026_work_failures', ...workFailures },
  { name: '0027_outbox_stores', ...outboxStores },
  { name: '0028_outbox_put_off', ...outboxPutOff },
  { name: '0029_relay_transaction_items', ...relayTransactionItems },
];
