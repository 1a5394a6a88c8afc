import type { Address, Bytes32 } from '../../shared/hex.ts';
import type { TypedData } from '../../domain/chain/ports.ts';
import type {
  PaymentTerms,
  ForwardRequest,
  PaymentAuthorization,
  RefundAuthorization,
} from '../../domain/chain/contractModel.ts';
import { formatAmountUnits } from '../../shared/money.ts';

/**
 * The EIP-712 structures that customers sign. They mirror the contracts, and chain.test.ts compares
 * both.
 */

/** Given to the constructor by contracts/src/MSQPayForwarder.sol. */
const FORWARDER_DOMAIN = { name: 'MSQPayForwarder', version: '1' } as const;
/** The same, by contracts/src/PaymentGateway.sol. */
const GATEWAY_DOMAIN = { name: 'MSQPay', version: '1' } as const;

/** Wallets want the domain's type spelled out in eth_signTypedData_v4. */
export const EIP712_DOMAIN = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
] as const;

const FORWARD_REQUEST = [
  { name: 'from', type: 'address' },
  { name: 'to', type: 'address' },
  { name: 'value', type: 'uint256' },
  { name: 'gas', type: 'uint256' },
  { name: 'nonce', type: 'uint256' },
  { name: 'deadline', type: 'uint48' },
  { name: 'data', type: 'bytes' },
] as const;

const PAYMENT_AUTHORIZATION = [
  { name: 'paymentId', type: 'bytes32' },
  { name: 'merchant', type: 'address' },
  { name: 'token', type: 'address' },
  { name: 'amount', type: 'uint256' },
  { name: 'payer', type: 'address' },
  { name: 'deadline', type: 'uint48' },
] as const;

const REFUND_AUTHORIZATION = [
  { name: 'paymentId', type: 'bytes32' },
  { name: 'amount', type: 'uint256' },
  { name: 'nonce', type: 'uint256' },
  { name: 'deadline', type: 'uint48' },
] as const;

export const PERMIT = [
  { name: 'owner', type: 'address' },
  { name: 'spender', type: 'address' },
  { name: 'value', type: 'uint256' },
  { name: 'nonce', type: 'uint256' },
  { name: 'deadline', type: 'uint256' },
] as const;

export function forwardRequestTypedData(
  chainId: number,
  forwarder: Address,
  request: ForwardRequest,
): TypedData {
  return {
    domain: { ...FORWARDER_DOMAIN, chainId, verifyingContract: forwarder },
    types: { EIP712Domain: EIP712_DOMAIN, ForwardRequest: FORWARD_REQUEST },
    primaryType: 'ForwardRequest',
    message: {
      from: request.from,
      to: request.to,
      value: request.value.toString(),
      gas: request.gas.toString(),
      nonce: request.nonce.toString(),
      deadline: request.deadline.toString(),
      data: request.data,
    },
  };
}

export function authorizationTypedData(
  chainId: number,
  gateway: Address,
  input: { paymentId: Bytes32; terms: PaymentTerms; authorization: PaymentAuthorization },
): TypedData {
  const { paymentId, terms, authorization } = input;
  return {
    domain: { ...GATEWAY_DOMAIN, chainId, verifyingContract: gateway },
    types: { EIP712Domain: EIP712_DOMAIN, PaymentAuthorization: PAYMENT_AUTHORIZATION },
    primaryType: 'PaymentAuthorization',
    message: {
      paymentId,
      merchant: terms.merchant,
      token: terms.token,
      amount: formatAmountUnits(terms.amount),
      payer: authorization.payer,
      deadline: authorization.deadline.toString(),
    },
  };
}

export function refundTypedData(
  chainId: number,
  gateway: Address,
  { paymentId, refund }: { paymentId: Bytes32; refund: RefundAuthorization },
): TypedData {
  return {
    domain: { ...GATEWAY_DOMAIN, chainId, verifyingContract: gateway },
    types: { EIP712Domain: EIP712_DOMAIN, RefundAuthorization: REFUND_AUTHORIZATION },
    primaryType: 'RefundAuthorization',
    message: {
      paymentId,
      amount: formatAmountUnits(refund.amount),
      nonce: refund.nonce.toString(),
      deadline: refund.deadline.toString(),
    },
  };
}

export function permitTypedData(
  domain: TypedData['domain'],
  permit: { owner: Address; spender: Address; value: bigint; nonce: bigint; deadline: number },
): TypedData {
  return {
    domain,
    types: { EIP712Domain: EIP712_DOMAIN, Permit: PERMIT },
    primaryType: 'Permit',
    message: {
      owner: permit.owner,
      spender: permit.spender,
      value: permit.value.toString(),
      nonce: permit.nonce.toString(),
      deadline: permit.deadline.toString(),
    },
  };
}
