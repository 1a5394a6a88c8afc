import { createPublicClient } from 'viem';

import { mayRefuseBatches } from './createAskForLogs.ts';
import { OtherChainError } from './createChainIdGuard.ts';
import { createNodeTransport } from './createNodeTransport.ts';
import { inOneRequest, type Requester } from './inOneRequest.ts';

/** A URL that does not take two questions in one request is given them one by one for so long. */
const NO_BATCH_MS = 10 * 60_000;
/** In one HTTP request: Erigon, for one, takes 100 of them, and answers more with one error. */
const MOST_TOGETHER = 96;

/**
 * @param requests how many RPC requests the question is, all of them made at once; absent: 1
 * @throws OtherChainError, or what the URL answered
 */
export type AskWithId = <T>(
  urlIndex: number,
  question: (client: Requester) => Promise<T>,
  requests?: number,
) => Promise<T>;

/**
 * One question to one RPC URL, together with the chain's id in the same HTTP request: a URL may
 * change the chain behind it between two questions, without a failure that shows. What the question
 * requests has to be made at once, and not shared with others that ask the same.
 */
export function createAskWithId(options: {
  readonly rpcUrls: readonly string[];
  readonly chainId: number;
  readonly timeoutMs: number;
}): AskWithId {
  const { rpcUrls, chainId, timeoutMs } = options;
  const clientOf = (url: string, batch: boolean) => {
    const transport = createNodeTransport(url, { timeout: timeoutMs, batch });
    return createPublicClient({ cacheTime: 0, ccipRead: false, transport });
  };
  const urls = rpcUrls.map((url) => ({
    together: clientOf(url, true),
    oneByOne: clientOf(url, false),
    joinOthers: createGroups(),
    noBatchUntil: 0,
  }));

  // Not viem's getChainId, for the same reason as in askHeader.ts.
  async function assertOurs(client: Requester): Promise<void> {
    const found = Number(await client.request({ method: 'eth_chainId' }, { dedupe: false }));
    if (found !== chainId) throw new OtherChainError(chainId, found);
  }

  return async (urlIndex, question, requests = 1) => {
    const url = urls[urlIndex];
    if (url === undefined) throw new Error(`there is no RPC URL ${urlIndex}`);
    if (performance.now() >= url.noBatchUntil) {
      const together = inOneRequest(url.together, url.joinOthers(1 + requests));
      const [identity, answer] = await Promise.allSettled([
        assertOurs(together),
        question(together),
      ]);
      if (identity.status === 'fulfilled' && answer.status === 'fulfilled') return answer.value;
      const reason: unknown =
        identity.status === 'rejected' ? identity.reason : (answer as PromiseRejectedResult).reason;
      if (reason instanceof OtherChainError || !mayRefuseBatches(reason)) throw reason;
    }
    // The id before and after: were it another chain in between, it would have changed twice.
    await assertOurs(url.oneByOne);
    const answer = await Promise.allSettled([question(url.oneByOne)]);
    await assertOurs(url.oneByOne);
    if (performance.now() >= url.noBatchUntil) url.noBatchUntil = performance.now() + NO_BATCH_MS;
    if (answer[0].status === 'rejected') throw answer[0].reason;
    return answer[0].value;
  };
}

/**
 * @returns by what the questions of one moment go together: as many as one HTTP request takes, and
 *   none without its id
 */
function createGroups(): (requests: number) => AbortSignal {
  let group: { readonly signal: AbortSignal; count: number } | undefined;
  return (requests) => {
    if (group === undefined || group.count + requests > MOST_TOGETHER) {
      const fresh = { signal: new AbortController().signal, count: 0 };
      group = fresh;
      setImmediate(() => {
        if (group === fresh) group = undefined;
      });
    }
    group.count += requests;
    return group.signal;
  };
}
