import { domainSeparator } from 'viem';

import type { PaymentTerms } from '../../domain/chain/contractModel.ts';
import { toUnixSeconds } from '../../shared/clock.ts';
import type { Address, Bytes32 } from '../../shared/hex.ts';
import { keccak256 } from '../../shared/keccak256.ts';

const TERMS_TYPE =
  'PaymentTerms(bytes32 salt,address token,uint256 amount,address merchant,uint48 expiresAt)';

/**
 * The payment id as contracts/src/PaymentGateway.sol computes it. Written out by hand because every
 * new payment needs one: viem's hashTypedData takes some 240 µs, most of it for hashing the types
 * and the domain again, and a test compares both.
 */
export function createPaymentIdOf(
  chainId: number,
  gateway: Address,
): (terms: PaymentTerms) => Bytes32 {
  const domain = domainSeparator({
    domain: { name: 'MSQPay', version: '1', chainId, verifyingContract: gateway },
  });
  const typeHash = keccak256(Buffer.from(TERMS_TYPE)).slice(2);
  const prefix = `1901${domain.slice(2)}`;
  return (terms) => {
    const struct =
      typeHash +
      terms.salt.slice(2) +
      addressWord(terms.token) +
      numberWord(terms.amount) +
      addressWord(terms.merchant) +
      numberWord(toUnixSeconds(terms.expiresAt));
    return hash(prefix + hash(struct).slice(2));
  };
}

function hash(hexDigits: string): Bytes32 {
  return keccak256(Buffer.from(hexDigits, 'hex'));
}

function addressWord(address: Address): string {
  return address.slice(2).padStart(64, '0');
}

function numberWord(value: bigint | number): string {
  return value.toString(16).padStart(64, '0');
}
