import type { PaymentTerms } from '../../domain/chain/contractModel.ts';
import { toUnixSeconds } from '../../shared/clock.ts';
import type { Address, Bytes32 } from '../../shared/hex.ts';

/** The struct `PaymentTerms` of contracts/src/interfaces/IPaymentGateway.sol. */
export interface EncodedTerms {
  readonly salt: Bytes32;
  readonly token: Address;
  readonly amount: bigint;
  readonly merchant: Address;
  readonly expiresAt: number;
}

export function encodeTerms({
  salt,
  token,
  amount,
  merchant,
  expiresAt,
}: PaymentTerms): EncodedTerms {
  return { salt, token, amount, merchant, expiresAt: toUnixSeconds(expiresAt) };
}
