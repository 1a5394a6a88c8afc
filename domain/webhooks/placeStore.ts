import { createHash } from 'node:crypto';

import type { Context } from '../../platform/context.ts';
import {
  ANNOUNCE_PROCESS,
  GIVE_BACK_PLACE,
  NOTE_NONE_WAITING,
  REPORT_PLACES,
  TAKE_PLACES,
} from './placeScripts.ts';

/** What the scripts of placeScripts.ts are called with, and what they return. */

export interface EndpointOfStore {
  readonly endpointId: string;
  readonly storeId: string;
}

export interface DeliveryOfStore extends EndpointOfStore {
  readonly deliveryId: string;
}

export interface DeliveryWithJob extends DeliveryOfStore {
  /**
   * That is to be put on the queue; the place that it takes is its own. Absent: it is worked on
   * already.
   */
  readonly jobId?: string | undefined;
}

/** A job that has not begun its delivery. */
export interface JobOfDelivery {
  readonly deliveryId: string;
  readonly jobId: string;
}

/** The same for all scripts. Times in ms. */
export interface PlaceRules {
  readonly placesOfProcess: number;
  readonly placesOfEndpoint: number;
  readonly placesOfSlowEndpoint: number;
  readonly slowMs: number;
  /** How long a place is kept for an endpoint that is woken. */
  readonly keptMs: number;
  readonly shortestDelayMs: number;
  readonly shortestShareDelayMs: number;
  readonly longestDelayMs: number;
  /** Of an endpoint that fails. */
  readonly longestFailingDelayMs: number;
  readonly silences: number;
  readonly shortestPauseMs: number;
  readonly longestPauseMs: number;
  readonly longestClosedMs: number;
}

/**
 * `failure`: it answered something else than 2xx; `silence`: it did not answer; `none`: nothing was
 * posted.
 */
export type PostResult = 'success' | 'failure' | 'overload' | 'silence' | 'none';

type RedisContext = Pick<Context, 'redis' | 'config'>;

interface Script {
  readonly text: string;
  readonly sha: string;
}

const scripts = Object.fromEntries(
  Object.entries({
    TAKE_PLACES,
    GIVE_BACK_PLACE,
    NOTE_NONE_WAITING,
    ANNOUNCE_PROCESS,
    REPORT_PLACES,
  }).map(([name, text]) => [name, { text, sha: createHash('sha1').update(text).digest('hex') }]),
) as Record<
  'TAKE_PLACES' | 'GIVE_BACK_PLACE' | 'NOTE_NONE_WAITING' | 'ANNOUNCE_PROCESS' | 'REPORT_PLACES',
  Script
>;

async function run(
  ctx: RedisContext,
  script: Script,
  rules: PlaceRules,
  asked: object = {},
): Promise<unknown> {
  const values = [baseOf(ctx), JSON.stringify(rules), JSON.stringify(asked)] as const;
  try {
    return await ctx.redis.evalsha(script.sha, 1, ...values);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return ctx.redis.eval(script.text, 1, ...values);
  }
}

function baseOf({ config }: RedisContext): string {
  return `${config.queuePrefix}:places`;
}

/** What a delivery that asked for a place is told. */
export interface PlaceAnswer {
  /** 0: it has one now; else after how many ms to ask again. */
  readonly delayMs: number;
  /**
   * For how long its endpoint has answered nothing with 2xx; 0: it has, or nothing is known of it.
   */
  readonly failingMs: number;
}

/**
 * @param input.heldMs how long a place is held
 * @param input.isStarting they are about to be posted: one that has a place already keeps it;
 *   otherwise it is refused
 * @param input.random 0 ≤ n < 1
 * @returns for each delivery, in their order
 */
export async function takePlacesInRedis(
  ctx: RedisContext,
  rules: PlaceRules,
  input: {
    readonly deliveries: readonly DeliveryWithJob[];
    readonly isStarting: boolean;
    readonly heldMs: number;
    readonly random: () => number;
  },
): Promise<PlaceAnswer[]> {
  const { isStarting, heldMs, random } = input;
  const deliveries = input.deliveries.map(({ deliveryId, endpointId, storeId, jobId }) => ({
    ...{ deliveryId, endpointId, storeId, jobId },
    random: random(),
  }));
  const answers = (await run(ctx, scripts.TAKE_PLACES, rules, {
    deliveries,
    isStarting,
    heldMs,
  })) as number[];
  return deliveries.map((_, index) => ({
    delayMs: answers[2 * index] ?? 0,
    failingMs: answers[2 * index + 1] ?? 0,
  }));
}

/**
 * An endpoint for which a place is kept for a moment: the next of its deliveries that asks has it.
 */
export interface WokenEndpoint extends EndpointOfStore {
  /** How many of its deliveries were put off so far. */
  readonly refused: number;
  /** Its deliveries that have a place. */
  readonly having: readonly string[];
}

type WokenReply = readonly [
  storeId: string,
  endpointId: string,
  refused: number,
  having: readonly string[],
];

function toWoken(replies: unknown): WokenEndpoint[] {
  return (replies as WokenReply[]).map(([storeId, endpointId, refused, having]) => ({
    storeId,
    endpointId,
    refused,
    having,
  }));
}

/** For an endpoint whose delivery gave its place back. */
export interface PlacesLeft extends WokenEndpoint {
  /** How many of its deliveries that were put off may come. */
  readonly free: number;
  /** After how many ms: it may be left alone for a while. */
  readonly delayMs: number;
  /** Who has waited for a place, and may come instead. */
  readonly woken: readonly WokenEndpoint[];
}

/**
 * @param given the delivery with what came of it; or, for a job that does not begin it, the job:
 *   its place is given back if it is for that job
 * @param given.askedMs for how long the endpoint asked to be left alone
 * @returns see PlacesLeft
 */
export async function giveBackPlaceInRedis(
  ctx: RedisContext,
  rules: PlaceRules,
  given: (DeliveryOfStore | JobOfDelivery) & {
    readonly result: PostResult;
    readonly latencyMs: number;
    readonly askedMs: number;
  },
): Promise<PlacesLeft> {
  const [storeId, endpointId, free, delayMs, refused, having, woken] = (await run(
    ctx,
    scripts.GIVE_BACK_PLACE,
    rules,
    given,
  )) as [...[string, string, number, number, number, string[], unknown]];
  return { storeId, endpointId, free, delayMs, refused, having, woken: toWoken(woken) };
}

/**
 * None of the endpoint's deliveries waits.
 * @param refused as was told before the database was asked
 * @returns who is woken instead
 */
export async function noteNoneWaiting(
  ctx: RedisContext,
  rules: PlaceRules,
  { endpointId, storeId, refused }: EndpointOfStore & { readonly refused: number },
): Promise<WokenEndpoint[]> {
  return toWoken(
    await run(ctx, scripts.NOTE_NONE_WAITING, rules, { endpointId, storeId, refused }),
  );
}

/** @returns who is woken: there may be more places now, or some that ended by themselves */
export async function addProcess(
  ctx: RedisContext,
  rules: PlaceRules,
  processId: string,
  countsMs: number,
): Promise<WokenEndpoint[]> {
  return toWoken(await run(ctx, scripts.ANNOUNCE_PROCESS, rules, { processId, countsMs }));
}

export async function removeProcess(ctx: RedisContext, processId: string): Promise<void> {
  await ctx.redis.zrem(`${baseOf(ctx)}:processes`, processId);
}

/** As they are now, over all processes. */
export async function readPlaces(
  ctx: RedisContext,
  rules: PlaceRules,
): Promise<{
  readonly stores: readonly string[];
  readonly newEndpoints: number;
  readonly slowEndpoints: number;
  readonly processes: number;
  readonly putOff: { readonly endpoint: number; readonly share: number };
  readonly waitingStores: { readonly new: number; readonly slow: number; readonly quick: number };
}> {
  const [places, newEndpoints, slowEndpoints, processes, [endpoint, share], ...waiting] =
    (await run(ctx, scripts.REPORT_PLACES, rules)) as [
      string[],
      number,
      number,
      number,
      [string | null, string | null],
      number,
      number,
      number,
    ];
  return {
    stores: places.map((place) => place.split('/')[0] ?? ''),
    newEndpoints,
    slowEndpoints,
    processes,
    putOff: { endpoint: Number(endpoint ?? 0), share: Number(share ?? 0) },
    waitingStores: { new: waiting[0], slow: waiting[1], quick: waiting[2] },
  };
}
