import type { Context } from '../../platform/context.ts';
import { inTransaction, type Transaction } from '../../platform/db.ts';
import { inStoreTurn } from '../../platform/storeTurns.ts';
import type { AlsoInTransaction } from '../../platform/unitOfWork.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import type { EventType } from '../events/model.ts';
import { findUrlRefusal } from './decide.ts';
import { WEBHOOK_ERRORS } from './errors.ts';
import { newWebhookSecret } from './message.ts';
import type { WebhookEndpoint, WebhookEndpointWithSecret } from './model.ts';
import {
  countEndpoints,
  insertEndpoint,
  listEndpoints,
  lockEndpoint,
  markEndpointDeleted,
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
