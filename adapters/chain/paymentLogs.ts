import { getAddress, getAbiItem, parseEventLogs, type Log } from 'viem';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { ChainPosition, PaymentProcessedLog } from '../../domain/payments/model.ts';
import type { Address, Bytes32, Hex } from '../../shared/hex.ts';

export const paymentProcessedEvent = getAbiItem({ abi: paymentGatewayAbi, name: 'PaymentProcessed' });

/**
 * The gateway's payments among these logs, in chain order. What other contracts logged, what a reorganisation took back and what is not in a block
 * yet is left out, whatever filter the node was given.
 */
export function readPaymentLogs(logs: readonly Log[], gateway: Address): PaymentProcessedLog[] {
  const found = parseEventLogs({ abi: [paymentProcessedEvent], logs: [...logs], strict: true }).flatMap((log) => {
    const { blockNumber, blockHash, transactionHash, logIndex } = log;
    if (log.removed || getAddress(log.address) !== gateway) return [];
    if (blockNumber === null || blockHash === null || transactionHash === null || logIndex === null) return [];
    return {
      paymentId: lowerCase(log.args.paymentId),
      payer: getAddress(log.args.payer),
      merchant: getAddress(log.args.merchant),
      token: getAddress(log.args.token),
      amount: log.args.amount,
      txHash: lowerCase(transactionHash),
      blockNumber,
      blockHash: lowerCase(blockHash),
      logIndex,
    };
  });
  return inChainOrder(found);
}

/** By block, and within a block by log. */
export function inChainOrder<Log extends ChainPosition>(logs: readonly Log[]): Log[] {
  return [...logs].sort((a, b) => (a.blockNumber === b.blockNumber ? a.logIndex - b.logIndex : a.blockNumber < b.blockNumber ? -1 : 1));
}

export function lowerCase(hash: Hex): Bytes32 {
  return hash.toLowerCase() as Bytes32;
}
