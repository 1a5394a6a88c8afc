import { parseAbi } from 'viem';

import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { AskSince } from './createAskSince.ts';
import { createPermitSigner } from './createPermitSigner.ts';

const NONCES_ABI = parseAbi(['function nonces(address owner) view returns (uint256)']);

export function createIsPermitNext(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'tokens'>,
  askSince: AskSince,
): ChainPort['isPermitNext'] {
  return async (input, since) => {
    const findSigner = createPermitSigner(chain, input);
    if (findSigner === undefined) return false;
    const { token, owner } = input;
    const { value: next, isSince } = await askSince(since, {
      ask: (client, at) =>
        client.readContract({
          address: token,
          abi: NONCES_ABI,
          functionName: 'nonces',
          args: [owner],
          ...at,
        }),
    });
    return isSince && (await findSigner(next)) === owner;
  };
}
