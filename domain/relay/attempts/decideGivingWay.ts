import { RELAY_PRIORITIES, type RelayPriority } from '../../stores/model.ts';

/**
 * Priorities within a store: the requests of one store exchange their turns. So whatever a store
 * calls urgent, it has the same turns beside the other stores.
 *
 * A new request takes the earliest turn of a waiting one of less priority. That one goes on as if
 * it came now: it takes the turn of one of still less, or the new, last one. So it comes behind
 * others of its own priority, but before all of less. Nobody gives way more than a few times: the
 * least priority is never starved, it waits for some queues of its own store at most.
 */

/** How often a request gives way to one of more priority. */
const MOST_GIVEN_WAY = 3;

/** One of the store's requests that wait on the same rail. */
export interface WaitingTurn {
  readonly id: string;
  readonly priority: RelayPriority;
  readonly turn: bigint;
  /** How often it has given way already. */
  readonly gaveWay: number;
}

/** The priorities that give way to this one. */
export function prioritiesBelow(priority: RelayPriority): readonly RelayPriority[] {
  return RELAY_PRIORITIES.slice(0, RELAY_PRIORITIES.indexOf(priority));
}

/**
 * Those of them that give way to a new request of this priority, whose own turn would be `turn`:
 * the earliest first.
 */
export function listGivingWay<T extends WaitingTurn>(
  priority: RelayPriority,
  turn: bigint,
  waiting: readonly T[],
): T[] {
  const below = prioritiesBelow(priority);
  return waiting
    .filter(
      (one) => below.includes(one.priority) && one.gaveWay < MOST_GIVEN_WAY && one.turn < turn,
    )
    .sort((a, b) => (a.turn === b.turn ? 0 : a.turn < b.turn ? -1 : 1));
}
