import type { Knex } from 'knex';

/**
 * Whether a step of a migration was done already, asked of the database's own description of
 * itself.
 */
export type Check = (knex: Knex) => Promise<boolean>;

export function hasColumn(table: string, column: string): Check {
  return async (knex) => (await countColumns(knex, table, column)) > 0;
}

export function hasNoColumn(table: string, column: string): Check {
  return async (knex) => (await countColumns(knex, table, column)) === 0;
}

export function hasIndex(table: string, index: string): Check {
  return async (knex) => (await countIndexParts(knex, table, index)) > 0;
}

export function hasNoIndex(table: string, index: string): Check {
  return async (knex) => (await countIndexParts(knex, table, index)) === 0;
}

function countColumns(knex: Knex, table: string, column: string): Promise<number> {
  return count(
    knex,
    'information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?',
    [table, column],
  );
}

function countIndexParts(knex: Knex, table: string, index: string): Promise<number> {
  return count(
    knex,
    'information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ? AND index_name = ?',
    [table, index],
  );
}

async function count(knex: Knex, from: string, bindings: readonly string[]): Promise<number> {
  const [rows] = (await knex.raw(`SELECT COUNT(*) AS found FROM ${from}`, [...bindings])) as [
    { found: number | string }[],
    unknown,
  ];
  return Number(rows[0]?.found);
}
