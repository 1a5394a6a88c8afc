import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import type { SendOutcome } from './ports.ts';
import { decideCircuit } from './state/decideCircuit.ts';
import { listRelayers, lockRelayers, updateRelayerCircuit } from './state/relayerStore.ts';

/** Lets a relayer rest that does not take what it is sent, and brings it back when it does. */
export async function noteSend(
  ctx: Context,
  relayerId: string,
  outcome: SendOutcome,
): Promise<void> {
  const [seen] = await listRelayers(ctx.db, [relayerId]);
  const isWell = seen === undefined || (seen.failures === 0 && seen.restingUntil === null);
  if (isWell && (outcome.kind === 'accepted' || outcome.kind === 'rejected')) return;
  await inUnitOfWork(ctx, async (unit) => {
    const [record] = await lockRelayers(unit.trx, [relayerId]);
    if (record === undefined) return;
    const circuit = decideCircuit(record, outcome, ctx.clock.now());
    await updateRelayerCircuit(unit.trx, { id: relayerId, ...circuit });
    if (circuit.restingUntil !== null)
      ctx.log.warn({ relayerId, ...circuit }, 'the relayer is left alone for a while');
    else if (record.restingUntil !== null) ctx.log.info({ relayerId }, 'the relayer works again');
  });
}
