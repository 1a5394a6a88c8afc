import { execute, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import { asBytes32, type Address, type Bytes32 } from '../../shared/hex.ts';

/** How far a chain has been scanned. */
export interface ChainCursor {
  readonly chainId: number;
  readonly gateway: string;
  /** The first block that is not scanned yet. */
  readonly nextBlock: bigint;
  /** Time of the last scanned block. */
  readonly scannedTimestamp: Date | null;
  readonly headNumber: bigint;
}

interface CursorRow {
  readonly chain_id: string | number;
  readonly gateway: string;
  readonly next_block: string | number;
  readonly scanned_timestamp: Date | null;
  readonly head_number: string | number;
}

const CURSOR_COLUMNS = 'chain_id, gateway, next_block, scanned_timestamp, head_number';

function toCursor(row: CursorRow): ChainCursor {
  return {
    chainId: Number(row.chain_id),
    gateway: row.gateway,
    nextBlock: BigInt(row.next_block),
    scannedTimestamp: row.scanned_timestamp,
    headNumber: BigInt(row.head_number),
  };
}

export async function findCursor(db: Database, chainId: number): Promise<ChainCursor | undefined> {
  const [row] = await selectRows<CursorRow>(db, `SELECT ${CURSOR_COLUMNS} FROM chain_cursors WHERE chain_id = ?`, [chainId]);
  return row && toCursor(row);
}

export async function lockCursor(db: Transaction, chainId: number): Promise<ChainCursor | undefined> {
  const [row] = await selectRows<CursorRow>(db, `SELECT ${CURSOR_COLUMNS} FROM chain_cursors WHERE chain_id = ? FOR UPDATE`, [chainId]);
  return row && toCursor(row);
}

/** Starts scanning a chain at its configured block, and anew when the gateway was replaced. */
export async function startCursor(
  db: Database,
  input: { chainId: number; gateway: Address; startBlock: bigint; now: Date },
): Promise<void> {
  const { chainId, gateway, startBlock, now } = input;
  await execute(
    db,
    `INSERT INTO chain_cursors (chain_id, gateway, next_block, head_number, updated_at) VALUES (?, ?, ?, 0, ?)
     ON DUPLICATE KEY UPDATE next_block = IF(gateway = VALUES(gateway), next_block, VALUES(next_block)),
       scanned_timestamp = IF(gateway = VALUES(gateway), scanned_timestamp, NULL), gateway = VALUES(gateway)`,
    [chainId, gateway, startBlock.toString(), now],
  );
}

export async function updateCursor(db: Transaction, cursor: Omit<ChainCursor, 'gateway'>, now: Date): Promise<void> {
  await execute(db, 'UPDATE chain_cursors SET next_block = ?, scanned_timestamp = ?, head_number = ?, updated_at = ? WHERE chain_id = ?', [
    cursor.nextBlock.toString(),
    cursor.scannedTimestamp,
    cursor.headNumber.toString(),
    now,
    cursor.chainId,
  ]);
}

export async function upsertScannedBlock(db: Transaction, chainId: number, number: bigint, hash: Bytes32): Promise<void> {
  await execute(db, 'INSERT INTO chain_blocks (chain_id, number, hash) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE hash = VALUES(hash)', [
    chainId,
    number.toString(),
    hash,
  ]);
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
export async function deleteScannedBlocks(db: Transaction, chainId: number, after: bigint): Promise<void> {
  await execute(db, 'DELETE FROM chain_blocks WHERE chain_id = ? AND number > ?', [chainId, after.toString()]);
}

/**
 * Forgets blocks that are older than `before`, except the oldest of all: when none of the newer ones is on the chain, it tells a chain that was begun anew
 * from a node that is far behind.
 */
export async function pruneScannedBlocks(db: Transaction, chainId: number, before: bigint): Promise<void> {
  await execute(
    db,
    `DELETE FROM chain_blocks WHERE chain_id = ? AND number < ?
       AND number > (SELECT oldest FROM (SELECT MIN(number) AS oldest FROM chain_blocks WHERE chain_id = ?) AS kept)`,
    [chainId, before.toString(), chainId],
  );
}
