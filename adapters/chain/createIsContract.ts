import type { ChainPort } from '../../domain/chain/ports.ts';
import type { Address } from '../../shared/hex.ts';
import { askEachNode } from './askEachNode.ts';
import type { RpcClients, RpcQuestions } from './createRpcClients.ts';

/** What the code of an account of a key begins with that has chosen another's code (EIP-7702). */
const DELEGATION = '0xef0100';

/** Tells contract accounts from accounts of a key. */
export function createIsContract(rpc: RpcClients): ChainPort['isContract'] {
  return async (owner) => {
    if (!(await hasOwnCode(rpc, owner))) return false;
    return (await askEachNode(rpc, (node) => hasOwnCode(node, owner))).every(Boolean);
  };
}

function hasOwnCode(node: RpcQuestions, owner: Address): Promise<boolean> {
  return node.askOneNode(async (_client, _urlIndex, sure) => {
    const code = (await sure.getCode({ address: owner })) ?? '0x';
    return code !== '0x' && !code.startsWith(DELEGATION);
  });
}
