import type { Block, RangeLogs } from '../../domain/chain/ports.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Address } from '../../shared/hex.ts';
import { createAskForLogs } from './createAskForLogs.ts';
import { createLogRanges } from './createLogRanges.ts';
import { judgeLogRefusal } from './judgeLogRefusal.ts';

/** One request's. Many logs take longer than a single value; a URL that takes longer is asked for less the next time. */
const TIMEOUT_MS = 5_000;

/**
 * The gateway's events of a range from one RPC URL. One that refuses the range is asked for half of it, and for half of that, down to single blocks; how much
 * it takes is remembered, for each URL by itself.
 */
export function createReadGatewayLogs(options: {
  readonly rpcUrls: readonly string[];
  readonly chainId: number;
  readonly gateway: Address;
  readonly log: Logger;
}) {
  const { rpcUrls, chainId, gateway, log } = options;
  const askForLogs = createAskForLogs({ rpcUrls, gateway, timeoutMs: TIMEOUT_MS });
  const ranges = createLogRanges(Date.now);

  /** @throws what the node answered, when that is no refusal or the range is a single block */
  return async (urlIndex: number, { fromBlock, toBlock }: { readonly fromBlock: bigint; readonly toBlock: bigint }): Promise<RangeLogs> => {
    const parts: RangeLogs[] = [];
    let last: Block | undefined;
    let wasRefused = false;
    for (let from = fromBlock; from <= toBlock;) {
      const limit = ranges.limitOf(urlIndex);
      const to = limit !== undefined && from + limit - 1n < toBlock ? from + limit - 1n : toBlock;
      const blocks = to - from + 1n;
      try {
        const part = await askForLogs(urlIndex, from, to);
        ranges.noteTaken(urlIndex, blocks);
        parts.push(part);
        last = part.last;
        from = to + 1n;
      } catch (error) {
        if (!ranges.noteFailed(urlIndex, blocks, error)) {
          if (blocks === 1n && judgeLogRefusal(error) === 'tooMuch')
            log.warn(
              { chainId, rpcUrl: urlIndex, block: from.toString() },
              'the RPC URL refuses the logs of a single block: the next one is asked',
            );
          throw error;
        }
        wasRefused = true;
      }
    }
    if (wasRefused) {
      const blocks = ranges.limitOf(urlIndex)?.toString();
      log.warn({ chainId, rpcUrl: urlIndex, blocks }, 'the RPC URL refuses logs of so many blocks at once: asking for fewer');
    }
    if (last === undefined) throw new Error('no block was asked for');
    return { last, payments: parts.flatMap(({ payments }) => payments), refunds: parts.flatMap(({ refunds }) => refunds) };
  };
}
