import { zeroAddress, type PublicClient } from 'viem';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainPosition } from '../../domain/chain/contractModel.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { toUnixSeconds } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Bytes32 } from '../../shared/hex.ts';
import { createLogRanges } from './createLogRanges.ts';
import type { Hear } from './createHearings.ts';
import type { ReadHead } from './createReadHead.ts';
import type { RpcClients, RpcQuestions } from './createRpcClients.ts';
import { IDS_PER_CALL, readPayers } from './gatewayState.ts';
import { findVoters } from './judgeHeads.ts';
import { lowerCase, paymentProcessedEvent, readPaymentLogs } from './paymentLogs.ts';
import { readRefundLogs, refundProcessedEvent } from './relayLogs.ts';

type FindPayments = Pick<ChainPort, 'findPayers' | 'findPaymentLog' | 'findRefundLog'>;

/** What of a block range's logs is looked for. */
type ReadLog<Log> = (
  node: PublicClient,
  range: { readonly fromBlock: bigint; readonly toBlock: bigint },
) => Promise<Log | undefined>;

interface Search<Log> {
  readonly since: Date;
  /** Absent: to the head. */
  readonly until?: Date;
  readonly read: ReadLog<Log>;
}

/**
 * Looks for payments and refunds without the scanner's logs: in the gateway's storage, and by the
 * indexed id of the event.
 */
export function createFindPayments(
  {
    gateway,
    startBlock,
    maxBlockRange,
    blockTimeMs,
  }: Pick<ChainConfig, 'gateway' | 'startBlock' | 'maxBlockRange' | 'blockTimeMs'>,
  rpc: RpcClients,
  hear: Hear,
  readHead: ReadHead,
): FindPayments {
  const ranges = createLogRanges(() => performance.now());

  const findPayersAt = (node: RpcQuestions, paymentIds: readonly Bytes32[]) =>
    node.askOneNode(async (_client, urlIndex, sure) => {
      // The answers are those of one block: a node that lacks it fails, where it would say "not
      // paid" of its own latest one. And each comes with the chain's id: on another chain with our
      // contracts at the same addresses, nobody has paid.
      const { head, readAt } = await readHead(urlIndex);
      const payers = new Map<Bytes32, Address>();
      for (let start = 0; start < paymentIds.length; start += IDS_PER_CALL) {
        const ids = paymentIds.slice(start, start + IDS_PER_CALL);
        const found = await readPayers(sure, gateway, ids, head.number);
        found.forEach((payer, index) => {
          const id = ids[index];
          if (id !== undefined && payer !== zeroAddress) payers.set(id, payer);
        });
      }
      return { urlIndex, head, readAt, payers };
    });

  return {
    async findPayers(paymentIds) {
      const first = await findPayersAt(rpc, paymentIds);
      const unpaid = paymentIds.filter((id) => !first.payers.has(id));
      if (unpaid.length === 0 || rpc.eachNode.length === 1)
        return { block: first.head, payers: first.payers };
      // That nobody has paid ends a payment: no URL's word alone, which may be on a branch of its
      // own. Whoever shows a payment may be behind: it was made.
      const { heard, unheard } = await hear((node) => findPayersAt(node, unpaid));
      const voters = findVoters(
        heard.some(({ urlIndex }) => urlIndex === first.urlIndex) ? heard : [first, ...heard],
        {
          urls: rpc.eachNode.length,
          blockTimeMs,
        },
      );
      const payers = new Map([...first.payers, ...heard.flatMap((one) => [...one.payers])]);
      if (unheard.some((urlIndex) => urlIndex !== first.urlIndex))
        return { block: undefined, payers };
      // By the end of that block, all that have a say do so: how late it is, is no URL's word alone
      // either.
      const block = voters.reduce(
        (least, { head }) => (head.number < least.number ? head : least),
        voters[0]?.head ?? first.head,
      );
      return { block, payers };
    },

    findPaymentLog: ({ paymentId, since, until }) =>
      searchEach({
        ...{ since, until },
        async read(node, range) {
          const found = await node.getLogs({
            address: gateway,
            event: paymentProcessedEvent,
            args: { paymentId },
            ...range,
          });
          return readPaymentLogs(found, gateway).find((log) => log.paymentId === paymentId);
        },
      }),

    findRefundLog: ({ paymentId, nonce, since }) =>
      searchEach({
        since,
        async read(node, range) {
          const found = await node.getLogs({
            address: gateway,
            event: refundProcessedEvent,
            args: { paymentId },
            ...range,
          });
          return readRefundLogs(found, gateway).find(
            (log) => log.paymentId === paymentId && log.nonce === nonce,
          );
        },
      }),
  };

  async function searchEach<Log extends ChainPosition>(
    wanted: Search<Log>,
  ): Promise<Log | undefined> {
    const found = await rpc.askOneNode((node, urlIndex) => searchLog(node, urlIndex, wanted));
    if (found !== undefined || rpc.eachNode.length === 1) return found;
    // That it has none is one URL's fault perhaps. One after the other, since a search is dozens of
    // questions.
    for (const each of rpc.eachNode) {
      const log = await each
        .askOneNode((node, urlIndex) => searchLog(node, urlIndex, wanted))
        .catch(unlessUnavailable);
      if (log !== undefined) return log;
    }
    return undefined;
  }

  async function searchLog<Log extends ChainPosition>(
    node: PublicClient,
    urlIndex: number,
    { since, until, read }: Search<Log>,
  ): Promise<Log | undefined> {
    const head = await node.getBlock({ blockTag: 'latest' });
    const first = await findFirstBlock(node, {
      from: BigInt(startBlock),
      to: head.number,
      notBefore: toUnixSeconds(since),
    });
    // Oldest first: most payments are made soon after they were asked for.
    const most = BigInt(maxBlockRange);
    for (let from = first; from <= head.number;) {
      const limit = ranges.limitOf(urlIndex) ?? most;
      const size = limit < most ? limit : most;
      const to = from + size - 1n < head.number ? from + size - 1n : head.number;
      const blocks = to - from + 1n;
      try {
        const log = await readStanding(node, read, { fromBlock: from, toBlock: to });
        ranges.noteTaken(urlIndex, blocks);
        if (log !== undefined) return log;
      } catch (error) {
        if (!ranges.noteFailed(urlIndex, blocks, error)) throw error;
        continue;
      }
      if (
        until !== undefined &&
        to < head.number &&
        (await timeOf(node, to)) > toUnixSeconds(until)
      )
        return undefined;
      from = to + 1n;
    }
    return undefined;
  }
}

/** For `catch`: the other URLs may answer. */
function unlessUnavailable(error: unknown): undefined {
  if (error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code) return undefined;
  throw error;
}

/** By bisection: block numbers and times grow together. */
async function findFirstBlock(
  node: PublicClient,
  range: { readonly from: bigint; readonly to: bigint; readonly notBefore: number },
): Promise<bigint> {
  let [low, high] = [range.from, range.to];
  while (low < high) {
    const middle = (low + high) / 2n;
    if ((await timeOf(node, middle)) < range.notBefore) low = middle + 1n;
    else high = middle;
  }
  return low;
}

async function timeOf(node: PublicClient, blockNumber: bigint): Promise<number> {
  return Number((await node.getBlock({ blockNumber })).timestamp);
}

async function readStanding<Log extends ChainPosition>(
  node: PublicClient,
  read: ReadLog<Log>,
  range: { readonly fromBlock: bigint; readonly toBlock: bigint },
): Promise<Log | undefined> {
  const log = await read(node, range);
  if (log === undefined) return undefined;
  // A log of a block that the node itself does not have there (any more) shows nothing.
  const { hash } = await node.getBlock({ blockNumber: log.blockNumber });
  return lowerCase(hash) === log.blockHash ? log : undefined;
}
