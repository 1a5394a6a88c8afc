import { BaseError } from 'viem';

import type { Logger } from '../../platform/logger.ts';
import { ContradictionError } from './ContradictionError.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';

/**
 * A node that answers wrongly does so to every question: the log hears of each kind once in this
 * time.
 */
const LOG_INTERVAL_MS = 60_000;

/**
 * Counts the answers of a chain's RPC URLs that could not be read or do not agree with each other,
 * and tells the log.
 */
export interface BadAnswers {
  /** @param error why a URL did not answer a question, whatever the reason */
  note(urlIndex: number, error: unknown): void;
  /** Since the process began, by the URL's place in the configuration. */
  counts(): readonly number[];
}

/** @param options.now milliseconds */
export function createBadAnswers(options: {
  readonly count: number;
  readonly chainId: number;
  readonly log: Logger;
  readonly now: () => number;
}): BadAnswers {
  const { count, chainId, log, now } = options;
  const counts = Array.from({ length: count }, () => 0);
  const loggedAt = new Map<string, number>();

  return {
    note(urlIndex, error) {
      const problem = problemOf(error);
      if (problem === undefined) return;
      counts[urlIndex] = (counts[urlIndex] ?? 0) + 1;
      const kind = `${urlIndex} ${problem}`;
      const last = loggedAt.get(kind);
      if (last !== undefined && now() - last < LOG_INTERVAL_MS) return;
      loggedAt.set(kind, now());
      // Its place in the configuration, counted from 0: the URL itself often holds a key.
      log.warn(
        { chainId, rpcUrl: urlIndex, problem },
        'the RPC URL’s answer is none: the next one is asked',
      );
    },
    counts: () => counts,
  };
}

/**
 * @returns what is wrong with an answer, without its contents; undefined when the error is no such
 *   thing
 */
function problemOf(error: unknown): string | undefined {
  if (error instanceof ContradictionError) return error.name;
  if (!(error instanceof BaseError)) return undefined;
  const answer = error.walk((cause) => cause instanceof NodeAnswerError);
  if (answer instanceof NodeAnswerError) return answer.problem;
  // What a contract's function returns is read by viem: it lacks words, or there is nothing where
  // our contract should be.
  const names = [
    'ContractFunctionZeroDataError',
    'AbiDecodingDataSizeTooSmallError',
    'AbiDecodingZeroDataError',
    'PositionOutOfBoundsError',
  ];
  const decoding = error.walk((cause) => cause instanceof Error && names.includes(cause.name));
  return decoding === null ? undefined : `eth_call: ${decoding.name}`;
}
