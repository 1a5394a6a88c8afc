import type { ChainPort } from '../../domain/chain/ports.ts';
import { signerOf } from '../../domain/relay/model.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { RpcClients } from './createRpcClients.ts';
import { createIsSignedByKey } from './createVerifySignature.ts';
import { mayAskAccount } from './foreignCodeGas.ts';

/**
 * Tells requests whose gas somebody else's code decides on from those that use what the contracts
 * and the token use.
 */
export function createRunsForeignCode(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'forwarder'>,
  rpc: RpcClients,
): ChainPort['runsForeignCode'] {
  const isSignedByKey = createIsSignedByKey(chain);
  return async (item) => {
    // Most requests end here, with nothing asked.
    if (!(await mayAskAccount(item, isSignedByKey))) return false;
    const code = await rpc.askOneNode((client) =>
      client.getCode({ address: signerOf(item.signed) }),
    );
    return code !== undefined && code !== '0x';
  };
}
