import type { RangeLogs } from '../../domain/chain/ports.ts';
import type { Clock } from '../../shared/clock.ts';

/** A read that failed is tried again within seconds, or minutes where nobody answers. */
const KEPT_MS = 10 * 60_000;
/**
 * Blocks that were as young as this when they were read may have been read from a node whose logs
 * lag behind.
 */
const YOUNG_MS = 60_000;
/** Their logs are kept for less than the scanner reads blocks again for. */
const KEPT_YOUNG_MS = 15_000;

/**
 * What an RPC URL gave of a range before it failed, part by part: a range of many parts is not
 * begun anew for one that failed.
 */
export interface KeptLogs {
  /**
   * The parts from `fromBlock` on, one after another, none beyond `toBlock`. Whether their chain
   * still stands, the caller has to ask.
   */
  listOf(urlIndex: number, fromBlock: bigint, toBlock: bigint): RangeLogs[];
  /** @param parts all that there are, from `fromBlock` on */
  keep(urlIndex: number, fromBlock: bigint, parts: readonly RangeLogs[]): void;
  forget(urlIndex: number, fromBlock: bigint): void;
}

/**
 * @param clocks.clock what the times of blocks are compared with
 * @param clocks.monotonicMs milliseconds, from any beginning
 */
export function createKeptLogs({
  clock,
  monotonicMs,
}: {
  readonly clock: Clock;
  readonly monotonicMs: () => number;
}): KeptLogs {
  // One range a URL: the scanner fails with the same one again and again.
  const ranges = new Map<
    number,
    { readonly fromBlock: bigint; readonly parts: readonly RangeLogs[] }
  >();
  const untils = new WeakMap<RangeLogs, number>();

  return {
    listOf(urlIndex, fromBlock, toBlock) {
      const range = ranges.get(urlIndex);
      if (range?.fromBlock !== fromBlock) return [];
      const end = range.parts.findIndex(
        (part) => monotonicMs() >= (untils.get(part) ?? 0) || part.last.number > toBlock,
      );
      return end < 0 ? [...range.parts] : range.parts.slice(0, end);
    },

    keep(urlIndex, fromBlock, parts) {
      for (const part of parts) {
        if (untils.has(part)) continue;
        const isYoung = clock.now().getTime() - part.last.timestamp.getTime() < YOUNG_MS;
        untils.set(part, monotonicMs() + (isYoung ? KEPT_YOUNG_MS : KEPT_MS));
      }
      ranges.set(urlIndex, { fromBlock, parts: [...parts] });
    },

    forget(urlIndex, fromBlock) {
      if (ranges.get(urlIndex)?.fromBlock === fromBlock) ranges.delete(urlIndex);
    },
  };
}
