import {
  encodeFunctionData,
  getAddress,
  hashTypedData,
  pad,
  parseAbi,
  recoverAddress,
  type TypedDataDefinition,
} from 'viem';

import type { ChainPort, TypedData } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { signerOf } from '../../domain/relay/model.ts';
import { createRecentMemory } from '../../shared/createRecentMemory.ts';
import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import { askEachNode } from './askEachNode.ts';
import type { RpcClients, RpcQuestions } from './createRpcClients.ts';
import { joinSignature, splitSignature } from './signatures.ts';
import { gasForCall } from './simulationGas.ts';
import { authorizationTypedData, forwardRequestTypedData, refundTypedData } from './typedData.ts';
import type { RelayItem } from '../../domain/chain/contractModel.ts';

const ERC1271_ABI = parseAbi([
  'function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)',
]);
/** The selector of that function, as one word. */
const ERC1271_ACCEPTED = pad('0x1626ba7e', { size: 32, dir: 'right' });

/**
 * Judges signatures as the contracts do: recovers first, and asks the signer's contract (ERC-1271)
 * where the contracts would.
 */
export function createVerifySignature(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'forwarder' | 'dataGasPerRequest'>,
  rpc: RpcClients,
): ChainPort['verifySignature'] {
  return async ({ signed, paymentId, terms, signature }) => {
    const signer = signerOf(signed);
    const digest = digestOf(chain, { signed, paymentId, terms });
    // The forwarder recovers; it knows no contract accounts.
    return signed.rail === 'forwarder'
      ? recovered(digest, signer, signature)
      : accepted(digest, signer, signature);
  };

  async function accepted(
    digest: Bytes32,
    signer: Address,
    signature: Hex,
  ): Promise<Hex | undefined> {
    const own = await recovered(digest, signer, signature);
    if (own !== undefined) return own;
    const data = encodeFunctionData({
      abi: ERC1271_ABI,
      functionName: 'isValidSignature',
      args: [digest, signature],
    });
    const isAccepted = async (node: RpcQuestions): Promise<boolean> => {
      // A plain call: an account without code answers with nothing, which is an answer.
      const answer = await node.attemptOneNode((_client, _urlIndex, sure) =>
        sure.call({ to: signer, data, gas: gasForCall(data, chain) }),
      );
      return 'value' in answer && answer.value.data === ERC1271_ACCEPTED;
    };
    if (await isAccepted(rpc)) return signature;
    const others = rpc.eachNode.length === 1 ? [] : await askEachNode(rpc, isAccepted);
    return others.includes(true) ? signature : undefined;
  }
}

/**
 * Whether a key made a signature that was verified; otherwise it is the signer's contract that
 * answers for it.
 */
export function createIsSignedByKey(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'forwarder'>,
): (item: Pick<RelayItem, 'signed' | 'paymentId' | 'terms' | 'signature'>) => Promise<boolean> {
  return async (item) =>
    (await recovered(digestOf(chain, item), signerOf(item.signed), item.signature)) !== undefined;
}

/** What was signed. */
function digestOf(
  { chainId, gateway, forwarder }: Pick<ChainConfig, 'chainId' | 'gateway' | 'forwarder'>,
  { signed, paymentId, terms }: Pick<RelayItem, 'signed' | 'paymentId' | 'terms'>,
): Bytes32 {
  switch (signed.rail) {
    case 'forwarder':
      return hashOf(forwardRequestTypedData(chainId, forwarder, signed.request));
    case 'authorization':
      return hashOf(
        authorizationTypedData(chainId, gateway, {
          paymentId,
          terms,
          authorization: signed.authorization,
        }),
      );
    case 'refund':
      return hashOf(refundTypedData(chainId, gateway, { paymentId, refund: signed.refund }));
  }
}

/**
 * A request is asked about at every look, and recovering takes some milliseconds of the processor.
 * What was found never changes.
 */
const recoveries = createRecentMemory<Address | 'nobody'>(5_000);

async function recovered(
  digest: Bytes32,
  signer: Address,
  signature: Hex,
): Promise<Hex | undefined> {
  const parts = splitSignature(signature);
  if (parts === undefined) return undefined;
  const joined = joinSignature(parts);
  const key = `${digest}${joined}`;
  const found =
    recoveries.get(key) ??
    (await recoverAddress({ hash: digest, signature: joined }).catch(() => 'nobody' as const));
  recoveries.set(key, found);
  return found === getAddress(signer) ? joined : undefined;
}

function hashOf(typedData: TypedData): Bytes32 {
  return hashTypedData(typedData as unknown as TypedDataDefinition);
}
