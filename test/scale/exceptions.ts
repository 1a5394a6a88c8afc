import type { Exception } from './examineStatements.ts';

/**
 * Statements that read more rows than they return, or sort them: they are about open work only,
 * which does not grow with the history, or about a day.
 */
export const EXCEPTIONS: readonly Exception[] = [
  {
    name: 'open attempts by status, for those that watch',
    matches:
      /^SELECT chain_id, rail, status, COUNT\(\*\) AS count FROM relay_attempts WHERE status IN .* GROUP BY/,
    mayReadPerThousandPayments: 15,
    // The groups, of which there are a few for each chain.
    maySort: true,
  },
  {
    name: 'promised work by queue, for those that watch',
    matches: /^SELECT queue, COUNT\(\*\) AS count, MIN\(.*\) AS oldest FROM outbox GROUP BY queue/,
    mayReadPerThousandPayments: 15,
  },
  {
    name: 'what a payer or store has spent on a day, added up to check its running total',
    matches:
      /^SELECT SUM\(gas_used\) AS gas, SUM\(gas_cost\) AS cost FROM relay_attempts WHERE .* AND gas_charged_at >= /,
    // In what fillDatabase makes, everything was charged today.
    mayReadPerThousandPayments: 520,
  },
  {
    name: 'open attempts that nothing was done about for a while: each of them may have lost its promise',
    matches:
      /^SELECT a\.id, .* FROM relay_attempts a LEFT JOIN outbox r .* ORDER BY a\.updated_at LIMIT \?/,
    mayReadPerThousandPayments: 60,
    // Open attempts lie by their status in the index, of which they have several: all of those that
    // are that old are sorted.
    maySort: true,
  },
  {
    name: 'whose running totals are to be checked: a page of the holders that have something on its way or were charged lately',
    matches:
      /^\(SELECT chain_id, holder FROM relay_quotas WHERE \(in_flight > 0 OR in_flight < 0\) .*\) UNION \(SELECT chain_id, holder FROM relay_costs /,
    // Those with something on its way lie by how much that is in the index: for each page all that
    // come after it are sorted.
    maySort: true,
  },
  {
    name: 'what a payer or store has on its way, added up to check its running total',
    matches:
      /^SELECT COUNT\(\*\) AS count, SUM\(reserved_gas\) AS gas, SUM\(reserved_cost\) AS cost FROM relay_attempts WHERE /,
    mayReadPerThousandPayments: 15,
  },
  {
    name: 'what stores have wasted in a day, for those that watch: one row for each store and hour',
    matches:
      /^SELECT chain_id, holder, SUM\(items\) AS items, SUM\(gas_cost\) AS gas_cost FROM relay_waste WHERE kind = 'store' /,
    // The same however many payments there are; nine stores waste some in each of the 24 hours.
    mayReadPerThousandPayments: 15,
    // By what they have wasted, which is added up for it: one row for each store.
    maySort: true,
  },
];
