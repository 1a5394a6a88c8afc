import type { ChainPort } from '../../domain/chain/ports.ts';
import type { RelayerPort } from '../../domain/relay/ports.ts';
import type { Context } from '../../platform/context.ts';
import { addMs, type Clock } from '../../shared/clock.ts';

/** A clock that stands still until it is moved. */
export function createFakeClock(start: Date): Clock & { advance(ms: number): void; set(now: Date): void } {
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

/** The same context with a chain that answers some questions in another way. */
export function withChain(ctx: Context, chainId: number, change: (chain: ChainPort) => Partial<ChainPort>): Context {
  const chain = ctx.chains.get(chainId);
  if (chain === undefined) throw new Error(`there is no chain ${chainId}`);
  return { ...ctx, chains: new Map([...ctx.chains, [chainId, { ...chain, ...change(chain) }]]) };
}

/** The same context with another relayer, or one that answers some calls in another way. */
export function withRelayer(ctx: Context, chainId: number, change: (relayer: RelayerPort) => Partial<RelayerPort>): Context {
  const relayer = ctx.relayers.get(chainId);
  if (relayer === undefined) throw new Error(`there is no relayer for chain ${chainId}`);
  return { ...ctx, relayers: new Map([...ctx.relayers, [chainId, { ...relayer, ...change(relayer) }]]) };
}
