/**
 * The EIP-712 messages of the contracts, as wallets are asked to sign them. They must match the
 * type hashes in `src/`.
 */
import { hashTypedData, type Address, type Hex, type TypedDataDomain } from 'viem';

/**
 * `PaymentTerms` of the gateway. `expiresAt` is in unix seconds, `amount` in the token's smallest
 * unit.
 */
export interface PaymentTerms {
  salt: Hex;
  token: Address;
  amount: bigint;
  merchant: Address;
  expiresAt: number;
}

export const paymentTermsTypes = {
  PaymentTerms: [
    { name: 'salt', type: 'bytes32' },
    { name: 'token', type: 'address' },
    { name: 'amount', type: 'uint256' },
    { name: 'merchant', type: 'address' },
    { name: 'expiresAt', type: 'uint48' },
  ],
} as const;

export const paymentAuthorizationTypes = {
  PaymentAuthorization: [
    { name: 'paymentId', type: 'bytes32' },
    { name: 'merchant', type: 'address' },
    { name: 'token', type: 'address' },
    { name: 'amount', type: 'uint256' },
    { name: 'payer', type: 'address' },
    { name: 'deadline', type: 'uint48' },
  ],
} as const;

/** Signed by the merchant. The payment id stands for merchant and token. */
export const refundAuthorizationTypes = {
  RefundAuthorization: [
    { name: 'paymentId', type: 'bytes32' },
    { name: 'amount', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint48' },
  ],
} as const;

export const forwardRequestTypes = {
  ForwardRequest: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'gas', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint48' },
    { name: 'data', type: 'bytes' },
  ],
} as const;

/** EIP-2612. The domain is the token's own. */
export const permitTypes = {
  Permit: [
    { name: 'owner', type: 'address' },
    { name: 'spender', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const;

export function gatewayDomain(chainId: number, gateway: Address) {
  return {
    name: 'MSQPay',
    version: '1',
    chainId,
    verifyingContract: gateway,
  } as const satisfies TypedDataDomain;
}

export function forwarderDomain(chainId: number, forwarder: Address) {
  return {
    name: 'MSQPayForwarder',
    version: '1',
    chainId,
    verifyingContract: forwarder,
  } as const satisfies TypedDataDomain;
}

/** The payment id, computed like the gateway's `paymentIdOf`. */
export function hashPaymentTerms(chainId: number, gateway: Address, terms: PaymentTerms): Hex {
  return hashTypedData({
    domain: gatewayDomain(chainId, gateway),
    types: paymentTermsTypes,
    primaryType: 'PaymentTerms',
    message: terms,
  });
}
