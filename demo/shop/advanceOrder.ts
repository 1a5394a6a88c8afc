import type { Order } from './openStateFile.ts';

/**
 * Takes news of an order's payment in, from wherever they come. News may come twice and out of
 * order; a payment's version goes up with each state change, so only what is newer than all that
 * was seen counts.
 * @returns false when the news were old
 */
export function advanceOrder(
  order: Order,
  news: { readonly status: Order['status']; readonly version: number },
  now: Date,
): boolean {
  if (news.version <= order.version) return false;
  order.version = news.version;
  order.status = news.status;
  // Completed means final on the chain: the moment to ship, not one earlier. Once: what is shipped
  // does not come back, even if a later reorganisation of the chain (payment.reorged) should make
  // the payment open again, which is for a person to look at.
  if (news.status === 'completed') order.shippedAt ??= now.toISOString();
  return true;
}
