import type { Block } from '../../domain/chain/ports.ts';
import { askHeader, type WhichBlock } from './askHeader.ts';
import { createAskWithId } from './createAskWithId.ts';

/**
 * A block's header from one RPC URL, together with the chain's id: what is believed of headers takes money away, since a foreign one looks like a
 * reorganisation of all that was ever paid.
 */
export function createReadBlock(options: { readonly rpcUrls: readonly string[]; readonly chainId: number; readonly timeoutMs: number }) {
  const ask = createAskWithId(options);
  /** @returns undefined: there is no such block. @throws OtherChainError, or what the URL answered */
  return (urlIndex: number, which: WhichBlock): Promise<Block | undefined> => ask(urlIndex, (client) => askHeader(client, which));
}
