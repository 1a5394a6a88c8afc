import {
  BaseError,
  BlockNotFoundError,
  createPublicClient,
  formatLog,
  HttpRequestError,
  ResponseBodyTooLargeError,
  RpcRequestError,
  TimeoutError,
  toEventSelector,
  toHex,
  type RpcLog,
} from 'viem';

import type { Block, GatewayLogs, RangeLogs } from '../../domain/chain/ports.ts';
import { createRecentMemory } from '../../shared/createRecentMemory.ts';
import type { Address, Bytes32 } from '../../shared/hex.ts';
import { askHeader } from './askHeader.ts';
import { ContradictionError } from './ContradictionError.ts';
import { createNodeTransport } from './createNodeTransport.ts';
import { inOneRequest, type Requester } from './inOneRequest.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';
import { inChainOrder, lowerCase, paymentProcessedEvent, readPaymentLogs } from './paymentLogs.ts';
import { readRefundLogs, refundProcessedEvent } from './relayLogs.ts';

/** A URL that does not take two questions in one request is given them one by one for so long. */
const NO_BATCH_MS = 10 * 60_000;
/** More in one answer is asked for in smaller parts. A payment's log is some 700 bytes. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** Block headers asked for in one request. */
const MAX_HEADERS = 50;
/**
 * A header that was compared so recently is not asked for again: the last half minute's logs are
 * read with every scan.
 */
const HEADER_MS = 15_000;
/** Decoded logs that are kept: many times what the last half minute has. */
const REMEMBERED_LOGS = 50_000;

/**
 * Statuses with which a server may answer that it does not take several questions at once. Others
 * are about something else.
 */
const NO_BATCH_STATUSES = new Set([400, 403, 404, 405, 415, 422, 501]);

const topics = [toEventSelector(paymentProcessedEvent), toEventSelector(refundProcessedEvent)];

/**
 * The gateway's logs of a range from one RPC URL, tied to the chain that they belong to:
 *
 *   - the header of the range's last block comes in the same HTTP request, so that of several nodes
 *     behind the URL one answers both;
 *   - each log's block hash is compared with the header that the URL shows for that block.
 *
 * Logs that were decoded lately are not decoded again.
 */
export function createAskForLogs(options: {
  readonly rpcUrls: readonly string[];
  readonly gateway: Address;
  /** For one HTTP request. */
  readonly timeoutMs: number;
}) {
  const { rpcUrls, gateway, timeoutMs } = options;
  const clientOf = (url: string, batch: boolean) => {
    const limits = {
      timeout: timeoutMs,
      maxResponseBodySize: MAX_ANSWER_BYTES,
      batch: batch && { batchSize: MAX_HEADERS },
    };
    return createPublicClient({ cacheTime: 0, transport: createNodeTransport(url, { ...limits }) });
  };
  const urls = rpcUrls.map((url) => ({
    together: clientOf(url, true),
    oneByOne: clientOf(url, false),
    noBatchUntil: 0,
    headers: createRecentMemory<{ readonly hash: Bytes32; readonly seenAt: number }>(2_000),
  }));
  type Url = (typeof urls)[number];
  const decoded = createRecentMemory<GatewayLogs>(REMEMBERED_LOGS);

  async function askLogs(
    client: Requester,
    fromBlock: bigint,
    toBlockNumber: bigint,
  ): Promise<readonly RpcLog[]> {
    const logs = await client.request<{
      Method: 'eth_getLogs';
      Parameters: readonly unknown[];
      ReturnType: readonly RpcLog[];
    }>({
      method: 'eth_getLogs',
      params: [
        {
          address: gateway,
          topics: [topics],
          fromBlock: toHex(fromBlock),
          toBlock: toHex(toBlockNumber),
        },
      ],
    });
    const isOutside = ({ blockNumber }: RpcLog) =>
      blockNumber === null ||
      BigInt(blockNumber) < fromBlock ||
      BigInt(blockNumber) > toBlockNumber;
    if (logs.some(isOutside))
      throw new ContradictionError('the node answered logs of blocks that it was not asked for');
    return logs;
  }

  /**
   * @throws what the node answered; a block that it does not have is an error too: it cannot know
   *   that block's logs
   */
  async function askRange(
    url: Url,
    fromBlock: bigint,
    toBlockNumber: bigint,
  ): Promise<{ last: Block; logs: readonly RpcLog[] }> {
    if (performance.now() >= url.noBatchUntil) {
      const together = inOneRequest(url.together, new AbortController().signal);
      const [header, logs] = await Promise.allSettled([
        getHeader(together, toBlockNumber),
        askLogs(together, fromBlock, toBlockNumber),
      ]);
      if (header.status === 'fulfilled') {
        if (logs.status === 'fulfilled') return { last: header.value, logs: logs.value };
        throw logs.reason;
      }
      if (!mayRefuseBatches(header.reason)) throw header.reason;
    }
    // The header before and after: the node had the block when it was asked for logs, and still has
    // it.
    const before = await getHeader(url.oneByOne, toBlockNumber);
    const logs = await askLogs(url.oneByOne, fromBlock, toBlockNumber);
    const after = await getHeader(url.oneByOne, toBlockNumber);
    if (before.hash !== after.hash)
      throw new ContradictionError('the last block was replaced while its logs were asked for');
    if (performance.now() >= url.noBatchUntil) url.noBatchUntil = performance.now() + NO_BATCH_MS;
    return { last: after, logs };
  }

  async function compareHeaders(url: Url, logs: readonly RpcLog[], last: Block): Promise<void> {
    const now = performance.now();
    url.headers.set(last.number.toString(), { hash: last.hash, seenAt: now });
    const claimed = new Map<bigint, Bytes32>();
    for (const { blockNumber, blockHash } of logs) {
      if (blockNumber === null || blockHash === null) continue;
      const [number, hash] = [BigInt(blockNumber), lowerCase(blockHash)];
      if ((claimed.get(number) ?? hash) !== hash)
        throw new ContradictionError(`logs of block ${number} name two blocks`);
      claimed.set(number, hash);
    }
    const unknown = [...claimed].filter(([number, hash]) => {
      const header = url.headers.get(number.toString());
      return header?.hash !== hash || now - header.seenAt > HEADER_MS;
    });
    for (let index = 0; index < unknown.length; index += MAX_HEADERS) {
      await Promise.all(
        unknown.slice(index, index + MAX_HEADERS).map(async ([number, hash]) => {
          const client = now < url.noBatchUntil ? url.oneByOne : url.together;
          const header = await getHeader(client, number);
          if (header.hash !== hash)
            throw new ContradictionError(
              `logs of block ${number} name another block than its header`,
            );
          url.headers.set(number.toString(), { hash, seenAt: now });
        }),
      );
    }
  }

  function decode(logs: readonly RpcLog[]): GatewayLogs {
    const found = logs.map((log) => {
      const key = keyOf(log);
      const known = decoded.get(key);
      if (known !== undefined) return known;
      const one = [formatLog(log)];
      const fresh = {
        payments: readPaymentLogs(one, gateway),
        refunds: readRefundLogs(one, gateway),
      };
      decoded.set(key, fresh);
      return fresh;
    });
    return {
      payments: inChainOrder(found.flatMap((one) => one.payments)),
      refunds: inChainOrder(found.flatMap((one) => one.refunds)),
    };
  }

  function urlAt(urlIndex: number): Url {
    const url = urls[urlIndex];
    if (url === undefined) throw new Error(`there is no RPC URL ${urlIndex}`);
    return url;
  }

  return {
    /** Both block numbers are included. @throws ContradictionError, or what the node answered */
    async askForLogs(
      urlIndex: number,
      fromBlock: bigint,
      toBlockNumber: bigint,
    ): Promise<RangeLogs> {
      const url = urlAt(urlIndex);
      const { last, logs } = await askRange(url, fromBlock, toBlockNumber);
      await compareHeaders(url, logs, last);
      return { last, ...decode(logs) };
    },

    /** Whether the URL has this block at its height. @throws what the node answered */
    async hasBlock(urlIndex: number, { number, hash }: Block): Promise<boolean> {
      const header = await askHeader(urlAt(urlIndex).oneByOne, { blockNumber: number });
      return header?.hash === hash;
    },
  };
}

/** @throws BlockNotFoundError */
async function getHeader(client: Requester, blockNumber: bigint): Promise<Block> {
  const header = await askHeader(client, { blockNumber });
  if (header === undefined) throw new BlockNotFoundError({ blockNumber });
  return header;
}

/**
 * Everything that decoding reads: a node that tells something else of the same place is not
 * answered from memory.
 */
function keyOf({
  blockNumber,
  blockHash,
  logIndex,
  transactionHash,
  address,
  topics: given,
  data,
}: RpcLog): string {
  return [blockNumber, blockHash, logIndex, transactionHash, address, ...given, data].join();
}

/**
 * Whether the error may be about several questions in one request, rather than about the questions.
 */
export function mayRefuseBatches(error: unknown): boolean {
  if (error instanceof BlockNotFoundError || error instanceof NodeAnswerError) return false;
  if (!(error instanceof BaseError)) return true;
  const known = [HttpRequestError, RpcRequestError, TimeoutError, ResponseBodyTooLargeError];
  const answer = error.walk((cause) => known.some((kind) => cause instanceof kind));
  // No answer that belongs to a question, as of a server that reads the first question only.
  if (answer === null) return true;
  return (
    answer instanceof HttpRequestError &&
    answer.status !== undefined &&
    NO_BATCH_STATUSES.has(answer.status)
  );
}
