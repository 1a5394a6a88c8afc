import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { askEachNode } from './askEachNode.ts';
import { hasAll } from './createAskSince.ts';
import type { ReadBlock } from './createReadBlock.ts';
import { createRelayCalls } from './createRelayCalls.ts';
import type { RpcClients } from './createRpcClients.ts';

/** Puts a request that one RPC URL has refused to all of them, each with the very call that it would be sent in by itself. */
export function createIsSurelyRefused(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'forwarder' | 'dataGasPerRequest'>,
  rpc: RpcClients,
  readBlock: ReadBlock,
): ChainPort['isSurelyRefused'] {
  return async (item, since) => {
    if (rpc.eachNode.length === 1) return true;
    const heard = await askEachNode(rpc, async (node) => {
      const place = await node.askOneNode(async (_client, urlIndex) => ({ urlIndex, isSince: await hasAll(readBlock, urlIndex, since) }));
      return { ...place, estimate: await createRelayCalls(chain, node).estimateRelayGas([item]) };
    });
    // Who lags would take what is over by now; and what it refuses may be good.
    const current = heard.filter(({ isSince }) => isSince);
    if (current.length === 0) return 'unknown';
    const refusing = current.filter(({ estimate }) => estimate.kind === 'refused');
    if (refusing.length === current.length) return true;
    for (const { urlIndex } of refusing) rpc.putLast(urlIndex);
    return false;
  };
}
