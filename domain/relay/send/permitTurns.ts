import type { Context } from '../../../platform/context.ts';
import type { Database, Transaction } from '../../../platform/db.ts';
import { addMs } from '../../../shared/clock.ts';
import { AppError } from '../../../shared/errors.ts';
import { CHAIN_ERRORS } from '../../chain/errors.ts';
import type { ChainPort, KnownBlock } from '../../chain/ports.ts';
import { blockTimeMsOf } from '../../chain/service.ts';
import { MAX_SENDS } from '../attempts/decideBatchSize.ts';
import { hasTimeToWait, isTooLate } from '../attempts/decideTime.ts';
import { noteDuePermit, wasPermitDue } from './duePermits.ts';
import { findMined } from '../attempts/findMined.ts';
import { listFlying, type FlyingAttempt } from './flyingStore.ts';
import { wasRefused } from './heardRefusals.ts';
import { signerOf, type RelayAttempt } from '../model.ts';
import { findTransaction } from '../attempts/transactionStore.ts';
import type { RelayItem } from '../../chain/contractModel.ts';

/**
 * Whose turn it is to move the allowance of one owner and token.
 *
 * A permit carries the owner's nonce at the token, and takes the place of whatever allowance there
 * was. So of two permits that were signed at once the second is worth nothing as soon as the first
 * is mined, which no simulation shows while the first is in no block; and a request without a
 * permit may lose the approval that it relies on. Therefore at most one transaction at a time moves
 * such an allowance: others wait until it is in a block, where a simulation shows what is left for
 * them. Within one transaction the order is settled, and simulated.
 *
 * What has been in a block for a moment only may be unknown to the node that simulates the next
 * one. So that one waits for a while longer, unless it brings a permit of which the chain says, as
 * of that very block, that it is the next.
 *
 * To be held back saves gas, and no more: the contracts take each request once. So nobody waits for
 * one that cannot go, nor until it is too late for itself.
 */

type Waiting = Pick<
  RelayAttempt,
  'id' | 'chainId' | 'signed' | 'permit' | 'mayStillLand' | 'createdAt' | 'deadline'
>;

interface WaitingItem {
  readonly attempt: Waiting;
  readonly item: Pick<RelayItem, 'terms'>;
}

/**
 * Asks the chain about those that wait for nothing but requests that have been in a block for a
 * moment only: whether the permit that they bring is the next one now. What is found is for
 * findHeldBack.
 */
export async function findDuePermits(
  ctx: Context,
  chain: ChainPort,
  waiting: readonly WaitingItem[],
): Promise<void> {
  const patient = waiting.filter(({ attempt }) => attempt.permit !== null).filter(isPatient(ctx));
  const others = (await listOthers(ctx, ctx.db, patient)).filter(
    (other) => !isLongInBlock(ctx, other),
  );
  await Promise.all(
    patient.map(async (one) => {
      const waitedFor = others.filter(
        (other) => doCollide(one, other) && mustWaitFor(ctx, one, other),
      );
      if (
        waitedFor.length === 0 ||
        waitedFor.every((other) => wasPermitDue(ctx, one.attempt.id, other))
      )
        return;
      const blocks = await findBlocksOf(ctx, waitedFor);
      if (blocks !== undefined && (await isPermitNext(chain, one, blocks)))
        noteDuePermit(ctx, one.attempt.id, waitedFor);
    }),
  );
}

/** @returns undefined: one of them may be in none */
async function findBlocksOf(
  ctx: Context,
  others: readonly FlyingAttempt[],
): Promise<KnownBlock[] | undefined> {
  if (
    !others.every(
      ({ status }) => status === 'mined' || status === 'succeeded' || status === 'failed',
    )
  )
    return undefined;
  const ids = [...new Set(others.map(({ transactionId }) => transactionId))];
  const transactions = await Promise.all(
    ids.map(async (id) => (id === null ? undefined : findTransaction(ctx.db, id))),
  );
  const blocks = transactions.flatMap((found) =>
    found?.blockNumber == null || found.blockHash === null
      ? []
      : [{ number: found.blockNumber, hash: found.blockHash }],
  );
  return blocks.length === ids.length ? blocks : undefined;
}

async function isPermitNext(
  chain: ChainPort,
  { attempt, item }: WaitingItem,
  since: readonly KnownBlock[],
): Promise<boolean> {
  if (attempt.permit === null) return false;
  try {
    return await chain.isPermitNext(
      { token: item.terms.token, owner: signerOf(attempt.signed), permit: attempt.permit },
      since,
    );
  } catch (error) {
    // Then it waits as long as the others do.
    if (error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code) return false;
    throw error;
  }
}

/**
 * As the database says; what is in a block is taken to be there.
 * @returns those that have to wait for the outcome of others now, by id
 */
export async function findHeldBack(
  ctx: Context,
  db: Database | Transaction,
  waiting: readonly WaitingItem[],
): Promise<ReadonlySet<string>> {
  return findColliding(ctx, db, waiting.filter(isPatient(ctx)));
}

/** @returns those beside which others are on their way whose outcome matters to them, by id */
export async function findColliding(
  ctx: Context,
  db: Database | Transaction,
  waiting: readonly WaitingItem[],
): Promise<ReadonlySet<string>> {
  const others = await listOthers(ctx, db, waiting);
  const inDoubt = others.filter((other) => !isLongInBlock(ctx, other));
  const isHeldBackBy = (one: WaitingItem, other: FlyingAttempt) =>
    doCollide(one, other) &&
    mustWaitFor(ctx, one, other) &&
    !wasPermitDue(ctx, one.attempt.id, other);
  return toIds(waiting.filter((one) => inDoubt.some((other) => isHeldBackBy(one, other))));
}

/**
 * What was in a block a while ago may have lost it since, which is noticed at the next look at its
 * transaction: so the chain is asked.
 * @returns those that have to wait for such a one, by id
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function findBesideReorganised(
  ctx: Context,
  waiting: readonly WaitingItem[],
): Promise<ReadonlySet<string>> {
  const patient = waiting.filter(isPatient(ctx));
  const others = await listOthers(ctx, ctx.db, patient);
  const inBlock = others.filter(
    (other) => isLongInBlock(ctx, other) && patient.some((one) => doCollide(one, other)),
  );
  const transactionIds = [...new Set(inBlock.flatMap(({ transactionId }) => transactionId ?? []))];
  const asked = await Promise.all(
    transactionIds.map(async (id) => {
      const transaction = await findTransaction(ctx.db, id);
      const mined = transaction && (await findMined(ctx, transaction));
      return mined === undefined || mined.depth.kind === 'contradicted' ? id : [];
    }),
  );
  const lost = new Set(asked.flat());
  const flying = inBlock.filter(
    ({ transactionId }) => transactionId !== null && lost.has(transactionId),
  );
  return toIds(patient.filter((one) => flying.some((other) => doCollide(one, other))));
}

async function listOthers(
  ctx: Context,
  db: Database | Transaction,
  waiting: readonly WaitingItem[],
): Promise<FlyingAttempt[]> {
  const [first] = waiting;
  if (first === undefined) return [];
  const owners = [...new Set(waiting.map(({ attempt }) => signerOf(attempt.signed)))];
  return listFlying(db, { chainId: first.attempt.chainId, owners, endedAfter: graceBegan(ctx) });
}

/** What was in a block by then, every node that may simulate the next one has. */
function graceBegan(ctx: Context): Date {
  return addMs(ctx.clock.now(), -ctx.config.relay.refusalGraceMs);
}

function isLongInBlock(ctx: Context, { status, changedAt }: FlyingAttempt): boolean {
  return status === 'mined' && changedAt <= graceBegan(ctx);
}

function toIds(waiting: readonly WaitingItem[]): ReadonlySet<string> {
  return new Set(waiting.map(({ attempt }) => attempt.id));
}

function isPatient(ctx: Context): (one: WaitingItem) => boolean {
  const now = ctx.clock.now();
  return ({ attempt }) => hasTimeToWait(attempt, now, blockTimeMsOf(ctx, attempt.chainId));
}

/** They move one allowance, and at least one of them sets it. */
function doCollide({ attempt, item }: WaitingItem, other: FlyingAttempt): boolean {
  if (
    other.id === attempt.id ||
    other.owner !== signerOf(attempt.signed) ||
    other.token !== item.terms.token
  )
    return false;
  return attempt.permit !== null || other.bringsPermit;
}

function mustWaitFor(ctx: Context, { attempt }: WaitingItem, other: FlyingAttempt): boolean {
  const { signed } = attempt;
  // Its turn comes after this one's: each would wait for the other.
  const isFollower =
    signed.rail === 'forwarder' &&
    other.forwarderNonce !== null &&
    other.forwarderNonce > signed.request.nonce;
  if (isFollower && other.status !== 'mined') return false;
  if (other.status !== 'queued') return true;
  // Both are out, and neither has a transaction that is followed: one of them has to be sent again,
  // or both would wait for ever.
  if (attempt.mayStillLand) return false;
  return (
    other.sends < MAX_SENDS &&
    !isTooLate(other, ctx.clock.now(), blockTimeMsOf(ctx, attempt.chainId)) &&
    !wasRefused(ctx, other.id)
  );
}
