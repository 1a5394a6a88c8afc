import type { Address, Hex } from 'viem';

import type { components } from '../../api/generated/openapi.ts';

export type Payment = components['schemas']['Payment'];

/**
 * The payment's terms as the contract takes them. They must be handed over unchanged: the payment's
 * id is their hash.
 */
export function toTerms({ terms }: Payment) {
  return {
    salt: terms.salt as Hex,
    token: terms.token as Address,
    amount: BigInt(terms.amount),
    merchant: terms.merchant as Address,
    expiresAt: terms.expiresAt,
  };
}
