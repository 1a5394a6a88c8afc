import { encodeFunctionData, erc20Abi, type Address } from 'viem';

import { gatewayAbi } from './gatewayAbi.ts';
import { toTerms, type Payment } from './toTerms.ts';

/** What a browser wallet is asked to send, encoded here so that the page needs no library. */
export function encodeWalletCalls(payment: Payment) {
  const gateway = payment.gateway as Address;
  const approve = (units: bigint) => ({
    to: payment.token,
    data: encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [gateway, units] }),
  });
  return {
    approve: approve(BigInt(payment.amount)),
    /** For tokens that refuse to change an allowance that is left over (USDT). */
    approveNothing: approve(0n),
    pay: {
      to: payment.gateway,
      data: encodeFunctionData({ abi: gatewayAbi, functionName: 'pay', args: [toTerms(payment)] }),
    },
  };
}
