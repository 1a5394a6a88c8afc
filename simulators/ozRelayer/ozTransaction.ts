import type { Address, Hex } from 'viem';
import type { StoredTransaction } from '../relayer/transactionStore.ts';

/** A transaction as the API shows it. Prices are strings there, gas_limit and nonce numbers. */
export interface OzTransaction {
  id: string;
  hash: Hex | null;
  status: 'pending' | 'sent' | 'submitted' | 'mined' | 'confirmed' | 'failed' | 'expired';
  status_reason: string | null;
  created_at: string;
  sent_at: string | null;
  confirmed_at: string | null;
  gas_price: string | null;
  gas_limit: number;
  nonce: number | null;
  value: string;
  from: Address;
  to: Address | null;
  relayer_id: string;
  data: Hex | null;
  max_fee_per_gas: string | null;
  max_priority_fee_per_gas: string | null;
  signature: { v: Hex; r: Hex; s: Hex } | null;
  speed: string | null;
}

/**
 * Where it differs from Defender: a transaction that was mined and reverted has failed, and one
 * whose validUntil has passed is itself turned into the no-op that takes its nonce, with which it
 * goes on to `confirmed`. Only one that was never given to the chain expires.
 */
export function toOzTransaction(transaction: StoredTransaction): OzTransaction {
  const { shown, noop } = transaction;
  const status = statusOf(transaction);
  return {
    id: shown.transactionId,
    hash: noop?.hash ?? shown.hash,
    status,
    status_reason:
      status === 'failed' && transaction.isReverted === true ? 'Transaction reverted' : null,
    created_at: withMicroseconds(shown.createdAt),
    sent_at: shown.sentAt === undefined ? null : withMicroseconds(shown.sentAt),
    confirmed_at:
      status === 'confirmed' && transaction.minedAt !== undefined
        ? withMicroseconds(transaction.minedAt)
        : null,
    gas_price: shown.gasPrice?.toString() ?? null,
    gas_limit: noop === undefined ? shown.gasLimit : 21_000,
    nonce: shown.nonce ?? null,
    value: BigInt(noop === undefined ? (shown.value ?? 0) : 0).toString(),
    from: shown.from,
    to: noop === undefined ? (shown.to ?? null) : shown.from,
    relayer_id: shown.relayerId,
    data: noop === undefined ? (shown.data ?? null) : '0x',
    max_fee_per_gas: shown.maxFeePerGas?.toString() ?? null,
    max_priority_fee_per_gas: shown.maxPriorityFeePerGas?.toString() ?? null,
    signature: shown.signature ?? null,
    speed: shown.speed ?? null,
  };
}

function statusOf({ shown, noop, isReverted }: StoredTransaction): OzTransaction['status'] {
  switch (shown.status) {
    case 'inmempool':
      return 'submitted';
    case 'mined':
    case 'confirmed':
      return isReverted === true ? 'failed' : shown.status;
    case 'expired':
      return noop === undefined ? 'expired' : 'confirmed';
    default:
      return shown.status;
  }
}

/** As Rust's chrono writes a date. */
function withMicroseconds(date: string): string {
  return date.replace(/Z$/, '000+00:00');
}
