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
  type EndpointOfStore,
  type JobOfDelivery,
  type PlaceAnswer,
  type PlaceRules,
  type PlacesLeft,
  type PostResult,
  type WokenEndpoint,
} from './placeStore.ts';
import type { WebhookPostOutcome } from './ports.ts';

/**
 * What deliveries occupy: a delivery has a place from when its job is put on the queue until what
 * came of it is saved. So no store fills the queue, and none takes all of the POSTs at once. Places
 * are counted in Redis, over all processes (placeScripts.ts):
 *
 *   an endpoint has one place until it has answered, one more with each success, half after a
 *   failure, one when it keeps silent;
 *   endpoints whose last POST was slow have half of all places together, and more while more than
 *   three eighths are free; those that are new have a quarter, and count as slow when they do not
 *   answer at once; the others find a quarter free, whatever these do;
 *   a store takes a further place only while it has fewer than a share of what is free for its
 *   kind,
 *   so that however many stores are busy, another one finds room.
 *
 * A delivery that finds no place is put off without an attempt being counted. When its endpoint had
 * enough, the endpoint brings its next ones forward as it answers. When its store or all others
 * had, the endpoint waits in a line: a place that is given back, or ends by itself, is kept for the
 * store that has fewest of the kind, and of these for who has waited longest. Its delivery is
 * brought forward (bringForward.ts); a wake-up that is lost is made up for by another, three
 * seconds later at most (announceProcess.ts). Each that is put off has a turn at the pace at which
 * its endpoint frees places too, which is what is left when Redis has forgotten all of this.
 *
 * Nothing that must be right depends on it: where Redis does not answer, nothing is put on a queue,
 * and what a process has taken from it already is posted.
 */

/**
 * When its last POST took longer, an endpoint is slow; so is a new one that is still silent then.
 */
const SLOW_MS = 1_000;
const PLACES_OF_SLOW_ENDPOINT = 4;
/** How long a place is kept for one that is woken: a publisher looks four times a second. */
const KEPT_MS = 2_000;
const SHORTEST_DELAY_MS = 250;
/**
 * Of one whose endpoint waits in a line: it is woken, so this is what is left when the line is
 * forgotten.
 */
const SHORTEST_SHARE_DELAY_MS = 5_000;
/** However many wait: so a wake-up that was lost is made up for. */
const LONGEST_DELAY_MS = 300_000;
/**
 * Those of an endpoint that fails ask one by one, each at its turn, however many they are: what
 * they cost does not grow with their number. It is asked anew by one of them when it may be, and
 * fetches the others when it answers.
 */
const LONGEST_FAILING_DELAY_MS = 12 * 3_600_000;
/**
 * An endpoint may ask to be left alone; the delivery that was told so waits as long as asked, the
 * others look again after this.
 */
const LONGEST_CLOSED_MS = 300_000;
/**
 * How often in a row an endpoint keeps silent before it is left alone for a while, twice as long
 * each time.
 */
const SILENCES = 3;
const SHORTEST_PAUSE_MS = 1_000;
/** How long an endpoint that has recovered may wait to be asked again. */
const LONGEST_PAUSE_MS = 30_000;
/** Beside the POST: for what comes before and after it. */
const BESIDE_POST_MS = 5_000;

/**
 * Takes a place for each delivery, for a while: it is given back with `giveBackPlace`, or by
 * itself.
 * @param options.isStarting they are about to be posted: one that has a place already keeps it.
 *   Else one that has a place for another job is refused, since that job is there; for the same job
 *   it keeps it, however often that is asked for, since it may not be there
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
  const answers = await takePlacesInRedis(ctx, rulesOf(ctx), {
    deliveries,
    isStarting: options.isStarting,
    heldMs: options.isStarting ? postMs : Math.max(postMs, outboxRedriveMs),
    random: ctx.random,
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
 * @returns how many of the endpoint's deliveries that were put off may come, which of them have a
 *   place, and who may come instead
 * @throws when Redis does not answer; the place is given back by itself then
 */
export async function giveBackPlace(
  ctx: Context,
  delivery: DeliveryOfStore,
  outcome: WebhookPostOutcome | undefined,
): Promise<PlacesLeft> {
  const { deliveryId, endpointId, storeId } = delivery;
  return giveBackPlaceInRedis(ctx, rulesOf(ctx), {
    ...{ deliveryId, endpointId, storeId },
    result: resultOf(outcome),
    latencyMs: outcome?.latencyMs ?? 0,
    askedMs: isSuccess(outcome?.statusCode ?? null)
      ? 0
      : Math.min((outcome?.retryAfterSeconds ?? 0) * 1000, LONGEST_CLOSED_MS),
  });
}

/**
 * The same for a job that ends without having begun its delivery; a place that is another job's
 * stays.
 */
export async function giveBackPlaceOfJob(
  ctx: Context,
  { deliveryId, jobId }: JobOfDelivery,
): Promise<PlacesLeft> {
  return giveBackPlaceInRedis(ctx, rulesOf(ctx), {
    deliveryId,
    jobId,
    result: 'none',
    latencyMs: 0,
    askedMs: 0,
  });
}

/**
 * None of the endpoint's deliveries waits: as long as no further one is put off, none is to be
 * brought forward.
 * @param endpoint as `giveBackPlace` told
 * @returns for whom the place that was kept for it is kept now
 */
export async function noteNoneLeft(
  ctx: Context,
  endpoint: EndpointOfStore & { readonly refused: number },
): Promise<WokenEndpoint[]> {
  return noteNoneWaiting(ctx, rulesOf(ctx), endpoint);
}

/**
 * This process works on deliveries, and is counted for so long. @returns who may come: of those
 * that nobody has told
 */
export async function notePresence(
  ctx: Context,
  processId: string,
  countsMs: number,
): Promise<WokenEndpoint[]> {
  return addProcess(ctx, rulesOf(ctx), processId, countsMs);
}

/** This process does not work on deliveries any more. */
export async function noteAbsence(ctx: Context, processId: string): Promise<void> {
  await removeProcess(ctx, processId);
}

function rulesOf({ config: { webhooks } }: Context): PlaceRules {
  return {
    placesOfProcess: webhooks.places,
    placesOfEndpoint: webhooks.placesPerEndpoint,
    placesOfSlowEndpoint: Math.min(PLACES_OF_SLOW_ENDPOINT, webhooks.placesPerEndpoint),
    slowMs: SLOW_MS,
    keptMs: KEPT_MS,
    shortestDelayMs: SHORTEST_DELAY_MS,
    shortestShareDelayMs: SHORTEST_SHARE_DELAY_MS,
    longestDelayMs: LONGEST_DELAY_MS,
    longestFailingDelayMs: LONGEST_FAILING_DELAY_MS,
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
 * How many places are taken, by whom, and how often a delivery found none. For those that watch.
 */
export async function reportPlaces(ctx: Context): Promise<{
  readonly limit: number;
  readonly byKind: Readonly<Record<'new' | 'slow' | 'quick', number>>;
  readonly byStore: ReadonlyMap<string, number>;
  /**
   * Since Redis last lost its data. By what it was that had no place left: the endpoint's lane, or
   * the store's share.
   */
  readonly putOff: Readonly<Record<'endpoint' | 'share', number>>;
  /** With endpoints that wait for their store's share of places of this kind. */
  readonly waitingStores: Readonly<Record<'new' | 'slow' | 'quick', number>>;
}> {
  const { stores, newEndpoints, slowEndpoints, processes, putOff, waitingStores } =
    await readPlaces(ctx, rulesOf(ctx));
  const byStore = new Map<string, number>();
  for (const storeId of stores) byStore.set(storeId, (byStore.get(storeId) ?? 0) + 1);
  const quick = Math.max(0, stores.length - newEndpoints - slowEndpoints);
  return {
    limit: processes * ctx.config.webhooks.places,
    byKind: { new: newEndpoints, slow: slowEndpoints, quick },
    byStore,
    putOff,
    waitingStores,
  };
}
