import { setImmediate } from 'node:timers/promises';
import { maxUint256, parseAbi, type recoverAddress } from 'viem';

import type { Permit } from '../../domain/chain/contractModel.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Address } from '../../shared/hex.ts';
import { createPermitSigner } from './createPermitSigner.ts';
import type { RpcClients } from './createRpcClients.ts';

const NONCES_ABI = parseAbi(['function nonces(address owner) view returns (uint256)']);
/**
 * So many nonces before and after the present one are tried. Each takes its time, and what comes
 * from outside decides how often: so they are few, and others get their turn in between.
 */
const NEIGHBOURS = 3;

/**
 * Why the token refuses a permit that its owner's key has signed; undefined: it is for another
 * reason. The tokens' own words are of no use there: they recover some account that nobody has.
 */
export type ExplainPermit = (
  token: Address,
  owner: Address,
  permit: Permit,
) => Promise<PermitExplanation | undefined>;

export interface PermitExplanation {
  readonly reason: string;
  /** Its nonce has not come: it is good once those before it are used. */
  readonly isEarly: boolean;
}

/** @param recover whose key made a signature */
export function createExplainPermit(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'tokens'>,
  rpc: Pick<RpcClients, 'attemptOneNode'>,
  recover?: typeof recoverAddress,
): ExplainPermit {
  return async (token, owner, permit) => {
    const findSigner = createPermitSigner(chain, { token, owner, permit }, recover);
    if (findSigner === undefined) return undefined;
    const answer = await rpc.attemptOneNode((_client, _urlIndex, sure) =>
      sure.readContract({ address: token, abi: NONCES_ABI, functionName: 'nonces', args: [owner] }),
    );
    if ('revertData' in answer) return undefined;
    const next = answer.value;
    for (const nonce of noncesAround(next)) {
      await setImmediate();
      if ((await findSigner(nonce)) !== owner) continue;
      if (nonce === next) return undefined;
      return nonce < next
        ? {
            reason: `its nonce ${nonce} is used: another permit of the same account was taken before`,
            isEarly: false,
          }
        : {
            reason: `its nonce is ${nonce}, and the next one of the account is ${next}`,
            isEarly: true,
          };
    }
    return undefined;
  };
}

/** The present one first, then the nearest. */
function noncesAround(next: bigint): bigint[] {
  const distances = Array.from({ length: NEIGHBOURS }, (_, index) => BigInt(index + 1));
  const all = [next, ...distances.flatMap((distance) => [next - distance, next + distance])];
  return all.filter((nonce) => nonce >= 0n && nonce <= maxUint256);
}
