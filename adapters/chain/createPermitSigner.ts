import { hashTypedData, recoverAddress, type TypedDataDefinition } from 'viem';

import type { Permit } from '../../domain/chain/contractModel.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Address } from '../../shared/hex.ts';
import { joinSignature, splitSignature } from './signatures.ts';
import { permitTypedData } from './typedData.ts';

/**
 * Whose key has signed a permit, if it was signed with this nonce: a permit does not say its nonce.
 * Each try takes about two milliseconds of the process.
 * @returns some account that nobody has, when it was signed with another nonce; undefined: it
 *   cannot be told
 */
export type FindPermitSigner = (nonce: bigint) => Promise<Address | undefined>;

/**
 * @returns undefined: no key makes such a permit, or the configuration promises none of this token
 */
export function createPermitSigner(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'tokens'>,
  {
    token,
    owner,
    permit,
  }: { readonly token: Address; readonly owner: Address; readonly permit: Permit },
  recover: typeof recoverAddress = recoverAddress,
): FindPermitSigner | undefined {
  const domain = chain.tokens.find(({ address }) => address === token)?.permit;
  const parts = splitSignature(permit.signature);
  // A date that no number holds is no permit of ours.
  if (
    domain === undefined ||
    parts === undefined ||
    permit.deadline > BigInt(Number.MAX_SAFE_INTEGER)
  )
    return undefined;
  return async (nonce) => {
    const message = {
      owner,
      spender: chain.gateway,
      value: permit.value,
      nonce,
      deadline: Number(permit.deadline),
    };
    const typedData = permitTypedData(
      { ...domain, chainId: chain.chainId, verifyingContract: token },
      message,
    );
    const hash = hashTypedData(typedData as unknown as TypedDataDefinition);
    return recover({ hash, signature: joinSignature(parts) }).catch(() => undefined);
  };
}
