import { setTimeout as sleep } from 'node:timers/promises';

import type { Random } from '../../support/createRandom.ts';
import { askFor, toHex, type AskNode, type RpcLog } from '../nodes/rpc.ts';

/**
 * Mines the chain's blocks itself, so that none comes in between while a reorganisation replaces
 * some.
 */
export interface MiningChain {
  /**
   * Replaces the last `depth` blocks, or fewer: see `keepUntil`. Their transactions come back: all
   * in the last of the new blocks, or through the mempool, at once or some blocks later. @returns
   * how many blocks were replaced
   */
  reorganise(depth: number, random: Random): Promise<number>;
  /** When a reorganisation takes this transaction away, that one comes back instead. */
  replaceWhenTaken(hash: string, replacement: string): void;
  /** How many transactions were replaced so. */
  replacedTransactions(): number;
  /** Logs of the blocks that were replaced lately, the latest reorganisation's last. */
  replacedLogs(): readonly RpcLog[];
  /** No block up to this one is replaced until `release` is called. */
  keepUntil(block: number): { release(): void };
  /** Signed transactions of these blocks, in their order. */
  listRawTransactions(from: number, to: number): Promise<string[]>;
  getHead(): Promise<number>;
  stop(): Promise<void>;
}

/** A cache that is older than this would be noticed by any provider. */
const REMEMBERED_REORGANISATIONS = 4;

/** @param secondsBehind by how much the chain's clock is behind ours */
export async function startMining(
  node: AskNode,
  blockTimeMs: number,
  secondsBehind: number,
): Promise<MiningChain> {
  const ask = <T>(method: string, params: readonly unknown[] = []) =>
    askFor<T>(node, method, params);
  /** Several may hold the same block: each its own. */
  const holds = new Set<{ readonly block: number }>();
  const replacements = new Map<string, string>();
  const remembered: (readonly RpcLog[])[] = [];
  let replacedTransactions = 0;
  let isStopped = false;
  let turn: Promise<unknown> = Promise.resolve();
  /** One at a time: a block, or a reorganisation. */
  function exclusively<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work, work);
    turn = next.catch(() => undefined);
    return next;
  }

  await ask('evm_setAutomine', [false]);
  await ask('evm_setIntervalMining', [0]);
  const mining = (async () => {
    while (!isStopped) {
      await exclusively(() => ask('evm_mine'));
      await sleep(blockTimeMs);
    }
  })();

  async function getHead(): Promise<number> {
    return Number(await ask<string>('eth_blockNumber'));
  }

  /** @param isTaken they are taken away, and may be replaced by others */
  async function listRawTransactions(
    from: number,
    to: number,
    isTaken: boolean,
  ): Promise<string[]> {
    const raw: string[] = [];
    for (let number = from; number <= to; number++) {
      const block = await ask<{ transactions: string[] } | null>('eth_getBlockByNumber', [
        toHex(number),
        false,
      ]);
      for (const hash of block?.transactions ?? []) {
        const replacement = isTaken ? replacements.get(hash.toLowerCase()) : undefined;
        if (replacement !== undefined) replacedTransactions++;
        raw.push(replacement ?? (await ask<string>('eth_getRawTransactionByHash', [hash])));
      }
    }
    return raw;
  }

  /**
   * A reorganisation sets anvil's clock back by its blocks: after some minutes of them nothing
   * would be over by the chain's clock.
   */
  async function setClock(): Promise<void> {
    await ask('evm_setTime', [Math.floor(Date.now() / 1000) - secondsBehind]);
  }

  async function replace(wanted: number, random: Random): Promise<number> {
    const head = await getHead();
    const depth = Math.min(wanted, ...[...holds].map(({ block }) => head - block));
    if (depth < 1) return 0;
    remembered.push(
      await ask<RpcLog[]>('eth_getLogs', [
        { fromBlock: toHex(head - depth + 1), toBlock: toHex(head) },
      ]),
    );
    if (remembered.length > REMEMBERED_REORGANISATIONS) remembered.shift();
    const raw = await listRawTransactions(head - depth + 1, head, true);
    if (random.next() < 0.3) {
      await ask('anvil_reorg', [depth, raw.map((transaction) => [transaction, depth - 1])]);
      await setClock();
      return depth;
    }
    await ask('anvil_reorg', [depth, []]);
    await setClock();
    // Long enough for somebody to see a chain without them.
    for (let blocks = random.between(0, 3); blocks > 0; blocks--) {
      await ask('evm_mine');
      await sleep(blockTimeMs);
    }
    // One that is in the mempool already, replaced meanwhile, is refused: then its successor is
    // there.
    for (const transaction of raw)
      await ask('eth_sendRawTransaction', [transaction]).catch(() => undefined);
    return depth;
  }

  return {
    reorganise: (depth, random) => exclusively(() => replace(depth, random)),
    replaceWhenTaken: (hash, replacement) => void replacements.set(hash.toLowerCase(), replacement),
    replacedTransactions: () => replacedTransactions,
    replacedLogs: () => remembered.flat(),
    keepUntil(block) {
      const hold = { block };
      holds.add(hold);
      return { release: () => void holds.delete(hold) };
    },
    listRawTransactions: (from, to) => exclusively(() => listRawTransactions(from, to, false)),
    getHead,
    async stop() {
      isStopped = true;
      await mining;
      // The chain is another one's after this, who waits for blocks.
      await ask('evm_setIntervalMining', [1]);
    },
  };
}
