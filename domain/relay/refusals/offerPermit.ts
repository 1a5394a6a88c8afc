import type { Address } from '../../../shared/hex.ts';
import type { ChainPort, TypedData } from '../../chain/ports.ts';

/**
 * What to sign as well, when the gateway's allowance is short and the token's permit works for
 * whoever is to sign.
 */
export interface PermitRequest {
  readonly value: bigint;
  readonly deadline: number;
  readonly typedData: TypedData;
}

/**
 * Why nothing but an approval, which its owner sends, lets the gateway take the tokens.
 *
 *   noPermit        the token has no EIP-2612 permit
 *   unusablePermit  it is configured with one that it does not take; the operator is told why
 *   contractWallet  the owner is a contract, and the permit is for accounts of a key, or was signed
 *                   with
 *                   what only a contract takes, for which a permit has no room
 */
export type ApproveFirst = 'noPermit' | 'unusablePermit' | 'contractWallet';

export interface PermitOffer {
  readonly permit: PermitRequest | null;
  /** null: the allowance is there, or the permit is to be signed. */
  readonly approveFirst: ApproveFirst | null;
}

/**
 * How `owner` may let the gateway take the amount. A permit that the token would not take is not
 * offered.
 */
export async function offerPermit(
  chain: ChainPort,
  transfer: {
    readonly token: Address;
    readonly owner: Address;
    readonly amount: bigint;
    readonly deadline: number;
  },
): Promise<PermitOffer> {
  const { token, owner, amount, deadline } = transfer;
  if ((await chain.getAllowance(token, owner)) >= amount)
    return { permit: null, approveFirst: null };
  const approveFirst = await findApproveFirst(chain, token, owner);
  if (approveFirst !== null) return { permit: null, approveFirst };
  const typedData = await chain.buildPermitTypedData({ token, owner, value: amount, deadline });
  if (typedData === undefined) return { permit: null, approveFirst: 'noPermit' };
  return { permit: { value: amount, deadline, typedData }, approveFirst: null };
}

/** Whether a permit of `owner` would be of no use; null: it is, as far as is known. */
export async function findApproveFirst(
  chain: ChainPort,
  token: Address,
  owner: Address,
): Promise<ApproveFirst | null> {
  const verdict = await chain.judgePermit(token);
  switch (verdict.kind) {
    case 'absent':
      return 'noPermit';
    case 'unusable':
      return 'unusablePermit';
    case 'unknown':
      return null;
    case 'works':
      return !verdict.asContract && (await chain.isContract(owner)) ? 'contractWallet' : null;
  }
}
