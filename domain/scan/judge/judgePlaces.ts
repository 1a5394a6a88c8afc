import type { Context } from '../../../platform/context.ts';
import { AppError } from '../../../shared/errors.ts';
import type { Bytes32 } from '../../../shared/hex.ts';
import { CHAIN_ERRORS } from '../../chain/errors.ts';
import type { Block, ChainPort } from '../../chain/ports.ts';
import { moveBack } from '../follow/moveBack.ts';

/** A block that an event was seen in. */
export interface Place {
  readonly blockNumber: bigint;
  readonly blockHash: Bytes32;
}

/**
 *   stands       the block is on the chain
 *   replaced     another block is there
 *   unknown      there is none: a node that lags
 *   otherBranch  whoever was asked is not on the chain of the head, or not as far: it says nothing
 *   unheard      nobody answered, e.g. for a block that nodes have pruned
 */
export type Verdict = 'stands' | 'replaced' | 'unknown' | 'otherBranch' | 'unheard';

export interface Judgement {
  readonly verdicts: ReadonlyMap<Bytes32, Verdict>;
  /**
   * Why the first `unheard` block is it; absent when there is none. Whoever has done what the other
   * verdicts allow throws it, so that it counts as a failure.
   */
  readonly failure?: AppError;
}

/** Headers asked for at the same time. */
const AT_ONCE = 8;

/**
 * Are the blocks that events were seen in still on the chain? Following reorganisations should
 * leave no other answer; money does not count on the strength of "should".
 * @param head of the chain that is meant: how deep the events are was measured from it
 * @param places those first that matter first: when a few in a row are unheard, nobody answers, and
 *   the rest is not asked about
 * @returns verdicts by block hash; each block is asked for once
 */
export async function judgePlaces(
  chain: ChainPort,
  head: Block,
  places: readonly Place[],
): Promise<Judgement> {
  const blocks = blocksOf(places);
  const verdicts = new Map<Bytes32, Verdict>();
  let failure: AppError | undefined;
  const judge = async (number: bigint, hash: Bytes32): Promise<Verdict> => {
    try {
      return toVerdict(await chain.findBlockUnder(head, number), hash);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== CHAIN_ERRORS.unavailable.code) throw error;
      failure ??= error;
      return 'unheard';
    }
  };
  for (let from = 0; from < blocks.length; from += AT_ONCE) {
    const judged = await Promise.all(
      blocks.slice(from, from + AT_ONCE).map(async ({ number, hash }) => {
        const verdict = await judge(number, hash);
        verdicts.set(hash, verdict);
        return verdict;
      }),
    );
    // All under one head: who does not have it, or hangs, is not waited for again and again.
    const rest = judged.includes('otherBranch')
      ? 'otherBranch'
      : judged.length === AT_ONCE && judged.every((verdict) => verdict === 'unheard')
        ? 'unheard'
        : undefined;
    if (rest === undefined) continue;
    for (const { hash } of blocks.slice(from + AT_ONCE)) verdicts.set(hash, rest);
    break;
  }
  return failure === undefined ? { verdicts } : { verdicts, failure };
}

function toVerdict(block: Block | 'otherBranch' | undefined, hash: Bytes32): Verdict {
  if (block === undefined) return 'unknown';
  if (block === 'otherBranch') return block;
  return block.hash === hash ? 'stands' : 'replaced';
}

/**
 * What takes money back is not decided by one RPC URL, which may be on a branch that grows and is
 * not the chain: of each of these blocks more URLs have another one in its place than still have
 * it, or have none there yet. Which of them are asked first afterwards, the chain's adapter sees
 * to.
 * @param places not on the chain, as somebody says. Only the first blocks are asked about when
 *   `isSample`
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function areAgreedGone(
  chain: ChainPort,
  places: readonly Place[],
  isSample: boolean,
): Promise<boolean> {
  const blocks = blocksOf(places);
  for (let from = 0; from < (isSample ? 1 : blocks.length); from += AT_ONCE) {
    const polls = await chain.pollBlocks(blocks.slice(from, from + AT_ONCE));
    if (
      polls.some(
        ({ stands, replaced, missing }) => stands + missing > 0 && stands + missing >= replaced,
      )
    )
      return false;
  }
  return true;
}

/** Each block once. */
function blocksOf(places: readonly Place[]): { readonly number: bigint; readonly hash: Bytes32 }[] {
  return [...new Map(places.map(({ blockNumber, blockHash }) => [blockHash, blockNumber]))].map(
    ([hash, number]) => ({ number, hash }),
  );
}

/**
 * Events stood in blocks that are not on the chain: those blocks are scanned again, and what is not
 * found in them is withdrawn there. Nothing else is: of the blocks around them nothing is known.
 * Nor is anything done when the scan was moved back since they were judged: they may have been
 * followed then.
 * @param judged.generation of the cursor, when the events were read
 */
export async function scanReplacedAgain(
  ctx: Context,
  judged: { readonly chainId: number; readonly generation: number },
  replaced: readonly Place[],
  ids: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { chainId, generation } = judged;
  const [first, ...others] = replaced.map(({ blockNumber }) => blockNumber);
  if (first === undefined) return;
  const lowest = others.reduce((least, number) => (number < least ? number : least), first);
  const highest = others.reduce((most, number) => (number > most ? number : most), first);
  const retreat = { nextBlock: lowest, withdraw: { after: lowest - 1n, until: highest } };
  const moved = await moveBack(ctx, chainId, (cursor) =>
    cursor.generation === generation ? retreat : undefined,
  );
  if (moved !== undefined)
    ctx.log.error(
      { chainId, ...ids },
      'events stood in blocks that are not on the chain: those are scanned again',
    );
}
