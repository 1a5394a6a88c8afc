import type { ChainConfig } from '../../../platform/config.ts';
import type { Context } from '../../../platform/context.ts';
import { asBytes32, type Bytes32 } from '../../../shared/hex.ts';
import type { Block, ChainPort } from '../../chain/ports.ts';
import { listScannedBlocks } from '../../chain/store.ts';

/** Reorganisations up to this depth are followed; block hashes are kept this long. */
export const REORG_WINDOW_BLOCKS = 512n;
/**
 * So many questions in a row nobody who has the head answers: then the head is gone, or few have
 * it.
 */
const MOST_UNTOLD = 8;
/** The id of no payment. */
const NO_PAYMENT = asBytes32(`0x${'00'.repeat(32)}`);

/**
 * Where a scan stands to its chain.
 *
 *   goesOn     every block that was scanned is still there, as far as can be told
 *   behind     the chain has less than what was scanned and shows no other block in its place, or
 *              nobody has the head that it gave a moment ago: nothing is to be
 *              learned from it
 *   replaced   blocks later than `after` were replaced by others
 *   begunAnew  even the oldest block that is remembered was replaced, though it lies below the
 *              window
 */
export type ScanStart =
  | { readonly kind: 'goesOn' | 'behind' | 'begunAnew' }
  | { readonly kind: 'replaced'; readonly after: bigint };

type Look = 'stands' | 'replaced' | 'missing' | 'otherBranch';

/**
 * Compares the blocks that were scanned with the chain's.
 *
 * `behind` is most likely a node that lags; and a chain that did get shorter will show other blocks
 * as soon as it grows. Nothing is withdrawn for blocks that are merely missing.
 *
 * `begunAnew` is a development chain under the same database, or an RPC URL of another chain on
 * which our gateway has the same address; the two look alike from here. A node that lags cannot
 * look like that, however far behind it is: it has that block, or none there.
 */
export async function findScanStart(
  ctx: Context,
  chain: ChainPort,
  { head, config }: { readonly head: Block; readonly config: ChainConfig },
): Promise<ScanStart> {
  const { chainId } = config;
  const look = async (scanned: {
    readonly number: bigint;
    readonly hash: Bytes32;
  }): Promise<Look> => {
    if (scanned.number > head.number) return 'missing';
    // A node on a branch that was left shows what was scanned of it for as long as it is there.
    const found = await chain.findBlockUnder(head, scanned.number);
    if (found === undefined) return 'missing';
    if (found === 'otherBranch') return found;
    return found.hash === scanned.hash ? 'stands' : 'replaced';
  };

  const [latest] = await listScannedBlocks(ctx.db, chainId, 1);
  if (latest === undefined || (await look(latest)) === 'stands') return { kind: 'goesOn' };

  // The window's, and the oldest of all.
  const remembered = await listScannedBlocks(ctx.db, chainId, Number(REORG_WINDOW_BLOCKS) + 2);
  let shared: bigint | undefined;
  let oldestReplaced: bigint | undefined;
  let isUntold = false;
  let untoldInARow = 0;
  for (const scanned of remembered) {
    let standing = await look(scanned);
    // Most likely by chance: of hundreds of blocks that would be so for some.
    if (standing === 'otherBranch') standing = await look(scanned);
    untoldInARow = standing === 'otherBranch' ? untoldInARow + 2 : 0;
    // Whoever has the head says more of an earlier one perhaps; and going back too far takes
    // nothing away.
    if (standing === 'otherBranch') isUntold = true;
    if (untoldInARow >= MOST_UNTOLD) return { kind: 'behind' };
    if (standing === 'stands') {
      shared = scanned.number;
      break;
    }
    if (standing === 'replaced') oldestReplaced = scanned.number;
  }
  if (oldestReplaced === undefined || (shared === undefined && isUntold)) return { kind: 'behind' };

  const windowStart = latest.number - REORG_WINDOW_BLOCKS;
  if (shared !== undefined && shared >= windowStart) return { kind: 'replaced', after: shared };
  if (oldestReplaced < windowStart && oldestReplaced === remembered.at(-1)?.number) {
    // Throws where our gateway is not: then this is no chain of ours, and what it does not show
    // means nothing.
    await chain.findPayer(NO_PAYMENT);
    return { kind: 'begunAnew' };
  }
  ctx.log.error(
    { chainId, oldestBlock: oldestReplaced.toString() },
    'no scanned block of the window is left on the chain: going back by the whole window',
  );
  // Hashes are only kept of the last block of each scan: the fork may lie anywhere below the oldest
  // of them.
  const back = oldestReplaced - REORG_WINDOW_BLOCKS;
  if (shared !== undefined && shared >= back) return { kind: 'replaced', after: shared };
  const startBlock = BigInt(config.startBlock);
  if (back > startBlock) return { kind: 'replaced', after: back - 1n };
  return {
    kind: 'replaced',
    after: (startBlock < oldestReplaced ? startBlock : oldestReplaced) - 1n,
  };
}
