import { TransactionReceiptNotFoundError, type PublicClient } from 'viem';

import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Bytes32, Hex } from '../../shared/hex.ts';
import type { RpcClients } from './createRpcClients.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';
import { lowerCase, readPaymentLogs } from './paymentLogs.ts';
import { readRefundLogs, readRelayRefusals } from './relayLogs.ts';

/** Reads what became of a transaction; all of it is one node's word. */
export function createFindReceipt(
  chain: Pick<ChainConfig, 'gateway' | 'forwarder'>,
  rpc: RpcClients,
): ChainPort['findReceipt'] {
  const { gateway, forwarder } = chain;
  return (hash) =>
    rpc.askOneNode(async (node) => {
      const receipt = await node.getTransactionReceipt({ hash }).catch((error: unknown) => {
        if (error instanceof TransactionReceiptNotFoundError) return undefined;
        throw error;
      });
      if (receipt === undefined) return undefined;
      if (lowerCase(receipt.transactionHash) !== hash)
        throw new NodeAnswerError('eth_getTransactionReceipt', 'another transaction');
      return {
        hash,
        blockNumber: receipt.blockNumber,
        blockHash: lowerCase(receipt.blockHash),
        succeeded: receipt.status === 'success',
        gasUsed: receipt.gasUsed,
        dataGasUsed: readDataGas(receipt),
        // Some nodes leave it out, though the type says that it is there.
        effectiveGasPrice: receipt.effectiveGasPrice ?? (await findPrice(node, hash)),
        payments: readPaymentLogs(receipt.logs, gateway),
        refunds: readRefundLogs(receipt.logs, gateway),
        refusals: readRelayRefusals(receipt.logs, { gateway, forwarder }),
      };
    });
}

/**
 * Arbitrum and its kin say how much of the gas was for the transaction's data. Nodes of the OP
 * stack name the fee that was paid for it apart from gas (`l1GasUsed`, which they tell too, is of
 * the layer below).
 */
function readDataGas(receipt: {
  readonly gasUsed: bigint;
  readonly gasUsedForL1?: Hex | null;
  readonly l1Fee?: Hex | null;
}): bigint | undefined {
  if (receipt.gasUsedForL1 != null) {
    const dataGas = BigInt(receipt.gasUsedForL1);
    return dataGas <= receipt.gasUsed ? dataGas : undefined;
  }
  return receipt.l1Fee != null ? 0n : undefined;
}

/**
 * What a mined transaction paid for a unit of gas, where its receipt does not tell: never less than
 * it was, since budgets are kept by it. The transaction itself shows its price, or the most that it
 * offered. A node that has forgotten the transaction knows what gas costs now, the best guess that
 * is left.
 */
async function findPrice(node: PublicClient, hash: Bytes32): Promise<bigint> {
  const transaction = await node.getTransaction({ hash }).catch(() => undefined);
  const offered: readonly (bigint | null | undefined)[] = [
    transaction?.gasPrice,
    transaction?.maxFeePerGas,
  ];
  return offered.find((price) => price != null) ?? node.getGasPrice();
}
