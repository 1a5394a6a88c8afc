import { numberToHex } from 'viem';

import type { Hex } from '../../shared/hex.ts';

export interface SignatureParts {
  readonly v: number;
  readonly r: Hex;
  readonly s: Hex;
}

/** Half the order of secp256k1: OpenZeppelin's contracts take the lower of the two `s` that fit. */
const MAX_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/**
 * The parts of a signature as the contracts take it. Some wallets end it with 0 or 1 where the
 * contracts want 27 or 28; that says the same.
 * @returns undefined for what no contract of ours accepts
 */
export function splitSignature(signature: Hex): SignatureParts | undefined {
  if (!/^0x[0-9a-fA-F]{130}$/.test(signature)) return undefined;
  const last = Number.parseInt(signature.slice(130), 16);
  const v = last < 2 ? last + 27 : last;
  const s: Hex = `0x${signature.slice(66, 130)}`;
  if ((v !== 27 && v !== 28) || BigInt(s) > MAX_S) return undefined;
  return { v, r: `0x${signature.slice(2, 66)}`, s };
}

export function joinSignature({ v, r, s }: SignatureParts): Hex {
  return `${r}${s.slice(2)}${numberToHex(v, { size: 1 }).slice(2)}`;
}
