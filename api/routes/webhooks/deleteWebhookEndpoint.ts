import * as webhooks from '../../../domain/webhooks/service.ts';
import type { Handler } from '../../http/handler.ts';

export const deleteWebhookEndpoint: Handler<'deleteWebhookEndpoint'> = async (
  ctx,
  { identity, params },
) => {
  await webhooks.deleteWebhookEndpoint(ctx, {
    storeId: identity.storeId,
    endpointId: params.endpointId,
  });
  return { status: 204 };
};
