import type { ChainPosition } from './contractModel.ts';

/** Blocks since the event, its own included. */
export function confirmationsAt(head: bigint, blockNumber: bigint): number {
  return head < blockNumber ? 0 : Number(head - blockNumber) + 1;
}

/**
 * How deep a payment has to be before it counts: blocks, its own included, or until the chain
 * itself calls its block final.
 */
export type RequiredConfirmations = number | 'finalized';

export interface ChainView {
  readonly head: bigint;
  /** The newest block that the chain calls final; undefined: it was not asked. */
  readonly finalized: bigint | undefined;
}

/**
 * The newest block in which a payment counts; undefined: not known. Negative on a chain that is
 * shorter than what is required.
 */
export function lastFinalBlock(
  view: ChainView,
  required: RequiredConfirmations,
): bigint | undefined {
  return required === 'finalized' ? view.finalized : view.head - BigInt(required) + 1n;
}

/**
 * The one rule of when money counts as received. What the chain was not asked about is not final.
 */
export function isFinal(
  position: Pick<ChainPosition, 'blockNumber'>,
  view: ChainView,
  required: RequiredConfirmations,
): boolean {
  const last = lastFinalBlock(view, required);
  return last !== undefined && position.blockNumber <= last;
}
