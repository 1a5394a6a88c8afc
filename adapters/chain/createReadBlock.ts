import type { Block } from '../../domain/chain/ports.ts';
import { askHeader, type WhichBlock } from './askHeader.ts';
import { createAskWithId } from './createAskWithId.ts';

/** @returns undefined: there is no such block. @throws OtherChainError, or what the URL answered */
export type ReadBlock = (urlIndex: number, which: WhichBlock) => Promise<Block | undefined>;

/**
 * A block's header from one RPC URL, together with the chain's id: what is believed of headers takes money away, since a foreign one looks like a
 * reorganisation of all that was ever paid.
 */
export function createReadBlock(options: {
  readonly rpcUrls: readonly string[];
  readonly chainId: number;
  readonly timeoutMs: number;
}): ReadBlock {
  const ask = createAskWithId(options);
  return (urlIndex, which) => ask(urlIndex, (client) => askHeader(client, which));
}
