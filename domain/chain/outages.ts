import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { laterAfterFailure, laterUntried, type WorkResult } from '../outbox/model.ts';
import { CHAIN_ERRORS } from './errors.ts';
import type { ChainPort } from './ports.ts';

/**
 * Chains that do not answer. A question to one takes its full time limit, and workers have a few places for the work of all chains: while one is out, one
 * piece of work at a time asks it again, and the others come back later without waiting.
 */
interface Outage {
  /** Failures so far. */
  readonly count: number;
  /** Nobody asks before. */
  nextTryAt: Date;
}

const outages = new WeakMap<ChainPort, Outage>();

const RETRY_MS = 3_000;
/** The next one asks after this though the one that asks has not come back: its questions may take longer, or its process was stopped. */
const TRY_MS = 15_000;
/** Before a question is put again that the chain does not answer while it answers others. */
const QUESTION_RETRY_MS = 15_000;

/**
 * Runs work that asks a chain. A question without an answer is an outage only when the cheapest one has none either: otherwise it is this work that waits,
 * by itself, until it ends by a rule of its own (a relay attempt by its deadline).
 * @param work is given a question to put before it begins after a wait of its own: whether the chain has failed somebody else meanwhile
 */
export async function askChain(
  ctx: Context,
  chainId: number,
  work: (hasFailed: () => boolean) => Promise<WorkResult>,
): Promise<WorkResult> {
  const chain = ctx.chains.get(chainId);
  const outage = chain && outages.get(chain);
  const now = ctx.clock.now();
  if (outage !== undefined) {
    if (now < outage.nextTryAt) return comeBack(ctx, outage.nextTryAt);
    outage.nextTryAt = addMs(now, TRY_MS);
  }
  try {
    const result = await work(() => chain !== undefined && (outages.get(chain)?.count ?? 0) > (outage?.count ?? 0));
    if (chain !== undefined && outages.get(chain) === outage) outages.delete(chain);
    return result;
  } catch (error) {
    if (!(error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code)) throw error;
    if (chain !== undefined && (await answers(chain))) {
      ctx.log.warn({ err: error, chainId }, 'the chain answers, but not this question: it is put again later');
      if (outages.get(chain) === outage) outages.delete(chain);
      return laterAfterFailure(addMs(ctx.clock.now(), QUESTION_RETRY_MS + ctx.random() * QUESTION_RETRY_MS), error);
    }
    ctx.log.warn({ err: error, chainId }, 'the chain does not answer');
    const nextTryAt = addMs(ctx.clock.now(), RETRY_MS);
    if (chain !== undefined) outages.set(chain, { count: (outages.get(chain)?.count ?? 0) + 1, nextTryAt });
    return comeBack(ctx, nextTryAt);
  }
}

async function answers(chain: ChainPort): Promise<boolean> {
  try {
    await chain.getHead();
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code) return false;
    throw error;
  }
}

/** Not all at once. An outage is told otherwise, and says nothing about this work. */
function comeBack(ctx: Context, notBefore: Date): WorkResult {
  return laterUntried(addMs(notBefore, ctx.random() * RETRY_MS));
}
