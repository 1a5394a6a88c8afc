import { createChain } from '../../adapters/chain/createChain.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { RelayerPort } from '../../domain/relayers/ports.ts';
import type { Context } from '../../platform/context.ts';
import { execute } from '../../platform/db.ts';
import { addMs, type Clock } from '../../shared/clock.ts';

/** A clock that stands still until it is moved. */
export function createFakeClock(
  start: Date,
): Clock & { advance(ms: number): void; set(now: Date): void } {
  let now = start;
  return {
    now: () => now,
    set: (date) => {
      now = date;
    },
    advance: (ms) => {
      now = addMs(now, ms);
    },
  };
}

/** The same context at another time. */
export function atTime(ctx: Context, now: Date): Context {
  return { ...ctx, clock: createFakeClock(now) };
}

/**
 * The same context with a chain that answers some questions in another way; about blocks below a
 * head, by what it says of blocks.
 */
export function withChain(
  ctx: Context,
  chainId: number,
  change: (chain: ChainPort) => Partial<ChainPort>,
): Context {
  const chain = ctx.chains.get(chainId);
  if (chain === undefined) throw new Error(`there is no chain ${chainId}`);
  const changed = change(chain);
  const { findBlock } = changed;
  const under = findBlock === undefined ? {} : { findBlockUnder: findUnder(findBlock) };
  return {
    ...ctx,
    chains: new Map([...ctx.chains, [chainId, { ...chain, ...under, ...changed }]]),
  };
}

function findUnder(findBlock: ChainPort['findBlock']): ChainPort['findBlockUnder'] {
  return async (head, number) =>
    (await findBlock(head.number))?.hash === head.hash ? findBlock(number) : 'otherBranch';
}

/** The same context with a chain whose URLs all have a head of this time. */
export function withHeadTime(ctx: Context, chainId: number, timestamp: Date): Context {
  return withChain(ctx, chainId, (chain) => ({
    getHead: async () => ({ ...(await chain.getHead()), timestamp }),
    findPayer: (paymentId, since, notBefore) =>
      chain.findPayer(paymentId, since, realTime(notBefore)),
    isRefunded: (paymentId, nonce, since, notBefore) =>
      chain.isRefunded(paymentId, nonce, since, realTime(notBefore)),
  }));

  /**
   * Of a head that is really there: any is late enough for what comes before the time that is told.
   */
  function realTime(notBefore: Date | undefined): Date | undefined {
    return notBefore !== undefined && notBefore <= timestamp ? undefined : notBefore;
  }
}

/** The same context with a chain that is asked through these URLs, the first one first. */
export function withRpcUrls(ctx: Context, chainId: number, rpcUrls: readonly string[]): Context {
  const chain = ctx.config.chains.find((one) => one.chainId === chainId);
  if (chain === undefined) throw new Error(`there is no chain ${chainId}`);
  const port = createChain({
    chain: { ...chain, rpcUrls: [...rpcUrls] },
    log: ctx.log,
    clock: ctx.clock,
  });
  return { ...ctx, chains: new Map([...ctx.chains, [chainId, port]]) };
}

/** The same context at another time, on a chain whose head is of that time too. */
export function atTimeOfChain(ctx: Context, chainId: number, now: Date): Context {
  return withChain(atTime(ctx, now), chainId, (chain) => ({
    async findPayers(paymentIds) {
      const { block, payers } = await chain.findPayers(paymentIds);
      return { block: block && { ...block, timestamp: now }, payers };
    },
  }));
}

/** The same context with a chain's first relayer answering some calls in another way. */
export function withRelayer(
  ctx: Context,
  chainId: number,
  change: (relayer: RelayerPort) => Partial<RelayerPort>,
): Context {
  const id = firstRelayerOf(ctx, chainId);
  const relayer = ctx.relayers.get(id);
  if (relayer === undefined) throw new Error(`there is no relayer ${id}`);
  return { ...ctx, relayers: new Map([...ctx.relayers, [id, { ...relayer, ...change(relayer) }]]) };
}

/** Its id. */
export function firstRelayerOf(ctx: Context, chainId: number): string {
  const id = ctx.config.chains.find((chain) => chain.chainId === chainId)?.relayers[0]?.id;
  if (id === undefined) throw new Error(`no relayer is configured for chain ${chainId}`);
  return id;
}

/**
 * The same context with a chain having these relayers and no others, each with the limits of the
 * chain's first.
 */
export function withRelayers(
  ctx: Context,
  chainId: number,
  relayers: readonly RelayerPort[],
): Context {
  const chains = ctx.config.chains.map((chain) => {
    const [first] = chain.relayers;
    if (chain.chainId !== chainId || first === undefined) return chain;
    return { ...chain, relayers: relayers.map(({ id }) => ({ ...first, id })) };
  });
  return {
    ...ctx,
    config: { ...ctx.config, chains },
    relayers: new Map(relayers.map((relayer) => [relayer.id, relayer])),
  };
}

/** As if a block of this time were final and scanned, until a scan says otherwise. */
export async function setSettledTime(ctx: Context, chainId: number, time: Date): Promise<void> {
  await execute(
    ctx.db,
    'UPDATE chain_cursors SET settled_block = 0, settled_timestamp = ? WHERE chain_id = ?',
    [time, chainId],
  );
}
