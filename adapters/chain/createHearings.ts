import { setTimeout as sleep } from 'node:timers/promises';

import type { Logger } from '../../platform/logger.ts';
import { answerWithin } from '../../shared/answerWithin.ts';
import { RPC_TIMEOUT_MS, type RpcClients, type RpcQuestions } from './createRpcClients.ts';

/**
 * For one URL's whole answer to one question, which may be dozens of requests: each has a time
 * limit, together they have none.
 */
const ANSWER_MS = 15_000;
/**
 * One that failed by its silence is asked on, and not waited for, until it answers; or for so long
 * after its last failure.
 */
const SILENT_FOR_MS = 15_000;
/** A URL is away when it has failed for so long … */
const AWAY_MS = 60_000;
/**
 * … and so often in a row: two failures an hour apart, of a question that is seldom put, say
 * nothing of the time between them.
 */
const AWAY_FAILURES = 4;
/** Many questions may be under way at one moment: what fails within this time counts once. */
const COUNTED_EVERY_MS = 10_000;
/**
 * Of one that last failed so long ago nobody knows how it went since: it is asked once more, after
 * a moment.
 */
const LONG_AGO_MS = 20 * 60_000;
const AGAIN_MS = 1_000;
/** How often it is said of a URL that it is away. */
const TOLD_AGAIN_MS = 10 * 60_000;

/** What the RPC URLs have said. */
export interface Hearing<T> {
  readonly heard: readonly T[];
  /**
   * Those that have failed now, by their place in the configuration: each may contradict, and is
   * asked again at the next look. Without those that are away.
   */
  readonly unheard: readonly number[];
}

/**
 * Puts a question to each RPC URL by itself, where something is about to end or to count as
 * received. One that is slow is waited for: were it left out, the others would decide without it,
 * and perhaps one that lies by itself. Whose answer does not come in time has failed.
 *
 * Where a customer waits, see askEachNode.ts and askUntil.ts. Only a merchant waits for it who asks
 * about a refund after one that failed: both could be made.
 */
export type Hear = <T>(ask: (node: RpcQuestions) => Promise<T>) => Promise<Hearing<T>>;

export interface Hearings {
  /**
   * @param question its kind, for the log. Each kind by itself: a URL may answer some and refuse
   *   others
   */
  of(question: string): Hear;
  /**
   * The URLs that are away, for one kind of question at least that was put lately, by their place
   * in the configuration.
   */
  listAway(): readonly number[];
}

/** Times by `performance.now()`. */
interface Failing {
  /** In a row. */
  failures: number;
  /** When the first of them was asked. */
  failingSince: number;
  lastCountedAt: number;
  lastFailedAt: number;
  /**
   * How many ask once more, since nobody knows how it went since its last failure: it is unheard
   * until they know.
   */
  inDoubt: number;
}

/** How one URL answers one kind of question. */
interface Standing extends Failing {
  readonly index: number;
  readonly node: RpcQuestions;
  readonly question: string;
  /** The same for all kinds together: who answers nothing at all need not fail in each. */
  readonly anything: Failing;
  silentUntil: number;
  /** Questions whose answer has not come, be it late. */
  open: number;
  /** When it was last said that it is away; undefined: not since it answered. */
  toldAt: number | undefined;
}

export function createHearings(options: {
  readonly eachNode: RpcClients['eachNode'];
  readonly chainId: number;
  readonly log: Logger;
  /** Milliseconds. */
  readonly answerMs?: number;
}): Hearings {
  const { eachNode, chainId, log, answerMs = ANSWER_MS } = options;
  const standings: Standing[] = [];
  const anything = eachNode.map(createFailing);

  async function ask<T>(
    standing: Standing,
    put: (node: RpcQuestions) => Promise<T>,
  ): Promise<readonly T[]> {
    const askedAt = performance.now();
    const before = [standing, standing.anything].map((failing) => ({
      failing,
      failedAt: failing.lastFailedAt,
    }));
    standing.open++;
    const answer = put(standing.node).finally(() => standing.open--);
    try {
      const value = await answerWithin(answerMs, answer);
      noteAnswer(standing);
      return [value];
    } catch (error) {
      noteFailure(standing, askedAt);
      const now = performance.now();
      const doubted = before.flatMap(({ failing, failedAt }) =>
        hasFailedLong(failing) && now - failedAt > LONG_AGO_MS ? [failing] : [],
      );
      const again = doubted.length === 0 ? [] : await askAgain(standing, put, doubted);
      if (again.length === 0) tellIfAway(standing, error);
      return again;
    }
  }

  /** Once more, after a moment. Whoever asks it meanwhile has not heard it. */
  async function askAgain<T>(
    standing: Standing,
    put: (node: RpcQuestions) => Promise<T>,
    doubted: readonly Failing[],
  ): Promise<readonly T[]> {
    for (const failing of doubted) failing.inDoubt++;
    standing.open++;
    try {
      if (isAway(standing)) return [];
      await sleep(AGAIN_MS);
      return await ask(standing, put);
    } finally {
      standing.open--;
      for (const failing of doubted) failing.inDoubt--;
    }
  }

  function noteAnswer(standing: Standing): void {
    const { question, index, toldAt } = standing;
    Object.assign(standing, { failures: 0, silentUntil: 0, toldAt: undefined });
    standing.anything.failures = 0;
    if (toldAt !== undefined)
      log.info(
        { chainId, rpcUrl: index, question },
        'the RPC URL answers such questions again: it has a say',
      );
  }

  function noteFailure(standing: Standing, askedAt: number): void {
    const now = performance.now();
    for (const failing of [standing, standing.anything]) countFailure(failing, askedAt);
    // One that fails soon costs nobody time.
    standing.silentUntil = now - askedAt >= RPC_TIMEOUT_MS ? now + SILENT_FOR_MS : 0;
  }

  function tellIfAway(standing: Standing, error: unknown): void {
    const now = performance.now();
    if (!isAway(standing) || now - (standing.toldAt ?? -Infinity) < TOLD_AGAIN_MS) return;
    standing.toldAt = now;
    const { index, question, failures } = standing;
    // Its place in the configuration, counted from 0: the URL itself often holds a key.
    const facts = { chainId, rpcUrl: index, question, failures, err: error };
    log.warn(
      facts,
      'the RPC URL has answered no such question for a minute: it has no say until it does',
    );
  }

  return {
    of(question) {
      const own = eachNode.map((node, index): Standing => ({
        ...{ index, node, question, open: 0, toldAt: undefined, silentUntil: 0 },
        ...createFailing(),
        anything: anything[index] ?? createFailing(),
      }));
      standings.push(...own);
      return async (put) => {
        const answers = await Promise.all(
          own.map(async (standing) => {
            if (performance.now() >= standing.silentUntil) return ask(standing, put);
            // One at a time.
            if (standing.open === 0) void ask(standing, put);
            return [];
          }),
        );
        const unheard = own.filter(
          (standing, place) => answers[place]?.length === 0 && !isAway(standing),
        );
        return { heard: answers.flat(), unheard: unheard.map(({ index }) => index) };
      };
    },

    listAway() {
      const now = performance.now();
      const away = standings.filter(
        (standing) => isAway(standing) && now - standing.lastFailedAt < TOLD_AGAIN_MS,
      );
      return [...new Set(away.map(({ index }) => index))].sort((a, b) => a - b);
    },
  };
}

function createFailing(): Failing {
  return { failures: 0, failingSince: 0, lastCountedAt: 0, lastFailedAt: 0, inDoubt: 0 };
}

function countFailure(failing: Failing, askedAt: number): void {
  const now = performance.now();
  if (failing.failures === 0) {
    Object.assign(failing, { failures: 1, failingSince: askedAt, lastCountedAt: now });
  } else if (now - failing.lastCountedAt >= COUNTED_EVERY_MS) {
    failing.failures++;
    failing.lastCountedAt = now;
  }
  failing.lastFailedAt = now;
}

function isAway(standing: Standing): boolean {
  return [standing, standing.anything].some(isLongFailing);
}

function isLongFailing(failing: Failing): boolean {
  return failing.inDoubt === 0 && hasFailedLong(failing);
}

function hasFailedLong({ failures, failingSince }: Failing): boolean {
  return failures >= AWAY_FAILURES && performance.now() - failingSince >= AWAY_MS;
}
