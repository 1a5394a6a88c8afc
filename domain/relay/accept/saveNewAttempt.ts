import type { ChainConfig } from '../../../platform/config.ts';
import type { Context } from '../../../platform/context.ts';
import type { UnitOfWork } from '../../../platform/unitOfWork.ts';
import { AppError } from '../../../shared/errors.ts';
import type { Address, Bytes32, Hex } from '../../../shared/hex.ts';
import { dataGasOf, findChainConfig } from '../../chain/service.ts';
import { promiseWork } from '../../outbox/service.ts';
import type { RelayPriority } from '../../stores/model.ts';
import { assertNotWasteful } from './assertNotWasteful.ts';
import { insertAttempt, listLiveNonces } from '../attempts/attemptStore.ts';
import { decideRequestGas } from '../../chain/decideRequestGas.ts';
import { decideNextNonce } from '../attempts/decideNextNonce.ts';
import { assertWithinQuota, type Quota, type Reserve } from '../attempts/decideQuota.ts';
import { RELAY_ERRORS } from '../errors.ts';
import { giveTurn } from './giveTurn.ts';
import { signerOf, type RelayAttempt } from '../model.ts';
import { addUsage, dayOf, lockUsage } from '../attempts/usageStore.ts';
import type { Permit, SignedRequest } from '../../chain/contractModel.ts';

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
  readonly priority: RelayPriority;
  readonly deadline: Date;
  /**
   * The forwarder's nonce of the payer, as the chain has it; read before the transaction began.
   * Only on that rail.
   */
  readonly chainNonce?: bigint;
  /** Wei a gas unit, as of now; undefined where no budget is in wei. */
  readonly gasPrice?: bigint | undefined;
}

/**
 * Saves an attempt and promises its sending, within the limits of its payer and its store. What it
 * is for must be locked already.
 * @throws AppError backOff, payDirectly, tooManyInFlight, gasBudgetSpent, wrongNonce
 */
export async function saveNewAttempt(
  ctx: Context,
  unit: UnitOfWork,
  input: NewAttempt,
): Promise<RelayAttempt> {
  const payer = signerOf(input.signed);
  await assertNotWasteful(ctx, unit.trx, input);
  const now = ctx.clock.now();
  const reserve = reserveOf(input, dataGasOf(ctx, input.chainId));
  const limits = getRelayLimits(ctx, input.chainId);
  // First the payer, then the store, everywhere.
  const payerUsage = await lockUsage(unit.trx, input.chainId, payer, dayOf(now));
  const whose = input.refundId === null ? 'payer' : 'merchant';
  assertWithinQuota(whose, { usage: payerUsage, quota: quotaOfPayer(limits, input), reserve, now });
  if (input.signed.rail === 'forwarder') await assertNextNonce(unit, input, payer);
  const storeUsage = await lockUsage(unit.trx, input.chainId, input.storeId, dayOf(now));
  assertWithinQuota('store', { usage: storeUsage, quota: quotaOfStore(limits), reserve, now });

  const {
    id,
    paymentId,
    refundId,
    storeId,
    chainId,
    signed,
    signature,
    permit,
    runsForeignCode,
    priority,
    deadline,
  } = input;
  const { turn, turnStep } = await giveTurn(unit.trx, {
    chainId,
    storeId,
    signed,
    priority,
    inFlight: storeUsage.inFlight,
  });
  const attempt: RelayAttempt = {
    ...{
      id,
      paymentId,
      refundId,
      storeId,
      chainId,
      signed,
      signature,
      permit,
      runsForeignCode,
      priority,
      turn,
      turnStep,
      deadline,
    },
    status: 'queued',
    transactionId: null,
    batchIndex: null,
    sends: 0,
    batchFailures: 0,
    mayStillLand: false,
    reservedGas: reserve.gas,
    reservedCost: reserve.cost,
    gasUsed: 0n,
    gasCost: 0n,
    gasChargedAt: null,
    errorCode: null,
    errorDetail: null,
    createdAt: now,
    updatedAt: now,
  };
  await insertAttempt(unit.trx, attempt);
  await addUsage(unit.trx, attempt);
  await promiseWork(ctx, unit, [{ queue: 'relay', subjectId: attempt.id }]);
  return attempt;
}

/** Behind the requests of this payer that are on their way, and before any other. */
async function assertNextNonce(unit: UnitOfWork, input: NewAttempt, payer: Address): Promise<void> {
  if (input.signed.rail !== 'forwarder') return;
  const { nonce } = input.signed.request;
  const next = decideNextNonce(
    input.chainNonce ?? 0n,
    await listLiveNonces(unit.trx, input.chainId, payer),
  );
  if (nonce === next) return;
  throw new AppError(RELAY_ERRORS.wrongNonce, {
    detail: `forwardRequest.nonce is ${nonce}, the payer's next one is ${next}.`,
  });
}

type RelayLimits = ChainConfig['relayLimits'];

function getRelayLimits(ctx: Context, chainId: number): RelayLimits {
  const limits = findChainConfig(ctx, chainId)?.relayLimits;
  if (limits === undefined) throw new Error(`chain ${chainId} is not configured`);
  return limits;
}

function reserveOf({ signed, runsForeignCode, gasPrice }: NewAttempt, dataGas: bigint): Reserve {
  const gas = decideRequestGas(signed.rail, runsForeignCode, dataGas);
  return { gas, cost: gas * (gasPrice ?? 0n) };
}

/** What refunds cost is the store's to watch: its merchants are few, and are in its own hand. */
function quotaOfPayer(limits: RelayLimits, { refundId }: NewAttempt): Quota {
  const isRefund = refundId !== null;
  return {
    maxInFlight: limits.maxInFlightPerPayer,
    gasBudget: isRefund ? undefined : limits.gasBudgetPerPayerPerDay,
    costBudget: isRefund ? undefined : limits.gasBudgetPerPayerPerDayWei,
  };
}

function quotaOfStore(limits: RelayLimits): Quota {
  return {
    maxInFlight: limits.maxInFlightPerStore,
    gasBudget: limits.gasBudgetPerStorePerDay,
    costBudget: limits.gasBudgetPerStorePerDayWei,
  };
}
