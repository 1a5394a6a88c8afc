import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import { findChainConfig } from '../chain/service.ts';
import { promiseWork } from '../outbox/service.ts';
import { assertNotWasteful } from './assertNotWasteful.ts';
import { countLiveAttemptsOfPayer, insertAttempt, listLiveNonces, lockQuota, readStoreUsage } from './attemptStore.ts';
import { decideNextNonce, gasToReserve, startOfUtcDay, untilNextUtcDayMs } from './decide.ts';
import { RELAY_ERRORS } from './errors.ts';
import { signerOf, type Permit, type RelayAttempt, type SignedRequest } from './model.ts';

export interface NewAttempt {
  readonly id: string;
  readonly paymentId: Bytes32;
  readonly refundId: string | null;
  readonly storeId: string;
  readonly chainId: number;
  readonly signed: SignedRequest;
  /** As the contracts take it. */
  readonly signature: Hex;
  readonly permit: Permit | null;
  readonly runsForeignCode: boolean;
  readonly deadline: Date;
  /** The forwarder's nonce of the payer, as the chain has it; read before the transaction began. Only on that rail. */
  readonly chainNonce?: bigint;
  /** Wei a gas unit, as of now; undefined when the store has no gas budget here. */
  readonly gasPrice?: bigint | undefined;
}

/**
 * Saves an attempt and promises its sending, within the limits of its payer and its store. What it is for must be locked already.
 * @throws AppError backOff, payDirectly, tooManyInFlight, gasBudgetSpent, wrongNonce
 */
export async function acceptAttempt(ctx: Context, unit: UnitOfWork, input: NewAttempt): Promise<RelayAttempt> {
  const payer = signerOf(input.signed);
  await assertNotWasteful(ctx, unit.trx, input);
  // First the payer, then the store, everywhere.
  await lockQuota(unit.trx, input.chainId, payer);
  await assertPayerMay(ctx, unit, input, payer);
  if (input.signed.rail === 'forwarder') await assertNextNonce(unit, input, payer);
  await lockQuota(unit.trx, input.chainId, input.storeId);
  const reservedCost = await assertStoreMay(ctx, unit, input);

  const now = ctx.clock.now();
  const { id, paymentId, refundId, storeId, chainId, signed, signature, permit, runsForeignCode, deadline } = input;
  const attempt: RelayAttempt = {
    ...{ id, paymentId, refundId, storeId, chainId, signed, signature, permit, runsForeignCode, deadline },
    status: 'queued',
    transactionId: null,
    batchIndex: null,
    sends: 0,
    mayStillLand: false,
    reservedCost,
    gasUsed: 0n,
    gasCost: 0n,
    gasChargedAt: null,
    errorCode: null,
    errorDetail: null,
    createdAt: now,
    updatedAt: now,
  };
  await insertAttempt(unit.trx, attempt);
  await promiseWork(ctx, unit, [{ queue: 'relay', subjectId: attempt.id }]);
  return attempt;
}

async function assertPayerMay(ctx: Context, unit: UnitOfWork, input: NewAttempt, payer: Address): Promise<void> {
  const limit = findChainConfig(ctx, input.chainId)?.relayLimits.maxInFlightPerPayer ?? 0;
  if ((await countLiveAttemptsOfPayer(unit.trx, input.chainId, payer)) < limit) return;
  throw new AppError(RELAY_ERRORS.tooManyInFlight, {
    detail: `${payer} has ${limit} relayed requests on their way on chain ${input.chainId}; another one is taken when one of them has ended.`,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

/** About the time that a few blocks take. */
const RETRY_AFTER_SECONDS = 10;

/** Behind the requests of this payer that are on their way, and before any other. */
async function assertNextNonce(unit: UnitOfWork, input: NewAttempt, payer: Address): Promise<void> {
  if (input.signed.rail !== 'forwarder') return;
  const { nonce } = input.signed.request;
  const next = decideNextNonce(input.chainNonce ?? 0n, await listLiveNonces(unit.trx, input.chainId, payer));
  if (nonce === next) return;
  throw new AppError(RELAY_ERRORS.wrongNonce, { detail: `forwardRequest.nonce is ${nonce}, the payer's next one is ${next}.` });
}

/** @returns wei to set aside of the store's gas budget */
async function assertStoreMay(ctx: Context, unit: UnitOfWork, input: NewAttempt): Promise<bigint> {
  const { storeId, chainId } = input;
  const limits = findChainConfig(ctx, chainId)?.relayLimits;
  const now = ctx.clock.now();
  const usage = await readStoreUsage(unit.trx, { storeId, chainId, since: startOfUtcDay(now) });
  if (usage.inFlight >= (limits?.maxInFlightPerStore ?? 0)) {
    throw new AppError(RELAY_ERRORS.tooManyInFlight, {
      detail: `The store has ${usage.inFlight} relayed requests on their way on chain ${chainId}, which is its limit.`,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }
  const budget = limits?.gasBudgetPerStorePerDayWei;
  if (budget === undefined || input.gasPrice === undefined) return 0n;
  const reserve = gasToReserve(input.signed.rail) * input.gasPrice;
  if (usage.spent + usage.reserved + reserve <= budget) return reserve;
  throw new AppError(RELAY_ERRORS.gasBudgetSpent, {
    detail:
      `Relaying for the store has cost ${usage.spent} wei on chain ${chainId} today, ${usage.reserved} are set aside for what is on its way, ` +
      `and this request needs about ${reserve}: the budget is ${budget}. Direct payments are not affected.`,
    retryAfterSeconds: Math.ceil(untilNextUtcDayMs(now) / 1000),
  });
}
