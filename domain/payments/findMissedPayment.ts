import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { createLanes } from '../../shared/lanes.ts';
import { tryAll } from '../../shared/tryAll.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import { askChain, findChainConfig, getChain } from '../chain/service.ts';
import { DONE, throwFailure } from '../outbox/model.ts';
import { askWhoPaid } from './askWhoPaid.ts';
import type { Payment } from './model.ts';
import { findScannedUntil, rescanBlocks } from './rescanBlocks.ts';
import { findPayment, listUnplacedPayments } from './store.ts';

/** The chain's clock and ours may differ by this: no block with the payment is older. */
const CLOCK_MARGIN_MS = 15 * 60_000;

/** A payment that is being relayed is placed within seconds of its block; one that stands still for so long is asked about. */
const UNPLACED_FOR_MS = 2 * 60_000;
/** Of each chain, in a round. */
const BATCH = 100;

/** By process and chain: how far its rounds have come among these payments, by `seq`. At the end they begin again. */
const places = new WeakMap<Context['db'], Map<number, bigint>>();

/** One search at a time on each chain: what one finds is often what the next one looks for. */
const lanes = createLanes();

/**
 * The gateway's storage shows a payment as made whose event the scanner has passed without seeing it: the event is looked for by its id, and its block and
 * those after it are read again, since it was hardly the only one that was missed.
 * @throws AppError `CHAIN_ERRORS.unavailable`, also when no RPC URL shows the event: it has to be looked for again
 */
export async function findMissedPayment(ctx: Context, missed: Pick<Payment, 'id' | 'chainId' | 'createdAt' | 'terms'>): Promise<void> {
  const { id: paymentId, chainId, createdAt, terms } = missed;
  await lanes.run(String(chainId), async () => {
    // While this waited for its turn, it may have been found beside another one.
    if ((await findPayment(ctx.db, paymentId))?.position !== null) return;
    const since = addMs(createdAt, -CLOCK_MARGIN_MS);
    const log = await getChain(ctx, chainId).findPaymentLog({ paymentId, since, until: terms.expiresAt });
    if (log === undefined) {
      ctx.log.error({ paymentId, chainId }, 'the gateway shows a payment as made, and no RPC URL shows its event: looking again later');
      throw new AppError(CHAIN_ERRORS.unavailable, { internal: { paymentId, missing: 'PaymentProcessed' } });
    }
    const { blockNumber: fromBlock } = log;
    const scannedUntil = (await findScannedUntil(ctx, chainId)) ?? -1n;
    const last = fromBlock + BigInt(findChainConfig(ctx, chainId)?.maxBlockRange ?? 1) - 1n;
    const toBlock = last < scannedUntil ? last : scannedUntil;
    await rescanBlocks(ctx, { chainId, fromBlock, toBlock, reason: 'missed', known: { payments: [log], refunds: [] } });
  });
}

/**
 * Work of maintenance, for payments that do not come by the expire queue: those that are being relayed, whose attempt knows from the chain that they are paid
 * and waits for the scanner to tell. A round asks about some, and the next one about those after them: very many may wait that are not paid. A chain that does
 * not answer is asked again by the next round.
 * @throws the first failure, after every chain and payment had its turn
 */
export async function findMissedPayments(ctx: Context): Promise<void> {
  const unchangedSince = addMs(ctx.clock.now(), -UNPLACED_FOR_MS);
  const placeOf = placesOf(ctx);
  await tryAll(ctx.config.chains, async ({ chainId }) => {
    const after = placeOf.get(chainId) ?? 0n;
    const payments = await listUnplacedPayments(ctx.db, chainId, { after, unchangedSince, limit: BATCH });
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

function placesOf(ctx: Context): Map<number, bigint> {
  const known = places.get(ctx.db);
  if (known !== undefined) return known;
  const fresh = new Map<number, bigint>();
  places.set(ctx.db, fresh);
  return fresh;
}
