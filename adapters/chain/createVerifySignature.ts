import { encodeFunctionData, getAddress, hashTypedData, pad, parseAbi, recoverAddress, type TypedDataDefinition } from 'viem';

import type { ChainPort, TypedData } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { signerOf } from '../../domain/relay/model.ts';
import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import type { RpcClients } from './createRpcClients.ts';
import { joinSignature, splitSignature } from './signatures.ts';
import { authorizationTypedData, forwardRequestTypedData, refundTypedData } from './typedData.ts';

const ERC1271_ABI = parseAbi(['function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)']);
/** The selector of that function, as one word. */
const ERC1271_ACCEPTED = pad('0x1626ba7e', { size: 32, dir: 'right' });

/** Judges signatures as the contracts do: recovers first, and asks the signer's contract (ERC-1271) where the contracts would. */
export function createVerifySignature(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'forwarder'>,
  rpc: RpcClients,
): ChainPort['verifySignature'] {
  const { chainId, gateway, forwarder } = chain;

  return async ({ signed, paymentId, terms, signature }) => {
    const signer = signerOf(signed);
    switch (signed.rail) {
      case 'forwarder':
        // It recovers; it knows no contract accounts.
        return recovered(hashOf(forwardRequestTypedData(chainId, forwarder, signed.request)), signer, signature);
      case 'authorization': {
        const { authorization } = signed;
        return accepted(hashOf(authorizationTypedData(chainId, gateway, { paymentId, terms, authorization })), signer, signature);
      }
      case 'refund':
        return accepted(hashOf(refundTypedData(chainId, gateway, { paymentId, refund: signed.refund })), signer, signature);
    }
  };

  async function accepted(digest: Bytes32, signer: Address, signature: Hex): Promise<Hex | undefined> {
    const own = await recovered(digest, signer, signature);
    if (own !== undefined) return own;
    const data = encodeFunctionData({ abi: ERC1271_ABI, functionName: 'isValidSignature', args: [digest, signature] });
    // A plain call: an account without code answers with nothing, which is an answer.
    const answer = await rpc.attempt(() => rpc.any.call({ to: signer, data }));
    return 'value' in answer && answer.value.data === ERC1271_ACCEPTED ? signature : undefined;
  }
}

async function recovered(digest: Bytes32, signer: Address, signature: Hex): Promise<Hex | undefined> {
  const parts = splitSignature(signature);
  if (parts === undefined) return undefined;
  const joined = joinSignature(parts);
  const found = await recoverAddress({ hash: digest, signature: joined }).catch(() => undefined);
  return found === getAddress(signer) ? joined : undefined;
}

function hashOf(typedData: TypedData): Bytes32 {
  return hashTypedData(typedData as unknown as TypedDataDefinition);
}
