import type { Context } from '../../../platform/context.ts';

/**
 * How far the rounds of a task have come on each chain, in this process. A round looks at some
 * rows, and the next one at those after them: very many may wait that nothing can be done about. At
 * the end they begin again.
 */
export function createRoundPlaces<Place>(): { of(ctx: Context): Map<number, Place> } {
  const places = new WeakMap<Context['db'], Map<number, Place>>();
  return {
    of(ctx) {
      const known = places.get(ctx.db);
      if (known !== undefined) return known;
      const fresh = new Map<number, Place>();
      places.set(ctx.db, fresh);
      return fresh;
    },
  };
}
