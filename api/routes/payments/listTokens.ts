import { isGaslessOffered } from '../../../domain/relay/service.ts';
import type { Handler } from '../../handler.ts';

export const listTokens: Handler<'listTokens'> = (ctx) => {
  const data = ctx.config.chains.flatMap((chain) =>
    chain.tokens.map((token) => ({
      chainId: chain.chainId,
      chainName: chain.name,
      address: token.address,
      symbol: token.symbol,
      decimals: token.decimals,
      permit: token.permit !== undefined,
      gasless: isGaslessOffered(ctx, chain.chainId),
      minRelayAmount: token.minRelayAmount?.toString() ?? null,
    })),
  );
  return Promise.resolve({ status: 200, body: { data } });
};
