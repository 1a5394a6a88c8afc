/**
 * Which folder each table belongs to: only code in there names the table in SQL. Others ask its
 * module. In the order in which they can be made: a table comes after those that it refers to.
 */
export const TABLES: Readonly<Record<string, string>> = {
  schema_migrations: 'db',
  readiness_writes: 'platform',
  outbox: 'domain/outbox',
  work_failures: 'domain/outbox',
  idempotency_keys: 'domain/idempotency',
  stores: 'domain/stores',
  store_merchants: 'domain/stores',
  api_keys: 'domain/stores',
  chain_cursors: 'domain/chain',
  chain_blocks: 'domain/chain',
  events: 'domain/events',
  webhook_endpoints: 'domain/webhooks',
  webhook_deliveries: 'domain/webhooks',
  webhook_attempts: 'domain/webhooks',
  payments: 'domain/payments',
  refunds: 'domain/refunds',
  chain_rereads: 'domain/scan',
  relayers: 'domain/relayers',
  local_relayer_accounts: 'adapters/relayers/local',
  local_relayer_transactions: 'adapters/relayers/local',
  relay_attempts: 'domain/relay',
  relay_transactions: 'domain/relay',
  relay_transaction_hashes: 'domain/relay',
  relay_transaction_items: 'domain/relay',
  relay_waste: 'domain/relay',
  relay_quotas: 'domain/relay',
  relay_costs: 'domain/relay',
  relay_turns: 'domain/relay',
};

/** Code of one folder that reads another's table all the same, and why. None of it locks a row. */
export interface ForeignRead {
  readonly folder: string;
  readonly table: string;
  readonly why: string;
}

export const FOREIGN_READS: readonly ForeignRead[] = [
  {
    folder: 'domain/webhooks',
    table: 'events',
    why: 'what an attempt of a delivery needs: asked for each, and a second question would be one more round trip',
  },
  {
    folder: 'domain/outbox',
    table: 'stores',
    why: 'the stores that have work in a queue, in the order of their turns: one statement walks both indexes, and the outbox is below all modules',
  },
  {
    folder: 'domain/relay',
    table: 'payments',
    why: 'the tokens that attempts on their way move: asked for every batch, and a second question would be one more round trip under the lock of the relayers',
  },
];
