import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Hear } from './createHearings.ts';
import type { NodeReads } from './createReadHead.ts';
import { createRelayCalls } from './createRelayCalls.ts';
import type { RpcClients } from './createRpcClients.ts';
import { findVoters } from './judgeHeads.ts';
import { leaveBranch, lookAtNode } from './lookAtNode.ts';

/**
 * Puts a request that one RPC URL has refused to all of them, each with the very call that it would
 * be sent in by itself.
 */
export function createIsSurelyRefused(
  chain: Pick<
    ChainConfig,
    'chainId' | 'gateway' | 'forwarder' | 'dataGasPerRequest' | 'blockTimeMs'
  >,
  rpc: RpcClients,
  hear: Hear,
  reads: NodeReads,
): ChainPort['isSurelyRefused'] {
  return async (item, since) => {
    if (rpc.eachNode.length === 1) return true;
    const { heard, unheard } = await hear(async (node) => {
      const look = await node.askOneNode((_client, urlIndex) => lookAtNode(reads, urlIndex, since));
      return { ...look, estimate: await createRelayCalls(chain, node).estimateRelayGas([item]) };
    });
    const voters = findVoters(heard, { urls: rpc.eachNode.length, blockTimeMs: chain.blockTimeMs });
    const isRefusing = ({ estimate }: (typeof voters)[number]) => estimate.kind === 'refused';
    const current = voters.filter(({ hasAll }) => hasAll);
    const refusing = current.filter(isRefusing);
    if (refusing.length < current.length) {
      for (const { urlIndex } of refusing) rpc.putLast(urlIndex);
      return false;
    }
    leaveBranch(rpc, voters);
    // Who lags would take what is over by now; and what it refuses may be good. But who has all the
    // blocks may be one that is ahead and lies: when the others have them too, they will say.
    return current.length > 0 && unheard.length === 0 && voters.every(isRefusing)
      ? true
      : 'unknown';
  };
}
