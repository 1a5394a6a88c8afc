import type { Context } from '../../platform/context.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import type { Payment, PaymentStatus } from './model.ts';
import { countConfirmations } from './service.ts';
import { findPayment } from './store.ts';

export interface PaymentStatusView {
  readonly paymentId: Bytes32;
  readonly status: PaymentStatus;
  readonly confirmations: number;
  readonly txHash: Bytes32 | null;
}

/**
 * Payments as last read, for status requests. A change anywhere drops the payment from here, and
 * nobody is told of a change that this process has not heard of (see Signals).
 */
export const CACHE_MS = 250;
const CACHE_ENTRIES = 20_000;
/** Under which changes of payments are told, see UnitOfWork. */
const TOPIC = 'payment';
/** A waiting request looks by itself this often, for confirmations and for hints that were lost. */
const WAIT_RECHECK_MS = 500;

interface ReadPayment {
  readonly readAt: number;
  readonly payment: Promise<Payment | undefined>;
  /** Once it is there. */
  found?: Payment | undefined;
}

interface StatusCache {
  /**
   * Kept for as long as the replies that were made of them may be remembered, not only for
   * CACHE_MS.
   */
  readonly entries: Map<string, ReadPayment>;
  readonly waiting: Map<string, Set<() => void>>;
  /** Requests that wait, by store. */
  readonly waitingOf: Map<string, number>;
}

const caches = new WeakMap<Context['db'], StatusCache>();

function getCache(ctx: Context): StatusCache {
  const existing = caches.get(ctx.db);
  if (existing !== undefined) return existing;
  const cache: StatusCache = { entries: new Map(), waiting: new Map(), waitingOf: new Map() };
  caches.set(ctx.db, cache);
  ctx.signals.onChanged(TOPIC, (id) => {
    if (id === 'all') {
      cache.entries.clear();
      for (const wakers of cache.waiting.values()) for (const wake of wakers) wake();
      return;
    }
    cache.entries.delete(id);
    for (const wake of cache.waiting.get(id) ?? []) wake();
  });
  return cache;
}

/** @param since when it was read, or later */
function findCachedPayment(
  ctx: Context,
  cache: StatusCache,
  paymentId: Bytes32,
  since = performance.now() - CACHE_MS,
): Promise<Payment | undefined> {
  const entry = cache.entries.get(paymentId);
  if (entry !== undefined && entry.readAt >= since) return entry.payment;
  const payment = findPayment(ctx.db, paymentId);
  const read: ReadPayment = { readAt: performance.now(), payment };
  cache.entries.delete(paymentId);
  cache.entries.set(paymentId, read);
  payment.then(
    (found) => {
      read.found = found;
      // What is remembered of the earlier one, a reply for instance, must not be told once this one
      // was.
      if (entry !== undefined && found !== undefined && isOther(entry, found))
        ctx.signals.forget({ topic: TOPIC, id: paymentId });
    },
    () => {
      if (cache.entries.get(paymentId) !== read) return;
      if (entry === undefined) cache.entries.delete(paymentId);
      else cache.entries.set(paymentId, entry);
    },
  );
  // Insertion order makes the first key the oldest.
  for (const oldest of cache.entries.keys()) {
    if (cache.entries.size <= CACHE_ENTRIES) break;
    cache.entries.delete(oldest);
  }
  return payment;
}

/**
 * Whether a payment was read as something else than this. As long as it is being read, it may have
 * been.
 */
function isOther({ found }: ReadPayment, payment: Payment): boolean {
  return (
    found?.version !== payment.version ||
    found.status !== payment.status ||
    found.txHash !== payment.txHash
  );
}

/**
 * A payment was read otherwise than for a status request, and that is about to be told: what is
 * remembered of it must not be older. Whoever changed it may not have told of it yet, or may have
 * died before it could.
 */
export function noteReadPayment(ctx: Context, payment: Payment): void {
  const entry = getCache(ctx).entries.get(payment.id);
  if (entry !== undefined && isOther(entry, payment))
    ctx.signals.forget({ topic: TOPIC, id: payment.id });
}

async function readStatus(
  ctx: Context,
  cache: StatusCache,
  {
    storeId,
    paymentId,
    since,
  }: { readonly storeId: string; readonly paymentId: Bytes32; readonly since?: number | undefined },
): Promise<PaymentStatusView> {
  const payment = await findCachedPayment(ctx, cache, paymentId, since);
  if (payment?.storeId !== storeId)
    throw new AppError(COMMON_ERRORS.notFound, { detail: 'There is no such payment.' });
  return {
    paymentId,
    status: payment.status,
    confirmations: await countConfirmations(ctx, payment),
    txHash: payment.txHash,
  };
}

/**
 * The status now, or with `waitSeconds` as soon as it differs from what it was when asked, at the
 * latest after that time.
 * @param input.signal ends the waiting early, with the status as it is then
 * @throws AppError notFound
 */
export async function getPaymentStatus(
  ctx: Context,
  input: {
    readonly storeId: string;
    readonly paymentId: Bytes32;
    readonly waitSeconds: number;
    readonly signal?: AbortSignal;
  },
): Promise<PaymentStatusView> {
  const { storeId, paymentId, waitSeconds, signal } = input;
  const cache = getCache(ctx);
  const askedAt = performance.now();
  // What was read since we asked is new enough, and others may have read it for us.
  const since = (await ctx.signals.isUpToDate()) ? undefined : askedAt;
  const first = await readStatus(ctx, cache, { storeId, paymentId, since });
  return waitSeconds === 0
    ? first
    : waitForStatus(
        ctx,
        { storeId, paymentId, waitSeconds, signal },
        (status) => !isSameStatus(status, first),
      );
}

/**
 * Waits until the status is what the caller wants, at the latest for `waitSeconds`, and returns it
 * as it is then. Whoever waits looks again twice a second; so when as many of the store's requests
 * wait as may, a further one is answered at once.
 */
export async function waitForStatus(
  ctx: Context,
  input: {
    readonly storeId: string;
    readonly paymentId: Bytes32;
    readonly waitSeconds: number;
    readonly signal?: AbortSignal | undefined;
  },
  isWanted: (status: PaymentStatusView) => boolean,
): Promise<PaymentStatusView> {
  const cache = getCache(ctx);
  const { storeId } = input;
  const waiting = cache.waitingOf.get(storeId) ?? 0;
  if (waiting >= ctx.config.maxWaitsPerStore) return readStatus(ctx, cache, input);
  cache.waitingOf.set(storeId, waiting + 1);
  try {
    return await waitInCache(ctx, cache, input, isWanted);
  } finally {
    const left = (cache.waitingOf.get(storeId) ?? 1) - 1;
    if (left === 0) cache.waitingOf.delete(storeId);
    else cache.waitingOf.set(storeId, left);
  }
}

async function waitInCache(
  ctx: Context,
  cache: StatusCache,
  input: Parameters<typeof waitForStatus>[1],
  isWanted: (status: PaymentStatusView) => boolean,
): Promise<PaymentStatusView> {
  const deadline = performance.now() + input.waitSeconds * 1000;
  for (;;) {
    // Listening before reading: a change in between wakes us.
    const nap = napUntilHint(
      cache,
      input.paymentId,
      Math.min(WAIT_RECHECK_MS, Math.max(0, deadline - performance.now())),
      input.signal,
    );
    try {
      const status = await readStatus(ctx, cache, input);
      if (isWanted(status) || performance.now() >= deadline || input.signal?.aborted === true)
        return status;
      await nap.done;
    } finally {
      nap.end();
    }
  }
}

function isSameStatus(a: PaymentStatusView, b: PaymentStatusView): boolean {
  return a.status === b.status && a.txHash === b.txHash && a.confirmations === b.confirmations;
}

function napUntilHint(
  cache: StatusCache,
  paymentId: Bytes32,
  ms: number,
  signal: AbortSignal | undefined,
): { done: Promise<void>; end: () => void } {
  const wakers = cache.waiting.get(paymentId) ?? new Set();
  cache.waiting.set(paymentId, wakers);
  let end: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(() => end(), ms);
    end = () => {
      clearTimeout(timer);
      wakers.delete(end);
      if (wakers.size === 0 && cache.waiting.get(paymentId) === wakers)
        cache.waiting.delete(paymentId);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    wakers.add(end);
    signal?.addEventListener('abort', end, { once: true });
  });
  return { done, end: () => end() };
}
