import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { laterAfterFailure, laterUntried, type WorkResult } from '../outbox/model.ts';
import { CHAIN_ERRORS } from './errors.ts';
import type { ChainPort } from './ports.ts';

/**
 * Chains that do not answer. A question to one takes its full time limit, and workers have a few
 * places for the work of all chains: while one is out, one piece of work at a time puts the
 * cheapest question to it, and the others come back later without waiting. Once that is answered,
 * all go on.
 */
interface Outage {
  /** Nobody asks before. */
  nextTryAt: Date;
  /** While one asks: nobody else does, until it is back, or for so long. */
  askedUntil: Date | undefined;
}

const outages = new WeakMap<ChainPort, Outage>();

const RETRY_MS = 3_000;
/**
 * Before those come back that find somebody asking: about as long as it takes where two URLs keep
 * silent.
 */
const ASKED_RETRY_MS = 15_000;
/**
 * Who has not come back after this never will: every question has a time limit, some 8 seconds for
 * each URL.
 */
const LONGEST_TRY_MS = 120_000;
/** Before a question is put again that the chain does not answer while it answers others. */
const QUESTION_RETRY_MS = 15_000;

/**
 * Runs work that asks a chain. A question without an answer is an outage only when the cheapest one
 * has none either: otherwise it is this work that waits, by itself, until it ends by a rule of its
 * own (a relay attempt by its deadline).
 * @param work is given a question to put before it begins after a wait of its own: whether the
 *   chain has failed somebody else meanwhile
 */
export async function askChain(
  ctx: Context,
  chainId: number,
  work: (hasFailed: () => boolean) => Promise<WorkResult>,
): Promise<WorkResult> {
  const chain = ctx.chains.get(chainId);
  const leftAloneUntil = chain && (await findOut(ctx, chain));
  if (leftAloneUntil !== undefined) return comeBack(ctx, leftAloneUntil);
  try {
    return await work(() => chain !== undefined && outages.has(chain));
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    if (chain !== undefined && (await answers(chain))) {
      ctx.log.warn(
        { err: error, chainId },
        'the chain answers, but not this question: it is put again later',
      );
      outages.delete(chain);
      return laterAfterFailure(
        addMs(ctx.clock.now(), QUESTION_RETRY_MS + ctx.random() * QUESTION_RETRY_MS),
        error,
      );
    }
    ctx.log.warn({ err: error, chainId }, 'the chain does not answer');
    const nextTryAt = addMs(ctx.clock.now(), RETRY_MS);
    if (chain !== undefined) noteOutage(chain, nextTryAt);
    return comeBack(ctx, nextTryAt);
  }
}

/**
 * Asks a chain that was out, when it is time to and nobody else does. @returns until when it is
 * left alone; undefined: it may be asked anything
 */
async function findOut(ctx: Context, chain: ChainPort): Promise<Date | undefined> {
  const outage = outages.get(chain);
  if (outage === undefined) return undefined;
  const now = ctx.clock.now();
  if (isAhead(outage.askedUntil, now, LONGEST_TRY_MS)) return addMs(now, ASKED_RETRY_MS);
  if (isAhead(outage.nextTryAt, now, RETRY_MS)) return outage.nextTryAt;
  const askedUntil = addMs(now, LONGEST_TRY_MS);
  outage.askedUntil = askedUntil;
  try {
    if (await answers(chain)) {
      outages.delete(chain);
      return undefined;
    }
    const nextTryAt = addMs(ctx.clock.now(), RETRY_MS);
    noteOutage(chain, nextTryAt);
    return nextTryAt;
  } finally {
    // Not when it was away for so long that somebody else asks.
    if (outage.askedUntil === askedUntil) outage.askedUntil = undefined;
  }
}

/** What is further ahead than that was left by a clock that had jumped. */
function isAhead(date: Date | undefined, now: Date, mostMs: number): boolean {
  return date !== undefined && now < date && date <= addMs(now, mostMs);
}

/**
 * Where it is known to be out, somebody may be asking whether it is back: nobody is let in beside
 * that one.
 */
function noteOutage(chain: ChainPort, nextTryAt: Date): void {
  const outage = outages.get(chain);
  if (outage === undefined) outages.set(chain, { nextTryAt, askedUntil: undefined });
  else outage.nextTryAt = nextTryAt;
}

async function answers(chain: ChainPort): Promise<boolean> {
  try {
    await chain.getHead();
    return true;
  } catch (error) {
    if (isUnavailable(error)) return false;
    throw error;
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code;
}

/** Not all at once. An outage is told otherwise, and says nothing about this work. */
function comeBack(ctx: Context, notBefore: Date): WorkResult {
  return laterUntried(addMs(notBefore, ctx.random() * RETRY_MS));
}
