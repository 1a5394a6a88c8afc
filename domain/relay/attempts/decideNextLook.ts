import { addMs } from '../../../shared/clock.ts';

/**
 * However deep a transaction still has to be: a reorganisation that took it away is to be noticed
 * within this time.
 */
const LONGEST_DEPTH_WAIT_MS = 30_000;

/**
 * When a mined transaction is looked at again: about when it is deep enough. @param missingBlocks
 * until then
 */
export function decideDepthLook(now: Date, blockTimeMs: number, missingBlocks: number): Date {
  const nextLook = decideNextLook(now, blockTimeMs);
  const isDeep = addMs(now, Math.min(LONGEST_DEPTH_WAIT_MS, missingBlocks * blockTimeMs));
  return isDeep > nextLook ? isDeep : nextLook;
}

/** How often an unfinished transaction is looked at: about once a block, within reason. */
export function decideNextLook(now: Date, blockTimeMs: number): Date {
  return addMs(now, Math.min(5_000, Math.max(200, blockTimeMs)));
}
