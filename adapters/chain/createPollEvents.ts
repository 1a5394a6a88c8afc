import { zeroAddress, type PublicClient } from 'viem';

import type { Block, ChainPort, EventPoll, SeenEvent } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { sideBySide } from '../../shared/sideBySide.ts';
import { createFindEnds } from './createFindEnds.ts';
import type { Hear } from './createHearings.ts';
import type { NodeReads } from './createReadHead.ts';
import type { RpcClients } from './createRpcClients.ts';
import { readPayers, readRefunds } from './gatewayState.ts';
import { findVoters } from './judgeHeads.ts';

/**
 * Of so many of its last blocks every node has the state: those that keep least (Avalanche's) have
 * 32, most others 128.
 */
const STATE_BLOCKS = 24n;
/**
 * Headers asked for at the same time. How many questions go in one HTTP request, createAskWithId.ts
 * sees to.
 */
const HEADERS_AT_ONCE = 16;

/**
 * What one URL says of an event:
 *
 *   final    it shows it as deep enough
 *   early    its newest final block comes before the event's
 *   absent   its chain is final beyond the event's block, and does not have it
 */
type Word = Exclude<keyof EventPoll, 'unheard'>;

/**
 * Asks every RPC URL whether it shows events as final by its own head, in the gateway's storage:
 * logs and heads are easily made up, and on a branch both are as good as on the chain. A URL that
 * is stuck has no say, unless only one of three and more is not (judgeHeads.ts). Those that are
 * outvoted are asked last from then on.
 *
 * The storage is asked as of the URL's own newest final block. Where few nodes have the state of
 * that one any more, it is as of one that they have, and then the event's block has to be on the
 * URL's chain, too.
 */
export function createPollEvents(
  chain: Pick<ChainConfig, 'gateway' | 'confirmations' | 'blockTimeMs'>,
  rpc: RpcClients,
  hear: Hear,
  reads: NodeReads,
): ChainPort['pollEvents'] {
  const { gateway, blockTimeMs } = chain;
  const findEnds = createFindEnds(chain, reads);

  return async (events) => {
    if (rpc.eachNode.length === 1)
      return events.map(() => ({ final: 1, early: 0, absent: 0, unheard: 0 }));
    const { heard, unheard } = await hear((node) =>
      node.askOneNode(async (_client, urlIndex, sure) => {
        const { head, readAt, final } = await findEnds(urlIndex);
        return {
          urlIndex,
          head,
          readAt,
          words: await judge(sure, { urlIndex, events, head, final }),
        };
      }),
    );
    const voters = findVoters(heard, { urls: rpc.eachNode.length, blockTimeMs });
    const outvoted = new Set<number>();
    const polls = events.map((_event, index): EventPoll => {
      const having = (word: Word) => voters.filter(({ words }) => words[index] === word);
      const [final, absent] = [having('final'), having('absent')];
      if (final.length !== absent.length) {
        for (const { urlIndex } of final.length < absent.length ? final : absent)
          outvoted.add(urlIndex);
      }
      return {
        final: final.length,
        early: having('early').length,
        absent: absent.length,
        unheard: unheard.length,
      };
    });
    for (const urlIndex of outvoted) rpc.putLast(urlIndex);
    return polls;
  };

  async function judge(
    sure: PublicClient,
    asked: {
      readonly urlIndex: number;
      readonly events: readonly SeenEvent[];
      readonly head: Block;
      readonly final: bigint;
    },
  ): Promise<Word[]> {
    const { urlIndex, events, head, final } = asked;
    const oldestState = head.number - STATE_BLOCKS;
    const asOf = final > oldestState ? final : oldestState;
    const due = events.filter(({ blockNumber }) => blockNumber <= final);
    const done = await listDone(sure, due, asOf);
    const standing = asOf === final ? done : await keepStanding(urlIndex, done);
    return events.map((event) =>
      event.blockNumber > final ? 'early' : standing.has(event) ? 'final' : 'absent',
    );
  }

  /** Those that the gateway's storage has as done at the end of a block. */
  async function listDone(
    sure: PublicClient,
    events: readonly SeenEvent[],
    blockNumber: bigint,
  ): Promise<ReadonlySet<SeenEvent>> {
    const payments = events.filter(({ nonce }) => nonce === undefined);
    const refunds = events.flatMap((event) =>
      event.nonce === undefined ? [] : [{ event, nonce: event.nonce }],
    );
    const [payers, areUsed] = await Promise.all([
      readPayers(
        sure,
        gateway,
        payments.map(({ paymentId }) => paymentId),
        blockNumber,
      ),
      readRefunds(
        sure,
        gateway,
        refunds.map(({ event, nonce }) => ({ paymentId: event.paymentId, nonce })),
        blockNumber,
      ),
    ]);
    return new Set([
      ...payments.filter(
        (_event, index) => payers[index] !== undefined && payers[index] !== zeroAddress,
      ),
      ...refunds.filter((_refund, index) => areUsed[index] === true).map(({ event }) => event),
    ]);
  }

  async function keepStanding(
    urlIndex: number,
    events: ReadonlySet<SeenEvent>,
  ): Promise<ReadonlySet<SeenEvent>> {
    const hashes = new Map<bigint, Bytes32 | undefined>(
      [...events].map(({ blockNumber }) => [blockNumber, undefined]),
    );
    await sideBySide([...hashes.keys()], HEADERS_AT_ONCE, async (blockNumber) => {
      hashes.set(blockNumber, (await reads.readBlock(urlIndex, { blockNumber }))?.hash);
    });
    return new Set(
      [...events].filter(({ blockNumber, blockHash }) => hashes.get(blockNumber) === blockHash),
    );
  }
}
