import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { createFindEnds } from './createFindEnds.ts';
import type { NodeReads } from './createReadHead.ts';
import type { RpcClients } from './createRpcClients.ts';
import { hearEachNode } from './hearEachNode.ts';
import { findVoters } from './judgeHeads.ts';

/** Asks every RPC URL how far its chain is final, then for the lowest of these blocks, which has to be the same at all that have a say (judgeHeads.ts). */
export function createFindAgreedFinal(
  chain: Pick<ChainConfig, 'confirmations' | 'blockTimeMs'>,
  rpc: RpcClients,
  reads: NodeReads,
): ChainPort['findAgreedFinal'] {
  const findEnds = createFindEnds(chain, reads);

  return async (block) => {
    if (rpc.eachNode.length === 1) return block;
    const heard = await hearEachNode(rpc, (node) =>
      node.askOneNode(async (_client, urlIndex) => ({ urlIndex, ...(await findEnds(urlIndex)) })),
    );
    const voters = findVoters(heard, { urls: rpc.eachNode.length, blockTimeMs: chain.blockTimeMs });
    if (voters.length === 0) return undefined;
    const number = voters.reduce((least, { final }) => (final < least ? final : least), block.number);
    if (number < 0n) return undefined;
    const headers = await hearEachNode(rpc, (node) =>
      node.askOneNode(async (_client, urlIndex) => ({ urlIndex, found: await reads.readBlock(urlIndex, { blockNumber: number }) })),
    );
    let agreed = number === block.number ? block : undefined;
    for (const { urlIndex, head } of voters) {
      const header = headers.find((one) => one.urlIndex === urlIndex);
      if (header === undefined) return undefined;
      const { found } = header;
      if (found === undefined || found.timestamp > head.timestamp) return undefined;
      agreed ??= found;
      if (found.hash !== agreed.hash) return undefined;
      if (found.timestamp < agreed.timestamp) agreed = found;
    }
    return agreed;
  };
}
