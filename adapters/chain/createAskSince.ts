import { BaseError, RpcRequestError, type PublicClient } from 'viem';

import type { KnownBlock } from '../../domain/chain/ports.ts';
import { askEachNode } from './askEachNode.ts';
import type { ReadBlock } from './createReadBlock.ts';
import type { RpcClients, RpcQuestions } from './createRpcClients.ts';

/** An answer of the gateway's or a token's storage. */
export interface AnswerSince<T> {
  readonly value: T;
  /** It is as of a block that comes after all that were asked for, or is one of them. */
  readonly isSince: boolean;
}

type QuestionAt<T> = (client: PublicClient, at: { readonly blockNumber?: bigint }) => Promise<T>;

/**
 * Asks for what the chain's storage says as of the head of a URL that has certain blocks: that something has not happened says nothing where the block is missing
 * in which it may have happened. The question is put as of the very head that was looked at, since behind one URL there may be several nodes. When the one
 * that is asked then lacks that head, it is put as of the newest block that was asked for, which is enough.
 *
 * That something is not so, every URL has to say that answers soon and has those blocks: one that lies, or is broken, is not enough either.
 * @param since none: whatever head there is
 * @param isNo whether an answer says that something is not so; absent: any may be wrong that is not as of these blocks, and none is more than another
 */
export type AskSince = <T>(since: readonly KnownBlock[], question: QuestionAt<T>, isNo?: (value: T) => boolean) => Promise<AnswerSince<T>>;

export function createAskSince(rpc: RpcClients, readBlock: ReadBlock): AskSince {
  return async <T>(since: readonly KnownBlock[], question: QuestionAt<T>, isNo?: (value: T) => boolean): Promise<AnswerSince<T>> => {
    const newest = since.reduce((most, { number }) => (number > most ? number : most), -1n);
    const ask = (node: RpcQuestions) =>
      node.askOneNode(async (_client, urlIndex, sure) => {
        if (since.length === 0) return { value: await question(sure, {}), isSince: true };
        const [head, hasThem] = await Promise.all([readBlock(urlIndex, { blockTag: 'latest' }), hasAll(readBlock, urlIndex, since)]);
        if (head === undefined) throw new Error('the node has no block at all');
        const isSince = hasThem && newest <= head.number;
        const value = await question(sure, { blockNumber: head.number }).catch((error: unknown) => {
          if (!isSince || !isAnswer(error)) throw error;
          return question(sure, { blockNumber: newest });
        });
        return { value, isSince };
      });
    const first = await ask(rpc);
    if (since.length === 0 || rpc.eachNode.length === 1 || isEnough(first)) return first;
    const current = (await askEachNode(rpc, ask)).filter(({ isSince }) => isSince);
    return current.find(isEnough) ?? current[0] ?? first;

    function isEnough({ value, isSince }: AnswerSince<T>): boolean {
      // Whoever says that it is so may lag: it has happened.
      return isNo === undefined ? isSince : !isNo(value);
    }
  };
}

/** In words of the node's own, as for a block that it does not have; and not that nothing came back. */
function isAnswer(error: unknown): boolean {
  return error instanceof BaseError && error.walk((cause) => cause instanceof RpcRequestError) !== null;
}

/** Whether an RPC URL has these blocks. A block without a hash may be any of its height. */
export async function hasAll(readBlock: ReadBlock, urlIndex: number, blocks: readonly KnownBlock[]): Promise<boolean> {
  const found = await Promise.all(
    blocks.map(async ({ number, hash }) => {
      const block = await readBlock(urlIndex, { blockNumber: number });
      return block !== undefined && (hash === undefined || block.hash === hash);
    }),
  );
  return found.every(Boolean);
}
