import { tryAll } from '../../shared/tryAll.ts';

/**
 * Closes one after the other, in this order. What cannot be closed leaves nothing else open: a
 * process would never end for it, and whoever looks for what failed would find that.
 * @throws the first failure, when all have been tried
 */
export function closeAll(closers: readonly (() => unknown)[]): Promise<void> {
  return tryAll(closers, async (close) => await close(), { atOnce: 1 });
}
