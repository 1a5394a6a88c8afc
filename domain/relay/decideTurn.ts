import type { RelayPriority, RelayShare } from '../stores/model.ts';

/**
 * Turns between stores: weighted fair queueing with nothing to compute when a batch is chosen.
 *
 * Each attempt is given its turn when it is taken on, and goes in the order of turns. A store's turns are apart by an amount that is smaller the larger its
 * weight is, so whatever one store has waiting, another's next turn comes soon; and a store that had nothing waiting begins where the others are, neither
 * behind what they had before nor with a credit. Later turns of the others come after it: nobody is starved.
 *
 * A turn that was never used is given back: what waits no more, and was never sent, does not move the store's next request to the back.
 */

/** How far the turns of a store of weight 1 are apart: divisible by the usual weights. */
const TURN_STEP = 1_000_000n;

/** What the operator's priority of a store makes of its weight, in quarters. */
const QUARTERS: Readonly<Record<RelayPriority, bigint>> = { low: 1n, normal: 4n, high: 16n };

/** How far the turns of a store are apart. At least 1: 4,000,000 / (10,000 × 16) is 25. */
export function stepOf({ weight, priority }: RelayShare): bigint {
  return (TURN_STEP * 4n) / (BigInt(weight) * QUARTERS[priority]);
}

/**
 * @param input.served the turn that the latest batch began with
 * @param input.last the store's latest turn
 * @param input.inFlight how many of the store's requests are on their way. With none, its latest turn does not count: what it got while nobody else waited is
 *   not held against it
 */
export function decideTurn(input: {
  readonly served: bigint;
  readonly last: bigint;
  readonly inFlight: number;
  readonly step: bigint;
}): bigint {
  const { served, last, inFlight, step } = input;
  return (last > served && inFlight > 0 ? last : served) + step;
}
