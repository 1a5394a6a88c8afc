import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import type { Address } from '../../shared/hex.ts';
import { tryAll } from '../../shared/tryAll.ts';
import type { PermitVerdict } from '../chain/model.ts';
import { getChain } from '../chain/service.ts';

/** A token whose permit the configuration promises, and what became of trying it out. */
export interface PermitReport {
  readonly chainId: number;
  readonly token: Address;
  readonly symbol: string;
  readonly verdict: PermitVerdict;
}

/**
 * Tries the permits of all configured tokens out, each again when what is known is some minutes
 * old. Those that cannot work are logged with the field `alert`, at every check for as long as it
 * lasts: their customers are asked for an approval instead, which costs them gas.
 * @throws the first failure, after all were tried out and told of
 */
export async function checkPermits(
  ctx: Context,
  chains: readonly ChainConfig[] = ctx.config.chains,
): Promise<void> {
  try {
    await judgePermits(ctx, chains);
  } finally {
    for (const { verdict, ...token } of reportPermits(ctx, chains)) {
      if (verdict.kind !== 'unusable') continue;
      const { flaw, detail } = verdict;
      ctx.log.error(
        { alert: 'permit_unusable', ...token, flaw, detail },
        'a token’s permit does not work as configured',
      );
    }
  }
}

/**
 * Asks the chains for what this process does not know; what a chain that is away does not tell
 * stays as it was. @throws the first failure, after all were asked
 */
export async function judgePermits(
  ctx: Context,
  chains: readonly ChainConfig[] = ctx.config.chains,
): Promise<PermitReport[]> {
  await tryAll(listTokens(chains), ({ chainId, token }) =>
    getChain(ctx, chainId).judgePermit(token),
  );
  return reportPermits(ctx, chains);
}

/** What this process knows; nothing is asked. */
export function reportPermits(
  ctx: Context,
  chains: readonly ChainConfig[] = ctx.config.chains,
): PermitReport[] {
  return listTokens(chains).map((token) => {
    const known = getChain(ctx, token.chainId).listPermitVerdicts();
    return {
      ...token,
      verdict: known.find((one) => one.token === token.token)?.verdict ?? { kind: 'unknown' },
    };
  });
}

function listTokens(chains: readonly ChainConfig[]): Omit<PermitReport, 'verdict'>[] {
  return chains.flatMap(({ chainId, tokens }) =>
    tokens.flatMap(({ address, symbol, permit }) =>
      permit === undefined ? [] : [{ chainId, token: address, symbol }],
    ),
  );
}
