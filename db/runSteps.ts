import type { Knex } from 'knex';

import { errnoOf } from '../platform/errnoOf.ts';
import type { Check } from './checks.ts';

/**
 * What a migration consists of: statements that may each be the last one before the process is
 * killed.
 *
 * MySQL and MariaDB commit each ALTER and CREATE by itself, and do each as a whole or not at all,
 * also when the server crashes. So a migration that was interrupted is run again from its first
 * step, and every step must come to the same end when it is run again: a statement that would fail
 * the second time names in `unless` what is there once it was done.
 */
export interface Step {
  /** The step is left out when this is true. */
  readonly unless?: Check;
  /** With `chunks`: its bindings `:after`, `:upTo` and `:within` are the range. */
  readonly sql: string;
  /** The statement is executed range by range, each a transaction of its own. */
  readonly chunks?: Chunks;
}

/**
 * Ranges of the values of a column, which holds ids or addresses. Rows of a range: `column > :after
 * AND column <= :upTo`, and `within = :within` where that is given. An index must begin with the
 * column, or with both.
 */
export interface Chunks {
  readonly table: string;
  readonly column: string;
  /** Another column: its values are gone through one by one. */
  readonly within?: string;
}

/**
 * Of different values of the column. Few enough that a chunk of transactions, some kilobytes each,
 * is no large transaction.
 */
const CHUNK_SIZE = 500;

/**
 * A statement that waits for somebody's lock keeps those behind it waiting too (LOCK_WAIT_SECONDS
 * in migrate.ts). So it gives up soon, lets them go first, and tries again, for about five minutes
 * in all.
 */
const TRIES = 50;
const PAUSE_MS = 1_000;
/** Lock wait timeout, deadlock, MariaDB's "record has changed since last read". */
const IN_THE_WAY = new Set([1205, 1213, 1020]);

export async function runSteps(knex: Knex, steps: readonly Step[]): Promise<void> {
  for (const { unless, sql, chunks } of steps) {
    if ((await unless?.(knex)) === true) continue;
    if (chunks === undefined) await runPatiently(knex, sql, {});
    else await runInChunks(knex, sql, chunks);
  }
}

async function runInChunks(knex: Knex, sql: string, chunks: Chunks): Promise<void> {
  const { table, column, within } = chunks;
  const groups =
    within === undefined
      ? ['']
      : await readValues(knex, `SELECT DISTINCT ${within} AS value FROM ${table}`, {});
  const condition = within === undefined ? '' : `${within} = :within AND `;
  for (const group of groups) {
    let after = '';
    for (;;) {
      const range = { after, within: group };
      const [upTo] = await readValues(
        knex,
        `SELECT MAX(value) AS value FROM
           (SELECT DISTINCT ${column} AS value FROM ${table} WHERE ${condition}${column} > :after ORDER BY ${column} LIMIT ${CHUNK_SIZE}) AS chunk
         HAVING value IS NOT NULL`,
        range,
      );
      if (upTo === undefined) break;
      await runPatiently(knex, sql, { ...range, upTo });
      after = upTo;
    }
  }
}

type Bindings = Readonly<Record<string, string>>;

async function readValues(knex: Knex, sql: string, bindings: Bindings): Promise<string[]> {
  const [rows] = (await knex.raw(sql, bindings)) as [{ value: string }[], unknown];
  return rows.map((row) => row.value);
}

async function runPatiently(knex: Knex, sql: string, bindings: Bindings): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      await knex.raw(sql, bindings);
      return;
    } catch (error) {
      if (tried === TRIES || !IN_THE_WAY.has(errnoOf(error) ?? 0)) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
