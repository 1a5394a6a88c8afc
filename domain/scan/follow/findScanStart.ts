import type { ChainConfig } from '../../../platform/config.ts';
import type { Context } from '../../../platform/context.ts';
import { AppError } from '../../../shared/errors.ts';
import { asBytes32, type Bytes32 } from '../../../shared/hex.ts';
import { CHAIN_ERRORS } from '../../chain/errors.ts';
import type { Block, ChainPort } from '../../chain/ports.ts';
import { listScannedBlocks } from '../../chain/store.ts';

/** Reorganisations up to this depth are followed; block hashes are kept this long. */
export const REORG_WINDOW_BLOCKS = 512n;
/**
 * Blocks looked at side by side, once the first few were told of: most reorganisations are short.
 */
const MOST_LOOKS_AT_ONCE = 8;
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

interface ScannedBlock {
  readonly number: bigint;
  readonly hash: Bytes32;
}

/** `untold`: nobody who has the head says anything. */
type Look = 'stands' | 'replaced' | 'missing' | 'untold';

/**
 * Compares the blocks that were scanned with the chain's.
 *
 * `behind` is most likely a node that lags; and a chain that did get shorter will show other blocks
 * as soon as it grows. Nothing is withdrawn for blocks that are merely missing.
 *
 * `begunAnew` is a development chain under the same database, or an RPC URL of another chain on
 * which our gateway has the same address; the two look alike from here. A node that lags cannot
 * look like that, however far behind it is: it has that block, or none there.
 * @throws AppError `CHAIN_ERRORS.unavailable` when nobody answers for the blocks that matter
 */
export async function findScanStart(
  ctx: Context,
  chain: ChainPort,
  { head, config }: { readonly head: Block; readonly config: ChainConfig },
): Promise<ScanStart> {
  const { chainId } = config;
  let failure: AppError | undefined;
  const look = async (scanned: ScannedBlock): Promise<Look> => {
    if (scanned.number > head.number) return 'missing';
    // A node on a branch that was left shows what was scanned of it for as long as it is there.
    const found = await chain.findBlockUnder(head, scanned.number);
    if (found === undefined) return 'missing';
    if (found === 'otherBranch') return 'untold';
    return found.hash === scanned.hash ? 'stands' : 'replaced';
  };
  const tryLook = async (scanned: ScannedBlock): Promise<Look> => {
    try {
      return await look(scanned);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== CHAIN_ERRORS.unavailable.code) throw error;
      failure ??= error;
      return 'untold';
    }
  };
  const learnNothing = (): ScanStart => {
    if (failure !== undefined) throw failure;
    return { kind: 'behind' };
  };

  const [latest] = await listScannedBlocks(ctx.db, chainId, 1);
  if (latest === undefined || (await look(latest)) === 'stands') return { kind: 'goesOn' };

  // The window's, and the oldest of all.
  const remembered = await listScannedBlocks(ctx.db, chainId, Number(REORG_WINDOW_BLOCKS) + 2);
  let shared: bigint | undefined;
  let oldestReplaced: bigint | undefined;
  let isUntold = false;
  let untoldInARow = 0;
  for await (const { scanned, standing } of lookAtAll(remembered, tryLook)) {
    // Whoever has the head says more of an earlier one perhaps; and going back too far takes
    // nothing away.
    if (standing === 'untold') isUntold = true;
    untoldInARow = standing === 'untold' ? untoldInARow + 2 : 0;
    if (untoldInARow >= MOST_UNTOLD) return learnNothing();
    if (standing === 'stands') {
      shared = scanned.number;
      break;
    }
    if (standing === 'replaced') oldestReplaced = scanned.number;
  }
  if (oldestReplaced === undefined || (shared === undefined && isUntold)) return learnNothing();

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

/**
 * In their order, a few side by side. One that is not told of is looked at once more: most likely
 * that is by chance, and of hundreds of blocks it would be so for some.
 */
async function* lookAtAll(
  remembered: readonly ScannedBlock[],
  look: (scanned: ScannedBlock) => Promise<Look>,
): AsyncGenerator<{ readonly scanned: ScannedBlock; readonly standing: Look }> {
  let atOnce = 1;
  for (let rest = remembered; rest.length > 0;) {
    const part = rest.slice(0, atOnce);
    rest = rest.slice(atOnce);
    const looks = await Promise.all(part.map(look));
    for (const [index, scanned] of part.entries()) {
      const first = looks[index] ?? 'untold';
      yield { scanned, standing: first === 'untold' ? await look(scanned) : first };
    }
    // Who hangs, or does not have the head, is not asked for much at once.
    atOnce = looks.includes('untold') ? 1 : Math.min(MOST_LOOKS_AT_ONCE, 2 * atOnce);
  }
}
