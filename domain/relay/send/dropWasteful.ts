import type { Context } from '../../../platform/context.ts';
import { addMs } from '../../../shared/clock.ts';
import { blockTimeMsOf, findChainConfig } from '../../chain/service.ts';
import { isTooLate } from '../attempts/decideTime.ts';
import { startOfWasteWindow } from '../waste/decideWaste.ts';
import type { Refused } from './endAllRefused.ts';
import { findWasteRefusal } from '../waste/findWasteRefusal.ts';
import type { RelayAttempt } from '../model.ts';
import { wasteHoldersOf } from '../waste/wasteHolders.ts';
import { readWaste } from '../waste/wasteStore.ts';
import type { Candidate, Claim } from './withClaim.ts';

/**
 * A longer wait is looked at again: what stands aside for a minute is taken for a clock's error.
 */
const MOST_ASIDE_MS = 30_000;

/**
 * What becomes of claimed attempts by what was wasted before them. Whoever is in no list stands
 * aside.
 */
interface Sorted {
  readonly welcome: readonly Candidate[];
  /** To be ended. */
  readonly refused: readonly Refused[];
  /** Until when the job's own attempt stands aside. */
  readonly ownUntil: Date | undefined;
}

/**
 * What was taken on while its signer, its payment and its store were welcome may have waited while
 * they wasted gas. What would be refused now for that ends where it may only be paid directly, or
 * where its deadline is over before its wait is; else it stands aside.
 * @param own the attempt whose job this is
 */
export async function dropWasteful(ctx: Context, own: RelayAttempt, claim: Claim): Promise<Sorted> {
  const { chainId } = own;
  const limits = findChainConfig(ctx, chainId)?.relayLimits;
  const { candidates } = claim;
  if (limits === undefined || candidates.length === 0)
    return { welcome: candidates, refused: [], ownUntil: undefined };
  const now = ctx.clock.now();
  const holders = new Set(
    candidates.flatMap(({ attempt }) => wasteHoldersOf(attempt).map(({ holder }) => holder)),
  );
  const wasted = await readWaste(ctx.db, {
    chainId,
    holders: [...holders],
    since: startOfWasteWindow(now),
  });
  const mostUntil = addMs(now, MOST_ASIDE_MS);
  const welcome: Candidate[] = [];
  const refused: Refused[] = [];
  let ownUntil: Date | undefined;
  for (const candidate of candidates) {
    const { attempt } = candidate;
    const refusal = findWasteRefusal(attempt, { wasted, limits, now });
    if (refusal === undefined) {
      welcome.push(candidate);
    } else if (
      refusal.kind === 'payDirectly' ||
      isTooLate(attempt, refusal.until, blockTimeMsOf(ctx, chainId))
    ) {
      const { code, kind, detail } = refusal.error;
      refused.push({ attempt, error: { code, detail: detail ?? kind.title }, isSure: true });
    } else {
      const until = refusal.until < mostUntil ? refusal.until : mostUntil;
      claim.putAside(attempt, until);
      if (attempt.id === own.id) ownUntil = until;
    }
  }
  return { welcome, refused, ownUntil };
}
