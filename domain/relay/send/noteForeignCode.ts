import type { Context } from '../../../platform/context.ts';
import type { UnitOfWork } from '../../../platform/unitOfWork.ts';
import { dataGasOf } from '../../chain/service.ts';
import { updateReserve } from '../attempts/attemptStore.ts';
import { decideRequestGas } from '../../chain/decideRequestGas.ts';
import type { RelayAttempt } from '../model.ts';
import { moveReserves } from '../attempts/usageStore.ts';
import type { Candidate } from './withClaim.ts';

/**
 * Any account may get code after its request was taken on (EIP-7702). What is about to be sent is
 * written down as what it is now: its reserve, its share of the gas and the blame go by that. An
 * account that had code once may have it again in the block, so nothing is taken back.
 *
 * The attempts are locked in this unit of work, and no relayer yet.
 * @returns the candidates, as they are written down now
 */
export async function noteForeignCode(
  ctx: Context,
  unit: UnitOfWork,
  candidates: readonly Candidate[],
): Promise<Candidate[]> {
  const noted = candidates.map((candidate) => ({
    candidate,
    changed: withForeignCode(ctx, candidate),
  }));
  const moves = noted.flatMap(({ candidate: { attempt }, changed }) =>
    changed === undefined
      ? []
      : [
          {
            attempt,
            gas: changed.reservedGas - attempt.reservedGas,
            cost: changed.reservedCost - attempt.reservedCost,
          },
        ],
  );
  if (moves.length === 0) return [...candidates];
  for (const { changed } of noted)
    if (changed !== undefined) await updateReserve(unit.trx, changed);
  await moveReserves(unit.trx, moves);
  return noted.map(({ candidate, changed }) => ({
    ...candidate,
    attempt: changed ?? candidate.attempt,
  }));
}

/** @returns undefined when nothing changes */
function withForeignCode(
  ctx: Context,
  { attempt, runsForeignCode }: Candidate,
): RelayAttempt | undefined {
  if (!runsForeignCode || attempt.runsForeignCode) return undefined;
  const { reservedGas, reservedCost } = attempt;
  const most = decideRequestGas(attempt.signed.rail, true, dataGasOf(ctx, attempt.chainId));
  const gas = most > reservedGas ? most : reservedGas;
  // At the price that it was taken on at.
  return {
    ...attempt,
    runsForeignCode,
    reservedGas: gas,
    reservedCost: reservedGas === 0n ? reservedCost : (reservedCost * gas) / reservedGas,
  };
}
