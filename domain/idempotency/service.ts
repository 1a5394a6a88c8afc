import type { Context } from '../../platform/context.ts';
import { isDuplicateKey } from '../../platform/db.ts';
import { errnoOf } from '../../platform/errnoOf.ts';
import type { AlsoInTransaction } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { IDEMPOTENCY_ERRORS } from './errors.ts';
import { inSingleFlight } from './flights.ts';
import type { IdempotencyClaim, Reply } from './model.ts';
import * as store from './store.ts';

/**
 * Doing a request once however often it is sent.
 *
 * The reply is stored in the database transaction of the effect, under the primary key (store,
 * key): either both are there or neither. Of several requests at once, one in each process goes
 * ahead (flights.ts) and the first to commit wins; the others roll their work back and answer with
 * the winner's reply. What was refused or failed leaves nothing, so it may be corrected and sent
 * again under the same key.
 */
const KEPT_MS = 24 * 60 * 60 * 1000;
const DELETE_CHUNK = 1_000;
const LOCK_WAIT_TIMEOUT_ERRNO = 1205;

/** `replayed`: an earlier request did it, and this is what that one was told. */
export type Idempotent<R extends Reply> = R & { readonly replayed: boolean };

/**
 * Rolls the transaction back when another request has taken the key. Not a database error, so it is
 * not tried again.
 */
class KeyTaken extends Error {
  override readonly name = 'KeyTaken';
}

/**
 * @param claim null: the request carries no key and is simply done
 * @param perform the work; must pass `also` into its transaction
 * @param toReply runs inside that transaction: it must be quick and ask nobody but the database
 * @throws AppError `IDEMPOTENCY_ERRORS.keyReused` when the key was used for another request
 * @throws AppError `IDEMPOTENCY_ERRORS.inFlight` when another request holds the key for longer than
 *   a lock wait
 * @throws what `perform` throws
 */
export async function idempotently<T, R extends Reply>(
  ctx: Context,
  claim: IdempotencyClaim | null,
  perform: (also: AlsoInTransaction<T>) => Promise<T>,
  toReply: (result: T) => R | Promise<R>,
): Promise<Idempotent<R>> {
  if (claim === null)
    return { ...(await toReply(await perform(() => Promise.resolve()))), replayed: false };
  return inSingleFlight(
    ctx,
    claim,
    () => performOnce(ctx, claim, perform, toReply),
    async () => {
      const stored = await store.findStoredReply(ctx.db, claim);
      return stored && !isExpired(ctx, stored) ? replay<R>(ctx, claim, stored) : undefined;
    },
  );
}

async function performOnce<T, R extends Reply>(
  ctx: Context,
  claim: IdempotencyClaim,
  perform: (also: AlsoInTransaction<T>) => Promise<T>,
  toReply: (result: T) => R | Promise<R>,
): Promise<Idempotent<R>> {
  const earlier = await store.findStoredReply(ctx.db, claim);
  const hasExpiredRow = earlier !== undefined && isExpired(ctx, earlier);
  if (earlier !== undefined && !hasExpiredRow) return replay<R>(ctx, claim, earlier);

  let reply: R | undefined;
  try {
    await perform(async (trx, result) => {
      // Several times, maybe: the transaction is tried again after a deadlock.
      reply = await toReply(result);
      const now = ctx.clock.now();
      try {
        const replacesBefore = hasExpiredRow ? addMs(now, -KEPT_MS) : undefined;
        await store.insertStoredReply(trx, { claim, reply: seal(ctx, reply), now, replacesBefore });
      } catch (error) {
        if (isDuplicateKey(error))
          throw new KeyTaken('a concurrent request with this key has committed', { cause: error });
        // One lock wait is enough: trying again would keep the caller, and its locks, for a minute.
        if (errnoOf(error) === LOCK_WAIT_TIMEOUT_ERRNO)
          throw new AppError(IDEMPOTENCY_ERRORS.inFlight, { cause: error, retryAfterSeconds: 1 });
        throw error;
      }
    });
  } catch (error) {
    // Whatever went wrong, a twin may be why (the payment is cancelled: by it), and so may a lost
    // answer to our own commit.
    const winner = await findWinner(ctx, claim, error);
    if (winner !== undefined) return replay<R>(ctx, claim, winner);
    // The row that stood in the way is gone again, deleted because it was old: for the caller the
    // same as one still in the making.
    if (error instanceof KeyTaken)
      throw new AppError(IDEMPOTENCY_ERRORS.inFlight, { cause: error, retryAfterSeconds: 1 });
    throw error;
  }
  if (reply === undefined)
    throw new Error('the work was done without its idempotency key: `also` was not called');
  return { ...reply, replayed: false };
}

async function findWinner(
  ctx: Context,
  claim: IdempotencyClaim,
  failure: unknown,
): Promise<store.StoredReply | undefined> {
  try {
    const found = await store.findStoredReply(ctx.db, claim);
    return found !== undefined && !isExpired(ctx, found) ? found : undefined;
  } catch (error) {
    ctx.log.warn({ err: error }, 'could not look the idempotency key up after a failure');
    throw failure;
  }
}

function replay<R extends Reply>(
  ctx: Context,
  claim: IdempotencyClaim,
  stored: store.StoredReply,
): Idempotent<R> {
  if (stored.requestHash !== claim.requestHash) throw new AppError(IDEMPOTENCY_ERRORS.keyReused);
  const { body, headers } = JSON.parse(ctx.secretBox.open(stored.ciphertext)) as Pick<
    Reply,
    'body' | 'headers'
  >;
  const reply: Reply = {
    status: stored.status,
    ...(body === undefined ? {} : { body }),
    ...(headers === undefined ? {} : { headers }),
  };
  // The hash covers method and path, so the stored reply is one of the same operation.
  return { ...(reply as R), replayed: true };
}

/**
 * For a reply that was completed after the commit (`Prefer: wait`): from now on a replay equals
 * what the first caller is told.
 */
export async function replaceStoredReply(
  ctx: Context,
  claim: IdempotencyClaim | null,
  reply: Reply,
): Promise<void> {
  if (claim !== null) await store.updateStoredReply(ctx.db, claim, seal(ctx, reply));
}

/**
 * Forgets keys older than a day, in chunks so that no statement holds many locks.
 * @returns how many
 */
export async function deleteExpiredIdempotencyKeys(ctx: Context): Promise<number> {
  const createdBefore = addMs(ctx.clock.now(), -KEPT_MS);
  for (let total = 0; ;) {
    const deleted = await store.deleteStoredReplies(ctx.db, createdBefore, DELETE_CHUNK);
    total += deleted;
    if (deleted < DELETE_CHUNK) return total;
  }
}

function isExpired(ctx: Context, stored: store.StoredReply): boolean {
  return stored.createdAt.getTime() < ctx.clock.now().getTime() - KEPT_MS;
}

function seal(ctx: Context, reply: Reply): { status: number; ciphertext: string } {
  const { body, headers } = reply;
  return {
    status: reply.status,
    ciphertext: ctx.secretBox.seal(JSON.stringify({ body, headers })),
  };
}
