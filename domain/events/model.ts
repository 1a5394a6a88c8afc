import type { Bytes32 } from '../../shared/hex.ts';

/**
 * What stores can be told of each kind of subject. A module adds its own in its `eventTypes.ts`, by
 * declaring it in here: so an event type that no module has does not compile.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- it is filled by the modules
export interface EventTypesOf {}

/** Each is described under `webhooks` in openapi.yaml. */
export type EventType = EventTypesOf[keyof EventTypesOf];

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

/** One step in the history of a payment. */
export interface PaymentEventSummary {
  readonly eventId: string;
  readonly type: EventType;
  readonly version: number;
  readonly at: Date;
}
