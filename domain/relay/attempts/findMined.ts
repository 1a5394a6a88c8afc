import type { Context } from '../../../platform/context.ts';
import { AppError } from '../../../shared/errors.ts';
import { CHAIN_ERRORS } from '../../chain/errors.ts';
import type { Receipt } from '../../chain/ports.ts';
import { getChain, measureDepth, type Depth } from '../../chain/service.ts';
import type { RelayTransaction } from '../model.ts';

/** A transaction that is in a block, and what the chain shows at that height. */
export interface Mined {
  readonly receipt: Receipt;
  readonly depth: Depth;
}

/**
 * Any of its hashes may be the one that was mined: a gas bump races with the transaction that it
 * replaces. A receipt of a block that is not on the chain, as of a node on a fork that it has not
 * left, counts only where there is no other one; and then it says no more than that something is to
 * be waited for.
 * @returns undefined when no node shows it in a block
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function findMined(
  ctx: Context,
  transaction: RelayTransaction,
): Promise<Mined | undefined> {
  const chain = getChain(ctx, transaction.chainId);
  let contradicted: Mined | undefined;
  for (const hash of [...transaction.hashes].reverse()) {
    const receipt = await chain.findReceipt(hash);
    if (receipt === undefined) continue;
    const mined = { receipt, depth: await measureDepth(ctx, transaction.chainId, receipt) };
    if (mined.depth.kind !== 'contradicted') return mined;
    contradicted ??= mined;
  }
  return contradicted;
}

/**
 * The same where no receipt is needed any more to decide: what can still be learned from one is
 * worth a look, and no reason to wait for ever for one that nobody shows in a form that can be
 * read.
 */
export async function findMinedIfTold(
  ctx: Context,
  transaction: RelayTransaction,
): Promise<Mined | undefined> {
  try {
    return await findMined(ctx, transaction);
  } catch (error) {
    if (!(error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code)) throw error;
    ctx.log.warn(
      { err: error, transactionId: transaction.id },
      'no RPC URL says what became of a transaction whose time is over: it is ended without that',
    );
    return undefined;
  }
}
