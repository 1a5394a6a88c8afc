import type { Context } from '../../../platform/context.ts';
import { addMs } from '../../../shared/clock.ts';
import { AppError } from '../../../shared/errors.ts';
import { createLanes } from '../../../shared/lanes.ts';
import { CHAIN_ERRORS } from '../../chain/errors.ts';
import type { GatewayLogs } from '../../chain/ports.ts';
import { findChainConfig } from '../../chain/service.ts';
import type { ChainPosition } from '../../chain/contractModel.ts';
import { findScannedUntil, rescanBlocks } from '../rescanBlocks.ts';

/** The chain's clock and ours may differ by this: no block with the event is older. */
const CLOCK_MARGIN_MS = 15 * 60_000;

/** One search at a time on each chain: what one finds is often what the next one looks for. */
const lanes = createLanes();

export interface MissedEvent<Log> {
  readonly chainId: number;
  /** Of the payment or refund: its event is not older. */
  readonly createdAt: Date;
  /** For the log: what is missed. */
  readonly about: { readonly paymentId: string; readonly refundId?: string };
  isPlaced(): Promise<boolean>;
  /** By its id, in blocks from this time on. */
  findLog(since: Date): Promise<Log | undefined>;
  toLogs(log: Log): GatewayLogs;
}

/**
 * The gateway's storage shows a payment or refund as made whose event the scanner has passed
 * without seeing it: the event is looked for by its id, and its block and those after it are read
 * again, since it was hardly the only one that was missed.
 * @throws AppError `CHAIN_ERRORS.unavailable`, also when no RPC URL shows the event: look again
 */
export async function searchMissedEvent<Log extends ChainPosition>(
  ctx: Context,
  missed: MissedEvent<Log>,
): Promise<void> {
  const { chainId, createdAt, about } = missed;
  await lanes.run(String(chainId), async () => {
    // While this waited for its turn, it may have been found beside another one.
    if (await missed.isPlaced()) return;
    const log = await missed.findLog(addMs(createdAt, -CLOCK_MARGIN_MS));
    if (log === undefined) {
      const what = about.refundId === undefined ? 'payment' : 'refund';
      ctx.log.error(
        { ...about, chainId },
        `the gateway shows a ${what} as made, and no RPC URL shows its event: looking again later`,
      );
      const missing = about.refundId === undefined ? 'PaymentProcessed' : 'RefundProcessed';
      throw new AppError(CHAIN_ERRORS.unavailable, { internal: { ...about, missing } });
    }
    const { blockNumber: fromBlock } = log;
    const scannedUntil = (await findScannedUntil(ctx, chainId)) ?? -1n;
    const last = fromBlock + BigInt(findChainConfig(ctx, chainId)?.maxBlockRange ?? 1) - 1n;
    const toBlock = last < scannedUntil ? last : scannedUntil;
    await rescanBlocks(ctx, {
      chainId,
      fromBlock,
      toBlock,
      reason: 'missed',
      known: missed.toLogs(log),
    });
  });
}
