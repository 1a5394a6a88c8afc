import type { Knex } from 'knex';

/**
 * One statement's. A server may take as little as 4 MB at once (max_allowed_packet), others 16 or
 * 64; a row that is larger than this by itself goes alone. Rows in between cost what they cost:
 * with some hundreds of them a statement's own cost is gone.
 */
const MAX_BYTES = 1_000_000;
const MAX_ROWS = 500;
/** Numbers, dates, NULL, and the placeholder that a value replaces. */
const SMALL_BYTES = 32;

export type RowBindings = readonly Knex.RawBinding[];

/**
 * Cuts the rows of a statement into parts that a server takes, by number and by size, in their
 * order. Every statement whose number of rows nobody bounds goes through this, or through what is
 * built on it (insertRows, updateRows) or like it (lockInOrder).
 */
export function splitRows<Row extends RowBindings>(rows: readonly Row[]): Row[][] {
  const parts: Row[][] = [];
  let part: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = sizeOf(row);
    if (part.length > 0 && (part.length >= MAX_ROWS || bytes + size > MAX_BYTES)) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(row);
    bytes += size;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

/** At most: a text in which every character has to be escaped is twice as long in the statement. */
function sizeOf(row: RowBindings): number {
  return row.reduce<number>(
    (sum, value) =>
      sum + SMALL_BYTES + (typeof value === 'string' ? 2 * Buffer.byteLength(value) : 0),
    0,
  );
}
