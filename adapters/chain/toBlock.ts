import type { Block } from '../../domain/chain/ports.ts';
import { fromUnixSeconds } from '../../shared/clock.ts';
import { lowerCase } from './paymentLogs.ts';

/** A block's header as the domain knows it. */
export function toBlock(block: { number: bigint; hash: `0x${string}`; timestamp: bigint }): Block {
  return {
    number: block.number,
    hash: lowerCase(block.hash),
    timestamp: fromUnixSeconds(Number(block.timestamp)),
  };
}
