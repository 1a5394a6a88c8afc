import type { ChainConfig, RelayerConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { AppError } from '../../shared/errors.ts';
import { tryAll } from '../../shared/tryAll.ts';
import { dataGasOf, getChain } from '../chain/service.ts';
import { decideBalances, decideStanding } from './state/decideStanding.ts';
import type { RelayerRecord } from './model.ts';
import { lockRelayers, updateRelayerStanding } from './state/relayerStore.ts';
import type { ReadLoads } from './ReadLoads.ts';
import { reportRelayers } from './reportRelayers.ts';

/**
 * Asks every relayer, and the chain about its account, how it stands: one that is paused or poor is
 * sent nothing until a later check finds it well again. What an operator has to do something about
 * is logged with the field `alert`, at every check for as long as it lasts.
 * @throws the first failure, after all were checked and told of
 */
export async function checkRelayers(
  ctx: Context,
  readLoads: ReadLoads,
  chains: readonly ChainConfig[] = ctx.config.chains,
): Promise<void> {
  const configured = chains.flatMap(({ chainId, relayers }) =>
    relayers.map((relayer) => ({ chainId, relayer })),
  );
  try {
    await tryAll(configured, ({ chainId, relayer }) => checkRelayer(ctx, chainId, relayer), {
      onFailure: (err, { relayer }) =>
        ctx.log.error({ err, relayerId: relayer.id }, 'a relayer could not be checked'),
    });
  } finally {
    // One that cannot be checked must not keep the others' alerts from being given.
    for (const { relayerId, chainId, alerts, ...report } of await reportRelayers(ctx, readLoads)) {
      if (!configured.some(({ relayer }) => relayer.id === relayerId)) continue;
      for (const alert of alerts)
        ctx.log.error({ alert, relayerId, chainId, ...report }, 'a relayer needs its operator');
    }
  }
}

async function checkRelayer(ctx: Context, chainId: number, config: RelayerConfig): Promise<void> {
  const found = await ask(ctx, chainId, config);
  await inUnitOfWork(ctx, async (unit) => {
    const [record] = await lockRelayers(unit.trx, [config.id]);
    if (record === undefined) return;
    await updateRelayerStanding(unit.trx, { id: config.id, ...found, checkedAt: ctx.clock.now() });
    if (found.standing === record.standing) return;
    const change = { relayerId: config.id, from: record.standing, to: found.standing };
    if (found.standing === 'ready') ctx.log.info(change, 'a relayer is ready');
    else ctx.log.warn(change, 'a relayer is not ready');
  });
}

type Findings = Pick<
  RelayerRecord,
  'standing' | 'address' | 'balance' | 'lowBelow' | 'hasStuckNonce'
>;

async function ask(ctx: Context, chainId: number, config: RelayerConfig): Promise<Findings> {
  const relayer = ctx.relayers.get(config.id);
  if (relayer === undefined) throw new Error(`relayer ${config.id} is configured and not there`);
  const status = await relayer.getStatus().catch(orUndefined);
  if (status === undefined)
    return {
      standing: 'silent',
      address: null,
      balance: null,
      lowBelow: null,
      hasStuckNonce: false,
    };
  const { paused, address, hasStuckNonce = false } = status;
  const chain = getChain(ctx, chainId);
  const gasPrice = await chain.getGasPrice().catch(orUndefined);
  const { least, low } = decideBalances(config, { gasPrice, dataGas: dataGasOf(ctx, chainId) });
  // One that is poor is sent nothing: that is no word of a URL that has not seen its coins.
  const balance = await chain.getBalance(address, least > 0n ? least : 1n).catch(orUndefined);
  const standing = decideStanding({ paused, balance, minBalance: least });
  return { standing, address, balance: balance ?? null, lowBelow: low, hasStuckNonce };
}

/** No answer is a finding here. */
function orUndefined(error: unknown): undefined {
  if (error instanceof AppError && error.kind.retryable === true) return undefined;
  throw error;
}
