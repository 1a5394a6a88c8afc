import { idempotently } from '../../../domain/idempotency/service.ts';
import type { WebhookEndpointWithSecret } from '../../../domain/webhooks/model.ts';
import * as webhooks from '../../../domain/webhooks/service.ts';
import type { AlsoInTransaction } from '../../../platform/unitOfWork.ts';
import type { Handler } from '../../http/handler.ts';
import { toWebhookEndpointResource } from './toWebhookEndpointResource.ts';

export const createWebhookEndpoint: Handler<'createWebhookEndpoint'> = (
  ctx,
  { identity, body, claim },
) =>
  idempotently(
    ctx,
    claim,
    (also: AlsoInTransaction<WebhookEndpointWithSecret>) =>
      webhooks.createWebhookEndpoint(
        ctx,
        { storeId: identity.storeId, url: body.url, eventTypes: body.eventTypes ?? null },
        also,
      ),
    (endpoint) => ({
      status: 201 as const,
      body: { ...toWebhookEndpointResource(endpoint), secret: endpoint.secret },
    }),
  );
