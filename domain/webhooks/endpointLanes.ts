import { addMs } from '../../shared/clock.ts';
import { isOverload, isSuccess } from './decide.ts';
import type { WebhookPostOutcome } from './ports.ts';

/**
 * Keeps one endpoint from taking all of this process's workers. Every endpoint has a lane of a few POSTs at a time; a delivery that finds the lane
 * full is put off without an attempt being counted, and other endpoints' deliveries go on.
 *
 * How long it is put off follows how fast the endpoint answers: each delivery put off is given the next turn, one turn being the time in which the
 * lane frees up once. So the backlog of an endpoint that hangs comes back at the pace at which it can be sent, instead of asking again and again.
 *
 * A lane narrows to a single POST when the endpoint says that it is overloaded, until the next success, and closes for as long as it asked for.
 */

export const MAX_POSTS_AT_ONCE = 4;
const MIN_DELAY_MS = 250;
/** How long the backlog may take to notice that an endpoint has recovered. */
const MAX_BACKLOG_MS = 60_000;
/** The delivery that was asked to wait waits as long as asked; the others look again after this. */
const MAX_CLOSED_MS = 300_000;
const JITTER = 0.25;

interface Lane {
  /** Delivery id → when its POST began, in ms. */
  readonly running: Map<string, number>;
  width: number;
  latencyMs: number;
  /** The last turn given away. */
  lastTurnAt: number;
  closedUntil: number;
}

export interface EndpointLanes {
  /**
   * Takes a place in the endpoint's lane, to be given back with `leave`.
   * @param random 0 ≤ n < 1
   * @returns undefined: taken; else when to try again. The same delivery never has two places.
   */
  enter(input: { endpointId: string; deliveryId: string; now: Date; random: number }): Date | undefined;
  /** @param outcome undefined when the POST was not made */
  leave(input: { endpointId: string; deliveryId: string; now: Date; outcome: WebhookPostOutcome | undefined }): void;
}

export function createEndpointLanes(): EndpointLanes {
  const lanes = new Map<string, Lane>();

  function laneOf(endpointId: string): Lane {
    let lane = lanes.get(endpointId);
    if (lane === undefined) {
      lane = { running: new Map(), width: MAX_POSTS_AT_ONCE, latencyMs: 0, lastTurnAt: 0, closedUntil: 0 };
      lanes.set(endpointId, lane);
    }
    return lane;
  }

  return {
    enter({ endpointId, deliveryId, now, random }) {
      const lane = laneOf(endpointId);
      const nowMs = now.getTime();
      if (lane.running.size < lane.width && lane.closedUntil <= nowMs && !lane.running.has(deliveryId)) {
        lane.running.set(deliveryId, nowMs);
        return undefined;
      }
      // Before the first answer, the age of the oldest POST is all that is known about how fast the endpoint is.
      const oldestAgeMs = nowMs - Math.min(nowMs, ...lane.running.values());
      const turnMs = Math.max(lane.latencyMs, oldestAgeMs) / lane.width;
      const opensAt = Math.max(nowMs, lane.closedUntil);
      lane.lastTurnAt = Math.min(Math.max(lane.lastTurnAt, opensAt) + turnMs, opensAt + MAX_BACKLOG_MS);
      const delayMs = Math.max(lane.lastTurnAt - nowMs, MIN_DELAY_MS);
      return addMs(now, Math.round(delayMs * (1 + JITTER * random)));
    },

    leave({ endpointId, deliveryId, now, outcome }) {
      const lane = lanes.get(endpointId);
      if (lane === undefined) return;
      const nowMs = now.getTime();
      lane.running.delete(deliveryId);
      if (outcome !== undefined) {
        lane.latencyMs = outcome.latencyMs;
        if (isOverload(outcome.statusCode)) lane.width = 1;
        if (isSuccess(outcome.statusCode)) {
          lane.width = MAX_POSTS_AT_ONCE;
          lane.lastTurnAt = Math.min(lane.lastTurnAt, nowMs);
        } else if (outcome.retryAfterSeconds !== null) {
          lane.closedUntil = Math.max(lane.closedUntil, nowMs + Math.min(outcome.retryAfterSeconds * 1000, MAX_CLOSED_MS));
        }
      }
      const isIdle = lane.running.size === 0 && lane.width === MAX_POSTS_AT_ONCE && lane.lastTurnAt <= nowMs && lane.closedUntil <= nowMs;
      if (isIdle) lanes.delete(endpointId);
    },
  };
}
