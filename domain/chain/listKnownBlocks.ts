import type { Context } from '../../platform/context.ts';
import type { KnownBlock } from './ports.ts';
import { findCursor, listScannedBlocks } from './store.ts';

/**
 * Blocks that the scanner has seen, for `since` of the chain's questions: who lacks one of them is
 * behind, or on a fork, and what it does not show may have happened. Where a block has just been
 * replaced, nobody has it until the scanner has looked again, which takes no longer than a block.
 * @returns the newest one that was scanned, and the newest one that is final as well; none before
 *   the first scan
 */
export async function listKnownBlocks(ctx: Context, chainId: number): Promise<KnownBlock[]> {
  const [scanned, cursor] = await Promise.all([
    listScannedBlocks(ctx.db, chainId, 1),
    findCursor(ctx.db, chainId),
  ]);
  const settled = cursor?.settled ?? null;
  return settled === null ? scanned : [...scanned, { number: settled.block }];
}
