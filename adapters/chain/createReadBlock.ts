import type { Block } from '../../domain/chain/ports.ts';
import { askHeader, type WhichBlock } from './askHeader.ts';
import { createAskWithId } from './createAskWithId.ts';

/** @returns undefined: there is no such block. @throws OtherChainError, or what the URL answered */
export type ReadBlock = (urlIndex: number, which: WhichBlock) => Promise<Block | undefined>;
/** See ChainPort.findBlockUnder. @throws OtherChainError, or what the URL answered */
export type ReadBlockUnder = (
  urlIndex: number,
  head: Pick<Block, 'number' | 'hash'>,
  number: bigint,
) => Promise<Block | 'otherBranch' | undefined>;

/**
 * A block's header from one RPC URL, together with the chain's id: what is believed of headers
 * takes money away, since a foreign one looks like a reorganisation of all that was ever paid.
 */
export function createReadBlock(options: {
  readonly rpcUrls: readonly string[];
  readonly chainId: number;
  readonly timeoutMs: number;
}): {
  readonly readBlock: ReadBlock;
  readonly readBlockUnder: ReadBlockUnder;
} {
  const ask = createAskWithId(options);
  return {
    readBlock: (urlIndex, which) => ask(urlIndex, (client) => askHeader(client, which)),
    readBlockUnder: (urlIndex, head, number) =>
      ask(
        urlIndex,
        async (client) => {
          const [top, found] = await Promise.all(
            [head.number, number].map((height) => askHeader(client, { blockNumber: height })),
          );
          return top?.hash === head.hash ? found : 'otherBranch';
        },
        2,
      ),
  };
}
