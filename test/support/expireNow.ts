import { expect } from 'chai';

import { expirePayment } from '../../domain/scan/expirePayment.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Context } from '../../platform/context.ts';
import { execute } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { atTimeOfChain, setSettledTime } from './varyContext.ts';

/**
 * Expires a pending payment that nobody paid, as if its time were over by every clock, and a block
 * later than that final and scanned.
 */
export async function expireNow(
  ctx: Context,
  payment: { readonly paymentId: string; readonly chainId: number; readonly expiresAt: string },
): Promise<void> {
  const { chainId } = payment;
  const expiresAt = new Date(payment.expiresAt);
  await scanChain(ctx, chainId);
  await setSettledTime(ctx, chainId, addMs(expiresAt, 1_000));
  const result = await expirePayment(
    atTimeOfChain(ctx, chainId, addMs(expiresAt, 3_600_000)),
    asBytes32(payment.paymentId),
  );
  // The time that was pretended would end what comes after, too.
  await execute(
    ctx.db,
    'UPDATE chain_cursors SET settled_block = NULL, settled_timestamp = NULL WHERE chain_id = ?',
    [chainId],
  );
  expect(result, 'the work of the expiry').to.deep.equal({ kind: 'done' });
}
