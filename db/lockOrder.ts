/**
 * The one order in which a transaction locks rows, over all modules: `platform/assertLockOrder.ts`
 * holds every transaction of a test to it, and ARCHITECTURE.md shows the same table.
 *
 * A module's tables come after those of the modules that it may import. So a lower module never
 * locks upward: it tells a higher one by promised work. The modules in `LATE` differ, and why.
 */
export interface LockedTable {
  readonly table: string;
  /** Its rows are locked in this order; absent: a transaction locks one of them. */
  readonly by?: string;
  /** Whoever inserts a row locks the row of this table that it refers to, for share. */
  readonly refersTo?: string;
  /** Its rows are changed under a lock of this table, and then at any time. */
  readonly under?: string;
  /** Why a transaction that has changed rows of it may lock those of any other table after it. */
  readonly guarded?: string;
}

export const LOCK_ORDER: readonly LockedTable[] = [
  { table: 'chain_cursors' },
  { table: 'chain_blocks', under: 'chain_cursors' },
  { table: 'stores' },
  { table: 'store_merchants', refersTo: 'stores' },
  { table: 'api_keys', refersTo: 'stores' },
  { table: 'payments', by: 'id', refersTo: 'stores' },
  { table: 'refunds', by: 'id' },
  { table: 'chain_rereads' },
  { table: 'relay_attempts', by: 'id' },
  { table: 'relay_transactions', by: 'id' },
  { table: 'relay_transaction_hashes' },
  { table: 'relay_transaction_items' },
  { table: 'relay_waste', by: 'holder' },
  { table: 'relay_quotas', by: 'holder: all payers, then the stores' },
  { table: 'relay_costs', by: 'holder, day' },
  { table: 'relayers', by: 'id' },
  { table: 'relay_turns' },
  { table: 'local_relayer_accounts' },
  { table: 'local_relayer_transactions' },
  { table: 'events' },
  { table: 'webhook_endpoints', refersTo: 'stores' },
  { table: 'webhook_deliveries', by: 'id' },
  { table: 'webhook_attempts' },
  {
    table: 'outbox',
    by: 'queue, subject',
    guarded:
      'work is promised and taken back under the lock of what it is about, so two that want the same row have met there; the publisher waits for nobody',
  },
  { table: 'work_failures' },
  { table: 'idempotency_keys', by: 'store, key' },
  { table: 'readiness_writes' },
];

/** Modules whose tables come after those of modules that may import them. */
export const LATE: Readonly<Record<string, string>> = {
  relayers:
    'few rows, which all sending of a chain waits for: they are locked as late as can be, once it is known what is sent',
  events: 'a change is told once it has been decided, under the locks of what has changed',
  outbox: 'every module promises work once it has decided, under the locks of what it is about',
};
