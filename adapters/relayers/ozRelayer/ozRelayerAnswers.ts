import { getAddress, isAddress } from 'viem';
import { z } from 'zod';

import type { ProviderTransaction, RelayerStatus } from '../../../domain/relayers/ports.ts';
import type { Address, Hex } from '../../../shared/hex.ts';
import { hash, stateOf, transactionId } from '../providerTransaction.ts';

/** What an OpenZeppelin Relayer answers: only what we use, everything else may be as it likes. */

const envelope = <T extends z.ZodType>(data: T) => z.object({ success: z.literal(true), data });

const transactionSchema = z.object({
  id: transactionId,
  /** null until it is signed, which is after the answer to a send. */
  hash,
  /**
   * canceled, pending, sent, submitted, mined, confirmed, failed (also: mined and reverted),
   * expired
   */
  status: z.string(),
  created_at: z.string().transform((text) => new Date(text)),
  from: z.string(),
  to: z.string().nullish(),
  /** Early versions do not tell it. */
  data: z.string().nullish(),
});

export type ListedTransaction = z.output<typeof transactionSchema>;

const pageSchema = envelope(z.array(transactionSchema)).extend({
  pagination: z.object({
    per_page: z.number().int().positive(),
    total_items: z.number().int().min(0),
  }),
});

const relayerSchema = envelope(
  z.object({
    address: z.string().refine((text) => isAddress(text, { strict: false })),
    paused: z.boolean(),
    system_disabled: z.boolean().nullish(),
  }),
);

const statusSchema = envelope(z.object({ pending_transactions_count: z.number().int().min(0) }));

/** Each returns undefined for an answer that is none. */
export function parseTransaction(answer: unknown): ProviderTransaction | undefined {
  const parsed = envelope(transactionSchema).safeParse(answer).data;
  return parsed && toTransaction(parsed.data);
}

export function parsePage(
  answer: unknown,
): { items: readonly ListedTransaction[]; pages: number } | undefined {
  const page = pageSchema.safeParse(answer).data;
  return (
    page && {
      items: page.data,
      pages: Math.ceil(page.pagination.total_items / page.pagination.per_page),
    }
  );
}

export function parseRelayer(
  answer: unknown,
): Pick<RelayerStatus, 'address' | 'paused'> | undefined {
  const relayer = relayerSchema.safeParse(answer).data?.data;
  // `system_disabled`: it found itself unable to send, for want of funds or of a node.
  return (
    relayer && {
      address: getAddress(relayer.address),
      paused: relayer.paused || relayer.system_disabled === true,
    }
  );
}

export function parsePendingCount(answer: unknown): number | undefined {
  return statusSchema.safeParse(answer).data?.data.pending_transactions_count;
}

/**
 * What has waited too long is replaced by a transfer of nothing to itself, under the same id, and
 * then goes on to `confirmed`: for us it has ended, and the hash is not our call's.
 */
export function toTransaction(answer: ListedTransaction): ProviderTransaction {
  const state = stateOf(answer.status);
  if (!isNoop(answer)) return { providerTransactionId: answer.id, hash: answer.hash, state };
  return {
    providerTransactionId: answer.id,
    hash: null,
    state: state === 'pending' ? 'pending' : 'ended',
  };
}

/** Whether a listed transaction carries this call; undefined when it cannot be told. */
export function carriesCall(
  listed: ListedTransaction,
  call: { to: Address; data: Hex },
): boolean | undefined {
  // What it replaces is not told any more, and may be mined in its place as long as it is not.
  if (isNoop(listed)) return toTransaction(listed).state === 'pending' ? undefined : false;
  if (listed.to?.toLowerCase() !== call.to.toLowerCase()) return false;
  return listed.data == null ? undefined : listed.data.toLowerCase() === call.data.toLowerCase();
}

/** We relay no call to the relayer's own account. */
function isNoop({ from, to, data }: ListedTransaction): boolean {
  return to?.toLowerCase() === from.toLowerCase() && (data == null || data === '' || data === '0x');
}
