import { BaseError, RpcRequestError, type PublicClient } from 'viem';

import type { KnownBlock } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { askUntil } from './askUntil.ts';
import type { Hear } from './createHearings.ts';
import type { NodeReads } from './createReadHead.ts';
import type { RpcClients, RpcQuestions } from './createRpcClients.ts';
import { findVoters } from './judgeHeads.ts';
import { leaveBranch, lookAtNode, type NodeLook } from './lookAtNode.ts';

/** An answer of the gateway's or a token's storage. */
export interface AnswerSince<T> {
  readonly value: T;
  /** It is as of a block that comes after all that were asked for, or is one of them. */
  readonly isSince: boolean;
}

type QuestionAt<T> = (client: PublicClient, at: { readonly blockNumber?: bigint }) => Promise<T>;

/** What one URL says, and where it stands. */
type NodeAnswer<T> = AnswerSince<T> & NodeLook;

interface Question<T> {
  readonly ask: QuestionAt<T>;
  /**
   * Whether an answer says that something is not so. Absent: any may be wrong that is not as of
   * these blocks, and the first one that is, will do.
   */
  readonly isNo?: (value: T) => boolean;
  /** The head of whoever says no has to be as late as this. Absent: whatever head there is. */
  readonly notBefore?: Date | undefined;
}

/**
 * Asks for what the chain's storage says as of the head of a URL that has certain blocks: that
 * something has not happened says nothing where the block is missing in which it may have happened.
 * The question is put as of the very head that was looked at, since behind one URL there may be
 * several nodes. When the one that is asked then lacks that head, it is put as of the newest block
 * that was asked for, which is enough.
 *
 * That something is not so, one URL has to say that has those blocks, and no other one may say that
 * it is so that answers and is not stuck: whoever has all the blocks may be alone with them, since
 * it is ahead by a block, or makes them up. Who says that it is so may lag: it has happened. While
 * one is unheard, nobody has said that it is not so.
 * @param since undefined: nobody else is asked, and whatever head there is counts
 */
export type AskSince = <T>(
  since: readonly KnownBlock[] | undefined,
  question: Question<T>,
) => Promise<AnswerSince<T>>;

export function createAskSince(
  chain: Pick<ChainConfig, 'blockTimeMs'>,
  rpc: RpcClients,
  hear: Hear,
  reads: NodeReads,
): AskSince {
  return async <T>(
    since: readonly KnownBlock[] | undefined,
    { ask, isNo, notBefore }: Question<T>,
  ): Promise<AnswerSince<T>> => {
    if (since === undefined)
      return {
        value: await rpc.askOneNode((_client, _urlIndex, sure) => ask(sure, {})),
        isSince: true,
      };
    const newest = since.reduce((most, { number }) => (number > most ? number : most), -1n);
    const askAsOf = (node: RpcQuestions) =>
      node.askOneNode(async (_client, urlIndex, sure): Promise<NodeAnswer<T>> => {
        const look = await lookAtNode(reads, urlIndex, since);
        const value = await ask(sure, { blockNumber: look.head.number }).catch((error: unknown) => {
          if (!look.hasAll || newest < 0n || !isAnswer(error)) throw error;
          return ask(sure, { blockNumber: newest });
        });
        return { ...look, value, isSince: look.hasAll && !isEarly(look) };
      });
    const first = await askAsOf(rpc);
    if (rpc.eachNode.length === 1 || (isNo === undefined ? first.isSince : !isNo(first.value)))
      return first;
    if (isNo === undefined)
      return (await askUntil(rpc, askAsOf, ({ isSince }) => isSince)) ?? first;
    const { heard, unheard } = await hear(askAsOf);
    const isSilent = unheard.some((urlIndex) => urlIndex !== first.urlIndex);
    const voters = findVoters(
      heard.some(({ urlIndex }) => urlIndex === first.urlIndex) ? heard : [first, ...heard],
      {
        urls: rpc.eachNode.length,
        blockTimeMs: chain.blockTimeMs,
      },
    );
    const yes = voters.find(({ value }) => !isNo(value));
    if (yes !== undefined) return yes;
    leaveBranch(rpc, voters);
    const sure = voters.find(({ isSince }) => isSince);
    return sure !== undefined && !isSilent && !voters.some(isEarly)
      ? sure
      : { value: first.value, isSince: false };

    function isEarly({ head }: NodeLook): boolean {
      return notBefore !== undefined && head.timestamp < notBefore;
    }
  };
}

/**
 * In words of the node's own, as for a block that it does not have; and not that nothing came back.
 */
function isAnswer(error: unknown): boolean {
  return (
    error instanceof BaseError && error.walk((cause) => cause instanceof RpcRequestError) !== null
  );
}
