import type { Logger } from '../../platform/logger.ts';
import type { Clock } from '../../shared/clock.ts';
import { equalBlocks, findUnbelievable, toleratedBlocks, type Head } from './judgeHeads.ts';

/** How often the heads of all URLs are compared while the chain is in use. */
const LOOK_INTERVAL_MS = 5_000;
/**
 * For how long one is asked last that others contradicted: long enough for a node that lags, or is
 * on a branch that the others left, to be as they are.
 */
const CONTRADICTED_MS = 60_000;

export interface NodeOrder {
  /** Indices of the RPC URLs, the preferred one first; another array whenever it changed. */
  current(): readonly number[];
  /**
   * Others contradict what this one says, and more of them or more surely: it is asked after all
   * that answer, for a minute.
   */
  putLast(index: number): void;
}

/** `ahead`: its head is not believed, see findUnbelievable. */
type State = 'good' | 'behind' | 'ahead' | 'otherChain';

const NO_HEAD: Head = { number: -1n, timestamp: new Date(0) };

interface Node {
  readonly index: number;
  state: State;
  /** As last seen. */
  head: Head;
  contradictedUntil: number;
}

/**
 * In which order the RPC URLs are asked: as configured, but one whose head stands still or lags
 * comes after all the others, until it has caught up. One whose head is not believed is no measure
 * for them, and comes last, with those that others contradict (`putLast`): who lags says less, and
 * nothing wrong. A URL that does not answer keeps its place: who asks goes on to the next one. When
 * the best one falls silent, the others are measured by each other.
 *
 * A URL of another chain is not among them: its head is no measure. There may be none left.
 *
 * The looks are taken beside the calls that cause them and delay none of them; an idle process
 * takes none. A single URL is never looked at.
 */
export function createNodeOrder(options: {
  readonly count: number;
  readonly chainId: number;
  readonly blockTimeMs: number;
  readonly log: Logger;
  readonly isOurChain: (index: number) => Promise<boolean>;
  readonly askHead: (index: number) => Promise<Head>;
  /** Milliseconds. */
  readonly now: () => number;
  /** What the times of heads are compared with. */
  readonly clock: Clock;
}): NodeOrder {
  const { count, chainId, blockTimeMs, log, isOurChain, askHead, now, clock } = options;
  const tolerated = toleratedBlocks(blockTimeMs);
  const caughtUp = equalBlocks(blockTimeMs);
  const nodes = Array.from({ length: count }, (_, index): Node => ({
    index,
    state: 'good',
    head: NO_HEAD,
    contradictedUntil: 0,
  }));
  let order: readonly number[] = nodes.map(({ index }) => index);
  let nextLookAt = 0;
  let isLooking = false;

  /** @returns false when it did not answer */
  async function measure(node: Node): Promise<boolean> {
    try {
      const isOurs = await isOurChain(node.index);
      if (isOurs) node.head = await askHead(node.index);
      else change(node, 'otherChain');
      return isOurs;
    } catch {
      // Why, the calls that need an answer will tell.
      return false;
    }
  }

  function change(node: Node, state: State, behind?: bigint): void {
    if (node.state === state) return;
    node.state = state;
    // Its place in the configuration, counted from 0: the URL itself often holds a key.
    const facts = { chainId, rpcUrl: node.index, behind: behind?.toString() };
    if (state === 'good') log.info(facts, 'the head of the RPC URL is where the others are');
    if (state === 'behind')
      log.warn(facts, 'the head of the RPC URL is behind that of another one: it is asked last');
    if (state === 'ahead')
      log.warn(
        facts,
        'the head of the RPC URL is further ahead of the others, or of our time, than it can be: it is asked last',
      );
  }

  async function look(): Promise<void> {
    const answered = await Promise.all(nodes.map(measure));
    const measured = nodes.filter(({ index }) => answered[index]);
    const unbelievable = findUnbelievable(
      measured.map(({ head }) => head),
      { now: clock.now(), blockTimeMs },
    );
    const believed = measured.filter((_node, place) => !unbelievable.has(place));
    const best = believed.reduce(
      (most, { head }) => (head.number > most ? head.number : most),
      -1n,
    );
    measured.forEach((node, place) => {
      const behind = best - node.head.number;
      if (unbelievable.has(place)) change(node, 'ahead', behind);
      else if (behind > tolerated) change(node, 'behind', behind);
      else if (behind <= caughtUp || node.state !== 'behind') change(node, 'good', behind);
    });
    arrange();
  }

  function arrange(): void {
    const isContradicted = ({ contradictedUntil }: Node) => contradictedUntil > now();
    const trusted = nodes.filter((node) => !isContradicted(node));
    const late = trusted.filter(({ state }) => state === 'behind');
    const next = [
      ...trusted.filter(({ state }) => state === 'good'),
      ...late.sort((a, b) =>
        a.head.number === b.head.number ? 0 : a.head.number > b.head.number ? -1 : 1,
      ),
      ...nodes.filter(
        (node) => isContradicted(node) && node.state !== 'ahead' && node.state !== 'otherChain',
      ),
      ...nodes.filter(({ state }) => state === 'ahead'),
    ].map(({ index }) => index);
    if (next.join() !== order.join()) order = next;
  }

  return {
    current() {
      if (count > 1 && !isLooking && now() >= nextLookAt) {
        isLooking = true;
        void look().finally(() => {
          isLooking = false;
          nextLookAt = now() + LOOK_INTERVAL_MS;
        });
      }
      return order;
    },
    putLast(index) {
      const node = nodes[index];
      if (node === undefined || count === 1) return;
      if (node.contradictedUntil <= now())
        log.warn(
          { chainId, rpcUrl: index },
          'other RPC URLs contradict what the RPC URL says of the chain: it is asked last for a while',
        );
      node.contradictedUntil = now() + CONTRADICTED_MS;
      arrange();
    },
  };
}
