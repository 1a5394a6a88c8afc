import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { startChain } from '../../../dev/chain.ts';
import { askFor, createAskNode, type AskNode } from './rpc.ts';

/**
 * A branch that was left: another chain from one block on, with blocks, state, receipts and logs of
 * its own.
 */
export interface OrphanFork {
  readonly ask: AskNode;
  readonly rpcUrl: string;
  /** The last block that it shares with the chain. */
  readonly base: number;
  /** Mines a block with those of the transactions that its state allows. */
  mine(rawTransactions: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Differs from the chain's, so that no block of the branch is one of the chain's by chance. */
const COINBASE = '0x00000000000000000000000000000000000000ff';

/** A second node from the state of the first: every block up to now has the same hash. */
export async function startOrphanFork(chain: AskNode, chainId: number): Promise<OrphanFork> {
  const dumped = Buffer.from((await askFor<string>(chain, 'anvil_dumpState')).slice(2), 'hex');
  const directory = mkdtempSync(join(tmpdir(), 'msqpay-fork-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  try {
    const statePath = join(directory, 'state.json');
    writeFileSync(statePath, gunzipSync(dumped));
    const anvil = await startChain({ chainId, statePath });
    const ask = createAskNode(anvil.rpcUrl);
    const base = Number(await askFor<string>(ask, 'eth_blockNumber'));
    await askFor(ask, 'evm_setAutomine', [false]);
    await askFor(ask, 'anvil_setCoinbase', [COINBASE]);
    return {
      ask,
      rpcUrl: anvil.rpcUrl,
      base,
      async mine(rawTransactions) {
        // One that needs an earlier one that is not on this branch is refused, or waits.
        for (const raw of rawTransactions)
          await ask({ method: 'eth_sendRawTransaction', params: [raw] });
        await askFor(ask, 'evm_mine');
      },
      async close() {
        await anvil.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
