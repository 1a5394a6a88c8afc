/**
 * Turns between stores: weighted fair queueing with nothing to compute when a batch is chosen.
 *
 * Each attempt is given its turn when it is taken on, and goes in the order of turns. A store's turns are apart by an amount that is smaller the larger its
 * weight is, so whatever one store has waiting, another's next turn comes soon; and a store that had nothing waiting begins where the others are, neither
 * behind what they had before nor with a credit. A turn never changes, and later ones of the others come after it: nobody is starved.
 */

/** How far the turns of a store of weight 1 are apart: divisible by the usual weights. */
const TURN_STEP = 1_000_000n;

/**
 * @param input.served the turn that the latest batch began with
 * @param input.last the store's latest turn
 * @param input.weight of the store, from 1 to MAX_RELAY_WEIGHT
 */
export function decideTurn(input: { readonly served: bigint; readonly last: bigint; readonly weight: number }): bigint {
  const { served, last, weight } = input;
  return (last > served ? last : served) + TURN_STEP / BigInt(weight);
}
