export const REFUND_EVENT_TYPES = [
  'refund.created',
  'refund.processing',
  'refund.completed',
  'refund.failed',
  'refund.reorged',
] as const;
export type RefundEventType = (typeof REFUND_EVENT_TYPES)[number];

declare module '../events/model.ts' {
  interface EventTypesOf {
    readonly refund: RefundEventType;
  }
}
