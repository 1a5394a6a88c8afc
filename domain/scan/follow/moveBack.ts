import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork } from '../../../platform/unitOfWork.ts';
import {
  deleteScannedBlocks,
  lockCursor,
  updateCursor,
  type BlockSpan,
  type ChainCursor,
} from '../../chain/store.ts';

/**
 * How the scan is moved back. It only ever remembers: what is withdrawn, is withdrawn as the blocks
 * are scanned again (applyScan.ts).
 */
export interface Retreat {
  /** Scanned again from here, if the scan is not further back already. */
  readonly nextBlock: bigint;
  /** What was seen in these blocks and is not found again is withdrawn. */
  readonly withdraw: BlockSpan;
  /** Scanned blocks later than this are not the chain's any more, and their hashes no measure. */
  readonly forgetBlocksAfter?: bigint;
  /** How many payments and refunds may be withdrawn, instead of the configured limit. */
  readonly withdrawalsAllowed?: number;
}

/**
 * Moves a chain's scan back and remembers in the cursor's row what it has to withdraw, so that a
 * scan that is interrupted goes on with it. What an earlier retreat has to withdraw stays.
 * @param retreat or what makes it of the cursor as it is; undefined: it stays
 * @param expected as the caller knows the cursor; absent: wherever it is
 * @returns the cursor as it is then; undefined when it is not as expected, stays, or there is none
 */
export async function moveBack(
  ctx: Context,
  chainId: number,
  retreat: Retreat | ((cursor: ChainCursor) => Retreat | undefined),
  expected?: ChainCursor,
): Promise<ChainCursor | undefined> {
  return inUnitOfWork(ctx, async ({ trx }) => {
    const cursor = await lockCursor(trx, chainId);
    if (cursor === undefined || (expected !== undefined && !isSamePlace(cursor, expected)))
      return undefined;
    const chosen = typeof retreat === 'function' ? retreat(cursor) : retreat;
    if (chosen === undefined) return undefined;
    const { nextBlock, withdraw, forgetBlocksAfter, withdrawalsAllowed } = chosen;
    const moved: ChainCursor = {
      ...cursor,
      nextBlock: nextBlock < cursor.nextBlock ? nextBlock : cursor.nextBlock,
      generation: cursor.generation + 1,
      withdraw: hull(cursor.withdraw, withdraw),
      withdrawalsAllowed: withdrawalsAllowed ?? cursor.withdrawalsAllowed,
      // A block that was called final is not: nothing may rest on its time until the scan has been
      // there again.
      settled: cursor.settled !== null && cursor.settled.block >= nextBlock ? null : cursor.settled,
    };
    if (forgetBlocksAfter !== undefined) await deleteScannedBlocks(trx, chainId, forgetBlocksAfter);
    await updateCursor(trx, moved, ctx.clock.now());
    return moved;
  });
}

/** Nobody has moved it meanwhile, in either direction. */
export function isSamePlace(cursor: ChainCursor, expected: ChainCursor): boolean {
  return (
    cursor.nextBlock === expected.nextBlock &&
    cursor.generation === expected.generation &&
    cursor.gateway === expected.gateway
  );
}

function hull(known: BlockSpan | null, more: BlockSpan): BlockSpan {
  if (known === null) return more;
  return {
    after: known.after < more.after ? known.after : more.after,
    until: known.until > more.until ? known.until : more.until,
  };
}
