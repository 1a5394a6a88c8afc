import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import type { Block, ChainPort } from '../chain/ports.ts';
import { raiseSettled, type ChainCursor } from '../chain/store.ts';
import { lastFinalBlock } from './decide.ts';

/** A chain calls blocks final many at once, minutes apart: it is not asked at every scan how far that is. */
const FINALITY_LOOK_MS = 10_000;

/** By process: when each chain's finality is asked for again. */
const nextLooks = new WeakMap<Context['db'], Map<number, number>>();

/**
 * At the end of a scan: remembers in the cursor's row the time of the newest block that is both final and scanned (see findSettledTime).
 * @param cursor as the scan has left it: everything up to the head is scanned
 */
export async function settle(
  ctx: Context,
  chain: ChainPort,
  config: ChainConfig,
  { cursor, head }: { cursor: ChainCursor; head: Block },
): Promise<void> {
  const { chainId, confirmations } = config;
  if (confirmations === 'finalized' && !takeLook(ctx, chainId)) return;
  const finalized = confirmations === 'finalized' ? await chain.getFinalizedNumber() : undefined;
  const last = lastFinalBlock({ head: head.number, finalized }, confirmations);
  if (last === undefined || last < 0n) return;
  const number = last < head.number ? last : head.number;
  if (cursor.settled !== null && cursor.settled.block >= number) return;
  const block = number === head.number ? head : await chain.findBlock(number);
  if (block === undefined) return;
  await raiseSettled(ctx.db, { chainId, generation: cursor.generation, settled: { block: number, time: block.timestamp } });
}

function takeLook(ctx: Context, chainId: number): boolean {
  let looks = nextLooks.get(ctx.db);
  if (looks === undefined) {
    looks = new Map();
    nextLooks.set(ctx.db, looks);
  }
  const now = ctx.clock.now().getTime();
  const waitMs = (looks.get(chainId) ?? 0) - now;
  // More than that was left by a clock that had jumped ahead.
  if (waitMs > 0 && waitMs <= FINALITY_LOOK_MS) return false;
  looks.set(chainId, now + FINALITY_LOOK_MS);
  return true;
}
