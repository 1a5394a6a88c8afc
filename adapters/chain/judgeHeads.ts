import type { Block } from '../../domain/chain/ports.ts';
import { BLOCK_CLOCK_MARGIN_MS } from '../../shared/clock.ts';

/**
 * Whose word counts, by the heads that RPC URLs show: pure rules. What a URL says of its own head
 * gives it no weight, since one that is ahead, or says so, would be the only one with a say. A head
 * is measured by our clock and by the heads of the others; so one that is stuck has no say, though
 * it answers.
 */

/**
 * A URL is behind when it lacks more than this of the best one's blocks, whichever is more:
 * providers differ by a block or two at any time.
 */
const TOLERATED_BLOCKS = 3;
const TOLERATED_MS = 15_000;
/**
 * How old a head may be, by our clock, of a URL that stands where the chain is. As much as a
 * chain's clock may differ from ours, and a late block, and a lag.
 */
const RECENT_MS = 60_000;
const RECENT_BLOCKS = 10;
/**
 * In the time between two heads there may be so many times the blocks that the configured time
 * between blocks makes of it.
 */
const MOST_BLOCKS_FACTOR = 4;

export type Head = Pick<Block, 'number' | 'timestamp'>;

/** What one URL has said, and where it stood then. */
interface Heard {
  readonly head: Head;
  /**
   * By our clock, when the head was read. The others may have been waited for since: that makes it
   * no older.
   */
  readonly readAt: Date;
}

export interface Measure {
  /** Ours: the database's. */
  readonly now: Date;
  /** Typical time between blocks. */
  readonly blockTimeMs: number;
}

export function toleratedBlocks(blockTimeMs: number): bigint {
  return BigInt(Math.max(TOLERATED_BLOCKS, Math.ceil(TOLERATED_MS / blockTimeMs)));
}

/**
 * By how many blocks two URLs may differ and be as far as each other: much less than what it takes
 * to be behind. At the edge one would come and go.
 */
export function equalBlocks(blockTimeMs: number): bigint {
  return toleratedBlocks(blockTimeMs) / 3n;
}

/**
 * Which of the heads are not believed: those of a time that has not come, while no fewer are of now
 * (else the chain's clock is not ours, and one that is stuck is no measure of that); and of the
 * others one that is further above the second best than blocks can have been made between the two.
 * @returns indices
 */
export function findUnbelievable(heads: readonly Head[], measure: Measure): ReadonlySet<number> {
  const early = heads.flatMap((head, index) => (isOfFuture(head, measure) ? [index] : []));
  const ofNow = heads.filter((head) => isOfNow(head, measure));
  const unbelievable = new Set(ofNow.length >= early.length ? early : []);
  const measured = heads.filter((_head, index) => !unbelievable.has(index));
  const [, second] = [...measured].sort(highestFirst);
  if (second === undefined) return unbelievable;
  heads.forEach((head, index) => {
    if (isFarAbove(head, second, measure)) unbelievable.add(index);
  });
  return unbelievable;
}

/**
 * Those of the URLs that have a say where something is about to end. They are those whose heads
 * were recent by our clock when they were read. Of three and more that are configured, one that is
 * recent by itself silences nobody, as when the chain pauses and one URL makes blocks up; and when
 * none is recent, all have a say. Then those go that lack blocks which two others have. Of two that
 * are recent both have a say, however far apart they are: which of them is wrong, nobody can tell.
 * @param chain.urls so many are configured, whoever was heard
 */
export function findVoters<One extends Heard>(
  heard: readonly One[],
  chain: { readonly urls: number; readonly blockTimeMs: number },
): readonly One[] {
  const { urls, blockTimeMs } = chain;
  const measureOf = ({ readAt }: Heard): Measure => ({ now: readAt, blockTimeMs });
  const early = heard.filter((one) => isOfFuture(one.head, measureOf(one)));
  const ofNow = heard.filter((one) => isOfNow(one.head, measureOf(one)));
  // Of two of which one is, our clock may be wrong: neither decides alone.
  const believed =
    ofNow.length > early.length ? heard.filter((one) => !early.includes(one)) : heard;
  const isRecentlyRead = (one: Heard) => isRecent(one.head, measureOf(one));
  const candidates = withoutLonely(believed, isRecentlyRead, blockTimeMs);
  const recent = candidates.filter(isRecentlyRead);
  const isEnough = recent.length > 1 || (recent.length === 1 && urls <= 2);
  const voters = isEnough ? recent : candidates;
  const [, second] = voters.map(({ head }) => head).sort(highestFirst);
  if (second === undefined) return voters;
  return voters.filter(({ head }) => head.number + equalBlocks(blockTimeMs) >= second.number);
}

/**
 * Without one that is far above two others whose heads are recent: one of these by itself would not
 * be enough to silence it.
 */
function withoutLonely<One extends Heard>(
  heard: readonly One[],
  isRecentlyRead: (one: Heard) => boolean,
  blockTimeMs: number,
): readonly One[] {
  const [, ...others] = [...heard].sort((a, b) => highestFirst(a.head, b.head));
  const [second, third] = others.filter(isRecentlyRead);
  if (second === undefined || third === undefined) return heard;
  return heard.filter(
    ({ head }) =>
      !(
        isFarAbove(head, second.head, { blockTimeMs }) &&
        isFarAbove(head, third.head, { blockTimeMs })
      ),
  );
}

export function isOfFuture({ timestamp }: Head, { now }: Measure): boolean {
  return timestamp.getTime() - now.getTime() > BLOCK_CLOCK_MARGIN_MS;
}

function isOfNow(head: Head, measure: Measure): boolean {
  return isRecent(head, measure) && !isOfFuture(head, measure);
}

/** Not of the future is asked apart. */
function isRecent({ timestamp }: Head, { now, blockTimeMs }: Measure): boolean {
  return now.getTime() - timestamp.getTime() <= Math.max(RECENT_MS, RECENT_BLOCKS * blockTimeMs);
}

/**
 * Further above another head than it can be by the time between the two, and than URLs of one chain
 * differ.
 */
export function isFarAbove(
  head: Head,
  other: Head,
  { blockTimeMs }: Pick<Measure, 'blockTimeMs'>,
): boolean {
  const betweenMs = Math.max(0, head.timestamp.getTime() - other.timestamp.getTime());
  const most =
    toleratedBlocks(blockTimeMs) +
    BigInt(Math.ceil((MOST_BLOCKS_FACTOR * betweenMs) / blockTimeMs));
  return head.number - other.number > most;
}

function highestFirst(a: Head, b: Head): number {
  if (a.number === b.number) return 0;
  return a.number > b.number ? -1 : 1;
}
