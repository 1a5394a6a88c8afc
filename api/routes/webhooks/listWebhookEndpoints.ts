import * as webhooks from '../../../domain/webhooks/service.ts';
import { inStoreReadTurn } from '../../../platform/storeReads.ts';
import type { Handler } from '../../http/handler.ts';
import { toWebhookEndpointResource } from './toWebhookEndpointResource.ts';

export const listWebhookEndpoints: Handler<'listWebhookEndpoints'> = (ctx, { identity }) =>
  inStoreReadTurn(ctx.db, identity.storeId, async () => {
    const endpoints = await webhooks.listWebhookEndpoints(ctx, { storeId: identity.storeId });
    return { status: 200, body: { data: endpoints.map(toWebhookEndpointResource) } };
  });
