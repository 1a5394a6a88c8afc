import type { Context } from '../../../platform/context.ts';
import { AppError } from '../../../shared/errors.ts';
import { findChainConfig } from '../../chain/service.ts';
import { isProviderTransactionTaken } from '../attempts/transactionStore.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { RelayTransaction } from '../model.ts';
import type { ProviderAnswer } from './model.ts';

/** What became of a transaction, as its relayer's provider tells. */
export async function askProvider(
  ctx: Context,
  transaction: RelayTransaction,
): Promise<ProviderAnswer> {
  const relayer = ctx.relayers.get(transaction.relayerId);
  if (relayer === undefined) {
    const isConfigured =
      findChainConfig(ctx, transaction.chainId)?.relayers.some(
        ({ id }) => id === transaction.relayerId,
      ) ?? false;
    if (isConfigured)
      throw new Error(`relayer ${transaction.relayerId} is configured and not there`);
    return 'gone';
  }
  const { to, data, sentAt: since, providerTransactionId } = transaction;
  try {
    if (providerTransactionId !== null)
      return (await relayer.findTransaction(providerTransactionId)) ?? 'unknown';
    const found = await relayer.findSent({ to, data, since });
    // A customer whose relay was reverted may hand in the same signature again, which makes the
    // same call: what carried the first is not this one.
    if (
      found === undefined ||
      (await isProviderTransactionTaken(ctx.db, transaction, found.providerTransactionId))
    )
      return 'unknown';
    return found;
  } catch (error) {
    if (!(error instanceof AppError && error.code === RELAY_ERRORS.relayerUnavailable.code))
      throw error;
    ctx.log.warn({ err: error, transactionId: transaction.id }, 'the relayer does not answer');
    return 'silent';
  }
}
