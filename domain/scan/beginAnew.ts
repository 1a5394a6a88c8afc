import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import { findChainConfig } from '../chain/service.ts';
import type { ChainCursor } from '../chain/store.ts';
import { moveBack } from './follow/moveBack.ts';

/** As many as a cursor can count. */
const ANY_NUMBER = 2 ** 31;

/**
 * Scans a chain from its start again, and withdraws whatever it does not show: a development chain
 * that was begun anew under the same database.
 */
export function beginAnew(
  ctx: Context,
  config: ChainConfig,
  expected: ChainCursor,
): Promise<ChainCursor | undefined> {
  const { chainId } = config;
  ctx.log.error(
    { chainId },
    'the chain was begun anew: withdrawing what it does not show, and scanning it from the start',
  );
  return moveBack(
    ctx,
    chainId,
    (cursor) => ({ ...toStart(config, cursor), withdrawalsAllowed: ANY_NUMBER }),
    expected,
  );
}

/**
 * The same by an operator's word: within what may be withdrawn, which is for `allowWithdrawals` to
 * raise.
 * @throws AppError notFound: the chain is not configured, or was never scanned
 */
export async function scanAnew(
  ctx: Context,
  input: { readonly chainId: number },
): Promise<{ readonly nextBlock: string }> {
  const config = findChainConfig(ctx, input.chainId);
  const moved = config && (await moveBack(ctx, input.chainId, (cursor) => toStart(config, cursor)));
  if (moved === undefined)
    throw new AppError(COMMON_ERRORS.notFound, {
      detail: `Chain ${input.chainId} is not configured, or was never scanned.`,
    });
  return { nextBlock: moved.nextBlock.toString() };
}

/** Everything that was ever scanned. */
function toStart(config: ChainConfig, cursor: ChainCursor) {
  return {
    nextBlock: BigInt(config.startBlock),
    withdraw: { after: -1n, until: cursor.highestBlock },
    forgetBlocksAfter: -1n,
  };
}
