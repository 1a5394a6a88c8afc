import { addMs, BLOCK_CLOCK_MARGIN_MS } from '../../shared/clock.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { formatAmountUnits } from '../../shared/money.ts';
import { toChainFacts, type RelayFailure } from '../payments/eventData.ts';
import type { RefundEventType } from './eventTypes.ts';
import type { Refund } from './model.ts';
import type { RefundTransitionEvent } from './transitions.ts';
import type { RefundProcessedLog } from '../chain/contractModel.ts';

/** How long the merchant's signature is good when nobody says otherwise. */
export const DEFAULT_DEADLINE_MS = 3_600_000;
/** Longer than any relay needs; until then the signature may be used by whoever has it. */
export const MAX_DEADLINE_MS = 24 * 3_600_000;

/** Whole seconds, as the contract counts. */
export function decideRefundDeadline(now: Date): Date {
  return new Date(Math.floor(addMs(now, DEFAULT_DEADLINE_MS).getTime() / 1000) * 1000);
}

/** 128 random bits: two refunds of a payment never meet. */
export function makeRefundNonce(randomBytes: Buffer): bigint {
  return BigInt(`0x${randomBytes.toString('hex')}`);
}

export const EVENT_TYPE_OF_REFUND_TRANSITION: Readonly<
  Record<RefundTransitionEvent, RefundEventType>
> = {
  relayFailed: 'refund.failed',
  signedAgain: 'refund.processing',
  eventSeen: 'refund.processing',
  eventFinal: 'refund.completed',
  eventRemoved: 'refund.reorged',
  eventRemovedForGood: 'refund.reorged',
};

/**
 * Whether a block may still take the signature. Only the chain's clock can tell: the contract
 * compares the deadline with the time of the block, and a chain that stood still, or whose clock is
 * behind ours, takes a signature that is long over by our clock.
 * @param settledTime see findSettledTime; undefined: not known
 */
export function isSignatureGood(
  refund: Pick<Refund, 'deadline'>,
  settledTime: Date | undefined,
): boolean {
  return settledTime === undefined || settledTime <= addMs(refund.deadline, BLOCK_CLOCK_MARGIN_MS);
}

/**
 * Whether a refund takes its amount from what can still be refunded. One that a reorganisation took
 * away most likely lands again, so it does too for as long as its signature is good; one that
 * failed for a reason does not, or it could not be signed again.
 */
export function takesFromPayment(
  refund: Pick<Refund, 'status' | 'errorCode' | 'deadline'>,
  settledTime: Date | undefined,
): boolean {
  return (
    refund.status !== 'failed' ||
    (refund.errorCode === null && isSignatureGood(refund, settledTime))
  );
}

/**
 * Whether a refund failed whose signature is still good: whoever saw it on the chain could have the
 * refund made after all. Another one in its place must have its nonce, of which the contract takes
 * one; otherwise both might be made.
 */
export function mustBeSignedAgain(
  refund: Pick<Refund, 'status' | 'errorCode' | 'deadline'>,
  settledTime: Date | undefined,
): boolean {
  return hasFailedForAReason(refund) && isSignatureGood(refund, settledTime);
}

/** Not merely taken away by a reorganisation. */
export function hasFailedForAReason(refund: Pick<Refund, 'status' | 'errorCode'>): boolean {
  return refund.status === 'failed' && refund.errorCode !== null;
}

export function isSameRefundPosition(refund: Refund, log: RefundProcessedLog): boolean {
  const { position } = refund;
  return (
    position !== null &&
    position.blockHash === log.blockHash &&
    position.logIndex === log.logIndex &&
    position.txHash === log.txHash
  );
}

/** `data` of a webhook about a refund, see RefundEvent in openapi.yaml. */
export function toRefundEventData(
  refund: Refund,
  error: RelayFailure | null,
): Readonly<Record<string, unknown>> {
  return {
    refundId: refund.id,
    paymentId: refund.paymentId,
    status: refund.status,
    version: refund.version,
    chainId: refund.chainId,
    amount: formatAmountUnits(refund.amount),
    txHash: refund.txHash,
    chain: toChainFacts(refund.position),
    error,
  };
}

/** One key for what the contract takes once. */
export function refundKey(paymentId: Bytes32, nonce: bigint): string {
  return `${paymentId} ${nonce}`;
}
