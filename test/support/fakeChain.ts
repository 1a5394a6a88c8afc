import type { Block, ChainPort } from '../../domain/chain/ports.ts';
import type { PaymentProcessedLog } from '../../domain/chain/contractModel.ts';
import { asBytes32, type Bytes32 } from '../../shared/hex.ts';

/** The hash of a block of a chain that exists nowhere. */
export function fakeHash(kind: number, number: bigint): Bytes32 {
  return asBytes32(
    `0x${kind.toString(16).padStart(8, '0')}${number.toString(16).padStart(56, '0')}`,
  );
}

/**
 * What a scanner asks of a chain, answered from memory: for numbers of payments that no test chain
 * would mine.
 */
export function createFakeChain(
  head: () => bigint,
  logs: () => readonly PaymentProcessedLog[],
): Partial<ChainPort> {
  const blockAt = (number: bigint): Block => ({
    number,
    hash: fakeHash(0xb10c, number),
    timestamp: new Date(),
  });
  return {
    getHead: () => Promise.resolve(blockAt(head())),
    findBlock: (number) => Promise.resolve(number > head() ? undefined : blockAt(number)),
    getLogLimit: () => undefined,
    listGatewayLogs: ({ fromBlock, toBlock }) =>
      Promise.resolve({
        last: blockAt(toBlock),
        payments: logs().filter(
          ({ blockNumber }) => blockNumber >= fromBlock && blockNumber <= toBlock,
        ),
        refunds: [],
      }),
  };
}

/** The gateway's event for a payment, as this chain would show it. */
export function fakeLog(
  payment: {
    readonly id: Bytes32;
    readonly terms: Pick<PaymentProcessedLog, 'merchant' | 'token' | 'amount'>;
  },
  blockNumber: bigint,
  logIndex: number,
): PaymentProcessedLog {
  const { merchant, token, amount } = payment.terms;
  return {
    paymentId: payment.id,
    payer: '0x90F79bf6EB2c4f870365E785982E1f101E93b906',
    merchant,
    token,
    amount,
    txHash: fakeHash(0x7a, BigInt(logIndex) + (blockNumber << 32n)),
    blockNumber,
    blockHash: fakeHash(0xb10c, blockNumber),
    logIndex,
  };
}
