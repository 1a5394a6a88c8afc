import { BaseError, HttpRequestError, ResponseBodyTooLargeError, RpcRequestError, TimeoutError } from 'viem';

import type { Block, RangeLogs } from '../../domain/chain/ports.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Address } from '../../shared/hex.ts';
import { createAskForLogs } from './createAskForLogs.ts';

/** A URL that refused a range is not asked for as many blocks again before this: refusals cost calls, and plans and busy blocks change. */
const REMEMBERED_MS = 10 * 60_000;

/** One request's. Many logs take longer than a single value; a URL that takes longer is asked for less the next time. */
const TIMEOUT_MS = 5_000;

/** Providers' words for "too much at once", of blocks or of logs. They agree on no code. */
const TOO_MUCH = [
  /\b(range|span|blocks?)\b.*\b(too (large|wide|big|many|long)|exceed\w*|limit\w*|max\w*|greater than|at most)/i,
  /\b(exceed\w*|limit\w*|max\w*|more than|greater than|up to|too many)\b.*\b(range|span|blocks?|results|logs|size|entries|records)\b/i,
  /\bresponse\b.*\btoo (large|big)\b/i,
];
/** Of the caller's account, which fewer blocks at once would only exceed the faster. */
const TOO_OFTEN =
  /\brate\b|rate.?limit|per (second|minute|hour|day)|too many requests|request (count|limit)|daily|monthly|credits|compute units|capacity/i;
/** EIP-1474 "limit exceeded": of either kind. */
const LIMIT_EXCEEDED = -32005;

/**
 * The gateway's events of a range from one RPC URL. One that refuses the range is asked for half of it, and for half of that, down
 * to single blocks; how much it takes is remembered for a while, for each URL by itself.
 */
export function createReadGatewayLogs(options: {
  readonly rpcUrls: readonly string[];
  readonly chainId: number;
  readonly gateway: Address;
  readonly log: Logger;
}) {
  const { rpcUrls, chainId, gateway, log } = options;
  const askForLogs = createAskForLogs({ rpcUrls, gateway, timeoutMs: TIMEOUT_MS });
  const limits = new Map<number, { readonly blocks: bigint; readonly until: number }>();

  function limitOf(urlIndex: number): bigint | undefined {
    const limit = limits.get(urlIndex);
    return limit !== undefined && Date.now() < limit.until ? limit.blocks : undefined;
  }

  /** @throws what the node answered, when that is no refusal or the range is a single block */
  return async (urlIndex: number, { fromBlock, toBlock }: { readonly fromBlock: bigint; readonly toBlock: bigint }): Promise<RangeLogs> => {
    const parts: RangeLogs[] = [];
    let last: Block | undefined;
    let wasRefused = false;
    for (let from = fromBlock; from <= toBlock;) {
      const limit = limitOf(urlIndex);
      const to = limit !== undefined && from + limit - 1n < toBlock ? from + limit - 1n : toBlock;
      try {
        const part = await askForLogs(urlIndex, from, to);
        parts.push(part);
        last = part.last;
        from = to + 1n;
      } catch (error) {
        const asked = to - from + 1n;
        if (asked === 1n) throw error;
        const isSlow = error instanceof BaseError && error.walk((cause) => cause instanceof TimeoutError) !== null;
        if (!isSlow && !isRefusedRange(error)) throw error;
        limits.set(urlIndex, { blocks: asked / 2n, until: Date.now() + REMEMBERED_MS });
        // Silent for another reason, perhaps: the next URL is asked now, and this one for less when it is asked again.
        if (isSlow) throw error;
        wasRefused = true;
      }
    }
    if (wasRefused) {
      const blocks = limits.get(urlIndex)?.blocks.toString();
      log.warn({ chainId, rpcUrl: urlIndex, blocks }, 'the RPC URL refuses logs of so many blocks at once: asking for fewer');
    }
    if (last === undefined) throw new Error('no block was asked for');
    return { last, payments: parts.flatMap(({ payments }) => payments), refunds: parts.flatMap(({ refunds }) => refunds) };
  };
}

/** Of too much at once, of blocks or of logs: fewer blocks may be asked for. */
export function isRefusedRange(error: unknown): boolean {
  if (!(error instanceof BaseError)) return false;
  if (error.walk((cause) => cause instanceof ResponseBodyTooLargeError) !== null) return true;
  const answer = error.walk((cause) => cause instanceof RpcRequestError || cause instanceof HttpRequestError);
  if (answer instanceof HttpRequestError) return answer.status === 413 || (answer.status === 400 && isTooMuch(answer.details));
  return answer instanceof RpcRequestError && isTooMuch(answer.details, answer.code);
}

function isTooMuch(text: string, code?: number): boolean {
  return !TOO_OFTEN.test(text) && (code === LIMIT_EXCEEDED || TOO_MUCH.some((words) => words.test(text)));
}
