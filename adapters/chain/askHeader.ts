import { toHex } from 'viem';

import type { Block } from '../../domain/chain/ports.ts';
import type { Requester } from './inOneRequest.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';
import { toBlock } from './toBlock.ts';

export type WhichBlock =
  { readonly blockNumber: bigint } | { readonly blockTag: 'latest' | 'finalized' };

/**
 * A block's header, in a request of its own. Not viem's getBlock: one that is asked for a block
 * while an equal question is on its way is given that one's answer, from another HTTP request,
 * where it is another node's word perhaps.
 * @returns undefined: the node has no such block
 */
export async function askHeader(client: Requester, which: WhichBlock): Promise<Block | undefined> {
  const block = 'blockTag' in which ? which.blockTag : toHex(which.blockNumber);
  const found = await client.request(
    { method: 'eth_getBlockByNumber', params: [block, false] },
    { dedupe: false },
  );
  if (found === null) return undefined;
  const { number, hash, timestamp } = found;
  if (number === null || hash === null)
    throw new NodeAnswerError('eth_getBlockByNumber', 'a block that is not finished');
  if ('blockNumber' in which && BigInt(number) !== which.blockNumber)
    throw new NodeAnswerError('eth_getBlockByNumber', 'another block');
  return toBlock({ number: BigInt(number), hash, timestamp: BigInt(timestamp) });
}
