import { setTimeout as sleep } from 'node:timers/promises';
import {
  BaseError,
  createPublicClient,
  createTransport,
  ExecutionRevertedError,
  HttpRequestError,
  isHex,
  RpcRequestError,
  type EIP1193RequestFn,
  type PublicClient,
  type Transport,
} from 'viem';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { systemClock, type Clock } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { Hex } from '../../shared/hex.ts';
import { askHeader } from './askHeader.ts';
import { createAskWithId, type AskWithId } from './createAskWithId.ts';
import { createBadAnswers, type BadAnswers } from './createBadAnswers.ts';
import { createChainIdGuard, OtherChainError } from './createChainIdGuard.ts';
import { createNodeOrder } from './createNodeOrder.ts';
import { createNodeTransport } from './createNodeTransport.ts';
import { OtherBranchError } from './OtherBranchError.ts';

/** One URL's patience. */
export const RPC_TIMEOUT_MS = 4_000;
/** Before the one more try that a question gets when no URL answered. */
const RETRY_DELAY_MS = 150;

export type Attempt<T> = { readonly value: T } | { readonly revertData: Hex };

/**
 * @param urlIndex the URL's place in the configuration
 * @param sure asks the same URL, and each answer comes with the chain's id in the same request
 *   (createAskWithId.ts). For whatever may end what a customer has signed: on another chain with
 *   our contracts at the same addresses, everybody is without tokens
 */
type NodeWork<T> = (client: PublicClient, urlIndex: number, sure: PublicClient) => Promise<T>;

export interface RpcClients extends RpcQuestions {
  /**
   * Each URL by itself, in the order of the configuration: for what one URL's word is too little
   * for.
   */
  readonly eachNode: readonly RpcQuestions[];
  /**
   * The URLs that answer for another chain, as last seen, by their place in the configuration. They
   * are asked nothing but that.
   */
  listOtherChainUrls(): readonly number[];
  /** See NodeOrder.putLast. */
  putLast(urlIndex: number): void;
}

export interface RpcQuestions {
  /**
   * Runs what asks the chain. One URL answers all of it, the preferred one first (see
   * createNodeOrder); the next one is given all of it anew when that fails. So what reads an answer
   * belongs into `work`: one that says nothing of the kind is that URL's failure.
   * @throws AppError `CHAIN_ERRORS.unavailable` when all fail, for whatever reason
   */
  askOneNode<T>(work: NodeWork<T>): Promise<T>;
  /**
   * Like `askOneNode`, with a revert as an answer: its data, `0x` when there is none or the node
   * does not tell.
   */
  attemptOneNode<T>(work: NodeWork<T>): Promise<Attempt<T>>;
}

export function createRpcClients(options: {
  rpcUrls: readonly string[];
  chainId: number;
  /** Typical time between blocks: says how many of them a URL may be behind. */
  blockTimeMs: number;
  log: Logger;
  /** What the times of heads are compared with. Absent: this process's own. */
  clock?: Clock;
  /** Absent: nobody else counts. */
  badAnswers?: BadAnswers;
}): RpcClients {
  const { rpcUrls, chainId, blockTimeMs, log } = options;
  const { clock = systemClock } = options;
  const { badAnswers = createBadAnswers({ count: rpcUrls.length, chainId, log, now: Date.now }) } =
    options;
  const urls = rpcUrls.map((url) => createNodeTransport(url, { timeout: RPC_TIMEOUT_MS }));
  // No cache: an old head would hide a payment. No CCIP read: a token could make us fetch any URL
  // by reverting with it.
  const common = { cacheTime: 0, ccipRead: false } as const;
  const unchecked = urls.map((transport): PublicClient =>
    createPublicClient({ ...common, transport }),
  );
  const guard = createChainIdGuard({
    chainId,
    log,
    now: Date.now,
    askChainId: (index) => at(unchecked, index).getChainId(),
  });
  const transports = urls.map((url, index) =>
    withGuard(
      url,
      () => guard.check(index),
      () => guard.doubt(index),
    ),
  );
  const askWithId = createAskWithId({ rpcUrls, chainId, timeoutMs: RPC_TIMEOUT_MS });
  const sureTransports = urls.map((_url, index) =>
    withGuard(
      withId(askWithId, index),
      () => guard.check(index),
      () => guard.doubt(index),
    ),
  );
  const nodes = transports.map((transport): PublicClient =>
    createPublicClient({ ...common, transport }),
  );
  const sureNodes = sureTransports.map((transport): PublicClient =>
    createPublicClient({ ...common, transport }),
  );
  const order = createNodeOrder({
    count: rpcUrls.length,
    chainId,
    blockTimeMs,
    log,
    isOurChain: (index) =>
      guard.check(index).then(
        () => true,
        (error: unknown) => {
          if (error instanceof OtherChainError) return false;
          throw error;
        },
      ),
    async askHead(index) {
      const head = await askHeader(at(nodes, index), { blockTag: 'latest' });
      if (head === undefined) throw new Error('the node has no block at all');
      return head;
    },
    now: Date.now,
    clock,
  });

  async function attempt<T>(work: () => Promise<T>): Promise<Attempt<T>> {
    for (let tries = 1; ; tries++) {
      try {
        return { value: await work() };
      } catch (error) {
        const revertData = findRevertData(error);
        if (revertData !== undefined) return { revertData };
        const cause = withoutRequest(error);
        if (tries > 1)
          throw new AppError(CHAIN_ERRORS.unavailable, { internal: { chainId }, cause });
        log.debug({ chainId, err: cause }, 'no RPC URL answered, asking again');
        await sleep(RETRY_DELAY_MS);
      }
    }
  }

  async function ask<T>(work: () => Promise<T>): Promise<T> {
    const answer = await attempt(work);
    if ('value' in answer) return answer.value;
    // The views that we ask do not revert: what is at the address is not what the configuration
    // says.
    throw new AppError(CHAIN_ERRORS.unavailable, {
      internal: { chainId, revertData: answer.revertData },
      cause: new Error('a view reverted'),
    });
  }

  async function overNodes<T>(
    indexes: readonly number[],
    work: NodeWork<T>,
    isLastWord: (error: unknown) => boolean,
  ): Promise<T> {
    let lastError: unknown = new OtherChainError(chainId);
    for (const index of indexes) {
      try {
        await guard.check(index);
        return await work(at(nodes, index), index, at(sureNodes, index));
      } catch (error) {
        if (isLastWord(error)) throw error;
        badAnswers.note(index, error);
        if (!isAnswer(error)) guard.doubt(index);
        lastError = error;
      }
    }
    throw lastError;
  }

  const questionsTo = (indexes: () => readonly number[]): RpcQuestions => ({
    askOneNode: (work) => ask(() => overNodes(indexes(), work, () => false)),
    attemptOneNode: (work) =>
      attempt(() => overNodes(indexes(), work, (error) => findRevertData(error) !== undefined)),
  });

  return {
    ...questionsTo(order.current),
    eachNode: urls.map((_url, index) => questionsTo(() => [index])),
    putLast: (urlIndex) => order.putLast(urlIndex),
    listOtherChainUrls: () =>
      rpcUrls.flatMap((_url, index) => (guard.isOfOtherChain(index) === true ? [index] : [])),
  };
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no RPC URL ${index}`);
  return item;
}

/** A URL all of whose answers come with the id of their chain. */
function withId(ask: AskWithId, urlIndex: number): Transport {
  return () =>
    createTransport({
      key: 'withId',
      name: 'an RPC URL that tells its chain with each answer',
      type: 'withId',
      retryCount: 0,
      request: ((args: Parameters<PublicClient['request']>[0]) =>
        ask<unknown>(urlIndex, (client) =>
          client.request(args, { dedupe: false }),
        )) as EIP1193RequestFn,
    });
}

/** The same URL, looked at before each of its answers. */
function withGuard(url: Transport, check: () => Promise<void>, doubt: () => void): Transport {
  return (parameters) => {
    const inner = url(parameters);
    return createTransport({
      key: 'checked',
      name: 'an RPC URL whose chain is known',
      type: 'checked',
      retryCount: 0,
      request: (async (args, requestOptions) => {
        await check();
        try {
          return await inner.request(args, requestOptions);
        } catch (error) {
          if (!isAnswer(error)) doubt();
          throw error;
        }
      }) as EIP1193RequestFn,
    });
  };
}

/** The node itself has said no. Anything else may be the last that is heard of it. */
function isAnswer(error: unknown): boolean {
  if (error instanceof OtherBranchError) return true;
  return (
    error instanceof BaseError && error.walk((cause) => cause instanceof RpcRequestError) !== null
  );
}

function findRevertData(error: unknown): Hex | undefined {
  if (!(error instanceof BaseError)) return undefined;
  const answer = error.walk((cause) => cause instanceof RpcRequestError);
  if (answer instanceof RpcRequestError) {
    const { data } = answer;
    if (isFilledHex(data)) return data;
    // Some providers wrap it once more.
    const inner: unknown =
      typeof data === 'object' && data !== null && 'data' in data ? data.data : undefined;
    if (isFilledHex(inner)) return inner;
    // A contract can end in other ways, and every node has its own words for them.
    if (/revert|out ?of ?gas|gas required exceeds|invalid ?(fe ?)?opcode/i.test(answer.details))
      return '0x';
  }
  return error.walk((cause) => cause instanceof ExecutionRevertedError) === null ? undefined : '0x';
}

function isFilledHex(value: unknown): value is Hex {
  return isHex(value) && value !== '0x';
}

/**
 * What went wrong without the URL, which often holds the key to the provider, and without the
 * request. The log shows causes.
 */
function withoutRequest(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('something that is not an Error was thrown');
  if (!(error instanceof BaseError))
    return new Error(withoutUrls(`${error.name}: ${error.message}`));
  const http = error.walk((cause) => cause instanceof HttpRequestError);
  const status =
    http instanceof HttpRequestError && http.status !== undefined ? `status ${http.status}` : '';
  return new Error(
    withoutUrls(
      [`${error.name}: ${error.shortMessage}`, error.details, status]
        .filter(Boolean)
        .join(' | ')
        .slice(0, 500),
    ),
  );
}

function withoutUrls(text: string): string {
  return text.replace(/\b(https?|wss?):\/\/\S+/g, '[url]');
}
