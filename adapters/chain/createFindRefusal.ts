import { concat, encodeFunctionData, erc20Abi, parseAbi } from 'viem';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { ChainPort, PaymentRefusal } from '../../domain/chain/ports.ts';
import type { Permit } from '../../domain/relay/model.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import type { RpcClients } from './createRpcClients.ts';
import { encodePermit } from './encodePermit.ts';
import { encodeTerms } from './encodeTerms.ts';
import { decodeRevert, describeRevert } from './reverts.ts';

const PERMIT_ABI = parseAbi([
  'function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)',
]);

/**
 * Simulates the payment by a plain eth_call to the gateway from the forwarder, with the payer's address behind the calldata as the forwarder would
 * put it there (ERC-2771): so the gateway's and the token's own reasons come out, where a simulated `forwarder.execute` says only `FailedCall`.
 *
 * A permit is simulated by `payWithPermit`, which does to the token what `forwarder.executeWithPermit` does: the same permit by the same owner for
 * the same spender, its failure ignored, then the same transfer. That needs nothing from the node but eth_call. State overrides would need
 * the token's storage layout, and not every provider offers them.
 */
export function createFindRefusal(chain: Pick<ChainConfig, 'gateway' | 'forwarder'>, rpc: RpcClients): ChainPort['findRefusal'] {
  const { gateway, forwarder } = chain;
  const call = (from: Address, to: Address, data: Hex): ReturnType<typeof rpc.attempt> =>
    rpc.attempt(() => rpc.any.call({ account: from, to, data }));

  return async ({ terms, payer, permit }) => {
    const data = permit
      ? encodeFunctionData({ abi: paymentGatewayAbi, functionName: 'payWithPermit', args: [encodeTerms(terms), encodePermit(permit)] })
      : encodeFunctionData({ abi: paymentGatewayAbi, functionName: 'pay', args: [encodeTerms(terms)] });
    const answer = await call(forwarder, gateway, concat([data, payer]));
    if ('value' in answer) return undefined;

    const revert = decodeRevert(answer.revertData);
    const other: PaymentRefusal = { kind: 'other', reason: describeRevert(answer.revertData) };
    switch (revert?.errorName) {
      case 'PaymentAlreadyProcessed':
        return { kind: 'alreadyProcessed' };
      case 'PaymentExpired':
        return { kind: 'expired' };
      case 'InvalidToken':
      case 'InvalidAmount':
      case 'InvalidMerchant':
      case 'PayerIsMerchant':
        return other;
      default:
    }

    // The token refused. Tokens look at the allowance first; the balance is what the payer has to care for first, and many tokens give no
    // reason that could be read, so we look for ourselves.
    const balance = await readNumber(terms.token, encodeFunctionData({ abi: erc20Abi, functionName: 'balanceOf', args: [payer] }));
    if (balance !== undefined && balance < terms.amount) return { kind: 'insufficientBalance', balance };
    if (revert?.errorName === 'ERC20InsufficientBalance') return { kind: 'insufficientBalance', balance: revert.args[1] };
    if (revert?.errorName === 'ERC20InsufficientAllowance') return { kind: 'insufficientAllowance', allowance: revert.args[1] };
    const allowanceCall = encodeFunctionData({ abi: erc20Abi, functionName: 'allowance', args: [payer, gateway] });
    const allowance = await readNumber(terms.token, allowanceCall);
    if (allowance === undefined || allowance >= terms.amount) return other;
    if (!permit) return { kind: 'insufficientAllowance', allowance };
    if (await isRefused(terms.token, payer, permit)) return { kind: 'insufficientAllowance', allowance };
    return permit.value < terms.amount ? { kind: 'insufficientAllowance', allowance: permit.value } : other;
  };

  /** undefined: the token does not even answer that. */
  async function readNumber(token: Address, data: Hex): Promise<bigint | undefined> {
    const answer = await rpc.attempt(() => rpc.any.call({ to: token, data }));
    const word = 'value' in answer ? answer.value.data : undefined;
    return word?.length === 66 ? BigInt(word) : undefined;
  }

  async function isRefused(token: Address, owner: Address, permit: Permit): Promise<boolean> {
    const { value, deadline, v, r, s } = encodePermit(permit);
    const data = encodeFunctionData({ abi: PERMIT_ABI, functionName: 'permit', args: [owner, gateway, value, deadline, v, r, s] });
    return 'revertData' in (await call(forwarder, token, data));
  }
}
