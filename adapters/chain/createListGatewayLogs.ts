import type { RangeLogs } from '../../domain/chain/ports.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Address } from '../../shared/hex.ts';
import { createAskForLogs } from './createAskForLogs.ts';
import { createKeptLogs } from './createKeptLogs.ts';
import { createLogRanges } from './createLogRanges.ts';
import { judgeLogRefusal } from './judgeLogRefusal.ts';

/**
 * One request's. Many logs take longer than a single value; a URL that takes longer is asked for
 * less the next time.
 */
const TIMEOUT_MS = 5_000;

/**
 * The gateway's events of a range from one RPC URL. One that refuses the range is asked for half of
 * it, and for half of that, down to single blocks; how much it takes is remembered, for each URL by
 * itself. What a URL gave before it failed is not asked for again at once (createKeptLogs.ts).
 */
export function createListGatewayLogs(options: {
  readonly rpcUrls: readonly string[];
  readonly chainId: number;
  readonly gateway: Address;
  readonly clock: Clock;
  readonly log: Logger;
}) {
  const { rpcUrls, chainId, gateway, clock, log } = options;
  const { askForLogs, hasBlock } = createAskForLogs({ rpcUrls, gateway, timeoutMs: TIMEOUT_MS });
  // Nodes take longer for old blocks, or refuse them however few they are: that says nothing of new
  // ones.
  const [ofNew, ofOld] = [
    createLogRanges(() => performance.now()),
    createLogRanges(() => performance.now()),
  ];
  const kept = createKeptLogs({ clock, monotonicMs: () => performance.now() });
  let lastUsed = 0;

  /** @throws what the node answered, when that is no refusal or the range is a single block */
  async function read(
    urlIndex: number,
    {
      fromBlock,
      toBlock,
      again,
    }: { readonly fromBlock: bigint; readonly toBlock: bigint; readonly again: boolean },
  ): Promise<RangeLogs> {
    const ranges = again ? ofOld : ofNew;
    const limitNow = () =>
      again ? lesser(ofOld.limitOf(urlIndex), ofNew.limitOf(urlIndex)) : ofNew.limitOf(urlIndex);
    const parts = kept.listOf(urlIndex, fromBlock, toBlock);
    const resumed = parts.at(-1)?.last;
    // Its blocks before are those that it had.
    if (resumed !== undefined && !(await hasBlock(urlIndex, resumed))) parts.length = 0;
    let wasRefused = false;
    for (let from = nextOf(parts, fromBlock); from <= toBlock; from = nextOf(parts, fromBlock)) {
      const limit = limitNow();
      const to = limit !== undefined && from + limit - 1n < toBlock ? from + limit - 1n : toBlock;
      const blocks = to - from + 1n;
      try {
        const part = await askForLogs(urlIndex, from, to);
        ranges.noteTaken(urlIndex, blocks);
        parts.push(part);
        if (!again) lastUsed = urlIndex;
      } catch (error) {
        if (!ranges.noteFailed(urlIndex, blocks, error)) {
          if (blocks === 1n && judgeLogRefusal(error) === 'tooMuch')
            log.warn(
              { chainId, rpcUrl: urlIndex, block: from.toString() },
              'the RPC URL refuses the logs of a single block: the next one is asked',
            );
          if (parts.length > 0) kept.keep(urlIndex, fromBlock, parts);
          throw error;
        }
        wasRefused = true;
      }
    }
    kept.forget(urlIndex, fromBlock);
    if (wasRefused) {
      const blocks = limitNow()?.toString();
      log.warn(
        { chainId, rpcUrl: urlIndex, blocks },
        'the RPC URL refuses logs of so many blocks at once: asking for fewer',
      );
    }
    const last = parts.at(-1)?.last;
    if (last === undefined) throw new Error('no block was asked for');
    return {
      last,
      payments: parts.flatMap(({ payments }) => payments),
      refunds: parts.flatMap(({ refunds }) => refunds),
    };
  }

  return {
    read,
    /** See ChainPort.getLogLimit. */
    getLimit: () => ofNew.limitOf(lastUsed),
  };
}

function nextOf(parts: readonly RangeLogs[], fromBlock: bigint): bigint {
  const last = parts.at(-1)?.last;
  return last === undefined ? fromBlock : last.number + 1n;
}

function lesser(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}
