import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { tryAll } from '../../shared/tryAll.ts';
import { askChain, getChain, listKnownBlocks } from '../chain/service.ts';
import { DONE, throwFailure } from '../outbox/model.ts';
import type { Refund } from '../refunds/model.ts';
import { findRefund, listUnplacedRefunds } from '../refunds/service.ts';
import { createRoundPlaces } from './missed/createRoundPlaces.ts';
import { searchMissedEvent } from './missed/searchMissedEvent.ts';
import type { RefundProcessedLog } from '../chain/contractModel.ts';

/** A refund that is being relayed is placed within seconds of its block. */
const UNPLACED_FOR_MS = 2 * 60_000;
/** Of each chain, in a round: each is a question of its own. */
const BATCH = 50;
const QUESTIONS_AT_ONCE = 5;

/** By id. */
const places = createRoundPlaces<string>();

/**
 * Work of maintenance, for refunds that somebody else's transaction made, so that no receipt of
 * ours shows them, and whose event the scanner has passed: the attempt knows from the chain that it
 * is done, and waits for the scanner to tell by whom.
 * @throws the first failure, after every chain and refund had its turn
 */
export async function findMissedRefunds(
  ctx: Context,
  chains: readonly ChainConfig[] = ctx.config.chains,
): Promise<void> {
  const unchangedSince = addMs(ctx.clock.now(), -UNPLACED_FOR_MS);
  const placeOf = places.of(ctx);
  await tryAll(chains, async ({ chainId }) => {
    const after = placeOf.get(chainId) ?? '';
    const refunds = await listUnplacedRefunds(ctx, chainId, {
      after,
      unchangedSince,
      limit: BATCH,
    });
    if (refunds.length < BATCH) placeOf.delete(chainId);
    if (refunds.length === 0) return;
    const result = await askChain(ctx, chainId, async () => {
      const chain = getChain(ctx, chainId);
      const since = await listKnownBlocks(ctx, chainId);
      const made: Refund[] = [];
      const ask = async (refund: Refund) => {
        if ((await chain.isRefunded(refund.paymentId, refund.nonce, since)) === true)
          made.push(refund);
      };
      await tryAll(refunds, ask, { atOnce: QUESTIONS_AT_ONCE });
      const last = refunds.at(-1);
      if (last !== undefined && refunds.length === BATCH) placeOf.set(chainId, last.id);
      await tryAll(made, (refund) => findMissedRefund(ctx, refund), { atOnce: 1 });
      return DONE;
    });
    throwFailure(result);
  });
}

function findMissedRefund(
  ctx: Context,
  { id: refundId, paymentId, nonce, chainId, createdAt }: Refund,
): Promise<void> {
  return searchMissedEvent<RefundProcessedLog>(ctx, {
    ...{ chainId, createdAt, about: { paymentId, refundId } },
    isPlaced: async () => (await findRefund(ctx, refundId))?.position !== null,
    findLog: (since) => getChain(ctx, chainId).findRefundLog({ paymentId, nonce, since }),
    toLogs: (log) => ({ payments: [], refunds: [log] }),
  });
}
