import type { ChainConfig } from '../../platform/config.ts';
import type { HeadRead, NodeReads } from './createReadHead.ts';

/** How far one RPC URL's chain goes. */
interface Ends extends HeadRead {
  /**
   * Its newest block that is final, by its own head or its own word; below 0 on a chain that is
   * shorter than what is required.
   */
  readonly final: bigint;
}

/** @throws what the URL answered; Error when it does not tell */
export type FindEnds = (urlIndex: number) => Promise<Ends>;

export function createFindEnds(
  { confirmations }: Pick<ChainConfig, 'confirmations'>,
  { readBlock, readHead }: NodeReads,
): FindEnds {
  return async (urlIndex) => {
    if (confirmations !== 'finalized') {
      const read = await readHead(urlIndex);
      return { ...read, final: read.head.number - BigInt(confirmations) + 1n };
    }
    const [finalized, asked] = await Promise.all([
      readBlock(urlIndex, { blockTag: 'finalized' }),
      readHead(urlIndex),
    ]);
    // Between the two it may have come to a block that is final at once.
    const read =
      finalized === undefined || finalized.number <= asked.head.number
        ? asked
        : await readHead(urlIndex);
    if (finalized === undefined || finalized.number > read.head.number)
      throw new Error('the node does not tell which of its blocks are final');
    return { ...read, final: finalized.number };
  };
}
