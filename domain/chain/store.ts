import { execute, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import { asBytes32, type Address, type Bytes32 } from '../../shared/hex.ts';

/** Blocks later than `after`, up to `until`. */
export interface BlockSpan {
  readonly after: bigint;
  readonly until: bigint;
}

/**
 * Why a scan waits for an operator.
 *
 *   withdrawals  the chain does not show more payments and refunds than may be withdrawn
 *   begunAnew    none of the blocks that were scanned is on the chain
 */
export const HALT_REASONS = ['withdrawals', 'begunAnew'] as const;
export type HaltReason = (typeof HALT_REASONS)[number];

export interface ScanHalt {
  readonly reason: HaltReason;
  readonly at: Date;
  /** Payments and refunds that would be withdrawn; null: not counted. */
  readonly count: number | null;
}

/** A block, and when it was made. */
export interface Settled {
  readonly block: bigint;
  readonly time: Date;
}

/** How far a chain has been scanned. */
export interface ChainCursor {
  readonly chainId: number;
  readonly gateway: string;
  /** The first block that is not scanned yet, or is to be scanned again. */
  readonly nextBlock: bigint;
  /**
   * The newest block that was ever scanned: so far up something may stand, also while earlier
   * blocks are scanned again.
   */
  readonly highestBlock: bigint;
  /**
   * Goes up whenever the scan is moved back or withdraws something: what was remembered of events
   * before that is void.
   */
  readonly generation: number;
  /**
   * What was seen in these blocks is withdrawn as they are scanned again, unless it is found again.
   */
  readonly withdraw: BlockSpan | null;
  /** Payments and refunds, since there is something to withdraw. */
  readonly withdrawn: number;
  /**
   * By an operator, instead of the configured limit, for as long as there is something to withdraw.
   */
  readonly withdrawalsAllowed: number | null;
  readonly halt: ScanHalt | null;
  /** Time of the last scanned block. */
  readonly scannedTimestamp: Date | null;
  readonly headNumber: bigint;
  /** The newest block that is both final and scanned; null: not known. */
  readonly settled: Settled | null;
}

interface CursorRow {
  readonly chain_id: string | number;
  readonly gateway: string;
  readonly next_block: string | number;
  readonly highest_block: string | number | null;
  readonly generation: string | number;
  readonly withdraw_after: string | number | null;
  readonly withdraw_until: string | number | null;
  readonly withdrawn: string | number;
  readonly withdrawals_allowed: string | number | null;
  readonly halt_reason: HaltReason | null;
  readonly halted_at: Date | null;
  readonly halt_count: string | number | null;
  readonly scanned_timestamp: Date | null;
  readonly head_number: string | number;
  readonly settled_block: string | number | null;
  readonly settled_timestamp: Date | null;
}

const CURSOR_COLUMNS = `chain_id, gateway, next_block, highest_block, generation, withdraw_after, withdraw_until, withdrawn, withdrawals_allowed,
  halt_reason, halted_at, halt_count, scanned_timestamp, head_number, settled_block, settled_timestamp`;

function toCursor(row: CursorRow): ChainCursor {
  const nextBlock = BigInt(row.next_block);
  const highest = row.highest_block === null ? -1n : BigInt(row.highest_block);
  return {
    chainId: Number(row.chain_id),
    gateway: row.gateway,
    nextBlock,
    highestBlock: highest > nextBlock - 1n ? highest : nextBlock - 1n,
    generation: Number(row.generation),
    withdraw:
      row.withdraw_after === null || row.withdraw_until === null
        ? null
        : { after: BigInt(row.withdraw_after), until: BigInt(row.withdraw_until) },
    withdrawn: Number(row.withdrawn),
    withdrawalsAllowed: toNumber(row.withdrawals_allowed),
    halt:
      row.halt_reason === null || row.halted_at === null
        ? null
        : { reason: row.halt_reason, at: row.halted_at, count: toNumber(row.halt_count) },
    scannedTimestamp: row.scanned_timestamp,
    headNumber: BigInt(row.head_number),
    settled:
      row.settled_block === null || row.settled_timestamp === null
        ? null
        : { block: BigInt(row.settled_block), time: row.settled_timestamp },
  };
}

function toNumber(value: string | number | null): number | null {
  return value === null ? null : Number(value);
}

export async function findCursor(
  db: Database | Transaction,
  chainId: number,
): Promise<ChainCursor | undefined> {
  const [row] = await selectRows<CursorRow>(
    db,
    `SELECT ${CURSOR_COLUMNS} FROM chain_cursors WHERE chain_id = ?`,
    [chainId],
  );
  return row && toCursor(row);
}

/**
 * Of the chains that are scanned up to the head that was seen last: when the newest block was made,
 * and when it was scanned.
 */
export async function listCaughtUp(
  db: Database,
): Promise<{ readonly chainId: number; readonly blockTime: Date; readonly scannedAt: Date }[]> {
  const rows = await selectRows<{
    chain_id: string | number;
    scanned_timestamp: Date;
    updated_at: Date;
  }>(
    db,
    `SELECT chain_id, scanned_timestamp, updated_at FROM chain_cursors
     WHERE next_block = head_number + 1 AND scanned_timestamp IS NOT NULL AND halt_reason IS NULL`,
  );
  return rows.map((row) => ({
    chainId: Number(row.chain_id),
    blockTime: row.scanned_timestamp,
    scannedAt: row.updated_at,
  }));
}

/** Until the transaction ends nobody moves it; several may hold it so at once. */
export async function holdCursor(
  db: Transaction,
  chainId: number,
): Promise<ChainCursor | undefined> {
  // MySQL's newer FOR SHARE is unknown to MariaDB.
  const [row] = await selectRows<CursorRow>(
    db,
    `SELECT ${CURSOR_COLUMNS} FROM chain_cursors WHERE chain_id = ? LOCK IN SHARE MODE`,
    [chainId],
  );
  return row && toCursor(row);
}

export async function lockCursor(
  db: Transaction,
  chainId: number,
): Promise<ChainCursor | undefined> {
  const [row] = await selectRows<CursorRow>(
    db,
    `SELECT ${CURSOR_COLUMNS} FROM chain_cursors WHERE chain_id = ? FOR UPDATE`,
    [chainId],
  );
  return row && toCursor(row);
}

/** Starts scanning a chain at its configured block, and anew when the gateway was replaced. */
export async function startCursor(
  db: Database,
  input: { chainId: number; gateway: Address; startBlock: bigint; now: Date },
): Promise<void> {
  const { chainId, gateway, startBlock, now } = input;
  // The gateway is assigned last: each assignment sees the ones before it.
  const anew = (column: string, value: string) =>
    `${column} = IF(gateway = VALUES(gateway), ${column}, ${value})`;
  await execute(
    db,
    `INSERT INTO chain_cursors (chain_id, gateway, next_block, head_number, updated_at) VALUES (?, ?, ?, 0, ?)
     ON DUPLICATE KEY UPDATE ${anew('next_block', 'VALUES(next_block)')}, ${anew('scanned_timestamp', 'NULL')}, ${anew('highest_block', 'NULL')},
       ${anew('generation', 'generation + 1')}, ${anew('withdraw_after', 'NULL')}, ${anew('withdraw_until', 'NULL')}, ${anew('withdrawn', '0')},
       ${anew('settled_block', 'NULL')}, ${anew('settled_timestamp', 'NULL')}, ${anew('withdrawals_allowed', 'NULL')}, ${anew('halt_reason', 'NULL')}, ${anew('halted_at', 'NULL')}, ${anew('halt_count', 'NULL')},
       gateway = VALUES(gateway)`,
    [chainId, gateway, startBlock.toString(), now],
  );
}

/** Writes everything but the gateway. The row is locked by the caller. */
export async function updateCursor(
  db: Transaction,
  cursor: Omit<ChainCursor, 'gateway'>,
  now: Date,
): Promise<void> {
  await execute(
    db,
    `UPDATE chain_cursors SET next_block = ?, highest_block = ?, generation = ?, withdraw_after = ?, withdraw_until = ?, withdrawn = ?,
       withdrawals_allowed = ?, halt_reason = ?, halted_at = ?, halt_count = ?, scanned_timestamp = ?, head_number = ?,
       settled_block = ?, settled_timestamp = ?, updated_at = ?
     WHERE chain_id = ?`,
    [
      cursor.nextBlock.toString(),
      cursor.highestBlock < 0n ? null : cursor.highestBlock.toString(),
      cursor.generation,
      cursor.withdraw?.after.toString() ?? null,
      cursor.withdraw?.until.toString() ?? null,
      cursor.withdrawn,
      cursor.withdrawalsAllowed,
      cursor.halt?.reason ?? null,
      cursor.halt?.at ?? null,
      cursor.halt?.count ?? null,
      cursor.scannedTimestamp,
      cursor.headNumber.toString(),
      cursor.settled?.block.toString() ?? null,
      cursor.settled?.time ?? null,
      now,
      cursor.chainId,
    ],
  );
}

/** For those who watch how far behind a scan is that has not come to its end. */
export async function raiseHeadNumber(
  db: Database,
  chainId: number,
  headNumber: bigint,
): Promise<void> {
  const number = headNumber.toString();
  await execute(
    db,
    'UPDATE chain_cursors SET head_number = ? WHERE chain_id = ? AND head_number < ?',
    [number, chainId, number],
  );
}

/** Does nothing when the scan was moved back meanwhile, or somebody has come further. */
export async function raiseSettled(
  db: Database,
  input: { readonly chainId: number; readonly generation: number; readonly settled: Settled },
): Promise<void> {
  const { chainId, generation, settled } = input;
  const number = settled.block.toString();
  await execute(
    db,
    `UPDATE chain_cursors SET settled_block = ?, settled_timestamp = ?
     WHERE chain_id = ? AND generation = ? AND next_block > ? AND (settled_block IS NULL OR settled_block < ?)`,
    [number, settled.time, chainId, generation, number, number],
  );
}

export async function upsertScannedBlock(
  db: Transaction,
  chainId: number,
  number: bigint,
  hash: Bytes32,
): Promise<void> {
  await execute(
    db,
    'INSERT INTO chain_blocks (chain_id, number, hash) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE hash = VALUES(hash)',
    [chainId, number.toString(), hash],
  );
}

/** Newest first. */
export async function listScannedBlocks(
  db: Database,
  chainId: number,
  limit: number,
): Promise<{ readonly number: bigint; readonly hash: Bytes32 }[]> {
  const rows = await selectRows<{ number: string | number; hash: string }>(
    db,
    'SELECT number, hash FROM chain_blocks WHERE chain_id = ? ORDER BY number DESC LIMIT ?',
    [chainId, limit],
  );
  return rows.map((row) => ({ number: BigInt(row.number), hash: asBytes32(row.hash) }));
}

/** Those of blocks later than `after`. */
export async function deleteScannedBlocks(
  db: Transaction,
  chainId: number,
  after: bigint,
): Promise<void> {
  await execute(db, 'DELETE FROM chain_blocks WHERE chain_id = ? AND number > ?', [
    chainId,
    after.toString(),
  ]);
}

/**
 * Forgets blocks that are older than `before`, except the oldest of all: when none of the newer
 * ones is on the chain, it tells a chain that was begun anew from a node that is far behind.
 */
export async function pruneScannedBlocks(
  db: Transaction,
  chainId: number,
  before: bigint,
): Promise<void> {
  await execute(
    db,
    `DELETE FROM chain_blocks WHERE chain_id = ? AND number < ?
       AND number > (SELECT oldest FROM (SELECT MIN(number) AS oldest FROM chain_blocks WHERE chain_id = ?) AS kept)`,
    [chainId, before.toString(), chainId],
  );
}
