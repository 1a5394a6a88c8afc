import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import type { Address } from '../../shared/hex.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import type { ChainPort } from '../chain/ports.ts';
import { findChainConfig, getChain } from '../chain/service.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import { findPaymentsById } from '../payments/service.ts';
import { findLatestEnd, listLiveNonces, listWaitingAttempts } from './attemptStore.ts';
import { decideBatchSize, PAID_ELSEWHERE, toRefusalError } from './decide.ts';
import { RELAY_ERRORS } from './errors.ts';
import { findRefusalOf } from './findRefusalOf.ts';
import type { RelayAttempt, RelayItem } from './model.ts';

/** An attempt with what it takes to carry it. */
export interface Candidate {
  readonly attempt: RelayAttempt;
  readonly item: RelayItem;
}

/** What to do about an attempt and those that wait beside it. Whoever is in none of the lists waits. */
export interface Batch {
  /** Goes into one transaction, in this order. */
  readonly send: readonly Candidate[];
  readonly gasLimit: bigint;
  /** Would not be made, by itself neither. */
  readonly fail: readonly { readonly attempt: RelayAttempt; readonly error: RelayFailure }[];
}

/**
 * Chooses what goes into one transaction: `own`, and as many as the chain's configuration allows of those that wait for the same chain and rail.
 *
 *   forwarder requests whose turn has come → simulated together → those that would fail are taken out → gas for the rest
 *
 * Changes nothing. What fails only beside the others (two payments from one balance) waits for them and is judged again.
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function chooseBatch(ctx: Context, own: RelayAttempt): Promise<Batch> {
  const chain = getChain(ctx, own.chainId);
  const maxBatchSize = findChainConfig(ctx, own.chainId)?.relayLimits.maxBatchSize ?? 1;
  const beside = await listWaitingAttempts(ctx.db, own, {
    limit: decideBatchSize(maxBatchSize, own.sends) - 1,
    deadlineAfter: addMs(ctx.clock.now(), ctx.config.relay.minDeadlineSeconds * 1000),
  });
  const { ready, fail } = await takeTurns(ctx, chain, [own, ...beside]);
  const candidates = await withItems(ctx, ready);
  if (candidates.length === 0) return { send: [], gasLimit: 0n, fail };
  const sendable = await findSendable(chain, candidates);
  return { send: sendable.send, gasLimit: sendable.gasLimit, fail: [...fail, ...(await confirmFailures(chain, sendable.failed))] };
}

/**
 * Forwarder requests go in the order of their nonces: one whose predecessor is on its way waits for it to be mined, one whose predecessor is in the same
 * batch goes behind it. Other rails know no order.
 */
async function takeTurns(
  ctx: Context,
  chain: ChainPort,
  attempts: readonly RelayAttempt[],
): Promise<{ readonly ready: RelayAttempt[]; readonly fail: Batch['fail'] }> {
  const oldestFirst = [...attempts].sort(
    (a, b) => a.createdAt.getTime() - b.createdAt.getTime() || nonceOf(a) - nonceOf(b) || (a.id < b.id ? -1 : 1),
  );
  const [first] = oldestFirst;
  if (first?.signed.rail !== 'forwarder') return { ready: oldestFirst, fail: [] };

  const ready: RelayAttempt[] = [];
  const fail: { attempt: RelayAttempt; error: RelayFailure }[] = [];
  const nextNonces = new Map<Address, bigint>();
  const payers = new Set(oldestFirst.map(payerOf));
  await Promise.all([...payers].map(async (payer) => nextNonces.set(payer, await chain.getForwarderNonce(payer))));
  for (const payer of payers) {
    let next = nextNonces.get(payer) ?? 0n;
    const waiting = oldestFirst.filter((attempt) => payerOf(attempt) === payer).sort((a, b) => nonceOf(a) - nonceOf(b));
    const held = new Set(await listLiveNonces(ctx.db, chain.chainId, payer));
    const endedAt = await findLatestEnd(ctx.db, chain.chainId, payer);
    // A nonce was used or given up just now, and the node that was asked may not know.
    const mayLag = endedAt !== undefined && ctx.clock.now() < addMs(endedAt, ctx.config.relay.refusalGraceMs);
    for (const attempt of waiting) {
      const nonce = forwarderNonceOf(attempt);
      if (nonce === next) {
        ready.push(attempt);
        next += 1n;
      } else if (nonce < next) {
        fail.push({ attempt, error: nonceError(`The payer's forwarder nonce ${nonce} was used by another request.`) });
      } else if (!mayLag && !isLadder(held, next, nonce)) {
        fail.push({ attempt, error: nonceError(`The request with the payer's nonce ${next} that this one depends on has failed.`) });
      }
    }
  }
  return { ready, fail };
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
  if (attempt.signed.rail !== 'forwarder') throw new Error(`${attempt.id} is not on the forwarder rail`);
  return attempt.signed.request.nonce;
}

/** For sorting within one payer. */
function nonceOf(attempt: RelayAttempt): number {
  return attempt.signed.rail === 'forwarder' ? Number(attempt.signed.request.nonce) : 0;
}

function payerOf(attempt: RelayAttempt): Address {
  if (attempt.signed.rail !== 'forwarder') throw new Error(`${attempt.id} is not on the forwarder rail`);
  return attempt.signed.request.from;
}

async function withItems(ctx: Context, attempts: readonly RelayAttempt[]): Promise<Candidate[]> {
  const payments = await findPaymentsById(ctx, [...new Set(attempts.map(({ paymentId }) => paymentId))]);
  return attempts.flatMap((attempt) => {
    const payment = payments.find(({ id }) => id === attempt.paymentId);
    if (payment === undefined) return [];
    const { signed, signature, permit, paymentId } = attempt;
    return [{ attempt, item: { signed, signature, permit, paymentId, terms: payment.terms } }];
  });
}

interface Failed extends Candidate {
  readonly reason: string;
}

interface Sendable {
  readonly send: readonly Candidate[];
  readonly gasLimit: bigint;
  readonly failed: readonly Failed[];
}

/**
 * The candidates that would succeed together. When the chain refuses the batch as a whole, which tells nothing of any of them, it is halved until
 * something can be sent; what is left over waits for another transaction.
 */
async function findSendable(chain: ChainPort, candidates: readonly Candidate[]): Promise<Sendable> {
  const items = (chosen: readonly Candidate[]) => chosen.map(({ item }) => item);
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) {
    const estimate = await chain.estimateRelayGas([only.item]);
    return estimate.kind === 'estimated'
      ? { send: candidates, gasLimit: estimate.gasLimit, failed: [] }
      : { send: [], gasLimit: 0n, failed: [{ ...only, reason: estimate.reason }] };
  }

  const simulation = await chain.simulateRelay(items(candidates));
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
    if (send.length === 0) return { send: [], gasLimit: 0n, failed };
    const estimate = await chain.estimateRelayGas(items(send));
    if (estimate.kind === 'estimated') return { send, gasLimit: estimate.gasLimit, failed };
    if (failed.length > 0) {
      // The chain moved on in between, or the rest leaned on one of them: look at the rest by itself.
      const rest = await findSendable(chain, send);
      return { ...rest, failed: [...failed, ...rest.failed] };
    }
  }
  const half = Math.ceil(candidates.length / 2);
  const left = await findSendable(chain, candidates.slice(0, half));
  if (left.send.length > 0) return left;
  const right = await findSendable(chain, candidates.slice(half));
  return { ...right, failed: [...left.failed, ...right.failed] };
}

/** A forwarder request waits when one of its payer's that goes before it drops out: without that one it would be passed over on the chain. */
function withoutDependents(send: readonly Candidate[], failed: readonly Candidate[]): Candidate[] {
  return send.filter(
    ({ attempt }) =>
      attempt.signed.rail !== 'forwarder' ||
      !failed.some((other) => payerOf(other.attempt) === payerOf(attempt) && nonceOf(other.attempt) < nonceOf(attempt)),
  );
}

/** Those that would fail by themselves as well, each with its real reason. */
async function confirmFailures(chain: ChainPort, failed: readonly Failed[]): Promise<Batch['fail']> {
  const verdicts = await Promise.all(
    failed.map(async ({ attempt, item, reason }) => {
      // What the nodes that are asked below may not know yet.
      if (/^(PaymentAlreadyProcessed|RefundNonceUsed)\(/.test(reason)) return [{ attempt, error: PAID_ELSEWHERE }];
      const refusal = await findRefusalOf(chain, item);
      if (refusal !== undefined) {
        const { code, detail, kind } = toRefusalError(refusal, item);
        return [{ attempt, error: { code, detail: detail ?? kind.title } }];
      }
      // A forwarder request behind another one fails by itself as long as that one was not mined.
      const { signed } = item;
      if (signed.rail === 'forwarder' && (await chain.getForwarderNonce(signed.request.from)) < signed.request.nonce) return [];
      const alone = await chain.estimateRelayGas([item]);
      if (alone.kind === 'estimated') return [];
      return [
        {
          attempt,
          error: { code: CHAIN_ERRORS.wouldRevert.code, detail: `The chain would refuse the request: ${alone.reason || reason}.` },
        },
      ];
    }),
  );
  return verdicts.flat();
}
