import { getAddress, isAddress } from 'viem';
import { z } from 'zod';

import type { ProviderTransaction, RelayerStatus } from '../../../domain/relayers/ports.ts';
import type { Address } from '../../../shared/hex.ts';
import { hash, stateOf, transactionId } from '../providerTransaction.ts';

/**
 * What a Defender-compatible server answers: only what we use, everything else may be as it likes.
 */

const transactionSchema = z
  .object({ transactionId, hash, status: z.string() })
  .transform((answer): ProviderTransaction => ({
    providerTransactionId: answer.transactionId,
    hash: answer.hash,
    state: stateOf(answer.status),
  }));

const listedTransactionSchema = z.object({
  to: z.string().nullish(),
  data: z.string().nullish(),
  createdAt: z.string().nullish(),
});

const pageSchema = z.object({ items: z.array(z.unknown()), next: z.string().nullish() });

const statusSchema = z
  .object({
    address: z.string().refine((text) => isAddress(text, { strict: false })),
    paused: z.boolean(),
    numberOfPendingTransactions: z.number().int().min(0),
  })
  .transform((answer): RelayerStatus => ({
    address: getAddress(answer.address),
    paused: answer.paused,
    pendingTransactions: answer.numberOfPendingTransactions,
  }));

/** Each returns undefined for an answer that is none. */
export function parseTransaction(answer: unknown): ProviderTransaction | undefined {
  return transactionSchema.safeParse(answer).data;
}

export function parseRelayerStatus(answer: unknown): RelayerStatus | undefined {
  return statusSchema.safeParse(answer).data;
}

export function parsePage(
  answer: unknown,
): { items: readonly unknown[]; next: string | undefined } | undefined {
  const page = pageSchema.safeParse(answer).data;
  return (
    page && {
      items: page.items,
      next: page.next === null || page.next === '' ? undefined : page.next,
    }
  );
}

/** Whether a listed transaction carries this call; undefined when it cannot be read. */
export function carriesCall(
  item: unknown,
  call: { to: Address; data: string },
): boolean | undefined {
  const listed = listedTransactionSchema.safeParse(item).data;
  if (listed === undefined) return undefined;
  return (
    listed.to?.toLowerCase() === call.to.toLowerCase() &&
    listed.data?.toLowerCase() === call.data.toLowerCase()
  );
}
