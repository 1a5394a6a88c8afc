/**
 * Why blocks that the scanner had passed were read again:
 *
 *   audit    maintenance looks at old blocks at random
 *   missed   the gateway's storage, or a receipt, shows a payment or refund as made whose event was not seen
 *   rescan   an operator asked for it
 */
export const REREAD_REASONS = ['audit', 'missed', 'rescan'] as const;
export type RereadReason = (typeof REREAD_REASONS)[number];
