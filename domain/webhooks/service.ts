import type { Context } from '../../platform/context.ts';
import { inTransaction, type Transaction } from '../../platform/db.ts';
import { inStoreTurn } from '../../platform/storeTurns.ts';
import type { AlsoInTransaction, UnitOfWork } from '../../platform/unitOfWork.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { promiseWork } from '../outbox/service.ts';
import { decideFirstAttemptAt, findUrlRefusal, wantsEvent } from './decide.ts';
import { WEBHOOK_ERRORS } from './errors.ts';
import { newWebhookSecret } from './message.ts';
import type {
  EventType,
  PaymentEventSummary,
  StoreEvent,
  WebhookEndpoint,
  WebhookEndpointWithSecret,
} from './model.ts';
import {
  countEndpoints,
  insertDeliveries,
  insertEndpoint,
  insertEvents,
  listEndpoints,
  listEventsOfPayment,
  listListeningEndpoints,
  lockEndpoint,
  markEndpointDeleted,
  type ListeningEndpoint,
} from './store.ts';
import { lockStore } from '../stores/service.ts';
import { cancelPendingDeliveries } from './cancelPendingDeliveries.ts';

const MAX_ENDPOINTS_PER_STORE = 20;

/**
 * Adds an endpoint to a store.
 * @param input.eventTypes null: every type, those that will be added later included
 * @returns the endpoint with its secret, which cannot be read again
 * @throws AppError `WEBHOOK_ERRORS.urlRefused`, `WEBHOOK_ERRORS.tooManyEndpoints`;
 *   `COMMON_ERRORS.notFound` when there is no such store
 */
export async function createWebhookEndpoint(
  ctx: Context,
  input: {
    readonly storeId: string;
    readonly url: string;
    readonly eventTypes: readonly EventType[] | null;
  },
  alsoInTransaction?: AlsoInTransaction<WebhookEndpointWithSecret>,
): Promise<WebhookEndpointWithSecret> {
  const refusal = findUrlRefusal(input.url, {
    allowPrivateNetworks: ctx.config.webhooks.allowPrivateNetworks,
    requireHttps: ctx.config.environment === 'production',
  });
  if (refusal !== undefined) throw new AppError(WEBHOOK_ERRORS.urlRefused, { detail: refusal });

  const endpoint: WebhookEndpoint = {
    id: ctx.newId('we'),
    storeId: input.storeId,
    url: input.url,
    eventTypes: input.eventTypes,
    status: 'enabled',
    disabledReason: null,
    createdAt: ctx.clock.now(),
  };
  const secret = newWebhookSecret(ctx.randomBytes);
  const secretCiphertext = ctx.secretBox.seal(secret);
  const created = { ...endpoint, secret };

  const create = async (trx: Transaction) => {
    // Under the lock the count stays true until the commit, however many requests come at once.
    if (!(await lockStore(trx, input.storeId))) throw new AppError(COMMON_ERRORS.notFound);
    if ((await countEndpoints(trx, input.storeId)) >= MAX_ENDPOINTS_PER_STORE) {
      throw new AppError(WEBHOOK_ERRORS.tooManyEndpoints, {
        detail: `A store may have ${MAX_ENDPOINTS_PER_STORE} webhook endpoints.`,
      });
    }
    await insertEndpoint(trx, endpoint, secretCiphertext);
    await alsoInTransaction?.(trx, created);
  };
  await inStoreTurn(ctx.db, input.storeId, () => inTransaction(ctx.db, create));
  return created;
}

/** All of the store's endpoints, oldest first. */
export async function listWebhookEndpoints(
  ctx: Context,
  input: { readonly storeId: string },
): Promise<WebhookEndpoint[]> {
  return listEndpoints(ctx.db, input.storeId);
}

/**
 * Removes an endpoint and cancels what still waits for it. A POST that is under way at this moment
 * may still arrive.
 * @throws AppError `COMMON_ERRORS.notFound`, for another store's endpoint too
 */
export async function deleteWebhookEndpoint(
  ctx: Context,
  input: { readonly storeId: string; readonly endpointId: string },
): Promise<void> {
  const remove = async (trx: Transaction) => {
    const now = ctx.clock.now();
    const endpoint = await lockEndpoint(trx, input.endpointId);
    if (endpoint?.storeId !== input.storeId) throw new AppError(COMMON_ERRORS.notFound);
    await markEndpointDeleted(trx, input.endpointId, now);
    await cancelPendingDeliveries(trx, input.endpointId, now);
  };
  await inStoreTurn(ctx.db, input.storeId, () => inTransaction(ctx.db, remove));
}

export interface NewStoreEvent {
  readonly storeId: string;
  readonly type: EventType;
  readonly paymentId: Bytes32;
  /** Absent: it is about the payment itself. */
  readonly refundId?: string;
  /** The version of what it is about after the change. */
  readonly version: number;
  /** As openapi.yaml has it under `webhooks`; no bigints, no dates, nothing undefined. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The request or job that caused it, when that is not the context's own. */
  readonly requestId?: string | null;
}

/** Records one event in the transaction of the change that it tells of. See recordEvents. */
export async function recordEvent(
  ctx: Context,
  unit: UnitOfWork,
  event: NewStoreEvent,
): Promise<void> {
  await recordEvents(ctx, unit, [event]);
}

/** Who listens to what. */
export type Listeners = readonly ListeningEndpoint[];

/**
 * The endpoints of these stores that take events, for `recordEvents`: begun before the transaction
 * it is one round trip less while that is open. An endpoint that is made meanwhile may hear of the
 * events or not.
 */
export function findListeners(ctx: Context, storeIds: ReadonlySet<string>): Promise<Listeners> {
  const listeners = listListeningEndpoints(ctx.db, [...storeIds]);
  // Its failure is told to whoever waits for it, which may be nobody when the transaction fails
  // before.
  listeners.catch(() => undefined);
  return listeners;
}

/**
 * Records events in the transaction of the changes that they tell of, with a delivery for each
 * endpoint that wants them: all of it commits or none. The number of statements does not depend on
 * the number of events: two, or four when an endpoint wants any of them.
 * @param listeners of all the stores concerned, when they were looked up before; else they are now
 * @throws a duplicate-key error when a version has an event already: the change was made twice
 */
export async function recordEvents(
  ctx: Context,
  unit: UnitOfWork,
  newEvents: readonly NewStoreEvent[],
  listeners?: Promise<Listeners>,
): Promise<void> {
  if (newEvents.length === 0) return;
  const now = ctx.clock.now();
  const events = newEvents.map((event): StoreEvent => ({
    requestId: ctx.requestId,
    refundId: null,
    ...event,
    id: ctx.newId('evt'),
    createdAt: now,
  }));
  const endpoints = await (listeners ??
    listListeningEndpoints(unit.trx, [...new Set(events.map((event) => event.storeId))]));
  await insertEvents(unit.trx, events);

  const deliveries = events.flatMap((event) =>
    endpoints
      .filter((endpoint) => endpoint.storeId === event.storeId && wantsEvent(endpoint, event.type))
      .map((endpoint) => ({
        id: ctx.newId('wd'),
        endpointId: endpoint.id,
        storeId: event.storeId,
        eventId: event.id,
        requestId: event.requestId,
      })),
  );
  if (deliveries.length === 0) return;
  const runAt = decideFirstAttemptAt({
    scheduleSeconds: ctx.config.webhooks.scheduleSeconds,
    now,
    random: ctx.random(),
  });
  await insertDeliveries(unit.trx, deliveries, runAt, now);
  await promiseWork(
    ctx,
    unit,
    deliveries.map(({ id, storeId, requestId }) => ({
      queue: 'webhook',
      subjectId: id,
      storeId,
      runAt,
      requestId,
    })),
  );
}

/** What has happened to a payment, oldest first. */
export async function listPaymentEvents(
  ctx: Context,
  input: { readonly paymentId: Bytes32 },
): Promise<PaymentEventSummary[]> {
  return listEventsOfPayment(ctx.db, input.paymentId);
}
