import type { PublicClient } from 'viem';

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

/**
 * Asks for what the chain's storage says as of the head of a URL that has certain blocks: that something has not happened says nothing where the block is missing
 * in which it may have happened. The question is put as of the very head that was looked at, since behind one URL there may be several nodes.
 * @param since none: whatever head there is
 */
export type AskSince = <T>(
  since: readonly KnownBlock[],
  question: (client: PublicClient, at: { readonly blockNumber?: bigint }) => Promise<T>,
) => Promise<AnswerSince<T>>;

export function createAskSince(rpc: RpcClients, readBlock: ReadBlock): AskSince {
  return async (since, question) => {
    const ask = (node: RpcQuestions) =>
      node.askOneNode(async (_client, urlIndex, sure) => {
        if (since.length === 0) return { value: await question(sure, {}), isSince: true };
        const [head, hasThem] = await Promise.all([readBlock(urlIndex, { blockTag: 'latest' }), hasAll(readBlock, urlIndex, since)]);
        if (head === undefined) throw new Error('the node has no block at all');
        const isSince = hasThem && since.every(({ number }) => number <= head.number);
        return { value: await question(sure, { blockNumber: head.number }), isSince };
      });
    const first = await ask(rpc);
    if (first.isSince || rpc.eachNode.length === 1) return first;
    return (await askEachNode(rpc, ask)).find(({ isSince }) => isSince) ?? first;
  };
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
