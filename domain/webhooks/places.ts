import type { Context } from '../../platform/context.ts';
import { isOverload, isSuccess } from './decide.ts';
import {
  addProcess,
  giveBackPlaceInRedis,
  noteNoneWaiting,
  readPlaces,
  removeProcess,
  takePlacesInRedis,
  type DeliveryOfStore,
  type DeliveryWithJob,
  type GivingBackRules,
  type PlaceAnswer,
  type PlacesLeft,
  type PostResult,
} from './placeStore.ts';
import type { WebhookPostOutcome } from './ports.ts';

/**
 * What deliveries occupy: a delivery has a place from when its job is put on the queue until what came of it is saved. So no store fills the queue, and none
 * takes all of the POSTs at once. Places are counted in Redis, over all processes (placeScripts.ts):
 *
 *   an endpoint has one place until it has answered, one more with each success, half after a failure, one when it keeps silent;
 *   a store takes a further place only while it has fewer than a share of what is free, so that however many stores are busy, another one finds room;
 *   endpoints that are slow or silent have half of all places together, those that are new and these three quarters: the others find the rest free.
 *
 * A delivery that finds no place is put off without an attempt being counted, to its turn at the pace at which its endpoint frees places. An endpoint that
 * answers brings its next ones forward (bringForward.ts), so the turns are only what is left when that was lost, and when it keeps silent.
 *
 * Nothing that must be right depends on it: where Redis does not answer, nothing is put on a queue, and what a process has taken from it already is posted.
 */

/** When its last POST took longer, an endpoint is slow. */
const SLOW_MS = 1_000;
const PLACES_OF_SLOW_ENDPOINT = 4;
const SHORTEST_DELAY_MS = 250;
/** Of one whose endpoint has a place free, and others have too many. */
const SHORTEST_SHARE_DELAY_MS = 1_000;
/** However many wait: so a wake-up that was lost is made up for. */
const LONGEST_DELAY_MS = 300_000;
/**
 * Those of an endpoint that fails ask one by one, each at its turn, however many they are: what they cost does not grow with their number. It is asked anew
 * by one of them when it may be, and fetches the others when it answers.
 */
const LONGEST_FAILING_DELAY_MS = 12 * 3_600_000;
/** An endpoint may ask to be left alone; the delivery that was told so waits as long as asked, the others look again after this. */
const LONGEST_CLOSED_MS = 300_000;
/** How often in a row an endpoint keeps silent before it is left alone for a while, twice as long each time. */
const SILENCES = 3;
const SHORTEST_PAUSE_MS = 1_000;
/** How long an endpoint that has recovered may wait to be asked again. */
const LONGEST_PAUSE_MS = 30_000;
/** Beside the POST: for what comes before and after it. */
const BESIDE_POST_MS = 5_000;

/** How often a process says that it is there. */
const ANNOUNCE_EVERY_MS = 5_000;
const ANNOUNCED_MS = 4 * ANNOUNCE_EVERY_MS;
/** When Redis did not answer, as at the start, when the connection is being made. */
const ANNOUNCE_AGAIN_MS = 250;

/**
 * Takes a place for each delivery, for a while: it is given back with `giveBackPlace`, or by itself.
 * @param options.isStarting they are about to be posted: one that has a place already keeps it. Else one that has a place for another job is refused, since that
 * job is there; for the same job it keeps it, however often that is asked for, since it may not be there
 * @returns by delivery id: undefined when it has a place now
 * @throws when Redis does not answer
 */
export async function takePlaces(
  ctx: Context,
  deliveries: readonly DeliveryWithJob[],
  options: { readonly isStarting: boolean },
): Promise<Map<string, PlaceAnswer | undefined>> {
  if (deliveries.length === 0) return new Map();
  const { webhooks, outboxRedriveMs } = ctx.config;
  const postMs = webhooks.timeoutMs + BESIDE_POST_MS;
  const answers = await takePlacesInRedis(ctx, {
    deliveries,
    isStarting: options.isStarting,
    random: ctx.random,
    rules: {
      placesOfProcess: webhooks.places,
      placesOfEndpoint: webhooks.placesPerEndpoint,
      heldMs: options.isStarting ? postMs : Math.max(postMs, outboxRedriveMs),
      shortestDelayMs: SHORTEST_DELAY_MS,
      shortestShareDelayMs: SHORTEST_SHARE_DELAY_MS,
      longestDelayMs: LONGEST_DELAY_MS,
      longestFailingDelayMs: LONGEST_FAILING_DELAY_MS,
    },
  });
  return new Map(
    deliveries.map(({ deliveryId }, index) => {
      const answer = answers[index];
      return [deliveryId, answer?.delayMs === 0 ? undefined : answer];
    }),
  );
}

/**
 * @param outcome undefined when nothing was posted
 * @returns how many of the endpoint's deliveries that were put off may come, and which of them have a place
 * @throws when Redis does not answer; the place is given back by itself then
 */
export async function giveBackPlace(ctx: Context, delivery: DeliveryOfStore, outcome: WebhookPostOutcome | undefined): Promise<PlacesLeft> {
  return giveBackPlaceInRedis(ctx, {
    delivery,
    result: resultOf(outcome),
    latencyMs: outcome?.latencyMs ?? 0,
    askedMs: isSuccess(outcome?.statusCode ?? null) ? 0 : Math.min((outcome?.retryAfterSeconds ?? 0) * 1000, LONGEST_CLOSED_MS),
    rules: givingBackRules(ctx),
  });
}

/** None of the endpoint's deliveries waits: as long as no further one is put off, none is to be brought forward. @param refused as `giveBackPlace` told */
export async function noteNoneLeft(ctx: Context, endpointId: string, refused: number): Promise<void> {
  await noteNoneWaiting(ctx, endpointId, refused);
}

function givingBackRules(ctx: Context): GivingBackRules {
  return {
    placesOfEndpoint: ctx.config.webhooks.placesPerEndpoint,
    slowMs: SLOW_MS,
    placesOfSlowEndpoint: PLACES_OF_SLOW_ENDPOINT,
    silences: SILENCES,
    shortestPauseMs: SHORTEST_PAUSE_MS,
    longestPauseMs: LONGEST_PAUSE_MS,
    longestClosedMs: LONGEST_CLOSED_MS,
  };
}

function resultOf(outcome: WebhookPostOutcome | undefined): PostResult {
  if (outcome === undefined) return 'none';
  if (isSuccess(outcome.statusCode)) return 'success';
  if (isOverload(outcome.statusCode)) return 'overload';
  return outcome.statusCode === null ? 'silence' : 'failure';
}

/**
 * Says now and then that this process works on deliveries: all places are those of all such processes.
 * @returns stop: says that it does not any more
 */
export function announceProcess(ctx: Context): { stop(): Promise<void> } {
  const processId = ctx.randomBytes(8).toString('hex');
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  async function announce(): Promise<void> {
    let nextMs = ANNOUNCE_EVERY_MS;
    try {
      await addProcess(ctx, processId, ANNOUNCED_MS);
    } catch (error) {
      ctx.log.debug({ err: error }, 'Redis does not know of this process');
      nextMs = ANNOUNCE_AGAIN_MS;
    }
    if (!isStopped) timer = setTimeout(() => void announce(), nextMs);
  }
  void announce();
  return {
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await removeProcess(ctx, processId).catch((error: unknown) =>
        ctx.log.debug({ err: error }, 'Redis counts this process for a moment more'),
      );
    },
  };
}

/** How many places are taken, by whom, and how often a delivery found none. For those that watch. */
export async function reportPlaces(ctx: Context): Promise<{
  readonly limit: number;
  readonly byKind: Readonly<Record<'new' | 'slow' | 'quick', number>>;
  readonly byStore: ReadonlyMap<string, number>;
  /** Since Redis last lost its data. By what it was that had no place left: the endpoint's lane, or the store's share. */
  readonly putOff: Readonly<Record<'endpoint' | 'share', number>>;
}> {
  const { stores, newEndpoints, slowEndpoints, processes, putOff } = await readPlaces(ctx);
  const byStore = new Map<string, number>();
  for (const storeId of stores) byStore.set(storeId, (byStore.get(storeId) ?? 0) + 1);
  const quick = Math.max(0, stores.length - newEndpoints - slowEndpoints);
  return { limit: processes * ctx.config.webhooks.places, byKind: { new: newEndpoints, slow: slowEndpoints, quick }, byStore, putOff };
}
