import type { EventType } from '../events/model.ts';

export const WEBHOOK_ENDPOINT_STATUSES = ['enabled', 'disabled'] as const;
export type WebhookEndpointStatus = (typeof WEBHOOK_ENDPOINT_STATUSES)[number];

export interface WebhookEndpoint {
  readonly id: string;
  readonly storeId: string;
  readonly url: string;
  /** null: every type. */
  readonly eventTypes: readonly EventType[] | null;
  readonly status: WebhookEndpointStatus;
  readonly disabledReason: string | null;
  readonly createdAt: Date;
}

/**
 * As it is shown once, in the answer to its creation. The database keeps the secret sealed, and
 * only the signing of a delivery opens it again.
 */
export interface WebhookEndpointWithSecret extends WebhookEndpoint {
  /** `whsec_` and the key in base64. */
  readonly secret: string;
}

/**
 * One event on its way to one endpoint:
 *
 *   pending    waits for its next attempt
 *   succeeded  the endpoint answered 2xx
 *   failed     every attempt of the schedule was used up, or the schedule's time, when its endpoint
 *              left no room for them
 *   cancelled  the endpoint was deleted or disabled meanwhile
 */
export const WEBHOOK_DELIVERY_STATUSES = ['pending', 'succeeded', 'failed', 'cancelled'] as const;
export type WebhookDeliveryStatus = (typeof WEBHOOK_DELIVERY_STATUSES)[number];

export interface WebhookDelivery {
  readonly id: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly status: WebhookDeliveryStatus;
  readonly attempts: number;
  readonly nextAttemptAt: Date | null;
}
