import { setTimeout as sleep } from 'node:timers/promises';

import type { Random } from '../support/createRandom.ts';

/** Mines the chain's blocks itself, so that none comes in between while a reorganisation replaces some. */
export interface MiningChain {
  /** Replaces the last `depth` blocks. Their transactions come back: all in the last of the new blocks, or through the mempool, at once or some
   * blocks later. */
  reorganise(depth: number, random: Random): Promise<void>;
  stop(): Promise<void>;
}

interface RpcAnswer {
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

export async function startMining(rpcUrl: string, blockTimeMs: number): Promise<MiningChain> {
  async function ask(method: string, params: readonly unknown[] = []): Promise<unknown> {
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const answer = (await response.json()) as RpcAnswer;
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  }

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

  async function listRawTransactions(from: number, to: number): Promise<string[]> {
    const raw: string[] = [];
    for (let number = from; number <= to; number++) {
      const block = (await ask('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])) as { transactions: string[] };
      for (const hash of block.transactions) raw.push((await ask('eth_getRawTransactionByHash', [hash])) as string);
    }
    return raw;
  }

  return {
    reorganise: (depth, random) =>
      exclusively(async () => {
        const head = Number(await ask('eth_blockNumber'));
        const raw = await listRawTransactions(head - depth + 1, head);
        if (random.next() < 0.3) {
          await ask('anvil_reorg', [depth, raw.map((transaction) => [transaction, depth - 1])]);
          return;
        }
        await ask('anvil_reorg', [depth, []]);
        // Long enough for somebody to see a chain without them.
        for (let blocks = random.between(0, 3); blocks > 0; blocks--) {
          await ask('evm_mine');
          await sleep(blockTimeMs);
        }
        // One that is in the mempool already, replaced meanwhile, is refused: then its successor is there.
        for (const transaction of raw) await ask('eth_sendRawTransaction', [transaction]).catch(() => undefined);
      }),
    async stop() {
      isStopped = true;
      await mining;
    },
  };
}
