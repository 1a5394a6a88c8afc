/**
 * What stores can be told of each kind of subject. A module adds its own in its `eventTypes.ts`, by
 * declaring it in here: so an event type that no module has does not compile.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- modules fill it
export interface EventTypesOf {}

/** Each is described under `webhooks` in openapi.yaml. */
export type EventType = EventTypesOf[keyof EventTypesOf];

/** What an event is about, e.g. a payment. */
export interface EventSubject {
  readonly type: keyof EventTypesOf;
  readonly id: string;
}

/** One logical event: exactly one for each state change, written in the same transaction. */
export interface StoreEvent {
  readonly id: string;
  readonly storeId: string;
  readonly type: EventType;
  readonly subject: EventSubject;
  /** What the subject belongs to: a refund's payment. */
  readonly parent: EventSubject | null;
  /** The subject's after the change: (subject, version) is unique. */
  readonly version: number;
  /** The request or job that caused it, for the logs. */
  readonly requestId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
}

/** One step in the history of a subject. */
export interface EventSummary {
  readonly eventId: string;
  readonly type: EventType;
  readonly version: number;
  readonly at: Date;
}
