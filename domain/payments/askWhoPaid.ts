import { createBatches } from '../../platform/batches.ts';
import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Bytes32 } from '../../shared/hex.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import type { Block, ChainPort } from '../chain/ports.ts';
import { getChain } from '../chain/service.ts';
import type { Payment } from './model.ts';

/** What a request waits for a chain that it can do without. */
const PATIENCE_MS = 2_000;

/** Who paid a payment by the end of a block, as the gateway's storage says. */
export interface PaidBy {
  readonly payer: Address | undefined;
  /** undefined: an RPC URL was not heard. That nobody has paid, is not known then. */
  readonly block: Block | undefined;
}

/**
 * Many expire at once where many are made, and each costs the chain's provider a question: those of
 * one moment are asked together.
 */
const questions = createBatches<ChainPort, Bytes32, PaidBy>(
  async (chain, paymentIds) => {
    const { block, payers } = await chain.findPayers(paymentIds);
    return paymentIds.map((id) => ({ block, payer: payers.get(id) }));
  },
  { inTurn: false },
);

/** @throws AppError `CHAIN_ERRORS.unavailable` */
export async function askWhoPaid(
  ctx: Context,
  payment: Pick<Payment, 'id' | 'chainId'>,
): Promise<PaidBy> {
  return questions.add(getChain(ctx, payment.chainId), payment.id);
}

/** For who goes on without an answer: false when the chain does not give one soon. */
export async function isPaidOnChain(
  ctx: Context,
  payment: Pick<Payment, 'id' | 'chainId'>,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, undefined);
  });
  try {
    const answer = await Promise.race([askWhoPaid(ctx, payment), patience]);
    return answer?.payer !== undefined;
  } catch (error) {
    if (!(error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code)) throw error;
    ctx.log.warn(
      { err: error, paymentId: payment.id },
      'the chain could not be asked whether the payment was made',
    );
    return false;
  } finally {
    clearTimeout(timer);
  }
}
