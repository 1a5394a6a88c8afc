import type { RelayFailure } from '../../payments/eventData.ts';
import { isSignatureDead } from '../attempts/decideTime.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { RelayAttempt, RelayTransaction } from '../model.ts';
import type { ProviderAnswer } from './model.ts';

/**
 * What a relayer had taken and then forgot, or left the configuration with, may still be mined:
 * this many times the usual wait is given to it.
 */
const ABANDONED_PATIENCE = 5;

type End = { readonly kind: 'failed' | 'provenUnsent' | 'givenUp'; readonly error: RelayFailure };

/**
 * What is certain about an attempt that is in no block: undefined while nothing is. Sending again
 * cannot do it twice, since the contract takes each payment id and each refund nonce once; it is
 * decided late all the same, for the sake of the gas.
 * @param input.patienceSpent 1 when enough time has passed for anything sent to show up in the
 *   provider's list
 * @param input.settledTime see findSettledTime: what was mined until then, the scanner has told
 * @param input.isOverdue it is in no block although the provider, too, had time to do something
 *   about that
 */
export function decideEnd(input: {
  readonly attempt: RelayAttempt;
  readonly transaction: RelayTransaction;
  readonly provider: ProviderAnswer;
  readonly patienceSpent: number;
  readonly isOverdue: boolean;
  readonly settledTime: Date | undefined;
}): End | undefined {
  const { attempt, transaction, provider, patienceSpent, isOverdue, settledTime } = input;
  const notSent = (detail: string): RelayFailure => ({ code: RELAY_ERRORS.notSent.code, detail });
  if (isSignatureDead(attempt, settledTime)) {
    const detail = 'The transaction was not mined before the deadline of the signed request.';
    return { kind: 'failed', error: { code: RELAY_ERRORS.deadline.code, detail } };
  }
  if (typeof provider === 'object' && provider.state === 'ended') {
    return { kind: 'givenUp', error: notSent('The relayer gave up on the transaction.') };
  }
  if (isOverdue)
    return { kind: 'givenUp', error: notSent('The transaction was not mined for a long time.') };
  if (typeof provider === 'object') return undefined;
  if (provider === 'silent' || patienceSpent < 1) return undefined;
  const lost = notSent('The relayer does not know the transaction.');
  if (attempt.status === 'unknown' && transaction.providerTransactionId === null) {
    // Never acknowledged, and by now in no list. With nobody left to ask (`gone`) that is likely
    // and no more: it may still be mined.
    return { kind: provider === 'gone' ? 'givenUp' : 'provenUnsent', error: lost };
  }
  return patienceSpent >= ABANDONED_PATIENCE ? { kind: 'givenUp', error: lost } : undefined;
}
