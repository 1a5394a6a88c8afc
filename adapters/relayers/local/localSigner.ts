import { keccak256 } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

import { asBytes32, type Address, type Bytes32, type Hex } from '../../../shared/hex.ts';
import type { LocalTransaction } from './localModel.ts';

/**
 * A signed transaction. The same row always makes the same one: signatures are deterministic (RFC
 * 6979).
 */
interface Signed {
  readonly raw: Hex;
  readonly hash: Bytes32;
}

export interface LocalSigner {
  readonly address: Address;
  /**
   * What the row says is to be broadcast now: its call, or when that was given up (`cancelling`) a
   * no-op.
   */
  sign(
    transaction: Pick<
      LocalTransaction,
      'chainId' | 'nonce' | 'status' | 'to' | 'data' | 'gasLimit' | 'fees'
    >,
  ): Promise<Signed>;
}

/** @throws Error without the key in it, when it is none */
export function createLocalSigner(relayer: {
  readonly id: string;
  readonly privateKey: Hex;
}): LocalSigner {
  const account = toAccount(relayer);
  return {
    address: account.address,
    async sign({ chainId, nonce, status, to, data, gasLimit: gas, fees }) {
      const isNoop = status === 'cancelling';
      const call = {
        chainId,
        nonce,
        gas,
        value: 0n,
        to: isNoop ? account.address : to,
        data: isNoop ? ('0x' as const) : data,
      };
      const { maxFeePerGas, maxPriorityFeePerGas } = fees;
      const raw = await account.signTransaction(
        maxPriorityFeePerGas === null
          ? { ...call, type: 'legacy', gasPrice: maxFeePerGas }
          : { ...call, type: 'eip1559', maxFeePerGas, maxPriorityFeePerGas },
      );
      return { raw, hash: asBytes32(keccak256(raw)) };
    },
  };
}

function toAccount({ id, privateKey }: { readonly id: string; readonly privateKey: Hex }) {
  try {
    return privateKeyToAccount(privateKey);
  } catch {
    // The library's error may quote what it was given.
    throw new Error(`relayer ${id}: its private key is not one of the curve secp256k1`);
  }
}
