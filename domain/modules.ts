import type { EventType, EventTypesOf } from './events/model.ts';
import type { EventSink } from './events/ports.ts';
import { PAYMENT_EVENT_TYPES } from './payments/eventTypes.ts';
import { REFUND_EVENT_TYPES } from './refunds/eventTypes.ts';
import { DELIVERY_SINK } from './webhooks/deliverySink.ts';

/** What the modules contribute to each other. Above all of them: none imports this file. */

/** Who is told of events, in this order. */
export const EVENT_SINKS: readonly EventSink[] = [DELIVERY_SINK];

/** One list for each kind of subject that a module has declared: a missing one does not compile. */
const EVENT_TYPES_OF: {
  readonly [Subject in keyof EventTypesOf]: readonly EventTypesOf[Subject][];
} = {
  payment: PAYMENT_EVENT_TYPES,
  refund: REFUND_EVENT_TYPES,
};

/** All that a store can be told. */
export const EVENT_TYPES: readonly EventType[] = Object.values(EVENT_TYPES_OF).flat();
