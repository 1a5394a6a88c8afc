import { BaseError } from 'viem';

import type { Logger } from '../../platform/logger.ts';

/**
 * A URL that was found right is asked again after this: the provider behind it may be moved without
 * a failure that shows.
 */
const RIGHT_MS = 60_000;
/** One that was found wrong: somebody is mending the configuration or the provider. */
const WRONG_MS = 10_000;

export class OtherChainError extends BaseError {
  override readonly name = 'OtherChainError';

  constructor(chainId: number, found?: number) {
    super(
      found === undefined
        ? `every RPC URL is of another chain than ${chainId}`
        : `the RPC URL is of chain ${found}, not ${chainId}`,
    );
  }
}

export interface ChainIdGuard {
  /**
   * Before each question: asks the URL for its chain's id when that is not known, or was asked too
   * long ago.
   * @throws OtherChainError; whatever the URL says to that question instead of an answer
   */
  check(urlIndex: number): Promise<void>;
  /** It failed to answer something: what comes back after that may be another node. */
  doubt(urlIndex: number): void;
  /** As last seen; undefined: not known. */
  isOfOtherChain(urlIndex: number): boolean | undefined;
}

interface Seen {
  readonly isOurs: boolean;
  readonly found: number;
  readonly until: number;
}

/**
 * No answer of an RPC URL counts before it has answered with the chain's id. A wrong URL's blocks
 * would look like a reorganisation of all that was ever paid; and where another chain has our
 * gateway at the same address (equal deployers make equal addresses), nothing else would tell the
 * two apart.
 */
export function createChainIdGuard(options: {
  readonly chainId: number;
  readonly askChainId: (urlIndex: number) => Promise<number>;
  readonly log: Logger;
  /** Milliseconds. */
  readonly now: () => number;
}): ChainIdGuard {
  const { chainId, askChainId, log, now } = options;
  const seen = new Map<number, Seen>();
  const wasWrong = new Set<number>();
  const asking = new Map<number, Promise<Seen>>();

  async function ask(urlIndex: number): Promise<Seen> {
    const found = await askChainId(urlIndex);
    const isOurs = found === chainId;
    const answer = { isOurs, found, until: now() + (isOurs ? RIGHT_MS : WRONG_MS) };
    seen.set(urlIndex, answer);
    // Its place in the configuration, counted from 0: the URL itself often holds a key.
    if (isOurs && wasWrong.delete(urlIndex))
      log.info({ chainId, rpcUrl: urlIndex }, 'the RPC URL is of the right chain now');
    if (!isOurs && !wasWrong.has(urlIndex)) {
      wasWrong.add(urlIndex);
      log.error(
        { chainId, rpcUrl: urlIndex, found },
        'the RPC URL answers for another chain: it is not asked, see rpcUrls in the chains file',
      );
    }
    return answer;
  }

  return {
    async check(urlIndex) {
      let answer = seen.get(urlIndex);
      if (answer === undefined || now() >= answer.until) {
        // Those that come meanwhile wait for the same answer.
        const question =
          asking.get(urlIndex) ?? ask(urlIndex).finally(() => asking.delete(urlIndex));
        asking.set(urlIndex, question);
        answer = await question;
      }
      if (!answer.isOurs) throw new OtherChainError(chainId, answer.found);
    },

    doubt(urlIndex) {
      if (seen.get(urlIndex)?.isOurs === true) seen.delete(urlIndex);
    },

    isOfOtherChain: (urlIndex) =>
      wasWrong.has(urlIndex) ? true : seen.has(urlIndex) ? false : undefined,
  };
}
