import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { AppError } from '../../shared/errors.ts';
import { askEachNode } from './askEachNode.ts';
import { equalBlocks } from './createNodeOrder.ts';
import type { ReadBlock } from './createReadBlock.ts';
import type { RpcClients } from './createRpcClients.ts';

/**
 * Asks every RPC URL for some blocks. One that is not as far as the best has no say: it may be on a branch that the others have left. Those that are outvoted are
 * asked last from then on; where the votes are equal, those that do not have the block: what stood in it stays until more say otherwise.
 */
export function createPollBlocks(
  chain: Pick<ChainConfig, 'chainId' | 'blockTimeMs'>,
  rpc: RpcClients,
  readBlock: ReadBlock,
): ChainPort['pollBlocks'] {
  const tolerated = equalBlocks(chain.blockTimeMs);
  return async (blocks) => {
    if (rpc.eachNode.length === 1) return blocks.map(() => ({ stands: 0, replaced: 0 }));
    const heard = await askEachNode(rpc, (node) =>
      node.askOneNode(async (_client, urlIndex) => {
        const [head, ...found] = await Promise.all([
          readBlock(urlIndex, { blockTag: 'latest' }),
          ...blocks.map(({ number }) => readBlock(urlIndex, { blockNumber: number })),
        ]);
        if (head === undefined) throw new Error('the node has no block at all');
        return { urlIndex, head: head.number, found };
      }),
    );
    const best = heard.reduce((most, { head }) => (head > most ? head : most), -1n);
    const voters = heard.filter(({ head }) => head + tolerated >= best);
    if (voters.length === 0) {
      const cause = new Error('no RPC URL says what it has at the heights of these blocks');
      throw new AppError(CHAIN_ERRORS.unavailable, { internal: { chainId: chain.chainId }, cause });
    }
    const contradicted = new Set<number>();
    const polls = blocks.map(({ hash }, index) => {
      const haveIt = voters.filter(({ found }) => found[index]?.hash === hash);
      const haveAnother = voters.filter(({ found }) => found[index] !== undefined && found[index].hash !== hash);
      if (haveIt.length > 0 && haveAnother.length > 0) {
        const outvoted = haveIt.length >= haveAnother.length ? haveAnother : haveIt;
        for (const { urlIndex } of outvoted) contradicted.add(urlIndex);
      }
      return { stands: haveIt.length, replaced: haveAnother.length };
    });
    for (const urlIndex of contradicted) rpc.putLast(urlIndex);
    return polls;
  };
}
