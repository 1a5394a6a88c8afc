import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { createFindEnds } from './createFindEnds.ts';
import type { Hear } from './createHearings.ts';
import type { NodeReads } from './createReadHead.ts';
import type { RpcClients } from './createRpcClients.ts';
import { findVoters } from './judgeHeads.ts';

/** Asks every RPC URL how far its chain is final, then for the lowest of these blocks, which has to be the same at all that have a say (judgeHeads.ts). */
export function createFindAgreedFinal(
  chain: Pick<ChainConfig, 'confirmations' | 'blockTimeMs'>,
  rpc: RpcClients,
  hear: { readonly ends: Hear; readonly header: Hear },
  reads: NodeReads,
): ChainPort['findAgreedFinal'] {
  const findEnds = createFindEnds(chain, reads);

  return async (block) => {
    if (rpc.eachNode.length === 1) return block;
    const ends = await hear.ends((node) => node.askOneNode(async (_client, urlIndex) => ({ urlIndex, ...(await findEnds(urlIndex)) })));
    if (ends.unheard.length > 0) return undefined;
    const voters = findVoters(ends.heard, { urls: rpc.eachNode.length, blockTimeMs: chain.blockTimeMs });
    const number = voters.reduce((least, { final }) => (final < least ? final : least), block.number);
    if (number < 0n) return undefined;
    const headers = await hear.header((node) =>
      node.askOneNode(async (_client, urlIndex) => ({ urlIndex, found: await reads.readBlock(urlIndex, { blockNumber: number }) })),
    );
    if (headers.unheard.length > 0) return undefined;
    // A URL that is away, as far as headers go, is not among them.
    const given = voters.flatMap(({ urlIndex, head }) =>
      headers.heard.filter((one) => one.urlIndex === urlIndex).map(({ found }) => ({ head, found })),
    );
    let agreed = number === block.number ? block : given[0]?.found;
    if (given.length === 0 || agreed === undefined) return undefined;
    for (const { head, found } of given) {
      if (found?.hash !== agreed.hash || found.timestamp > head.timestamp) return undefined;
      if (found.timestamp < agreed.timestamp) agreed = found;
    }
    return agreed;
  };
}
