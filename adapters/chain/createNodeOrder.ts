import type { Logger } from '../../platform/logger.ts';

/** How often the heads of all URLs are compared while the chain is in use. */
const LOOK_INTERVAL_MS = 5_000;
/** A URL is behind when it lacks more than this of the best one's blocks, whichever is more: providers differ by a block or two at any time. */
const TOLERATED_BLOCKS = 3;
const TOLERATED_MS = 15_000;
/** For how long one is asked last that others contradicted: long enough for a node that lags, or is on a branch that the others left, to be as they are. */
const CONTRADICTED_MS = 60_000;

function toleratedBlocks(blockTimeMs: number): bigint {
  return BigInt(Math.max(TOLERATED_BLOCKS, Math.ceil(TOLERATED_MS / blockTimeMs)));
}

/** By how many blocks a URL may differ from the best head and be as far as that one: much less than what it takes to be behind. At the edge it would come and go. */
export function equalBlocks(blockTimeMs: number): bigint {
  return toleratedBlocks(blockTimeMs) / 3n;
}

export interface NodeOrder {
  /** Indices of the RPC URLs, the preferred one first; another array whenever it changed. */
  current(): readonly number[];
  /** Others contradict what this one says, and more of them or more surely: it is asked after those that are as far, for a minute. */
  putLast(index: number): void;
}

type State = 'good' | 'behind' | 'otherChain';

interface Node {
  readonly index: number;
  state: State;
  /** As last seen. */
  head: bigint;
  contradictedUntil: number;
}

/**
 * In which order the RPC URLs are asked: as configured, but one whose head stands still or lags comes after all the others, until it has caught up.
 * A URL that does not answer keeps its place: who asks goes on to the next one. When the best one falls silent, the others are measured by each other.
 *
 * A URL of another chain is not among them: its head is no measure. There may be none left. One that others contradict (`putLast`) comes before those that lag.
 *
 * The looks are taken beside the calls that cause them and delay none of them; an idle process takes none. A single URL is never looked at.
 */
export function createNodeOrder(options: {
  readonly count: number;
  readonly chainId: number;
  readonly blockTimeMs: number;
  readonly log: Logger;
  readonly isOurChain: (index: number) => Promise<boolean>;
  readonly askHead: (index: number) => Promise<bigint>;
  /** Milliseconds. */
  readonly now: () => number;
}): NodeOrder {
  const { count, chainId, blockTimeMs, log, isOurChain, askHead, now } = options;
  const tolerated = toleratedBlocks(blockTimeMs);
  const caughtUp = equalBlocks(blockTimeMs);
  const nodes = Array.from({ length: count }, (_, index): Node => ({ index, state: 'good', head: -1n, contradictedUntil: 0 }));
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
    if (state === 'good') log.info(facts, 'the RPC URL has caught up');
    if (state === 'behind') log.warn(facts, 'the head of the RPC URL is behind that of another one: it is asked last');
  }

  async function look(): Promise<void> {
    const answered = await Promise.all(nodes.map(measure));
    const measured = nodes.filter(({ index }) => answered[index]);
    const best = measured.reduce((most, { head }) => (head > most ? head : most), -1n);
    for (const node of measured) {
      const behind = best - node.head;
      if (behind > tolerated) change(node, 'behind', behind);
      else if (behind <= caughtUp || node.state === 'otherChain') change(node, 'good', behind);
    }
    arrange();
  }

  function arrange(): void {
    const good = nodes.filter(({ state }) => state === 'good');
    const isContradicted = ({ contradictedUntil }: Node) => contradictedUntil > now();
    const late = nodes.filter(({ state }) => state === 'behind').sort((a, b) => (a.head === b.head ? 0 : a.head > b.head ? -1 : 1));
    const next = [...good.filter((node) => !isContradicted(node)), ...good.filter(isContradicted), ...late].map(({ index }) => index);
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
        log.warn({ chainId, rpcUrl: index }, 'other RPC URLs contradict what the RPC URL says of the chain: it is asked last for a while');
      node.contradictedUntil = now() + CONTRADICTED_MS;
      arrange();
    },
  };
}
