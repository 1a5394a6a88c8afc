import { createPublicClient, http, type PublicClient } from 'viem';

import type { Block } from '../../domain/chain/ports.ts';
import { askHeader, type WhichBlock } from './askHeader.ts';
import { mayRefuseBatches } from './createAskForLogs.ts';
import { OtherChainError } from './createChainIdGuard.ts';

/** A URL that does not take two questions in one request is given them one by one for so long. */
const NO_BATCH_MS = 10 * 60_000;

/**
 * A block's header from one RPC URL, together with the chain's id in the same HTTP request. A URL may change the chain behind it between two questions, and
 * what is believed of headers takes money away: a foreign one looks like a reorganisation of all that was ever paid.
 */
export function createReadBlock(options: { readonly rpcUrls: readonly string[]; readonly chainId: number; readonly timeoutMs: number }) {
  const { rpcUrls, chainId, timeoutMs } = options;
  const common = { timeout: timeoutMs, retryCount: 0 } as const;
  const urls = rpcUrls.map((url) => ({
    together: createPublicClient({ cacheTime: 0, transport: http(url, { ...common, batch: true }) }),
    oneByOne: createPublicClient({ cacheTime: 0, transport: http(url, common) }),
    noBatchUntil: 0,
  }));

  // Not viem's getChainId, for the same reason as in askHeader.ts.
  async function assertOurs(client: PublicClient): Promise<void> {
    const found = Number(await client.request({ method: 'eth_chainId' }, { dedupe: false }));
    if (found !== chainId) throw new OtherChainError(chainId, found);
  }

  /** @returns undefined: there is no such block. @throws OtherChainError, or what the URL answered */
  return async (urlIndex: number, which: WhichBlock): Promise<Block | undefined> => {
    const url = urls[urlIndex];
    if (url === undefined) throw new Error(`there is no RPC URL ${urlIndex}`);
    if (Date.now() >= url.noBatchUntil) {
      const [identity, block] = await Promise.allSettled([assertOurs(url.together), askHeader(url.together, which)]);
      if (identity.status === 'fulfilled' && block.status === 'fulfilled') return block.value;
      const reason: unknown = identity.status === 'rejected' ? identity.reason : (block as PromiseRejectedResult).reason;
      if (reason instanceof OtherChainError || !mayRefuseBatches(reason)) throw reason;
    }
    // The id before and after: were it another chain in between, it would have changed twice.
    await assertOurs(url.oneByOne);
    const block = await askHeader(url.oneByOne, which);
    await assertOurs(url.oneByOne);
    if (Date.now() >= url.noBatchUntil) url.noBatchUntil = Date.now() + NO_BATCH_MS;
    return block;
  };
}
