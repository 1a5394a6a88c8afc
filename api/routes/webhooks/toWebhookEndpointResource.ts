import type { WebhookEndpoint } from '../../../domain/webhooks/model.ts';
import type { components } from '../../generated/openapi.ts';

export function toWebhookEndpointResource(
  endpoint: WebhookEndpoint,
): components['schemas']['WebhookEndpoint'] {
  return {
    id: endpoint.id,
    url: endpoint.url,
    eventTypes: endpoint.eventTypes === null ? null : [...endpoint.eventTypes],
    status: endpoint.status,
    disabledReason: endpoint.disabledReason,
    createdAt: endpoint.createdAt.toISOString(),
  };
}
