import { setTimeout as sleep } from 'node:timers/promises';

import type { Random } from '../../support/createRandom.ts';
import {
  askFor,
  matchesFilter,
  toHex,
  type AskNode,
  type LogFilter,
  type RpcAnswer,
  type RpcCall,
  type RpcLog,
} from './rpc.ts';
import type { OrphanFork } from './startOrphanFork.ts';

/**
 * What a node may be wrong about, for a while. Each is consistent in itself, as a node's own
 * mistake is: who lags has no block, log, receipt or state of what it lacks, and an orphan fork is
 * a real chain, with headers, receipts and state of its own.
 */
export const LIE_KINDS = [
  /** Its head stands still some blocks behind. */
  'lags',
  /**
   * It follows a branch that everybody else has left, up to one block less deep than the
   * confirmations that are waited for.
   */
  'orphanFork',
  /**
   * Its head is one that it makes up, far above the chain's; or it is on a branch of its own that
   * has more blocks than the chain.
   */
  'ahead',
  /** It has no logs of some transactions, or none at all, without a word. */
  'forgetsLogs',
  /**
   * Every URL of the chain keeps the logs of some transactions back, for longer than blocks are
   * read again.
   */
  'hidesLogs',
  /**
   * Its logs are those of a cache: nothing new, and of blocks that a reorganisation replaced what
   * stood there before.
   */
  'cachedLogs',
  /** Another chain answers, with our contracts at the same addresses. */
  'wrongChain',
  /** Receipts have only what is always there. */
  'thinReceipts',
  /** Logs of more than a few blocks at once are refused. */
  'refusesRanges',
  /** Every answer takes longer than anybody waits. */
  'slow',
  /** Too many requests; come back in an hour. */
  'rateLimited',
] as const;
export type LieKind = (typeof LIE_KINDS)[number];
/** Told by one URL, whatever the others of its chain do. */
export type OwnLieKind = Exclude<LieKind, 'hidesLogs'>;

/** `none`: 429, and nothing else. */
export type LyingAnswer = RpcAnswer | 'refused';
export type Lie = (call: RpcCall) => Promise<LyingAnswer>;

/** What a lie is made of. */
export interface LieContext {
  readonly random: Random;
  /** The node as it is when it does not lie. */
  readonly honest: AskNode;
  readonly otherChain: AskNode;
  readonly orphan: OrphanFork | undefined;
  /** Logs of blocks that were replaced, the latest reorganisation's last. */
  readonly replacedLogs: () => readonly RpcLog[];
}

export const LATE_ANSWER_MS = 6_000;
/** No chain makes as many blocks as that in the time that a URL may lag. */
const MADE_UP_BLOCKS = 1_000_000;

/** Fields that a receipt may lack: later forks, and most providers, added them. */
const OPTIONAL_OF_RECEIPT = [
  'effectiveGasPrice',
  'type',
  'logsBloom',
  'cumulativeGasUsed',
  'contractAddress',
  'root',
  'blobGasPrice',
  'blobGasUsed',
];
const OPTIONAL_OF_LOG = ['removed', 'blockTimestamp'];

/** What providers say when a range is too wide for them. */
const TOO_WIDE: readonly NonNullable<RpcAnswer['error']>[] = [
  { code: -32_005, message: 'query exceeds max block range' },
  { code: -32_600, message: 'eth_getLogs block range too large, range: 120, max: 40' },
  { code: -32_602, message: 'block range is too wide (maximum allowed 40)' },
];

/** Where the block tag is among the parameters of a question about the state. */
const STATE_TAG_PLACE: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_estimateGas: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getTransactionCount: 1,
  eth_getStorageAt: 2,
};

export const BEGIN_LIE: Readonly<Record<OwnLieKind, (context: LieContext) => Promise<Lie>>> = {
  async lags({ honest, random }) {
    const head = Number(await askFor<string>(honest, 'eth_blockNumber'));
    return lagBehind(honest, Math.max(1, head - random.between(1, 6)));
  },

  orphanFork({ honest, orphan }) {
    if (orphan === undefined) throw new Error('there is no orphan fork');
    return Promise.resolve(async (call) => {
      // Others hear of a transaction whoever was given it.
      if (call.method === 'eth_sendRawTransaction') {
        await orphan.ask(call);
        return honest(call);
      }
      return orphan.ask(call);
    });
  },

  ahead({ honest, orphan }) {
    if (orphan === undefined) return Promise.resolve(makeUpHead(honest));
    return BEGIN_LIE.orphanFork({ honest, orphan } as LieContext);
  },

  forgetsLogs({ honest, random }) {
    const isAll = random.next() < 0.5;
    const odd = random.between(0, 1);
    return Promise.resolve(async (call) => {
      const answer = await honest(call);
      if (call.method !== 'eth_getLogs' || answer.result === undefined) return answer;
      const kept = (answer.result as RpcLog[]).filter(
        ({ transactionHash }) =>
          !isAll && Number.parseInt(transactionHash.slice(-1), 16) % 2 === odd,
      );
      return { result: kept };
    });
  },

  async cachedLogs({ honest, random, replacedLogs }) {
    const head = Number(await askFor<string>(honest, 'eth_blockNumber'));
    const cachedUntil = head - random.between(0, 8);
    const old = replacedLogs();
    const places = new Set(old.map(({ blockNumber }) => blockNumber));
    return async (call) => {
      const answer = await honest(call);
      const [filter] = call.params as [LogFilter?];
      if (call.method !== 'eth_getLogs' || answer.result === undefined || filter === undefined)
        return answer;
      const known = (answer.result as RpcLog[]).filter(
        ({ blockNumber }) => Number(blockNumber) <= cachedUntil && !places.has(blockNumber),
      );
      const cached = old.filter((log) => matchesFilter(log, filter));
      return {
        result: [...known, ...cached].sort((a, b) => Number(a.blockNumber) - Number(b.blockNumber)),
      };
    };
  },

  wrongChain: ({ otherChain }) => Promise.resolve(otherChain),

  thinReceipts: ({ honest }) =>
    Promise.resolve(async (call) => {
      const answer = await honest(call);
      if (call.method !== 'eth_getTransactionReceipt' || answer.result == null) return answer;
      const receipt = without(answer.result as Record<string, unknown>, OPTIONAL_OF_RECEIPT);
      const logs = receipt['logs'] as Record<string, unknown>[];
      return { result: { ...receipt, logs: logs.map((log) => without(log, OPTIONAL_OF_LOG)) } };
    }),

  refusesRanges({ honest, random }) {
    // Enough that reading the blocks of the last half minute stays possible.
    const limit = random.between(15, 50);
    const words = random.pick(TOO_WIDE);
    return Promise.resolve(async (call) => {
      const [filter] = call.params as [LogFilter?];
      const isTooWide =
        call.method === 'eth_getLogs' &&
        filter?.blockHash === undefined &&
        Number(filter?.toBlock) - Number(filter?.fromBlock) + 1 > limit;
      return isTooWide ? { error: words } : honest(call);
    });
  },

  slow: ({ honest }) =>
    Promise.resolve(async (call) => {
      await sleep(LATE_ANSWER_MS);
      return honest(call);
    }),

  rateLimited: () => Promise.resolve(() => Promise.resolve('refused')),
};

/** A node that has every block up to `head`, and nothing of the later ones. */
function lagBehind(honest: AskNode, head: number): Lie {
  const isTag = (block: unknown) =>
    typeof block === 'string' && ['latest', 'pending', 'safe', 'finalized'].includes(block);
  const isLater = (block: unknown) =>
    typeof block === 'string' && block.startsWith('0x') && Number(block) > head;
  const isOfLaterBlock = (result: unknown) =>
    isLater((result as { blockNumber?: unknown } | null)?.blockNumber);
  return async (call) => {
    const { method, params } = call;
    const place = STATE_TAG_PLACE[method];
    if (place !== undefined) {
      const changed = [...params];
      if (params[place] === undefined || isTag(params[place])) changed[place] = toHex(head);
      return honest({ method, params: changed });
    }
    switch (method) {
      case 'eth_blockNumber':
        return { result: toHex(head) };
      case 'eth_getBlockByNumber':
        if (isLater(params[0])) return { result: null };
        return honest({
          method,
          params: [isTag(params[0]) ? toHex(head) : params[0], ...params.slice(1)],
        });
      case 'eth_getLogs': {
        const filter = params[0] as LogFilter;
        if (isLater(filter.fromBlock)) return { result: [] };
        const toBlock =
          filter.blockHash !== undefined
            ? undefined
            : isTag(filter.toBlock) || isLater(filter.toBlock)
              ? toHex(head)
              : filter.toBlock;
        const answer = await honest({
          method,
          params: [{ ...filter, ...(toBlock === undefined ? {} : { toBlock }) }],
        });
        return Array.isArray(answer.result)
          ? { result: answer.result.filter((log) => !isOfLaterBlock(log)) }
          : answer;
      }
      case 'eth_getTransactionReceipt':
      case 'eth_getTransactionByHash':
      case 'eth_getBlockByHash': {
        const answer = await honest(call);
        const number = (answer.result as { number?: unknown } | null | undefined)?.number;
        return isOfLaterBlock(answer.result) || isLater(number) ? { result: null } : answer;
      }
      default:
        return honest(call);
    }
  };
}

/**
 * All that it has is the chain's but for its head, which is of this moment. What it is asked as of
 * later blocks, it answers as of the chain's newest one.
 */
function makeUpHead(honest: AskNode): Lie {
  const isLatest = (block: unknown) =>
    block === undefined || block === 'latest' || block === 'pending';
  return async (call) => {
    const { method, params } = call;
    const real = Number(await askFor<string>(honest, 'eth_blockNumber'));
    const head = real + MADE_UP_BLOCKS;
    const isLater = (block: unknown) =>
      typeof block === 'string' && block.startsWith('0x') && Number(block) > real;
    const asReal = (block: unknown) => (isLater(block) ? toHex(real) : block);
    const place = STATE_TAG_PLACE[method];
    if (place !== undefined)
      return honest({
        method,
        params: params.map((param, index) => (index === place ? asReal(param) : param)),
      });
    switch (method) {
      case 'eth_blockNumber':
        return { result: toHex(head) };
      case 'eth_getBlockByNumber': {
        const wanted = isLatest(params[0]) ? head : Number(params[0]);
        if (!isLatest(params[0]) && !isLater(params[0])) return honest(call);
        if (wanted > head) return { result: null };
        const { result } = await honest({ method, params: [toHex(real), ...params.slice(1)] });
        const made = { number: toHex(wanted), hash: `0x${wanted.toString(16).padStart(64, 'a')}` };
        return {
          result: {
            ...(result as object),
            ...made,
            timestamp: toHex(Math.floor(Date.now() / 1000)),
          },
        };
      }
      case 'eth_getLogs': {
        const [filter] = params as [LogFilter];
        if (isLater(filter.fromBlock)) return { result: [] };
        return honest({
          method,
          params: [{ ...filter, ...(isLater(filter.toBlock) ? { toBlock: toHex(real) } : {}) }],
        });
      }
      default:
        return honest(call);
    }
  };
}

function without(
  record: Record<string, unknown>,
  names: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}
