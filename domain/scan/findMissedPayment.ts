import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { tryAll } from '../../shared/tryAll.ts';
import { askChain, getChain } from '../chain/service.ts';
import { DONE, throwFailure } from '../outbox/model.ts';
import { askWhoPaid } from '../payments/askWhoPaid.ts';
import { createRoundPlaces } from './missed/createRoundPlaces.ts';
import type { Payment } from '../payments/model.ts';
import { searchMissedEvent } from './missed/searchMissedEvent.ts';
import { findPayment, listUnplacedPayments } from '../payments/store.ts';
import type { PaymentProcessedLog } from '../chain/contractModel.ts';

/**
 * A payment that is being relayed is placed within seconds of its block; one that stands still for
 * so long is asked about.
 */
const UNPLACED_FOR_MS = 2 * 60_000;
/** Of each chain, in a round. */
const BATCH = 100;

/** By `seq`. */
const places = createRoundPlaces<bigint>();

/**
 * The gateway's storage shows a payment as made whose event the scanner has passed without seeing
 * it.
 * @throws AppError `CHAIN_ERRORS.unavailable`, see searchMissedEvent
 */
export function findMissedPayment(
  ctx: Context,
  missed: Pick<Payment, 'id' | 'chainId' | 'createdAt' | 'terms'>,
): Promise<void> {
  const { id: paymentId, chainId, createdAt, terms } = missed;
  return searchMissedEvent<PaymentProcessedLog>(ctx, {
    ...{ chainId, createdAt, about: { paymentId } },
    isPlaced: async () => (await findPayment(ctx.db, paymentId))?.position !== null,
    findLog: (since) =>
      getChain(ctx, chainId).findPaymentLog({ paymentId, since, until: terms.expiresAt }),
    toLogs: (log) => ({ payments: [log], refunds: [] }),
  });
}

/**
 * Work of maintenance, for payments that do not come by the expire queue: those that are being
 * relayed, whose attempt knows from the chain that they are paid and waits for the scanner to tell.
 * A round asks about some, and the next one about those after them: very many may wait that are not
 * paid. A chain that does not answer is asked again by the next round.
 * @throws the first failure, after every chain and payment had its turn
 */
export async function findMissedPayments(
  ctx: Context,
  chains: readonly ChainConfig[] = ctx.config.chains,
): Promise<void> {
  const unchangedSince = addMs(ctx.clock.now(), -UNPLACED_FOR_MS);
  const placeOf = places.of(ctx);
  await tryAll(chains, async ({ chainId }) => {
    const after = placeOf.get(chainId) ?? 0n;
    const payments = await listUnplacedPayments(ctx.db, chainId, {
      after,
      unchangedSince,
      limit: BATCH,
    });
    if (payments.length < BATCH) placeOf.delete(chainId);
    if (payments.length === 0) return;
    const result = await askChain(ctx, chainId, async () => {
      const answers = await Promise.all(payments.map((payment) => askWhoPaid(ctx, payment)));
      const paid = payments.filter((_, index) => answers[index]?.payer !== undefined);
      const last = payments.at(-1);
      if (last !== undefined && payments.length === BATCH) placeOf.set(chainId, last.seq);
      await tryAll(paid, (payment) => findMissedPayment(ctx, payment), { atOnce: 1 });
      return DONE;
    });
    throwFailure(result);
  });
}
