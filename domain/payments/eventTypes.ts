export const PAYMENT_EVENT_TYPES = [
  'payment.created',
  'payment.processing',
  'payment.completed',
  'payment.expired',
  'payment.failed',
  'payment.cancelled',
  'payment.relay_failed',
  'payment.reorged',
] as const;
export type PaymentEventType = (typeof PAYMENT_EVENT_TYPES)[number];

declare module '../events/model.ts' {
  interface EventTypesOf {
    readonly payment: PaymentEventType;
  }
}
