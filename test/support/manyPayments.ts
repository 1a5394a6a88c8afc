import type { Payment } from '../../domain/payments/model.ts';
import { insertPayments } from '../../domain/payments/store.ts';
import type { Context } from '../../platform/context.ts';
import { inTransaction } from '../../platform/db.ts';
import { fakeHash } from './fakeChain.ts';

/** Rows of one transaction. */
const PART = 1_000;

/**
 * Any number of pending payments like one that there is, written without going through its
 * creation: no event tells of them.
 * @param metadataOf the metadata of the payment with this number
 */
export async function insertManyPayments(
  ctx: Context,
  like: Payment,
  count: number,
  metadataOf: (index: number) => Payment['metadata'],
): Promise<Payment[]> {
  const payments = Array.from({ length: count }, (_, index): Payment => {
    const id = fakeHash(0xfa4e, BigInt(index));
    return { ...like, id, orderId: `many-${index}`, metadata: metadataOf(index) };
  });
  for (let from = 0; from < count; from += PART) {
    await inTransaction(ctx.db, (trx) => insertPayments(trx, payments.slice(from, from + PART)));
  }
  return payments;
}
