import { reportPermits } from '../../../domain/relay/checkPermits.ts';
import { isGaslessOffered } from '../../../domain/relay/isGaslessOffered.ts';
import type { Handler } from '../../http/handler.ts';

export const listTokens: Handler<'listTokens'> = (ctx) => {
  // As far as this process knows: the list is asked for often, and must not wait for a chain.
  const unusable = new Set(
    reportPermits(ctx).flatMap(({ chainId, token, verdict }) =>
      verdict.kind === 'unusable' ? [`${chainId}:${token}`] : [],
    ),
  );
  const data = ctx.config.chains.flatMap((chain) =>
    chain.tokens.map((token) => ({
      chainId: chain.chainId,
      chainName: chain.name,
      address: token.address,
      symbol: token.symbol,
      decimals: token.decimals,
      permit: token.permit !== undefined && !unusable.has(`${chain.chainId}:${token.address}`),
      gasless: isGaslessOffered(ctx, chain.chainId),
      minRelayAmount: token.minRelayAmount?.toString() ?? null,
    })),
  );
  return Promise.resolve({ status: 200, body: { data } });
};
