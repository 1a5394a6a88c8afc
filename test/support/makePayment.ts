import type { Payment } from '../../domain/payments/model.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import type { ChainPosition } from '../../domain/chain/contractModel.ts';

const bytes32 = (byte: string) => `0x${byte.repeat(32)}` as const;

export const POSITION: ChainPosition = {
  txHash: bytes32('aa'),
  blockNumber: 10n,
  blockHash: bytes32('bb'),
  logIndex: 4,
};

/** A payment that is in no database, pending unless told. */
export function makePayment({
  expiresAt,
  ...changes
}: Partial<Payment> & { readonly expiresAt: Date }): Payment {
  const createdAt = new Date(expiresAt.getTime() - 900_000);
  return {
    id: bytes32('11'),
    storeId: 'st_1',
    orderId: 'order-1',
    chainId: 31337,
    gateway: '0x5FbDB2315678afecb367f032d93F642f64180aa3',
    terms: {
      salt: bytes32('22'),
      token: '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512',
      amount: parseAmountUnits('1500000'),
      merchant: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
      expiresAt,
    },
    status: 'pending',
    version: 1,
    late: false,
    customerEmail: null,
    metadata: null,
    payer: null,
    relayAttemptId: null,
    txHash: null,
    position: null,
    createdAt,
    updatedAt: createdAt,
    completedAt: null,
    ...changes,
  };
}
