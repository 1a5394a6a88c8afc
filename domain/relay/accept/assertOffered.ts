import type { Context } from '../../../platform/context.ts';
import { AppError } from '../../../shared/errors.ts';
import { RELAY_ERRORS } from '../errors.ts';
import { isGaslessOffered } from '../isGaslessOffered.ts';

/** @throws AppError notOffered */
export function assertOffered(ctx: Context, chainId: number): void {
  if (isGaslessOffered(ctx, chainId)) return;
  throw new AppError(RELAY_ERRORS.notOffered, {
    detail: `No relayer takes requests for chain ${chainId}.`,
  });
}
