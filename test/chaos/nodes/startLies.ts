import { setTimeout as sleep } from 'node:timers/promises';

import { createRandom, type Random } from '../../support/createRandom.ts';
import { CONFIRMATIONS, DEEPEST_REORG, type ChaosChain } from '../chains/startChaosChains.ts';
import { BEGIN_LIE, type LieKind, type OwnLieKind } from './lies.ts';
import { askFor, toHex, type AskNode } from './rpc.ts';
import type { LyingNode } from './startLyingNode.ts';
import { startOrphanFork, type OrphanFork } from './startOrphanFork.ts';

interface Options {
  readonly chains: readonly ChaosChain[];
  /** Of all that may be told: each at least once. */
  readonly kinds: readonly LieKind[];
  readonly random: Random;
  readonly isOver: () => boolean;
  readonly count: (what: string) => void;
}

/**
 * How long a node stays wrong. Some of them are longer than a node's patience, none longer than the
 * blocks that are read again.
 */
const LIE_MS = { from: 1_000, to: 7_000 } as const;
/** Longer than the half minute whose blocks are read again with every scan. */
const HIDING_MS = { from: 34_000, to: 42_000 } as const;
/** The chain makes as many blocks in a second or two. */
const BURIED_WITHIN_MS = 60_000;
const PAUSE_MS = { from: 300, to: 2_500 } as const;
/** The URL of a single node, or one with several of which a part is wrong. */
const SHARES = [1, 1, 0.5];

/**
 * Every URL of every chain lies now and then, whatever the others do meanwhile; so there are
 * moments at which all do. Only the first chain's last URL never does, but for the logs that all
 * URLs of a chain hide. Resolves when it is over and every kind of lie was told.
 */
export async function startLies(options: Options): Promise<void> {
  const { chains, kinds, random, isOver, count } = options;
  const ownKinds = kinds.filter((kind) => kind !== 'hidesLogs');
  const untold = shuffle(ownKinds, random);
  const liars = chains.flatMap((chain) =>
    chain.nodes.slice(0, Math.max(1, chain.nodes.length - 1)).map((node) => ({ chain, node })),
  );
  const hiding = kinds.includes('hidesLogs')
    ? chains.map((chain) => hideLogs(chain, options, createRandom(random.between(0, 2 ** 31))))
    : [];
  await Promise.all([
    ...hiding,
    ...liars.map(async ({ chain, node }) => {
      const own = createRandom(random.between(0, 2 ** 31));
      const place = `${chain.name} chain, URL ${chain.nodes.indexOf(node)}`;
      while (ownKinds.length > 0 && (!isOver() || untold.length > 0)) {
        await sleep(own.between(PAUSE_MS.from, PAUSE_MS.to));
        const kind = untold.shift() ?? own.pick(ownKinds);
        await tell({
          kind,
          chain,
          node,
          random: own,
          otherChain: chains.find((other) => other !== chain) ?? chain,
        });
        count(`lie: ${kind} (${place})`);
      }
    }),
  ]);
}

/**
 * Again and again, of some blocks to come: what pays in them is told by no log of any URL, until it
 * is too late for the blocks to be read again.
 */
async function hideLogs(
  { mining, nodes, name }: ChaosChain,
  { isOver, count }: Options,
  random: Random,
): Promise<void> {
  do {
    await sleep(random.between(PAUSE_MS.from, PAUSE_MS.to));
    const from = await mining.getHead();
    const to = from + random.between(4, 30);
    const odd = random.between(0, 1);
    for (const node of nodes)
      node.hide(({ blockNumber, transactionHash }) => {
        const number = Number(blockNumber);
        return (
          number > from &&
          number <= to &&
          Number.parseInt(transactionHash.slice(-1), 16) % 2 === odd
        );
      });
    try {
      await sleep(random.between(HIDING_MS.from, HIDING_MS.to));
    } finally {
      for (const node of nodes) node.show();
    }
    count(`lie: hidesLogs (${name} chain, every URL)`);
  } while (!isOver());
}

interface Telling {
  readonly kind: OwnLieKind;
  readonly chain: ChaosChain;
  readonly node: LyingNode;
  readonly random: Random;
  readonly otherChain: ChaosChain;
}

/**
 * Chains of which a URL makes its head up. Not two at once: nobody could tell them from the chain.
 * Nor a single one.
 */
const madeUp = new Set<ChaosChain>();

async function tell({ kind, chain, node, random, otherChain }: Telling): Promise<void> {
  const isMadeUp =
    kind === 'ahead' && random.next() < 0.5 && chain.nodes.length > 1 && !madeUp.has(chain);
  if (isMadeUp) madeUp.add(chain);
  const isBranch = kind === 'orphanFork' || (kind === 'ahead' && !isMadeUp);
  let fork: Awaited<ReturnType<typeof branchOff>> | undefined;
  try {
    fork = isBranch ? await branchOff(chain, random, kind === 'ahead') : undefined;
    const lie = await BEGIN_LIE[kind]({
      random,
      honest: chain.ask,
      otherChain: otherChain.ask,
      orphan: fork?.orphan,
      replacedLogs: () => chain.mining.replacedLogs(),
    });
    node.lie(kind, lie, random.pick(SHARES));
    await sleep(random.between(LIE_MS.from, LIE_MS.to));
  } finally {
    node.tellTheTruth();
    if (isMadeUp) madeUp.delete(chain);
    await fork?.close();
  }
}

/**
 * A branch that leaves the chain at its present head, with some of the transactions that the chain
 * mines from then on, in other blocks. It grows until it is one block less deep than what is waited
 * for; and as long as it stands, no reorganisation makes it deeper.
 * @param isAhead it does so at once
 */
async function branchOff(
  chain: ChaosChain,
  random: Random,
  isAhead: boolean,
): Promise<{ readonly orphan: OrphanFork; close(): Promise<void> }> {
  const { orphan, hold } = await startAtHead(chain);
  const depth = isAhead ? CONFIRMATIONS - 1 : random.between(2, CONFIRMATIONS - 1);
  let isOver = false;
  const growing = (async () => {
    let copied = orphan.base;
    for (let grown = 0; grown < depth && !isOver; grown++) {
      const head = await chain.mining.getHead();
      const raw = await chain.mining.listRawTransactions(copied + 1, head);
      copied = Math.max(copied, head);
      await orphan.mine(raw.filter(() => random.next() < 0.7));
      if (!isAhead) await sleep(random.between(100, 300));
    }
  })();
  // Told by `close`.
  growing.catch(() => undefined);
  return {
    orphan,
    async close() {
      isOver = true;
      try {
        await growing.finally(() => waitUntilBuried(chain, orphan.base));
      } finally {
        hold.release();
        await orphan.close();
      }
    },
  };
}

/**
 * The branch may have been further than the chain: by its head, what they share was deep enough to
 * be completed. The chain's own reorganisations may go on when they reach none of that.
 */
async function waitUntilBuried(chain: ChaosChain, base: number): Promise<void> {
  for (const end = Date.now() + BURIED_WITHIN_MS; Date.now() < end; await sleep(100))
    if ((await chain.mining.getHead()) >= base + DEEPEST_REORG) return;
  throw new Error(`the ${chain.name} chain makes no blocks beyond a branch at ${base}`);
}

/**
 * A reorganisation while the branch was made would have made it deeper than it may be: then another
 * one is made.
 */
async function startAtHead(
  chain: ChaosChain,
): Promise<{ readonly orphan: OrphanFork; readonly hold: { release(): void } }> {
  for (;;) {
    const orphan = await startOrphanFork(chain.ask, chain.chainId);
    const hold = chain.mining.keepUntil(orphan.base);
    let isShared = false;
    try {
      const [own, shared] = await Promise.all(
        [orphan.ask, chain.ask].map((ask) => findBlockHash(ask, orphan.base)),
      );
      isShared = own === shared;
    } finally {
      if (!isShared) {
        hold.release();
        await orphan.close();
      }
    }
    if (isShared) return { orphan, hold };
  }
}

async function findBlockHash(ask: AskNode, number: number): Promise<string | undefined> {
  return (
    await askFor<{ hash: string } | null>(ask, 'eth_getBlockByNumber', [toHex(number), false])
  )?.hash;
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
