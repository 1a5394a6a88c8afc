import type { Context } from '../../platform/context.ts';
import { ANNOUNCE_PROCESS, GIVE_BACK_PLACE, NOTE_NONE_WAITING, REPORT_PLACES, TAKE_PLACES } from './placeScripts.ts';

/** What the scripts of placeScripts.ts are called with, and what they return. All keys are in one slot of a Redis Cluster. */

export interface DeliveryOfStore {
  readonly deliveryId: string;
  readonly endpointId: string;
  readonly storeId: string;
}

export interface DeliveryWithJob extends DeliveryOfStore {
  /** That is to be put on the queue; the place that it takes is its own. Absent: it is worked on already. */
  readonly jobId?: string | undefined;
}

/** Times in ms. */
export interface TakingRules {
  readonly placesOfProcess: number;
  readonly placesOfEndpoint: number;
  readonly heldMs: number;
  readonly shortestDelayMs: number;
  readonly shortestShareDelayMs: number;
  readonly longestDelayMs: number;
  /** Of an endpoint that fails. */
  readonly longestFailingDelayMs: number;
}

export interface GivingBackRules {
  readonly placesOfEndpoint: number;
  readonly slowMs: number;
  readonly placesOfSlowEndpoint: number;
  readonly silences: number;
  readonly shortestPauseMs: number;
  readonly longestPauseMs: number;
  readonly longestClosedMs: number;
}

/** `failure`: it answered something else than 2xx; `silence`: it did not answer; `none`: nothing was posted. */
export type PostResult = 'success' | 'failure' | 'overload' | 'silence' | 'none';

type RedisContext = Pick<Context, 'redis' | 'config'>;

function keysOf({ config }: RedisContext) {
  const name = `${config.queuePrefix}:webhook-places`;
  return {
    all: name,
    new: `${name}:new`,
    slow: `${name}:slow`,
    processes: `${name}:processes`,
    refusals: `${name}:refusals`,
    ofStore: (storeId: string) => `${name}:store:${storeId}`,
    slowOfStore: (storeId: string) => `${name}:store:${storeId}:slow`,
    ofEndpoint: (endpointId: string) => `${name}:endpoint:${endpointId}`,
    lane: (endpointId: string) => `${name}:lane:${endpointId}`,
    jobOf: (deliveryId: string) => `${name}:job:${deliveryId}`,
  };
}

function nameOf({ storeId, deliveryId }: DeliveryOfStore): string {
  return `${storeId} ${deliveryId}`;
}

/** What a delivery that asked for a place is told. */
export interface PlaceAnswer {
  /** 0: it has one now; else after how many ms to ask again. */
  readonly delayMs: number;
  /** For how long its endpoint has answered nothing with 2xx; 0: it has, or nothing is known of it. */
  readonly failingMs: number;
}

/**
 * @param isStarting they are about to be posted: one that has a place already keeps it; otherwise it is refused
 * @param random 0 ≤ n < 1
 * @returns for each delivery, in their order
 */
export async function takePlacesInRedis(
  ctx: RedisContext,
  input: {
    readonly deliveries: readonly DeliveryWithJob[];
    readonly isStarting: boolean;
    readonly rules: TakingRules;
    readonly random: () => number;
  },
): Promise<PlaceAnswer[]> {
  const { deliveries, rules } = input;
  const keys = keysOf(ctx);
  const names = [
    ...[keys.all, keys.new, keys.slow, keys.processes, keys.refusals],
    ...deliveries.flatMap(({ deliveryId, endpointId, storeId }) => [
      ...[keys.ofStore(storeId), keys.slowOfStore(storeId)],
      ...[keys.ofEndpoint(endpointId), keys.lane(endpointId), keys.jobOf(deliveryId)],
    ]),
  ];
  const values = [
    ...[rules.placesOfProcess, rules.placesOfEndpoint, rules.heldMs, input.isStarting ? 1 : 0],
    ...[rules.shortestDelayMs, rules.shortestShareDelayMs, rules.longestDelayMs, rules.longestFailingDelayMs],
    ...deliveries.flatMap((delivery) => [delivery.deliveryId, nameOf(delivery), delivery.jobId ?? '', input.random()]),
  ];
  const answers = (await ctx.redis.eval(TAKE_PLACES, names.length, ...names, ...values)) as number[];
  return deliveries.map((_, index) => ({ delayMs: answers[2 * index] ?? 0, failingMs: answers[2 * index + 1] ?? 0 }));
}

/** For an endpoint whose delivery gave its place back. */
export interface PlacesLeft {
  /** How many of its deliveries that were put off may come. */
  readonly free: number;
  /** After how many ms: it may be left alone for a while. */
  readonly delayMs: number;
  /** How many of its deliveries were put off so far. */
  readonly refused: number;
  /** Its deliveries that have a place. */
  readonly having: readonly string[];
}

/**
 * @param input.askedMs for how long the endpoint asked to be left alone
 * @returns see PlacesLeft
 */
export async function giveBackPlaceInRedis(
  ctx: RedisContext,
  input: {
    readonly delivery: DeliveryOfStore;
    readonly result: PostResult;
    readonly latencyMs: number;
    readonly askedMs: number;
    readonly rules: GivingBackRules;
  },
): Promise<PlacesLeft> {
  const { delivery, rules } = input;
  const keys = keysOf(ctx);
  const names = [
    ...[keys.all, keys.new, keys.slow],
    ...[keys.ofStore(delivery.storeId), keys.slowOfStore(delivery.storeId)],
    ...[keys.ofEndpoint(delivery.endpointId), keys.lane(delivery.endpointId), keys.jobOf(delivery.deliveryId)],
  ];
  const [free, delayMs, refused, ...having] = (await ctx.redis.eval(
    GIVE_BACK_PLACE,
    names.length,
    ...names,
    ...[delivery.deliveryId, nameOf(delivery), input.result, input.latencyMs, input.askedMs],
    ...[rules.placesOfEndpoint, rules.slowMs, rules.placesOfSlowEndpoint],
    ...[rules.silences, rules.shortestPauseMs, rules.longestPauseMs, rules.longestClosedMs],
  )) as [number, number, number, ...string[]];
  return { free, delayMs, refused, having };
}

/** None of the endpoint's deliveries waits. @param refused as `giveBackPlaceInRedis` told before the database was asked */
export async function noteNoneWaiting(ctx: RedisContext, endpointId: string, refused: number): Promise<void> {
  await ctx.redis.eval(NOTE_NONE_WAITING, 1, keysOf(ctx).lane(endpointId), refused);
}

export async function addProcess(ctx: RedisContext, processId: string, countsMs: number): Promise<void> {
  await ctx.redis.eval(ANNOUNCE_PROCESS, 1, keysOf(ctx).processes, processId, countsMs);
}

export async function removeProcess(ctx: RedisContext, processId: string): Promise<void> {
  await ctx.redis.zrem(keysOf(ctx).processes, processId);
}

/** As they are now, over all processes. */
export async function readPlaces(ctx: RedisContext): Promise<{
  readonly stores: readonly string[];
  readonly newEndpoints: number;
  readonly slowEndpoints: number;
  readonly processes: number;
  readonly putOff: { readonly endpoint: number; readonly share: number };
}> {
  const keys = keysOf(ctx);
  const names = [keys.all, keys.new, keys.slow, keys.processes, keys.refusals];
  const [places, newEndpoints, slowEndpoints, processes, [endpoint, share]] = (await ctx.redis.eval(
    REPORT_PLACES,
    names.length,
    ...names,
  )) as [string[], number, number, number, [string | null, string | null]];
  return {
    stores: places.map((place) => place.split(' ')[0] ?? ''),
    newEndpoints,
    slowEndpoints,
    processes,
    putOff: { endpoint: Number(endpoint ?? 0), share: Number(share ?? 0) },
  };
}
