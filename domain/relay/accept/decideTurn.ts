import type { RelayPriority, RelayShare } from '../../stores/model.ts';

/**
 * Turns between stores: weighted fair queueing with nothing to compute when a batch is chosen.
 *
 * Each attempt is given its turn when it is taken on, and goes in the order of turns. A store's
 * turns are apart by an amount that is smaller the larger its weight is, so whatever one store has
 * waiting, another's next turn comes soon; and a store that had nothing waiting begins where the
 * others are, neither behind what they had before nor with a credit. Later turns of the others come
 * after it: nobody is starved.
 *
 * The first few requests that a store has on its way share one such turn. So who has little to send
 * has it sent at once beside stores that have thousands waiting; and what goes before those is no
 * more than these few of each store.
 *
 * A turn that was never used is given back: what waits no more, and was never sent, does not move
 * the store's next request to the back.
 */

/**
 * How far the turns of a store of weight 1 are apart: divisible by the usual weights, and by FEW.
 */
const TURN_STEP = 8_000_000n;

/** What the operator's priority of a store makes of its weight, in quarters. */
const QUARTERS: Readonly<Record<RelayPriority, bigint>> = { low: 1n, normal: 4n, high: 16n };

/** How far the turns of a store are apart. At least 200: 32,000,000 / (10,000 × 16). */
export function stepOf({ weight, priority }: RelayShare): bigint {
  return (TURN_STEP * 4n) / (BigInt(weight) * QUARTERS[priority]);
}

/** How many of a store's requests that are on their way share one turn. */
const FEW = 8;

/**
 * A store's new turn, and how far it is from the one before: that much is given back when it is not
 * used.
 */
export interface Turn {
  readonly turn: bigint;
  readonly turnStep: bigint;
}

/**
 * @param input.served the turn that the latest batch began with
 * @param input.last the store's latest turn
 * @param input.inFlight how many of the store's requests are on their way. With none, its latest
 *   turn does not count: what it got while nobody else waited is not held against it
 * @param input.step see stepOf
 */
export function decideTurn(input: {
  readonly served: bigint;
  readonly last: bigint;
  readonly inFlight: number;
  readonly step: bigint;
}): Turn {
  const { served, last, inFlight, step } = input;
  const turnStep = inFlight < FEW ? step / BigInt(FEW) : step;
  return { turn: (last > served && inFlight > 0 ? last : served) + turnStep, turnStep };
}
