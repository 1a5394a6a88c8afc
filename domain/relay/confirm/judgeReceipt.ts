import type { Context } from '../../../platform/context.ts';
import type { Block, ChainPort, Receipt } from '../../chain/ports.ts';
import { getChain } from '../../chain/service.ts';
import type { RelayFailure } from '../../payments/eventData.ts';
import { findPaymentsById } from '../../payments/service.ts';
import { listAttemptsOfTransaction } from '../attempts/attemptStore.ts';
import type { Blame } from '../waste/decideWaste.ts';
import { RELAY_ERRORS } from '../errors.ts';
import { findBlame, findBlameOfSkipped } from './findBlame.ts';
import { findRefusalOf } from '../refusals/findRefusalOf.ts';
import { leastMsOf } from '../attempts/leastMsOf.ts';
import type { RelayTransaction } from '../model.ts';
import { askIfDone, findRefusalIn, isDoneIn } from '../attempts/purpose.ts';
import { toRefusalError } from '../refusals/toRefusalError.ts';

/** What the receipt and the chain say about an attempt of a final transaction. */
export type Verdict =
  | 'done'
  | 'doneElsewhere'
  /** It left no trace in a batch. */
  | { readonly kind: 'untouched'; readonly blame: Blame }
  | { readonly kind: 'refused'; readonly error: RelayFailure; readonly blame: Blame };

/**
 * What became of each attempt that a final transaction carries and that has not ended.
 * @param block the header of the receipt's block, as the chain shows it
 * @returns by attempt id; without those of which nobody who has that block could be asked, and
 *   without any that did not do it while the RPC URLs do not agree on that block
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function judgeReceipt(
  ctx: Context,
  transaction: RelayTransaction,
  { receipt, block }: { readonly receipt: Receipt; readonly block: Block },
): Promise<ReadonlyMap<string, Verdict>> {
  const chain = getChain(ctx, transaction.chainId);
  const attempts = await listAttemptsOfTransaction(ctx.db, transaction.id);
  const payments = await findPaymentsById(
    ctx,
    attempts.map(({ paymentId }) => paymentId),
  );
  const leastMs = leastMsOf(ctx, transaction.chainId);
  const verdicts = new Map<string, Verdict>();
  let isUnknown = false;
  let isAgreed: boolean | undefined;
  for (const attempt of attempts.filter(
    ({ status }) => status !== 'succeeded' && status !== 'failed',
  )) {
    if (isDoneIn(receipt, attempt)) {
      verdicts.set(attempt.id, 'done');
      continue;
    }
    if (isUnknown) continue;
    // What did it before this transaction stands in its block or below it.
    const word = await askIfDone(chain, attempt, [block]);
    if (word === 'unknown') {
      // Nor of the others, and asking may take a while: they are judged at the next look.
      isUnknown = true;
      continue;
    }
    if (word === 'done') {
      verdicts.set(attempt.id, 'doneElsewhere');
      continue;
    }
    // Such a receipt ends a request. It may be one URL's, which is on a branch of its own that is
    // deep enough by now.
    isAgreed ??= await isAgreedOn(ctx, chain, receipt);
    if (!isAgreed) {
      isUnknown = true;
      continue;
    }
    const refused = findRefusalIn(receipt, attempt);
    // By itself it reverts with the whole transaction. In a batch, what left no trace was not
    // tried: another item undid it, or its turn had not come.
    if (refused === undefined && transaction.items > 1) {
      verdicts.set(attempt.id, {
        kind: 'untouched',
        blame: await findBlameOfSkipped(chain, attempt, { receipt, block, leastMs }),
      });
      continue;
    }
    const terms = payments.find(({ id }) => id === attempt.paymentId)?.terms;
    const item = terms && { ...attempt, terms };
    const refusal = item && (await findRefusalOf(chain, item));
    const reason =
      refusal && item ? (toRefusalError(refusal, item).detail ?? refused?.reason) : refused?.reason;
    const detail = `Transaction ${receipt.hash} was mined without doing it${reason === undefined ? '.' : `: ${reason}`}`;
    verdicts.set(attempt.id, {
      kind: 'refused',
      error: { code: RELAY_ERRORS.reverted.code, detail },
      blame: await findBlame(chain, attempt, {
        item,
        receipt,
        block,
        refused,
        refusal,
        leastMs,
        gasLimit: transaction.gasLimit,
      }),
    });
  }
  return verdicts;
}

/**
 * Whether all URLs have the receipt's block, or more than have none or another one in its place.
 */
async function isAgreedOn(ctx: Context, chain: ChainPort, receipt: Receipt): Promise<boolean> {
  const { blockNumber: number, blockHash: hash, hash: txHash } = receipt;
  const [poll] = await chain.pollBlocks([{ number, hash }]);
  const isAgreed =
    poll === undefined ||
    poll.replaced + poll.missing === 0 ||
    poll.stands > poll.replaced + poll.missing;
  if (!isAgreed)
    ctx.log.warn(
      { chainId: chain.chainId, txHash, poll },
      'RPC URLs do not agree on the block of a receipt: no request fails by it',
    );
  return isAgreed;
}
