import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { AppError } from '../../shared/errors.ts';
import type { Hear } from './createHearings.ts';
import type { NodeReads } from './createReadHead.ts';
import type { RpcClients } from './createRpcClients.ts';
import { findVoters } from './judgeHeads.ts';

/**
 * Asks every RPC URL for some blocks. One that is stuck has no say, nor one that is ahead of two
 * others by itself (judgeHeads.ts). Those that are outvoted are asked last from then on; where the
 * votes are equal, those that do not have the block: what stood in it stays until more say
 * otherwise.
 */
export function createPollBlocks(
  chain: Pick<ChainConfig, 'chainId' | 'blockTimeMs'>,
  rpc: RpcClients,
  hear: Hear,
  { readBlock, readHead }: NodeReads,
): ChainPort['pollBlocks'] {
  return async (blocks) => {
    if (rpc.eachNode.length === 1)
      return blocks.map(() => ({ stands: 0, replaced: 0, missing: 0 }));
    const { heard, unheard } = await hear((node) =>
      node.askOneNode(async (_client, urlIndex) => {
        const [{ head, readAt }, ...found] = await Promise.all([
          readHead(urlIndex),
          ...blocks.map(({ number }) => readBlock(urlIndex, { blockNumber: number })),
        ]);
        return { urlIndex, head, readAt, found };
      }),
    );
    const voters = findVoters(heard, { urls: rpc.eachNode.length, blockTimeMs: chain.blockTimeMs });
    if (voters.length === 0) {
      const cause = new Error('no RPC URL says what it has at the heights of these blocks');
      throw new AppError(CHAIN_ERRORS.unavailable, { internal: { chainId: chain.chainId }, cause });
    }
    const contradicted = new Set<number>();
    const polls = blocks.map(({ hash }, index) => {
      const haveIt = voters.filter(({ found }) => found[index]?.hash === hash);
      const haveAnother = voters.filter(
        ({ found }) => found[index] !== undefined && found[index].hash !== hash,
      );
      if (haveIt.length > 0 && haveAnother.length > 0) {
        const outvoted = haveIt.length >= haveAnother.length ? haveAnother : haveIt;
        for (const { urlIndex } of outvoted) contradicted.add(urlIndex);
      }
      const missing = voters.length - haveIt.length - haveAnother.length + unheard.length;
      return { stands: haveIt.length, replaced: haveAnother.length, missing };
    });
    for (const urlIndex of contradicted) rpc.putLast(urlIndex);
    return polls;
  };
}
