import type { Address } from '../../shared/hex.ts';
import type { TypedData } from '../../domain/chain/ports.ts';
import type { ForwardRequest } from '../../domain/relay/model.ts';

/** The EIP-712 structures that customers sign. They mirror the contracts, and chain.test.ts compares both. */

/** Given to the constructor by contracts/src/MSQPayForwarder.sol. */
const FORWARDER_DOMAIN = { name: 'MSQPayForwarder', version: '1' } as const;

/** Wallets want the domain's type spelled out in eth_signTypedData_v4. */
const EIP712_DOMAIN = [
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

const PERMIT = [
  { name: 'owner', type: 'address' },
  { name: 'spender', type: 'address' },
  { name: 'value', type: 'uint256' },
  { name: 'nonce', type: 'uint256' },
  { name: 'deadline', type: 'uint256' },
] as const;

export function forwardRequestTypedData(chainId: number, forwarder: Address, request: ForwardRequest): TypedData {
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
