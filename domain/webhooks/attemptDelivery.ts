import type { Context } from '../../platform/context.ts';
import { inTransaction, type Transaction } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { DONE, later, laterUntried, type WorkResult } from '../outbox/model.ts';
import { bringForward } from './bringForward.ts';
import { decideDelivery, isScheduleOver, type DeliveryDecision } from './decide.ts';
import { findSigningTime } from './findSigningTime.ts';
import { buildEventBody, buildSignedHeaders } from './message.ts';
import type { WebhookDelivery } from './model.ts';
import { takePlaces } from './places.ts';
import type { PlaceAnswer } from './placeStore.ts';
import type { WebhookPostOutcome, WebhookSenderPort } from './ports.ts';
import {
  endDelivery,
  findDeliveryToAttempt,
  insertAttempt,
  lockDelivery,
  lockEndpoint,
  markEndpointDisabled,
  updateDelivery,
  type DeliveryToAttempt,
} from './store.ts';
import { cancelPendingDeliveries } from './cancelPendingDeliveries.ts';

/** Shown to the store as the endpoint's `disabledReason`. */
const GONE_REASON = 'The endpoint answered 410 Gone.';
/** When the same delivery comes again while it is being posted. */
const UNDER_WAY_MS = 1_000;

/**
 * Makes one attempt at a delivery, if one is due. Safe to call any number of times, at once and in
 * several processes: attempts are counted under a lock of the delivery. An attempt whose record is
 * lost (a crash after the POST) is made again with the same `webhook-id`; so an event may arrive
 * twice, and never not at all.
 */
export async function attemptDelivery(ctx: Context, deliveryId: string): Promise<WorkResult> {
  const delivery = await findDeliveryToAttempt(ctx.db, deliveryId);
  if (delivery === undefined) return DONE;
  const underWay = underWayOf(ctx.webhookSender);
  if (underWay.has(deliveryId)) return laterUntried(addMs(ctx.clock.now(), UNDER_WAY_MS));
  underWay.add(deliveryId);
  let outcome: WebhookPostOutcome | undefined;
  try {
    const none = await keepPlace(ctx, delivery);
    const startedAt = ctx.clock.now();
    if (delivery.status !== 'pending') return DONE;
    if (none !== undefined) return await waitOrGiveUp(ctx, delivery, none, startedAt);
    if (!delivery.isEndpointListening) {
      await endDelivery(ctx.db, deliveryId, 'cancelled', startedAt);
      return DONE;
    }
    if (delivery.nextAttemptAt !== null && delivery.nextAttemptAt > startedAt)
      return laterUntried(delivery.nextAttemptAt);
    // Whoever made the change may have died, or found Redis away, before it could say so.
    if (delivery.attempts === 0) await ctx.signals.changed(listConcerned(delivery.event));
    outcome = await post(ctx, delivery);
    return await recordAttempt(ctx, delivery, startedAt, outcome);
  } finally {
    underWay.delete(deliveryId);
    await bringForward(ctx, { ...delivery, deliveryId }, outcome);
  }
}

/**
 * @returns undefined: it has a place; else it lost the one that it had, or it came without one
 *   since it is given up
 */
async function keepPlace(
  ctx: Context,
  delivery: DeliveryToAttempt,
): Promise<PlaceAnswer | undefined> {
  try {
    const { id: deliveryId, endpointId, storeId } = delivery;
    return (await takePlaces(ctx, [{ deliveryId, endpointId, storeId }], { isStarting: true })).get(
      deliveryId,
    );
  } catch (error) {
    // Redis has just handed us this job, so no more of them than there are in this process go on
    // without it.
    ctx.log.debug({ err: error }, 'a delivery goes on without having asked for its place');
    return undefined;
  }
}

async function waitOrGiveUp(
  ctx: Context,
  delivery: DeliveryToAttempt,
  none: PlaceAnswer,
  now: Date,
): Promise<WorkResult> {
  const { id: deliveryId, endpointId, eventId, createdAt } = delivery;
  const { scheduleSeconds } = ctx.config.webhooks;
  if (!isScheduleOver({ createdAt, failingMs: none.failingMs, scheduleSeconds, now }))
    return laterUntried(addMs(now, none.delayMs));
  await endDelivery(ctx.db, deliveryId, 'failed', now);
  ctx.log.info(
    { deliveryId, endpointId, eventId, status: 'failed' },
    'a webhook was given up: its endpoint did not answer',
  );
  return DONE;
}

/** What a process, which is to say a sender, is posting. */
const underWayBySender = new WeakMap<WebhookSenderPort, Set<string>>();

function underWayOf(sender: WebhookSenderPort): Set<string> {
  let underWay = underWayBySender.get(sender);
  if (underWay === undefined) {
    underWay = new Set();
    underWayBySender.set(sender, underWay);
  }
  return underWay;
}

async function post(ctx: Context, delivery: DeliveryToAttempt): Promise<WebhookPostOutcome> {
  const body = buildEventBody(delivery.event);
  const secret = ctx.secretBox.open(delivery.secretCiphertext);
  return ctx.webhookSender.post({
    url: delivery.url,
    headers: buildSignedHeaders({
      secret,
      eventId: delivery.eventId,
      sentAt: await findSigningTime(ctx),
      body,
    }),
    body,
    timeoutMs: ctx.config.webhooks.timeoutMs,
  });
}

async function recordAttempt(
  ctx: Context,
  attempted: DeliveryToAttempt,
  startedAt: Date,
  outcome: WebhookPostOutcome,
): Promise<WorkResult> {
  const decision = decideDelivery({
    outcome,
    number: attempted.attempts + 1,
    scheduleSeconds: ctx.config.webhooks.scheduleSeconds,
    now: ctx.clock.now(),
    random: ctx.random(),
  });
  const after = await inTransaction(ctx.db, async (trx) => {
    // The endpoint before its deliveries: whoever locks both does so in this order.
    const isEndpointGone =
      decision.kind === 'endpointGone' &&
      (await lockEndpoint(trx, attempted.endpointId)) !== undefined;
    const current = await lockDelivery(trx, attempted.id);
    if (current === undefined) return undefined;
    const next = nextState(current, attempted, decision);
    const now = ctx.clock.now();
    if (next !== undefined) {
      await insertAttempt(trx, {
        id: ctx.newId('wa'),
        deliveryId: attempted.id,
        number: next.attempts,
        statusCode: outcome.statusCode,
        error: outcome.error,
        latencyMs: outcome.latencyMs,
        responseBody: outcome.responseBody,
        startedAt,
      });
      await updateDelivery(trx, next, now);
    }
    if (isEndpointGone) await disableEndpoint(trx, attempted.endpointId, now);
    return next ?? current;
  });
  // The URL is left out: its path or query may be a password.
  ctx.log.info(
    {
      deliveryId: attempted.id,
      endpointId: attempted.endpointId,
      eventId: attempted.eventId,
      statusCode: outcome.statusCode,
      error: outcome.error,
      latencyMs: outcome.latencyMs,
      status: after?.status,
    },
    'a webhook was posted',
  );
  if (decision.kind === 'endpointGone')
    ctx.log.warn(
      { endpointId: attempted.endpointId },
      'a webhook endpoint answered 410 and was disabled',
    );
  return after?.status === 'pending' && after.nextAttemptAt !== null
    ? later(after.nextAttemptAt)
    : DONE;
}

async function disableEndpoint(trx: Transaction, endpointId: string, now: Date): Promise<void> {
  await markEndpointDisabled(trx, endpointId, GONE_REASON);
  await cancelPendingDeliveries(trx, endpointId, now);
}

/**
 * @param current the delivery as it is now, locked
 * @param attempted the delivery as it was when the POST began
 * @returns undefined: nothing to record
 */
function nextState(
  current: WebhookDelivery,
  attempted: WebhookDelivery,
  decision: DeliveryDecision,
): WebhookDelivery | undefined {
  if (current.status === 'succeeded') return undefined;
  const attempts = current.attempts + 1;
  // Whatever else happened meanwhile, the event has arrived.
  if (decision.kind === 'succeeded')
    return { ...current, status: 'succeeded', attempts, nextAttemptAt: null };
  // Another worker made the same attempt and was quicker to record it. Counting both would use up
  // the schedule too early.
  if (current.attempts !== attempted.attempts) return undefined;
  // Cancelled while the POST was under way: the attempt is recorded, and nothing follows from it.
  if (current.status !== 'pending') return { ...current, attempts };
  switch (decision.kind) {
    case 'retry':
      return { ...current, attempts, nextAttemptAt: decision.at };
    case 'failed':
      return { ...current, status: 'failed', attempts, nextAttemptAt: null };
    case 'endpointGone':
      return { ...current, status: 'cancelled', attempts, nextAttemptAt: null };
  }
}

/** What the event is about, and what that belongs to: a payment hears of its refunds. */
function listConcerned({
  subject,
  parent,
}: DeliveryToAttempt['event']): { topic: string; id: string }[] {
  return [subject, parent].flatMap((one) =>
    one === null ? [] : [{ topic: one.type, id: one.id }],
  );
}
