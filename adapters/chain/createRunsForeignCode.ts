import type { ChainPort } from '../../domain/chain/ports.ts';
import { signerOf } from '../../domain/relay/model.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { RpcClients } from './createRpcClients.ts';
import { createIsSignedByKey } from './createVerifySignature.ts';

/** Tells requests whose gas somebody else's code decides on from those that use what the contracts and the token use. */
export function createRunsForeignCode(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'forwarder'>,
  rpc: RpcClients,
): ChainPort['runsForeignCode'] {
  const isSignedByKey = createIsSignedByKey(chain);
  return async (item) => {
    if (!(await isSignedByKey(item))) return true;
    if (item.permit === null) return false;
    // A key's account may have code too (EIP-7702), and a token may ask it about the permit.
    const code = await rpc.ask(() => rpc.any.getCode({ address: signerOf(item.signed) }));
    return code !== undefined && code !== '0x';
  };
}
