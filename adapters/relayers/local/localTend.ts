import { inTransaction, type Database } from '../../../platform/db.ts';
import type { Logger } from '../../../platform/logger.ts';
import { addMs, type Clock } from '../../../shared/clock.ts';
import type { Bytes32 } from '../../../shared/hex.ts';
import { capFees, decideCap, decideRaise, type AskedFees } from './localFees.ts';
import { isOpen, type LocalAccount, type LocalTransaction } from './localModel.ts';
import type { LocalMinimum } from './localMinimum.ts';
import type { AccountView, BroadcastOutcome, LocalNode } from './localNode.ts';
import type { LocalSigner } from './localSigner.ts';
import {
  countWatched,
  insertLocalTransaction,
  listNonces,
  listOpen,
  listSettledFrom,
  listToRecheck,
  lockAccount,
  noteBroadcast,
  saveLocalTransaction,
  takeAlert,
  updateAccount,
} from './localStore.ts';

export interface LocalRelayerParts {
  readonly relayerId: string;
  readonly account: LocalAccount;
  readonly bumpAfterMs: number;
  readonly bumpPercent: number;
  /** Wei a gas unit; absent: see decideCap. */
  readonly maxFeePerGas: bigint | undefined;
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Logger;
  readonly node: LocalNode;
  readonly minimum: LocalMinimum;
  readonly signer: LocalSigner;
}

/** Of one turn. What is behind them comes up when they are mined. */
const MAX_OPEN = 50;
const MAX_RECHECKS = 30;
const MAX_REOPENED = 50;
const MAX_GAPS = 16;
/** A node may have dropped what it had taken, and not every node tells what it knows. */
const BROADCAST_AGAIN_MS = 30_000;
/** The node's own count says that it does not have it; but it may just have been given it. */
const BROADCAST_MISSING_MS = 2_000;
/**
 * URLs of one provider may be nodes that see blocks seconds apart: absence has to last before it
 * counts.
 */
const ABSENCE_MS = 15_000;
/** Afterwards only the count of nonces is looked at. */
const WATCH_MS = 10 * 60_000;

/**
 * One turn: see what became of each nonce, then move the ones that are not used yet. It may be
 * broken off anywhere and run in several processes at once: every change is saved before it is
 * broadcast, and only over the version that it was decided on. No database transaction is open
 * while the chain is asked.
 */
export async function tendLocal(parts: LocalRelayerParts): Promise<void> {
  const { db, clock, node, account } = parts;
  const open = await listOpen(db, account, MAX_OPEN);
  if (open.length === 0 && (await countWatched(db, account)) === 0) return;
  const lookedAt = clock.now();
  const watched = await listToRecheck(db, account, lookedAt, MAX_RECHECKS);
  const view = await node.look([...open, ...watched]);

  const unmined: LocalTransaction[] = [];
  for (const transaction of [...open, ...watched]) {
    if (transaction.nonce < view.usedNonces)
      await settle(parts, transaction, view.mined.get(transaction.id));
    else if (isOpen(transaction)) unmined.push(...(await noteUnused(parts, transaction)));
  }
  const fees = once(() => node.readFees());
  for (const transaction of await listSettledFrom(db, account, {
    nonce: view.usedNonces,
    before: lookedAt,
    limit: MAX_REOPENED,
  })) {
    const saved = await reopen(parts, transaction, fees);
    if (saved !== undefined) unmined.push(saved);
  }
  unmined.push(...(await fillGaps(parts, view, fees)));

  for (const transaction of unmined.sort((a, b) => a.nonce - b.nonce)) {
    // It will not answer about the others either; the next turn will ask again.
    if ((await move(parts, transaction, view, fees)) === 'noAnswer') return;
  }
}

/**
 * Should its nonce be used without it one day, that counts from then. @returns it, unless another
 * process changed it
 */
async function noteUnused(
  { db }: LocalRelayerParts,
  transaction: LocalTransaction,
): Promise<LocalTransaction[]> {
  if (transaction.missingSince === null) return [transaction];
  const saved = await saveLocalTransaction(db, { ...transaction, missingSince: null });
  return saved === undefined ? [] : [saved];
}

/** Its nonce is used: by its call, its no-op, or something that is not ours. */
async function settle(
  parts: LocalRelayerParts,
  transaction: LocalTransaction,
  minedHash: Bytes32 | undefined,
): Promise<void> {
  const { db, clock, log } = parts;
  const now = clock.now();
  const settledAt = transaction.settledAt ?? now;
  const settled = {
    ...transaction,
    missingSince: null,
    settledAt,
    recheckAt: nextRecheck(settledAt, now),
  };
  if (minedHash !== undefined) {
    const status = transaction.hashes.includes(minedHash) ? 'mined' : 'ended';
    const saved = await saveLocalTransaction(db, { ...settled, status, minedHash });
    if (
      saved !== undefined &&
      (transaction.status !== status || transaction.minedHash !== minedHash)
    )
      log.info({ nonce: transaction.nonce, hash: minedHash, status }, 'a nonce is used');
    return;
  }
  if (transaction.status === 'ended') {
    await saveLocalTransaction(db, settled);
    return;
  }
  if (
    transaction.missingSince !== null &&
    isOpen(transaction) &&
    now >= addMs(transaction.missingSince, ABSENCE_MS)
  ) {
    const saved = await saveLocalTransaction(db, { ...settled, status: 'ended', minedHash: null });
    if (saved !== undefined)
      log.warn({ nonce: transaction.nonce }, 'somebody else used the nonce of a transaction');
    return;
  }
  // Seen for the first time; or it was in a block that a reorganisation replaced by one where the
  // nonce is used otherwise.
  if (transaction.missingSince === null || !isOpen(transaction))
    await saveLocalTransaction(db, { ...asOpen(transaction), missingSince: now });
}

/** At growing distances, until it is old. */
function nextRecheck(settledAt: Date, now: Date): Date | null {
  const ageMs = now.getTime() - settledAt.getTime();
  return ageMs >= WATCH_MS ? null : addMs(now, Math.max(ABSENCE_MS, ageMs));
}

function asOpen(transaction: LocalTransaction): LocalTransaction {
  // What had given up its call may not come back with it: others rely on that.
  const isGivenUp = transaction.status === 'ended' || transaction.noopHashes.length > 0;
  return {
    ...transaction,
    status: isGivenUp ? 'cancelling' : 'pending',
    minedHash: null,
    broadcastAt: null,
    missingSince: null,
    settledAt: null,
    recheckAt: null,
  };
}

/**
 * A reorganisation gave its nonce back: it has to be used again, or all behind it would wait for
 * ever.
 */
async function reopen(
  parts: LocalRelayerParts,
  transaction: LocalTransaction,
  fees: () => Promise<AskedFees>,
): Promise<LocalTransaction | undefined> {
  const { db, log } = parts;
  const open = asOpen(transaction);
  if (open.status === 'pending') {
    log.warn({ nonce: transaction.nonce }, 'a reorganisation took a transaction back');
    return saveLocalTransaction(db, open);
  }
  if (transaction.noopHashes.length > 0) return saveLocalTransaction(db, open);
  return cancel(parts, open, await fees(), 'a reorganisation gave its nonce back');
}

/**
 * Nonces below the next one that are in no transaction of ours and in no mempool: somebody else's
 * that was dropped, or taken back by a reorganisation. Whatever has a higher nonce waits for them.
 */
async function fillGaps(
  parts: LocalRelayerParts,
  view: AccountView,
  fees: () => Promise<AskedFees>,
): Promise<LocalTransaction[]> {
  const { db, clock, account, log, signer } = parts;
  const isDue = await inTransaction(db, async (trx) => {
    const { nextNonce, gapSeenAt } = await lockAccount(trx, account);
    const hasGap =
      listGaps(view.knownNonces, nextNonce, await listNonces(trx, account, view.knownNonces))
        .length > 0;
    const now = clock.now();
    if (hasGap !== (gapSeenAt !== null))
      await updateAccount(trx, account, { nextNonce, gapSeenAt: hasGap ? now : null });
    return hasGap && gapSeenAt !== null && now >= addMs(gapSeenAt, ABSENCE_MS);
  });
  if (!isDue) return [];
  const asked = await fees();
  const gasLimit = await parts.node.estimateNoopGas();
  return inTransaction(db, async (trx) => {
    const { nextNonce } = await lockAccount(trx, account);
    const now = clock.now();
    const filled: LocalTransaction[] = [];
    for (const nonce of listGaps(
      view.knownNonces,
      nextNonce,
      await listNonces(trx, account, view.knownNonces),
    ).slice(0, MAX_GAPS)) {
      const filler = {
        ...account,
        nonce,
        status: 'cancelling' as const,
        to: account.address,
        data: '0x' as const,
        gasLimit,
        validUntil: now,
        fees: capFees(asked, decideCap(asked, parts.maxFeePerGas)),
        hashes: [],
        minedHash: null,
        createdAt: now,
        pricedAt: now,
        broadcastAt: null,
        missingSince: null,
        settledAt: null,
        recheckAt: null,
      };
      const { hash } = await signer.sign(filler);
      filled.push(await insertLocalTransaction(trx, { ...filler, noopHashes: [hash] }));
      log.warn({ nonce }, 'filling a gap in the nonces');
    }
    return filled;
  });
}

function listGaps(from: number, to: number, taken: ReadonlySet<number>): number[] {
  const gaps: number[] = [];
  for (let nonce = from; nonce < to && gaps.length < MAX_GAPS; nonce++)
    if (!taken.has(nonce)) gaps.push(nonce);
  return gaps;
}

/** Does what an unmined transaction needs, if anything. */
async function move(
  parts: LocalRelayerParts,
  seen: LocalTransaction,
  view: AccountView,
  fees: () => Promise<AskedFees>,
): Promise<BroadcastOutcome['kind'] | 'nothing'> {
  const now = parts.clock.now();
  let current: LocalTransaction | undefined = seen;
  if (seen.status === 'pending' && now >= seen.validUntil) {
    current = await cancel(parts, seen, await fees(), 'it is no longer valid');
  } else if (now >= addMs(seen.pricedAt, parts.bumpAfterMs)) {
    const isFirst = seen.nonce === view.usedNonces;
    // Others that pay more may be why. Where they do not, it changes nothing.
    if (isFirst) await parts.node.learnPaidTip();
    const asked = parts.minimum.lift(await fees());
    // Only the first one keeps the others waiting; but one that offers too little will do so when
    // its turn comes.
    const isTooLittle =
      seen.fees.maxFeePerGas < asked.baseFeePerGas || parts.minimum.isAbove(seen.fees);
    if (isFirst || isTooLittle) current = (await raise(parts, seen, asked)) ?? seen;
  }
  if (current === undefined || !isDueForBroadcast(current, view, now)) return 'nothing';
  return broadcastLocal(parts, current, fees);
}

function isDueForBroadcast(
  { nonce, broadcastAt }: LocalTransaction,
  { knownNonces }: AccountView,
  now: Date,
): boolean {
  if (broadcastAt === null) return true;
  return (
    now >= addMs(broadcastAt, nonce >= knownNonces ? BROADCAST_MISSING_MS : BROADCAST_AGAIN_MS)
  );
}

/** @returns it as saved; undefined when it cannot offer more, or another process was faster */
async function raise(
  parts: LocalRelayerParts,
  seen: LocalTransaction,
  asked: AskedFees,
): Promise<LocalTransaction | undefined> {
  const { db, clock, log, signer, node } = parts;
  // More than the account can pay would be broadcast by no node, and the row knows no lower price
  // to go back to.
  const cap = lesser(
    decideCap(asked, parts.maxFeePerGas),
    (await node.readBalance()) / seen.gasLimit,
  );
  const fees = decideRaise({ fees: seen.fees, asked, bumpPercent: parts.bumpPercent, cap });
  if (fees === undefined) {
    await alertStuck(parts, seen, 'a transaction is not mined, and offers as much as it may');
    return undefined;
  }
  const repriced = { ...seen, fees, pricedAt: clock.now(), broadcastAt: null };
  const { hash } = await signer.sign(repriced);
  const saved = await saveLocalTransaction(db, withHash(repriced, hash));
  if (saved !== undefined)
    log.info(
      { nonce: seen.nonce, hash, maxFeePerGas: fees.maxFeePerGas.toString() },
      'raised the fees of a transaction',
    );
  return saved;
}

function withHash(transaction: LocalTransaction, hash: Bytes32): LocalTransaction {
  return transaction.status === 'cancelling'
    ? { ...transaction, noopHashes: [...transaction.noopHashes, hash] }
    : { ...transaction, hashes: [...transaction.hashes, hash] };
}

async function alertStuck(
  { db, clock, log, relayerId, bumpAfterMs }: LocalRelayerParts,
  { id, nonce, fees }: LocalTransaction,
  message: string,
): Promise<void> {
  const now = clock.now();
  if (!(await takeAlert(db, id, { now, notSince: addMs(now, -bumpAfterMs) }))) return;
  const { maxFeePerGas } = fees;
  log.error(
    { alert: 'relayer_stuck_nonce', relayerId, nonce, maxFeePerGas: maxFeePerGas.toString() },
    message,
  );
}

/**
 * Gives its call up and has a no-op use the nonce. Where the cap leaves no room to outbid the call,
 * the no-op only takes its place where no node has the call any more.
 * @returns it as saved; undefined when another process was faster
 */
async function cancel(
  parts: LocalRelayerParts,
  seen: LocalTransaction,
  asked: AskedFees,
  reason: string,
): Promise<LocalTransaction | undefined> {
  const { db, clock, log, signer, node } = parts;
  const cap = decideCap(asked, parts.maxFeePerGas);
  const fees =
    decideRaise({ fees: seen.fees, asked, bumpPercent: parts.bumpPercent, cap }) ?? seen.fees;
  const gasLimit = await node.estimateNoopGas();
  const noop = {
    ...seen,
    status: 'cancelling' as const,
    gasLimit,
    fees,
    pricedAt: clock.now(),
    broadcastAt: null,
  };
  const { hash } = await signer.sign(noop);
  const saved = await saveLocalTransaction(db, withHash(noop, hash));
  if (saved !== undefined)
    log.warn(
      { nonce: seen.nonce, hash, reason },
      'a transaction is given up: a no-op is to use its nonce',
    );
  return saved;
}

/**
 * Where gas pays for a layer below as well, what a no-op takes may have become more since it was
 * signed.
 * @returns it as saved; undefined when that is not why it is invalid, or another process was faster
 */
async function giveNoopMoreGas(
  { db, log, node, signer }: LocalRelayerParts,
  seen: LocalTransaction,
): Promise<LocalTransaction | undefined> {
  const gasLimit = await node.estimateNoopGas();
  if (gasLimit <= seen.gasLimit) return undefined;
  const noop = { ...seen, gasLimit, broadcastAt: null };
  const { hash } = await signer.sign(noop);
  const saved = await saveLocalTransaction(db, withHash(noop, hash));
  if (saved !== undefined)
    log.warn(
      { nonce: seen.nonce, hash, gasLimit: gasLimit.toString() },
      'a no-op is given more gas',
    );
  return saved;
}

function lesser(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/**
 * Hands what the row says to a node, and draws the consequences of its answer. Never throws because
 * of the chain.
 */
export async function broadcastLocal(
  parts: LocalRelayerParts,
  transaction: LocalTransaction,
  fees: () => Promise<AskedFees>,
): Promise<BroadcastOutcome['kind']> {
  const { db, clock, log, node, signer } = parts;
  const { nonce } = transaction;
  const outcome = await node.broadcast((await signer.sign(transaction)).raw);
  switch (outcome.kind) {
    case 'taken':
      await noteBroadcast(db, transaction, clock.now());
      break;
    case 'underpriced': {
      const { tooMuch } = outcome;
      if (tooMuch !== undefined)
        log.warn(
          { nonce, wei: tooMuch.toString() },
          'a node wants more than may be offered by itself: see maxFeePerGasWei',
        );
      const raised = await raise(parts, transaction, parts.minimum.lift(await fees()));
      // Once in a turn: if that is still too little, the chain's fees are running away.
      if (raised !== undefined) {
        const second = await node.broadcast((await signer.sign(raised)).raw);
        if (second.kind === 'taken') await noteBroadcast(db, raised, clock.now());
      }
      break;
    }
    case 'invalid':
      log.error({ nonce, reason: outcome.reason }, 'no node will ever take a transaction');
      if (transaction.status === 'pending') {
        const noop = await cancel(parts, transaction, await fees(), 'it is invalid');
        if (noop !== undefined) await broadcastLocal(parts, noop, fees);
      } else {
        const repaired = await giveNoopMoreGas(parts, transaction);
        if (repaired !== undefined) await broadcastLocal(parts, repaired, fees);
      }
      break;
    case 'poor':
      await alertStuck(
        parts,
        transaction,
        'the account holds too little for a transaction that is to be sent',
      );
      break;
    case 'unclear':
      log.warn(
        { nonce, reason: outcome.reason },
        'a node did not take a transaction, and is asked again',
      );
      break;
    case 'keepsOther':
    case 'nonceUsed':
    case 'noAnswer':
      log.debug(
        { nonce, outcome: outcome.kind },
        'a node did not take a transaction, the next turn shows why',
      );
      break;
  }
  return outcome.kind;
}

function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => (answer ??= ask());
}
