import type { Knex } from 'knex';

import * as firstTables from './migrations/0001_all_first_tables.ts';
import * as railsAndRefunds from './migrations/0002_relay_rails_and_refunds.ts';
import * as localAccounts from './migrations/0003_relayers_local_accounts.ts';
import * as relayersWatch from './migrations/0004_relayers_watch.ts';
import * as scanProgress from './migrations/0005_chain_scan_progress.ts';
import * as scanRereads from './migrations/0007_scan_rereads.ts';
import * as relayClaims from './migrations/0009_relay_claims.ts';
import * as relayTurns from './migrations/0010_relay_turns.ts';
import * as relayWaste from './migrations/0011_relay_waste.ts';
import * as relayUsage from './migrations/0012_relay_usage.ts';
import * as relayHashes from './migrations/0013_relay_hashes.ts';
import * as relayFlights from './migrations/0014_relay_flights.ts';
import * as listIndexes from './migrations/0015_payments_list_indexes.ts';
import * as settledTime from './migrations/0016_chain_settled_time.ts';
import * as relayPriorities from './migrations/0018_relay_priorities.ts';
import * as readinessWrites from './migrations/0020_platform_readiness_writes.ts';
import * as outboxByQueue from './migrations/0021_outbox_by_queue.ts';
import * as dueDeliveries from './migrations/0022_webhooks_due_deliveries.ts';
import * as workFailures from './migrations/0026_outbox_work_failures.ts';
import * as outboxStores from './migrations/0027_outbox_stores.ts';
import * as outboxPutOff from './migrations/0028_outbox_put_off.ts';
import * as relayTransactionItems from './migrations/0029_relay_transaction_items.ts';
import * as eventSubjects from './migrations/0030_events_subject.ts';

interface Migration {
  /** `NNNN_<module>_<what>`; `all`: several modules' tables. */
  readonly name: string;
  /** What earlier versions recorded it as. */
  readonly formerName?: string;
  readonly up: (knex: Knex) => Promise<void>;
  readonly down: (knex: Knex) => Promise<void>;
}

/**
 * In the order they run. Listed by hand, so that source and compiled runs record the same names.
 */
export const migrationSource: readonly Migration[] = [
  { name: '0001_all_first_tables', formerName: '0001_spine', ...firstTables },
  { name: '0002_relay_rails_and_refunds', formerName: '0002_relay_engine', ...railsAndRefunds },
  { name: '0003_relayers_local_accounts', formerName: '0003_local_relayer', ...localAccounts },
  { name: '0004_relayers_watch', formerName: '0004_relayer_watch', ...relayersWatch },
  { name: '0005_chain_scan_progress', formerName: '0005_scan_progress', ...scanProgress },
  { name: '0007_scan_rereads', formerName: '0007_chain_rereads', ...scanRereads },
  { name: '0009_relay_claims', formerName: '0009_claims', ...relayClaims },
  { name: '0010_relay_turns', formerName: '0010_turns', ...relayTurns },
  { name: '0011_relay_waste', ...relayWaste },
  { name: '0012_relay_usage', ...relayUsage },
  { name: '0013_relay_hashes', ...relayHashes },
  { name: '0014_relay_flights', ...relayFlights },
  { name: '0015_payments_list_indexes', formerName: '0015_list_indexes', ...listIndexes },
  { name: '0016_chain_settled_time', formerName: '0016_settled_time', ...settledTime },
  { name: '0018_relay_priorities', formerName: '0018_priorities', ...relayPriorities },
  {
    name: '0020_platform_readiness_writes',
    formerName: '0020_readiness_writes',
    ...readinessWrites,
  },
  { name: '0021_outbox_by_queue', ...outboxByQueue },
  { name: '0022_webhooks_due_deliveries', formerName: '0022_due_deliveries', ...dueDeliveries },
  { name: '0026_outbox_work_failures', formerName: '0026_work_failures', ...workFailures },
  { name: '0027_outbox_stores', ...outboxStores },
  { name: '0028_outbox_put_off', ...outboxPutOff },
  { name: '0029_relay_transaction_items', ...relayTransactionItems },
  { name: '0030_events_subject', ...eventSubjects },
];
