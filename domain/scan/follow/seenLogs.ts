import type { Context } from '../../../platform/context.ts';
import { createRecentMemory, type RecentMemory } from '../../../shared/createRecentMemory.ts';
import type { ChainCursor } from '../../chain/store.ts';
import type { ChainPosition } from '../../chain/contractModel.ts';

/**
 * The events that this process has applied, by their place on the chain: the last half minute's are
 * read with every scan, and are not looked up again each time. Good for one generation of the
 * cursor only: whoever moves the scan back, or withdraws something, begins another, and what was
 * applied before may have been withdrawn.
 */
export interface SeenLogs {
  has(log: ChainPosition): boolean;
  /** To be called after the commit. */
  add(logs: readonly ChainPosition[]): void;
  /**
   * These are nobody's, as far as is known: they are to be looked up again. @returns those of which
   * that is news
   */
  addUnclaimed<Log extends ChainPosition>(logs: readonly Log[]): Log[];
}

/** Many times what half a minute holds; an entry is about 200 bytes. */
const MOST_REMEMBERED = 50_000;

interface Memory {
  generation: number;
  gateway: string;
  readonly places: RecentMemory<'applied' | 'unclaimed'>;
}

const memories = new WeakMap<Context['db'], Map<number, Memory>>();

/** @param cursor as it was locked in the transaction that applied, or is about to */
export function seenLogsOf(ctx: Context, cursor: ChainCursor): SeenLogs {
  let chains = memories.get(ctx.db);
  if (chains === undefined) {
    chains = new Map();
    memories.set(ctx.db, chains);
  }
  let memory = chains.get(cursor.chainId);
  if (memory?.generation !== cursor.generation || memory.gateway !== cursor.gateway) {
    memory = {
      generation: cursor.generation,
      gateway: cursor.gateway,
      places: createRecentMemory(MOST_REMEMBERED),
    };
    chains.set(cursor.chainId, memory);
  }
  const { places } = memory;
  return {
    has: (log) => places.get(keyOf(log)) === 'applied',
    add: (logs) => {
      for (const log of logs) places.set(keyOf(log), 'applied');
    },
    addUnclaimed(logs) {
      const fresh = logs.filter((log) => places.get(keyOf(log)) === undefined);
      for (const log of fresh) places.set(keyOf(log), 'unclaimed');
      return fresh;
    },
  };
}

function keyOf({ blockHash, logIndex, txHash }: ChainPosition): string {
  return `${blockHash} ${logIndex} ${txHash}`;
}
