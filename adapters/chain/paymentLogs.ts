import {
  getAddress,
  getAbiItem,
  parseEventLogs,
  toEventSelector,
  type AbiEvent,
  type Log,
} from 'viem';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { ChainPosition, PaymentProcessedLog } from '../../domain/chain/contractModel.ts';
import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';

export const paymentProcessedEvent = getAbiItem({
  abi: paymentGatewayAbi,
  name: 'PaymentProcessed',
});

/**
 * The gateway's payments among these logs, in chain order. What other contracts logged, what a
 * reorganisation took back and what is not in a block yet is left out, whatever filter the node was
 * given.
 * @throws NodeAnswerError: one of the gateway's cannot be decoded. To leave it out would be to
 *   leave out a payment
 */
export function readPaymentLogs(logs: readonly Log[], gateway: Address): PaymentProcessedLog[] {
  const own = ownLogs(logs, gateway, paymentProcessedEvent);
  const decoded = parseEventLogs({ abi: [paymentProcessedEvent], logs: own, strict: true });
  assertAllDecoded(own, decoded);
  const found = decoded.flatMap((log) => {
    const { blockNumber, blockHash, transactionHash, logIndex } = log;
    if (blockNumber === null || blockHash === null || transactionHash === null || logIndex === null)
      return [];
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

/** What this contract logged as this event, and no reorganisation took back. */
export function ownLogs(logs: readonly Log[], contract: Address, event: AbiEvent): Log[] {
  const selector = toEventSelector(event);
  return logs.filter(
    (log) => !log.removed && log.topics[0] === selector && getAddress(log.address) === contract,
  );
}

/** @throws NodeAnswerError */
export function assertAllDecoded(logs: readonly Log[], decoded: readonly Log[]): void {
  if (decoded.length !== logs.length)
    throw new NodeAnswerError('eth_getLogs', 'a log of our contract that cannot be decoded');
}

/** By block, and within a block by log. */
export function inChainOrder<Log extends ChainPosition>(logs: readonly Log[]): Log[] {
  return [...logs].sort((a, b) =>
    a.blockNumber === b.blockNumber
      ? a.logIndex - b.logIndex
      : a.blockNumber < b.blockNumber
        ? -1
        : 1,
  );
}

export function lowerCase(hash: Hex): Bytes32 {
  return hash.toLowerCase() as Bytes32;
}
