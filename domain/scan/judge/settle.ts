import type { ChainConfig } from '../../../platform/config.ts';
import type { Context } from '../../../platform/context.ts';
import type { Block, ChainPort } from '../../chain/ports.ts';
import { raiseSettled, type ChainCursor } from '../../chain/store.ts';
import { lastFinalBlock } from '../../chain/decide.ts';

/**
 * A chain calls blocks final many at once, minutes apart, and several RPC URLs are several
 * questions: it is not asked at every scan how far that is.
 */
const LOOK_MS = 10_000;
/**
 * URLs differ for a block or two, or one fails now and then: after so long it is said, each time
 * that so much more has passed.
 */
const STANDSTILL_MS = 60_000;

interface Looks {
  /** When each chain is asked again. */
  readonly next: Map<number, number>;
  /** Chains whose URLs do not agree: since when, or since it was said. */
  readonly disagreeingSince: Map<number, number>;
}

/** By process. */
const memories = new WeakMap<Context['db'], Looks>();

/**
 * Whether it is time to ask, which is taken with that: what is not asked says nothing of a question
 * that failed.
 */
export function takeLookAtSettled(
  ctx: Context,
  { chainId, confirmations, rpcUrls }: ChainConfig,
): boolean {
  if (confirmations !== 'finalized' && rpcUrls.length === 1) return true;
  const { next } = looksOf(ctx);
  const now = ctx.clock.now().getTime();
  const waitMs = (next.get(chainId) ?? 0) - now;
  // More than that was left by a clock that had jumped ahead.
  if (waitMs > 0 && waitMs <= LOOK_MS) return false;
  next.set(chainId, now + LOOK_MS);
  return true;
}

/**
 * At the end of a scan: remembers in the cursor's row the time of the newest block that is both
 * final and scanned (see findSettledTime). Signatures and payments end by it, and nothing takes
 * that back: no header counts that is later than the head, and of several RPC URLs more than half
 * have to have the block as final.
 * @param cursor as the scan has left it: everything up to the head is scanned
 */
export async function settle(
  ctx: Context,
  chain: ChainPort,
  config: ChainConfig,
  { cursor, head }: { cursor: ChainCursor; head: Block },
): Promise<void> {
  if (chain.urlCount > 1) {
    await settleByMost(ctx, chain, config, { cursor, head });
    return;
  }
  const number = await findFinalNumber(chain, config, head);
  if (number === undefined || !isLater(number, cursor)) return;
  const block = number === head.number ? head : await chain.findBlockUnder(head, number);
  if (block === undefined || block === 'otherBranch') return;
  if (block.timestamp > head.timestamp) {
    const facts = { chainId: config.chainId, block: number.toString() };
    ctx.log.warn(
      facts,
      'the RPC URL gives a final block a later time than the head: nothing ends by it',
    );
    return;
  }
  await raise(ctx, cursor, block);
}

async function settleByMost(
  ctx: Context,
  chain: ChainPort,
  config: ChainConfig,
  { cursor, head }: { cursor: ChainCursor; head: Block },
): Promise<void> {
  // Not by the others' heads of now, which are later than what was scanned.
  const { confirmations } = config;
  const upTo =
    confirmations === 'finalized' ? head.number : head.number - BigInt(confirmations) + 1n;
  if (upTo < 0n) return;
  const agreed = await chain.findAgreedFinal(upTo);
  if (agreed !== undefined && isLater(agreed.number, cursor)) {
    const scanned =
      agreed.number === head.number ? head : await chain.findBlockUnder(head, agreed.number);
    // Not of a block that most have in place of what was scanned.
    const isScanned = typeof scanned === 'object' && scanned.hash === agreed.hash;
    noteAgreement(ctx, config.chainId, isScanned);
    if (isScanned) await raise(ctx, cursor, agreed);
    return;
  }
  // Nothing new is final, unless one says so: then the others do not agree, stand still, or do not
  // answer.
  const number = await findFinalNumber(chain, config, head);
  if (number !== undefined && isLater(number, cursor)) noteAgreement(ctx, config.chainId, false);
}

/** By the word of one URL. undefined: nothing is final yet. */
async function findFinalNumber(
  chain: ChainPort,
  { confirmations }: ChainConfig,
  head: Block,
): Promise<bigint | undefined> {
  const finalized = confirmations === 'finalized' ? await chain.getFinalizedNumber() : undefined;
  const last = lastFinalBlock({ head: head.number, finalized }, confirmations);
  if (last === undefined || last < 0n) return undefined;
  return last < head.number ? last : head.number;
}

function isLater(number: bigint, { settled }: ChainCursor): boolean {
  return settled === null || number > settled.block;
}

async function raise(
  ctx: Context,
  { chainId, generation }: ChainCursor,
  { number, timestamp }: Block,
): Promise<void> {
  await raiseSettled(ctx.db, { chainId, generation, settled: { block: number, time: timestamp } });
}

function noteAgreement(ctx: Context, chainId: number, isAgreed: boolean): void {
  const { disagreeingSince } = looksOf(ctx);
  const now = ctx.clock.now().getTime();
  const since = disagreeingSince.get(chainId);
  if (isAgreed) disagreeingSince.delete(chainId);
  // Later than now: a clock that had jumped ahead.
  else if (since === undefined || since > now) disagreeingSince.set(chainId, now);
  else if (now - since >= STANDSTILL_MS) {
    ctx.log.warn(
      { chainId },
      'RPC URLs do not agree on a final block, or one is not heard: no signature and no payment ends meanwhile',
    );
    disagreeingSince.set(chainId, now);
  }
}

function looksOf(ctx: Context): Looks {
  let looks = memories.get(ctx.db);
  if (looks === undefined) {
    looks = { next: new Map(), disagreeingSince: new Map() };
    memories.set(ctx.db, looks);
  }
  return looks;
}
