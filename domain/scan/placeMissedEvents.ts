import type { Context } from '../../platform/context.ts';
import type { GatewayLogs } from '../chain/ports.ts';
import { findScannedUntil, rescanBlocks } from './rescanBlocks.ts';

/**
 * A receipt shows events of a block that the scanner may have passed without seeing them: a node
 * kept its logs back. They are applied as they stand in the receipt, and what else is in their
 * block with them. The scan goes on where it is: the node may never show those logs.
 * @returns `ahead`: the scanner comes to that block yet; `nothing`: it has passed it, and nothing
 *   of the receipt was news
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function placeMissedEvents(
  ctx: Context,
  chainId: number,
  receipt: GatewayLogs & { readonly blockNumber: bigint },
): Promise<'placed' | 'ahead' | 'nothing'> {
  const { blockNumber, payments, refunds } = receipt;
  const scannedUntil = await findScannedUntil(ctx, chainId);
  if (scannedUntil === undefined || scannedUntil < blockNumber) return 'ahead';
  const blocks = { fromBlock: blockNumber, toBlock: blockNumber };
  const found = await rescanBlocks(ctx, {
    chainId,
    ...blocks,
    reason: 'missed',
    known: { payments, refunds },
  });
  return found.paymentIds.length + found.refundIds.length > 0 ? 'placed' : 'nothing';
}
