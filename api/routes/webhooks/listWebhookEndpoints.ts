import * as webhooks from '../../../domain/webhooks/service.ts';
import type { Handler } from '../../handler.ts';
import { toWebhookEndpointResource } from './toWebhookEndpointResource.ts';

export const listWebhookEndpoints: Handler<'listWebhookEndpoints'> = async (ctx, { identity }) => {
  const endpoints = await webhooks.listWebhookEndpoints(ctx, { storeId: identity.storeId });
  return { status: 200, body: { data: endpoints.map(toWebhookEndpointResource) } };
};
