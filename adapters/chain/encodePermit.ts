import { zeroHash } from 'viem';

import type { Permit } from '../../domain/chain/contractModel.ts';
import { splitSignature, type SignatureParts } from './signatures.ts';

/** The struct `Permit` of contracts/src/libraries/Permits.sol. */
export interface EncodedPermit extends SignatureParts {
  readonly value: bigint;
  readonly deadline: bigint;
}

/**
 * Nobody's signature. The contracts go on without a permit that fails, so one that cannot be read
 * need not be an error of its own.
 */
const NO_SIGNATURE: SignatureParts = { v: 0, r: zeroHash, s: zeroHash };

export function encodePermit({ value, deadline, signature }: Permit): EncodedPermit {
  return { value, deadline, ...(splitSignature(signature) ?? NO_SIGNATURE) };
}
