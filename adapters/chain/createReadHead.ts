import type { Block } from '../../domain/chain/ports.ts';
import type { Clock } from '../../shared/clock.ts';
import type { ReadBlock } from './createReadBlock.ts';

/** Where one RPC URL stands. */
export interface HeadRead {
  readonly head: Block;
  /**
   * By our clock, when that was said: what its head is worth must not depend on how long others are
   * waited for.
   */
  readonly readAt: Date;
}

/** @throws what the URL answered; Error when it has no block at all */
export type ReadHead = (urlIndex: number) => Promise<HeadRead>;

/** What is asked of one URL's blocks. */
export interface NodeReads {
  readonly readBlock: ReadBlock;
  readonly readHead: ReadHead;
}

export function createReadHead(readBlock: ReadBlock, clock: Clock): ReadHead {
  return async (urlIndex) => {
    const head = await readBlock(urlIndex, { blockTag: 'latest' });
    if (head === undefined) throw new Error('the node has no block at all');
    return { head, readAt: clock.now() };
  };
}
