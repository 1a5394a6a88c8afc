import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { tryAll } from '../../shared/tryAll.ts';

/**
 * Lets the relayers that are our own keys keep what they sent moving. @throws the first failure,
 * after all had their turn
 */
export async function tendRelayers(
  ctx: Context,
  chains: readonly ChainConfig[] = ctx.config.chains,
): Promise<void> {
  const relayers = chains.flatMap((chain) =>
    chain.relayers.flatMap(({ id }) => ctx.relayers.get(id) ?? []),
  );
  await tryAll(relayers, async (relayer) => relayer.tend?.(), {
    onFailure: (err, { id }) =>
      ctx.log.warn(
        { err, relayerId: id },
        'a relayer could not be tended, it will be at the next turn',
      ),
  });
}
