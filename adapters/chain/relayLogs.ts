import { getAbiItem, getAddress, parseEventLogs, type Log } from 'viem';

import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { RelayRefusal } from '../../domain/chain/ports.ts';
import type { RefundProcessedLog } from '../../domain/chain/contractModel.ts';
import type { Address } from '../../shared/hex.ts';
import { assertAllDecoded, inChainOrder, lowerCase, ownLogs } from './paymentLogs.ts';
import { describeRevert } from './reverts.ts';

export const refundProcessedEvent = getAbiItem({ abi: paymentGatewayAbi, name: 'RefundProcessed' });

/**
 * The gateway's refunds among these logs, in chain order; see readPaymentLogs for what is left out,
 * and what is thrown.
 */
export function readRefundLogs(logs: readonly Log[], gateway: Address): RefundProcessedLog[] {
  const own = ownLogs(logs, gateway, refundProcessedEvent);
  const decoded = parseEventLogs({ abi: [refundProcessedEvent], logs: own, strict: true });
  assertAllDecoded(own, decoded);
  const found = decoded.flatMap((log) => {
    const { blockNumber, blockHash, transactionHash, logIndex, args } = log;
    if (blockNumber === null || blockHash === null || transactionHash === null || logIndex === null)
      return [];
    return {
      paymentId: lowerCase(args.paymentId),
      merchant: getAddress(args.merchant),
      payer: getAddress(args.payer),
      token: getAddress(args.token),
      amount: args.amount,
      nonce: args.nonce,
      txHash: lowerCase(transactionHash),
      blockNumber,
      blockHash: lowerCase(blockHash),
      logIndex,
    };
  });
  return inChainOrder(found);
}

/**
 * The items of one transaction that the contracts took up and refused. Only to be believed of a
 * transaction of our own: anybody can make others refuse.
 */
export function readRelayRefusals(
  logs: readonly Log[],
  contracts: { readonly gateway: Address; readonly forwarder: Address },
): RelayRefusal[] {
  const { gateway, forwarder } = contracts;
  const rejected = parseEventLogs({
    abi: paymentGatewayAbi,
    eventName: ['PaymentRejected', 'RefundRejected'],
    logs: [...logs],
    strict: true,
  })
    .filter((log) => getAddress(log.address) === gateway)
    .map(({ eventName, args }): RelayRefusal =>
      eventName === 'PaymentRejected'
        ? {
            rail: 'authorization',
            paymentId: lowerCase(args.paymentId),
            reason: describeRevert(args.reason),
          }
        : {
            rail: 'refund',
            paymentId: lowerCase(args.paymentId),
            nonce: args.nonce,
            reason: describeRevert(args.reason),
          },
    );
  const executed = parseEventLogs({
    abi: msqPayForwarderAbi,
    eventName: 'ExecutedForwardRequest',
    logs: [...logs],
    strict: true,
  })
    .filter((log) => getAddress(log.address) === forwarder && !log.args.success)
    .map(({ args }): RelayRefusal => ({
      rail: 'forwarder',
      payer: getAddress(args.signer),
      nonce: args.nonce,
      reason: 'the gateway or the token reverted',
    }));
  return [...rejected, ...executed];
}
