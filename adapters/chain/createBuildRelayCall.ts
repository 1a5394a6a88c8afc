import { encodeFunctionData } from 'viem';

import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { AppError } from '../../shared/errors.ts';
import type { RpcClients } from './createRpcClients.ts';
import { encodePermit } from './encodePermit.ts';
import { describeRevert } from './reverts.ts';
import { joinSignature, splitSignature } from './signatures.ts';

/**
 * Added to the estimate, since the state may change before the transaction runs: a merchant's balance that goes to zero and back (20,000 gas for
 * the slot), a first use of something. What is not used is not paid. Too little would burn all of it: the forwarder ends in `invalid()` when
 * it cannot pass on the gas that was signed.
 */
const MARGIN_PERCENT = 20n;
const MARGIN_GAS = 25_000n;

export function createBuildRelayCall(chain: Pick<ChainConfig, 'chainId' | 'forwarder'>, rpc: RpcClients): ChainPort['buildRelayCall'] {
  const { chainId, forwarder } = chain;
  return async ({ request, signature, permit, token }) => {
    const parts = splitSignature(signature);
    if (parts === undefined) throw wouldRevert('the signature is not one that the forwarder takes');
    const { from, to, value, gas, deadline, data: innerData } = request;
    const call = { from, to, value, gas, deadline, data: innerData, signature: joinSignature(parts) };
    const data = permit
      ? encodeFunctionData({ abi: msqPayForwarderAbi, functionName: 'executeWithPermit', args: [call, token, encodePermit(permit)] })
      : encodeFunctionData({ abi: msqPayForwarderAbi, functionName: 'execute', args: [call] });

    // Without a sender: the forwarder lets anyone send, so who it is changes nothing, and the node cannot refuse it for its balance.
    const estimate = await rpc.attempt(() => rpc.any.estimateGas({ to: forwarder, data }));
    if ('revertData' in estimate) throw wouldRevert(describeRevert(estimate.revertData));
    return { to: forwarder, data, gasLimit: (estimate.value * (100n + MARGIN_PERCENT)) / 100n + MARGIN_GAS };
  };

  function wouldRevert(reason: string): AppError {
    return new AppError(CHAIN_ERRORS.wouldRevert, { detail: `The forwarder would refuse the request: ${reason}`, internal: { chainId } });
  }
}
