import type { Hash } from 'viem';

import { paymentGatewayAbi } from '../../../contracts/generated/PaymentGateway.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';

export interface TrueTransfer {
  readonly txHash: Hash;
  readonly blockHash: Hash;
  readonly blockNumber: bigint;
}

export interface TrueRefund extends TrueTransfer {
  readonly amount: bigint;
  readonly nonce: bigint;
}

/** What the chains themselves say, past every node that lies. */
export interface Truth {
  /** The gateway's transfers for a payment, by id. */
  readonly transfers: ReadonlyMap<string, readonly TrueTransfer[]>;
  /** Refunds made, by the payment's id. */
  readonly refunds: ReadonlyMap<string, readonly TrueRefund[]>;
}

/** A payment's id commits to its chain, so those of all chains may be in one map. */
export async function readTruth(chains: readonly ChaosChain[]): Promise<Truth> {
  const transfers = new Map<string, TrueTransfer[]>();
  const refunds = new Map<string, TrueRefund[]>();
  for (const { home } of chains) {
    const { gateway, blockNumber } = home.stack.deployment;
    const filter = {
      address: gateway,
      abi: paymentGatewayAbi,
      fromBlock: blockNumber,
      strict: true,
    } as const;
    const { publicClient } = home.chain;
    for (const log of await publicClient.getContractEvents({
      ...filter,
      eventName: 'PaymentProcessed',
    })) {
      const transfer = {
        txHash: log.transactionHash,
        blockHash: log.blockHash,
        blockNumber: log.blockNumber,
      };
      add(transfers, log.args.paymentId, transfer);
    }
    for (const log of await publicClient.getContractEvents({
      ...filter,
      eventName: 'RefundProcessed',
    })) {
      const { amount, nonce, paymentId } = log.args;
      add(refunds, paymentId, {
        txHash: log.transactionHash,
        blockHash: log.blockHash,
        blockNumber: log.blockNumber,
        amount,
        nonce,
      });
    }
  }
  return { transfers, refunds };
}

function add<T>(lists: Map<string, T[]>, key: string, item: T): void {
  lists.set(key, [...(lists.get(key) ?? []), item]);
}
