import type { Context } from '../../../platform/context.ts';
import { blockTimeMsOf } from '../../chain/service.ts';
import { decideLeastMs } from './decideTime.ts';

/** How long a signed request has to be good for when it is taken on, in ms: whole seconds. */
export function leastMsOf(ctx: Context, chainId: number): number {
  return decideLeastMs({
    minDeadlineSeconds: ctx.config.relay.minDeadlineSeconds,
    blockTimeMs: blockTimeMsOf(ctx, chainId),
  });
}
