import type { Context } from '../../../platform/context.ts';
import type { Address } from '../../../shared/hex.ts';
import { CHAIN_ERRORS } from '../../chain/errors.ts';
import type { ChainPort, RelayCall } from '../../chain/ports.ts';
import type { RelayFailure } from '../../payments/eventData.ts';
import { listLiveNonces } from '../attempts/attemptStore.ts';
import { PAID_ELSEWHERE } from '../attempts/purpose.ts';
import { RELAY_ERRORS } from '../errors.ts';
import { findRefusalOf } from '../refusals/findRefusalOf.ts';
import { hasJustEnded, isSurelyAt } from '../attempts/forwarderNonces.ts';
import type { RelayAttempt } from '../model.ts';
import { findBesideReorganised, findDuePermits, findHeldBack } from './permitTurns.ts';
import type { Candidate } from './withClaim.ts';
import { toRefusalError } from '../refusals/toRefusalError.ts';

/** What one transaction is to carry, and what was estimated for exactly that. */
export interface Estimated {
  /** In this order. */
  readonly send: readonly Candidate[];
  readonly call: RelayCall;
  readonly gasLimit: bigint;
}

/**
 * What to do about attempts that were claimed together. Whoever is in none of the lists may be
 * chosen again at once.
 */
export interface Batch {
  /** null: none of them can be sent now. */
  readonly estimated: Estimated | null;
  /** Would not be made, by itself neither. */
  readonly fail: readonly { readonly attempt: RelayAttempt; readonly error: RelayFailure }[];
  /**
   * Waits for another one that is on its way: for its predecessor or an earlier permit to be mined,
   * or for what is left of a balance.
   */
  readonly aside: readonly RelayAttempt[];
  /** Brings a permit whose nonce has not come. */
  readonly early: readonly RelayAttempt[];
}

/**
 * Chooses from claimed attempts what goes into one transaction:
 *
 *   those whose permit's turn it is → forwarder requests whose nonce has come → simulated together
 *   → those that would fail are taken out → gas for the rest
 *
 * Changes nothing. What fails only beside the others (two payments from one balance) waits for them
 * and is judged again.
 * @param candidates all of one rail, in the order of their turns
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function chooseBatch(
  ctx: Context,
  chain: ChainPort,
  candidates: readonly Candidate[],
): Promise<Batch> {
  await findDuePermits(ctx, chain, candidates);
  const heldBack = new Set([
    ...(await findHeldBack(ctx, ctx.db, candidates)),
    ...(await findBesideReorganised(ctx, candidates)),
  ]);
  const { ready, fail, ...ordered } = await orderByNonce(
    ctx,
    chain,
    candidates.filter(({ attempt }) => !heldBack.has(attempt.id)),
  );
  const held = candidates.flatMap(({ attempt }) => (heldBack.has(attempt.id) ? [attempt] : []));
  const aside = [...held, ...ordered.aside];
  if (ready.length === 0) return { estimated: null, fail, aside, early: [] };
  const { estimated, failed } = await findSendable(chain, ready);
  const verdicts = await confirmFailures(chain, failed);
  return {
    estimated,
    fail: [
      ...fail,
      ...verdicts.flatMap(({ attempt, error }) =>
        error === undefined ? [] : [{ attempt, error }],
      ),
    ],
    aside: [
      ...aside,
      ...verdicts.flatMap(({ attempt, error, isEarly }) =>
        error === undefined && isEarly !== true ? [attempt] : [],
      ),
    ],
    early: verdicts.flatMap(({ attempt, isEarly }) => (isEarly === true ? [attempt] : [])),
  };
}

/**
 * Of a batch from which some dropped out after it was estimated: what is left is another call,
 * which takes another amount of gas.
 */
export async function estimateAgain(
  chain: ChainPort,
  left: readonly Candidate[],
): Promise<Estimated | null> {
  return left.length === 0 ? null : (await findSendable(chain, left)).estimated;
}

/**
 * Forwarder requests go in the order of their nonces: one whose predecessor is on its way waits for
 * it to be mined, one whose predecessor is in the same batch goes behind it. Other rails know no
 * order.
 */
async function orderByNonce(
  ctx: Context,
  chain: ChainPort,
  candidates: readonly Candidate[],
): Promise<{
  readonly ready: readonly Candidate[];
  readonly fail: Batch['fail'];
  readonly aside: Batch['aside'];
}> {
  if (candidates[0]?.attempt.signed.rail !== 'forwarder')
    return { ready: candidates, fail: [], aside: [] };

  const ready: Candidate[] = [];
  const fail: { attempt: RelayAttempt; error: RelayFailure }[] = [];
  const aside: RelayAttempt[] = [];
  const nextNonces = new Map<Address, bigint>();
  const payers = new Set(candidates.map(({ attempt }) => payerOf(attempt)));
  await Promise.all(
    [...payers].map(async (payer) => nextNonces.set(payer, await chain.getForwarderNonce(payer))),
  );
  for (const payer of payers) {
    let next = nextNonces.get(payer) ?? 0n;
    const waiting = candidates.filter(({ attempt }) => payerOf(attempt) === payer);
    const held = new Set(await listLiveNonces(ctx.db, chain.chainId, payer));
    // A nonce was used or given up just now, and the node that was asked may not know.
    const mayLag = await hasJustEnded(ctx, chain.chainId, payer);
    for (const candidate of [...waiting].sort((a, b) => nonceOf(a.attempt) - nonceOf(b.attempt))) {
      const { attempt } = candidate;
      const nonce = forwarderNonceOf(attempt);
      if (nonce === next) {
        ready.push(candidate);
        next += 1n;
      } else if (nonce < next) {
        fail.push({
          attempt,
          error: nonceError(`The payer's forwarder nonce ${nonce} was used by another request.`),
        });
      } else if (
        !mayLag &&
        !isLadder(held, next, nonce) &&
        (await isSurelyAt(ctx, chain, payer, next))
      ) {
        fail.push({
          attempt,
          error: nonceError(
            `The request with the payer's nonce ${next} that this one depends on has failed.`,
          ),
        });
      } else {
        aside.push(attempt);
      }
    }
  }
  return { ready, fail, aside };
}

/** Whether each nonce from `from` up to `to` is held by a live attempt. */
function isLadder(held: ReadonlySet<bigint>, from: bigint, to: bigint): boolean {
  for (let nonce = from; nonce < to; nonce++) if (!held.has(nonce)) return false;
  return true;
}

function nonceError(detail: string): RelayFailure {
  return { code: RELAY_ERRORS.wrongNonce.code, detail };
}

function forwarderNonceOf(attempt: RelayAttempt): bigint {
  if (attempt.signed.rail !== 'forwarder')
    throw new Error(`${attempt.id} is not on the forwarder rail`);
  return attempt.signed.request.nonce;
}

/** For sorting within one payer. */
function nonceOf(attempt: RelayAttempt): number {
  return attempt.signed.rail === 'forwarder' ? Number(attempt.signed.request.nonce) : 0;
}

function payerOf(attempt: RelayAttempt): Address {
  if (attempt.signed.rail !== 'forwarder')
    throw new Error(`${attempt.id} is not on the forwarder rail`);
  return attempt.signed.request.from;
}

interface Failed extends Candidate {
  readonly reason: string;
}

interface Sendable {
  readonly estimated: Estimated | null;
  readonly failed: readonly Failed[];
}

/**
 * The candidates that would succeed together. When the chain refuses the batch as a whole, which
 * tells nothing of any of them, it is halved until something can be sent; what is left over waits
 * for another transaction.
 */
async function findSendable(chain: ChainPort, candidates: readonly Candidate[]): Promise<Sendable> {
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) {
    const estimate = await chain.estimateRelayGas([only.item]);
    return estimate.kind === 'estimated'
      ? { estimated: toEstimated(chain, candidates, estimate.gasLimit), failed: [] }
      : { estimated: null, failed: [{ ...only, reason: estimate.reason }] };
  }

  const simulation = await chain.simulateRelay(candidates.map(({ item }) => item));
  if (simulation.kind === 'ran') {
    const { outcomes } = simulation;
    const failed = candidates.flatMap((candidate, index) => {
      const outcome = outcomes[index];
      return outcome?.succeeds === false ? [{ ...candidate, reason: outcome.reason }] : [];
    });
    const send = withoutDependents(
      candidates.filter((_candidate, index) => outcomes[index]?.succeeds === true),
      failed,
    );
    if (send.length === 0) return { estimated: null, failed };
    const estimate = await chain.estimateRelayGas(send.map(({ item }) => item));
    if (estimate.kind === 'estimated')
      return { estimated: toEstimated(chain, send, estimate.gasLimit), failed };
    if (failed.length > 0) {
      // The chain moved on in between, or the rest leaned on one of them: look at the rest by
      // itself.
      const rest = await findSendable(chain, send);
      return { ...rest, failed: [...failed, ...rest.failed] };
    }
  }
  const half = Math.ceil(candidates.length / 2);
  const left = await findSendable(chain, candidates.slice(0, half));
  if (left.estimated !== null) return left;
  const right = await findSendable(chain, candidates.slice(half));
  return { ...right, failed: [...left.failed, ...right.failed] };
}

function toEstimated(chain: ChainPort, send: readonly Candidate[], gasLimit: bigint): Estimated {
  return { send, gasLimit, call: chain.encodeRelay(send.map(({ item }) => item)) };
}

/**
 * A forwarder request waits when one of its payer's that goes before it drops out: without that one
 * it would be passed over on the chain.
 */
function withoutDependents(send: readonly Candidate[], failed: readonly Candidate[]): Candidate[] {
  return send.filter(
    ({ attempt }) =>
      attempt.signed.rail !== 'forwarder' ||
      !failed.some(
        (other) =>
          payerOf(other.attempt) === payerOf(attempt) && nonceOf(other.attempt) < nonceOf(attempt),
      ),
  );
}

interface Verdict {
  readonly attempt: RelayAttempt;
  /** The real reason; undefined: by itself it would not fail. */
  readonly error?: RelayFailure;
  /** It is good once permits before its own are taken. */
  readonly isEarly?: true;
}

/** Which of them would fail by themselves as well. */
function confirmFailures(chain: ChainPort, failed: readonly Failed[]): Promise<Verdict[]> {
  return Promise.all(
    failed.map(async ({ attempt, item, reason }): Promise<Verdict> => {
      // What the nodes that are asked below may not know yet.
      if (/^(PaymentAlreadyProcessed|RefundNonceUsed)\(/.test(reason))
        return { attempt, error: PAID_ELSEWHERE };
      const refusal = await findRefusalOf(chain, item);
      if (refusal?.kind === 'insufficientAllowance' && refusal.isPermitEarly === true)
        return { attempt, isEarly: true };
      if (refusal !== undefined) {
        const { code, detail, kind } = toRefusalError(refusal, item);
        return { attempt, error: { code, detail: detail ?? kind.title } };
      }
      // A forwarder request behind another one fails by itself as long as that one was not mined.
      const { signed } = item;
      if (
        signed.rail === 'forwarder' &&
        (await chain.getForwarderNonce(signed.request.from)) < signed.request.nonce
      )
        return { attempt };
      const alone = await chain.estimateRelayGas([item]);
      if (alone.kind === 'estimated') return { attempt };
      return {
        attempt,
        error: {
          code: CHAIN_ERRORS.wouldRevert.code,
          detail: `The chain would refuse the request: ${alone.reason || reason}.`,
        },
      };
    }),
  );
}
