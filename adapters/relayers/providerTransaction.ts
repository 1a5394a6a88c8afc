import { z } from 'zod';

import type { ProviderTransaction } from '../../domain/relayers/ports.ts';
import type { Bytes32 } from '../../shared/hex.ts';

/** What Defender and its successor have in common in what they tell of a transaction. */

/**
 * The provider's clock and ours may differ by this; also the time between our noting the intent and
 * its taking the request.
 */
export const CLOCK_SKEW_MS = 60_000;

/** As wide as the column that keeps it. */
export const transactionId = z.string().min(1).max(128);

/** An intent has no hash yet; some servers write that as an empty string. */
export const hash = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/)
  .transform((text) => text.toLowerCase() as Bytes32)
  .nullish()
  .catch(null)
  .transform((text) => text ?? null);

/**
 * Statuses: pending, sent, submitted, inmempool, mined, confirmed, failed, expired, canceled. One
 * that we do not know counts as pending: nothing is given up for it, the chain is asked on.
 */
export function stateOf(status: string): ProviderTransaction['state'] {
  switch (status) {
    case 'mined':
    case 'confirmed':
      return 'mined';
    case 'failed':
    case 'expired':
    case 'canceled':
    case 'cancelled':
      return 'ended';
    default:
      return 'pending';
  }
}
