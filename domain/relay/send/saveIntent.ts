import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork } from '../../../platform/unitOfWork.ts';
import { addMs } from '../../../shared/clock.ts';
import { blockTimeMsOf, getChain } from '../../chain/service.ts';
import { promiseWork } from '../../outbox/service.ts';
import { changeAttempts, type AttemptChange } from '../attempts/changeAttempt.ts';
import type { Estimated } from './chooseBatch.ts';
import { decideNextLook } from '../attempts/decideNextLook.ts';
import { isTooLate } from '../attempts/decideTime.ts';
import { listClaimed, releaseAttempts } from '../attempts/dispatchStore.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { RelayAttempt, RelayTransaction } from '../model.ts';
import { noteForeignCode } from './noteForeignCode.ts';
import { findHeldBack } from './permitTurns.ts';
import { lockRelayersOf, takeFreeRelayer } from '../../relayers/takeFreeRelayer.ts';
import { isOnChain, isWaitingFor, lockWithPurposes } from '../attempts/purpose.ts';
import { insertItems, insertTransaction } from '../attempts/transactionStore.ts';
import { noteServedTurn } from '../attempts/turnStore.ts';
import type { Candidate } from './withClaim.ts';
import { readRelayerLoads } from '../readRelayerLoads.ts';

/**
 * What came of saving the intent to send.
 *
 *   saved     the transaction is to be sent now, by us and by nobody else
 *   changed   some dropped out meanwhile: nothing is saved, and what is left has to be estimated
 *             again
 *   noRelayer none is free any more
 */
export type SavedIntent =
  | { readonly kind: 'saved'; readonly transaction: RelayTransaction }
  | { readonly kind: 'changed'; readonly left: readonly Candidate[] }
  | { readonly kind: 'noRelayer'; readonly waitMs: number };

/**
 * Saves the intent to send exactly what was estimated, within the limits of the relayer that is
 * free now. A gas limit is made for these items in this order: with fewer of them, one that turns
 * bad in the block could burn what was meant for the others.
 * @param own the attempt whose job this is, chosen or not
 */
export async function saveIntent(
  ctx: Context,
  input: {
    readonly claimId: string;
    readonly estimated: Estimated;
    readonly own: Pick<RelayAttempt, 'id' | 'chainId'>;
  },
): Promise<SavedIntent> {
  const { claimId, estimated, own } = input;
  const { chainId } = own;
  return inUnitOfWork(ctx, async (unit) => {
    const ids = estimated.send.map(({ attempt }) => attempt.id);
    const locked = await lockWithPurposes(
      unit,
      estimated.send.map(({ attempt }) => attempt),
    );
    const ours = await listClaimed(unit.trx, claimId, ids);
    const now = ctx.clock.now();
    const takeable: Candidate[] = [];
    const forsaken: AttemptChange[] = [];
    for (const candidate of estimated.send) {
      const current = locked.find(({ attempt }) => attempt.id === candidate.attempt.id);
      if (current?.attempt.status !== 'queued' || !ours.has(current.attempt.id)) continue;
      // Done by other means while this waited: sending would only burn gas. Its own job ends it.
      if (isOnChain(current)) continue;
      if (!isWaitingFor(current)) {
        const error = {
          code: RELAY_ERRORS.notSent.code,
          detail: 'Nothing waits for this request any more.',
        };
        forsaken.push({ attempt: current.attempt, event: 'failed', error });
        continue;
      }
      // It was in time when it was chosen, and estimating may take long. Its own job ends it.
      if (isTooLate(current.attempt, now, blockTimeMsOf(ctx, chainId))) continue;
      takeable.push({ ...candidate, attempt: current.attempt });
    }
    // All at once: quotas are locked in one order over all of them.
    if (forsaken.length > 0) await changeAttempts(ctx, unit, forsaken);
    const left = withoutOrphans(estimated.send, takeable);
    if (left.length !== estimated.send.length) return { kind: 'changed', left };
    assertEstimated(ctx, chainId, estimated, left);
    const carried = await noteForeignCode(ctx, unit, left);

    const relayers = await lockRelayersOf(ctx, unit, chainId);
    // Under the lock of the relayers only one intent of a chain is saved at a time: what another
    // process saved since the batch was chosen is seen here.
    const heldBack = await findHeldBack(ctx, unit.trx, left);
    if (heldBack.size > 0) {
      const others = left.filter(({ attempt }) => !heldBack.has(attempt.id));
      return { kind: 'changed', left: withoutOrphans(left, others) };
    }
    const free = await takeFreeRelayer(ctx, unit, readRelayerLoads, relayers);
    if ('waitMs' in free) return { kind: 'noRelayer', waitMs: free.waitMs };
    const transaction: RelayTransaction = {
      id: ctx.newId('rtx'),
      chainId,
      relayerId: free.relayerId,
      to: estimated.call.to,
      data: estimated.call.data,
      gasLimit: estimated.gasLimit,
      // Each has its own deadline in the contract too: one that is late fails alone.
      validUntil: latest(left.map(({ attempt }) => attempt.deadline)),
      items: left.length,
      providerTransactionId: null,
      hash: null,
      hashes: [],
      sentAt: ctx.clock.now(),
      blockNumber: null,
      blockHash: null,
      gasUsed: null,
      effectiveGasPrice: null,
      abandonedAt: null,
    };
    await insertTransaction(unit.trx, transaction);
    await insertItems(
      unit.trx,
      transaction.id,
      carried.map(({ attempt }) => attempt.id),
    );
    await noteServedTurn(unit.trx, chainId, earliest(left.map(({ attempt }) => attempt.turn)));
    await changeAttempts(
      ctx,
      unit,
      carried.map(({ attempt }, batchIndex) => {
        const facts = { transactionId: transaction.id, batchIndex, sends: attempt.sends + 1 };
        return { attempt, event: 'take', facts };
      }),
    );
    await releaseAttempts(unit.trx, claimId, ids, null);
    const [first] = left;
    if (first !== undefined && !ids.includes(own.id)) {
      // Should this process die before it has saved what comes of the sending, somebody has to find
      // out, and soon: the jobs of those that it carries may be far off.
      const lookAt = addMs(transaction.sentAt, 2 * ctx.config.relay.timeoutMs);
      // Its job ends with the transaction that it led. When it is not in that (another process may
      // be sending it, and may die before it is done), nobody would look after it without another
      // promise.
      const runAt = decideNextLook(ctx.clock.now(), blockTimeMsOf(ctx, chainId));
      await promiseWork(ctx, unit, [
        { queue: 'relay', subjectId: first.attempt.id, runAt: lookAt },
        { queue: 'relay', subjectId: own.id, runAt },
      ]);
    }
    return { kind: 'saved', transaction };
  });
}

/** A forwarder request whose predecessor dropped out of the batch must not go without it. */
function withoutOrphans(chosen: readonly Candidate[], takeable: readonly Candidate[]): Candidate[] {
  const blocked = new Set<string>();
  return chosen.flatMap(({ attempt }) => {
    const { signed } = attempt;
    const payer = signed.rail === 'forwarder' ? signed.request.from : undefined;
    const candidate = takeable.find((other) => other.attempt.id === attempt.id);
    if (payer !== undefined && candidate === undefined) blocked.add(payer);
    return candidate === undefined || (payer !== undefined && blocked.has(payer))
      ? []
      : [candidate];
  });
}

/**
 * @throws Error when these are not the items, in the order, whose gas was estimated: a fault of
 *   ours that must not cost anybody gas
 */
function assertEstimated(
  ctx: Context,
  chainId: number,
  estimated: Estimated,
  items: readonly Candidate[],
): void {
  const call = getChain(ctx, chainId).encodeRelay(items.map(({ item }) => item));
  if (call.to === estimated.call.to && call.data === estimated.call.data) return;
  throw new Error('the transaction that is to be sent is not the one whose gas was estimated');
}

function earliest(turns: readonly bigint[]): bigint {
  return turns.reduce((least, turn) => (turn < least ? turn : least));
}

function latest(dates: readonly Date[]): Date {
  return new Date(Math.max(...dates.map((date) => date.getTime())));
}
