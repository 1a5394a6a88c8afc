import type { Bytes32 } from '../../shared/hex.ts';

/** What a store can be told. Each is described under `webhooks` in openapi.yaml. */
export const EVENT_TYPES = [
  'payment.created',
  'payment.processing',
  'payment.completed',
  'payment.expired',
  'payment.failed',
  'payment.cancelled',
  'payment.relay_failed',
  'payment.reorged',
  'refund.created',
  'refund.processing',
  'refund.completed',
  'refund.failed',
  'refund.reorged',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** One logical event: exactly one for each state change, written in the same transaction. */
export interface StoreEvent {
  readonly id: string;
  readonly storeId: string;
  readonly type: EventType;
  readonly paymentId: Bytes32;
  /** The payment's refund that it is about; null: it is about the payment itself. */
  readonly refundId: string | null;
  /** The version of what it is about after the change: (paymentId, refundId, version) is unique. */
  readonly version: number;
  /** The request or job that caused it, for the logs. */
  readonly requestId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
}

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

/** One step in the history of a payment. */
export interface PaymentEventSummary {
  readonly eventId: string;
  readonly type: EventType;
  readonly version: number;
  readonly at: Date;
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
