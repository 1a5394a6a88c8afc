import type { KnownBlock } from '../../domain/chain/ports.ts';
import type { HeadRead, NodeReads } from './createReadHead.ts';
import type { RpcClients } from './createRpcClients.ts';

/** Where one RPC URL stands to blocks that are known. */
export interface NodeLook extends HeadRead {
  readonly urlIndex: number;
  readonly hasAll: boolean;
  /**
   * It has another block in the place of one of them: it is on another branch, or whoever showed
   * them is.
   */
  readonly hasOther: boolean;
}

/** @throws what the URL answered; Error when it has no block at all */
export async function lookAtNode(
  { readBlock, readHead }: NodeReads,
  urlIndex: number,
  blocks: readonly KnownBlock[],
): Promise<NodeLook> {
  const [{ head, readAt }, ...found] = await Promise.all([
    readHead(urlIndex),
    ...blocks.map(({ number }) => readBlock(urlIndex, { blockNumber: number })),
  ]);
  // A block without a hash may be any of its height.
  const isOther = blocks.map(
    ({ hash }, index) =>
      found[index] !== undefined && hash !== undefined && found[index].hash !== hash,
  );
  const isThere = blocks.map(
    ({ number }, index) => found[index] !== undefined && !isOther[index] && number <= head.number,
  );
  return {
    urlIndex,
    head,
    readAt,
    hasAll: isThere.every(Boolean),
    hasOther: isOther.some(Boolean),
  };
}

/**
 * Where more of those that have a say are on another branch than have the blocks, the next look
 * goes there.
 */
export function leaveBranch(rpc: Pick<RpcClients, 'putLast'>, voters: readonly NodeLook[]): void {
  const having = voters.filter(({ hasAll }) => hasAll);
  if (voters.filter(({ hasOther }) => hasOther).length <= having.length) return;
  for (const { urlIndex } of having) rpc.putLast(urlIndex);
}
