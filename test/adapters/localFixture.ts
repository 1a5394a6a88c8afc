import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import {
  createTestClient,
  createWalletClient,
  defineChain,
  http,
  parseEther,
  publicActions,
  type Transaction,
} from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import {
  createLocalRelayer,
  type LocalRelayerOptions,
} from '../../adapters/relayers/local/createLocalRelayer.ts';
import { up } from '../../db/migrations/0003_relayers_local_accounts.ts';
import { startChain } from '../../dev/chain.ts';
import type { ProviderTransaction, RelayerPort, SendOutcome } from '../../domain/relayers/ports.ts';
import { createDatabase, selectRows, type Database } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import { getStack } from '../support/stack.ts';

/**
 * A key of our own as a relayer, on a real chain and a real database, with a node in between that
 * can be told to fail.
 */

interface Call {
  readonly to: Address;
  readonly data: Hex;
  readonly gasLimit: bigint;
  readonly validUntil: Date;
}

export interface LocalFixture {
  readonly db: Database;
  readonly address: Address;
  readonly privateKey: Hex;
  readonly client: ReturnType<typeof createClient>;
  /**
   * Every instance has this key, database and chain: another process, or the same one after a
   * restart.
   */
  createRelayer(
    changes?: Partial<LocalRelayerOptions['relayer']> & {
      readonly rpcUrls?: readonly string[];
      readonly timeoutMs?: number;
      readonly minPriorityFeePerGasWei?: bigint;
    },
  ): RelayerPort;
  tend(relayer?: RelayerPort): Promise<void>;
  makeCall(changes?: Partial<Call>): Call;
  /** @throws Error when it was not accepted */
  send(relayer: RelayerPort, call?: Call): Promise<ProviderTransaction>;
  /** The relayers' clock goes on by so much. */
  advance(ms: number): void;
  now(): Date;
  /** With the key, past the relayer. */
  sendForeign(nonce: number, maxFeePerGas?: bigint): Promise<Hex>;
  mine(blocks?: number): Promise<void>;
  /** @returns takes back every block mined since, and empties the mempool */
  takeSnapshot(): Promise<() => Promise<void>>;
  /** Of the account: what waits in the pool, by nonce. */
  readPool(): Promise<ReadonlyMap<number, { readonly hash: Hex; readonly to: string | null }>>;
  dropFromPool(hash: Hex): Promise<void>;
  /** Every transaction of the account that is in a block. */
  listLanded(): Promise<Transaction[]>;
  readRows(): Promise<readonly Readonly<Record<string, unknown>>[]>;
  readLog(): string;
  readonly rpc: RpcProxy;
  close(): Promise<void>;
}

interface RpcProxy {
  readonly url: string;
  /** Methods it was asked, since `asked.length = 0`. */
  readonly asked: string[];
  /** `passOn`: to the chain. Else what it says instead, or that it breaks the connection. */
  answer: (method: string, params: readonly unknown[]) => Promise<Reply> | Reply;
}

/**
 * lose            to the chain, and then break the connection
 * withoutBaseFee  to the chain, and the block as one without EIP-1559 would show it
 */
export type Reply =
  | 'passOn'
  | 'break'
  | 'lose'
  | 'withoutBaseFee'
  | { readonly error: object }
  | { readonly result: unknown };

export const TARGET: Address = '0x00000000000000000000000000000000000000AA';
export const BUMP_AFTER_MS = 30_000;

function createClient(rpcUrl: string) {
  return createTestClient({ mode: 'anvil', transport: http(rpcUrl), cacheTime: 0 }).extend(
    publicActions,
  );
}

/**
 * @param setup a chain and an account that are there already; absent: a chain of its own, without
 *   any block that the test does not mine
 */
export async function startLocalFixture(setup?: {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly privateKey: Hex;
}): Promise<LocalFixture> {
  const stack = await getStack();
  const chain = setup ? undefined : await startChain();
  const { rpcUrl, chainId } = setup ?? {
    rpcUrl: chain?.rpcUrl ?? '',
    chainId: chain?.chainId ?? 0,
  };
  const db = createDatabase(
    await stack.createDatabase(`local_${process.pid}_${randomBytes(4).toString('hex')}`),
    8,
  );
  await up(db);
  const client = createClient(rpcUrl);
  const privateKey = setup?.privateKey ?? generatePrivateKey();
  const account = privateKeyToAccount(privateKey);
  const { address } = account;
  if (!setup) {
    await client.setAutomine(false);
    await client.setBalance({ address, value: parseEther('100') });
  }
  const { proxy, server } = await startProxy(rpcUrl);
  let offsetMs = 0;
  let logged = '';
  const now = (): Date => new Date(Date.now() + offsetMs);
  const log = pino({ level: 'trace' }, { write: (line: string) => void (logged += line) });

  const ask = (method: string, params: readonly unknown[]) =>
    client.request<{ Method: string; Parameters: readonly unknown[]; ReturnType: unknown }>({
      method,
      params,
    });
  const mine = (blocks = 1) => client.mine({ blocks, interval: 0 });

  function createRelayer({
    rpcUrls = [proxy.url],
    timeoutMs = 2_000,
    minPriorityFeePerGasWei,
    ...changes
  }: Parameters<LocalFixture['createRelayer']>[0] = {}): RelayerPort {
    return createLocalRelayer({
      relayer: { id: 'own', privateKey, bumpAfterMs: BUMP_AFTER_MS, bumpPercent: 15, ...changes },
      chain: { chainId, rpcUrls: [...rpcUrls], blockTimeMs: 1_000, minPriorityFeePerGasWei },
      timeoutMs,
      db,
      clock: { now },
      log,
    });
  }
  const first = createRelayer();
  const makeCall = (changes: Partial<Call> = {}): Call => ({
    to: TARGET,
    data: `0x${randomBytes(36).toString('hex')}`,
    gasLimit: 60_000n,
    validUntil: addMs(now(), 3_600_000),
    ...changes,
  });

  return {
    db,
    address,
    privateKey,
    client,
    createRelayer,
    tend: async (relayer = first) => relayer.tend?.(),
    makeCall,
    async send(relayer, call = makeCall()) {
      const outcome: SendOutcome = await relayer.send(call);
      if (outcome.kind !== 'accepted') throw new Error(`${outcome.kind}: ${outcome.reason}`);
      return outcome.transaction;
    },
    advance: (ms) => void (offsetMs += ms),
    now,
    async sendForeign(nonce, maxFeePerGas = 10n ** 11n) {
      const own = defineChain({
        id: chainId,
        name: 'own',
        nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
        rpcUrls: { default: { http: [rpcUrl] } },
      });
      const wallet = createWalletClient({ account, chain: own, transport: http(rpcUrl) });
      return wallet.sendTransaction({
        to: TARGET,
        value: 1n,
        nonce,
        gas: 30_000n,
        maxFeePerGas,
        maxPriorityFeePerGas: 10n ** 9n,
      });
    },
    mine,
    async takeSnapshot() {
      const id = await client.snapshot();
      return async () => {
        await client.revert({ id });
        await ask('anvil_dropAllTransactions', []);
        // Going back sets the chain's clock back too.
        await ask('anvil_setTime', [Math.floor(Date.now() / 1000)]);
      };
    },
    async readPool() {
      const { pending, queued } = await client.getTxpoolContent();
      const found = new Map<number, { hash: Hex; to: string | null }>();
      for (const [owner, transactions] of [...Object.entries(pending), ...Object.entries(queued)]) {
        if (owner.toLowerCase() !== address.toLowerCase()) continue;
        for (const [nonce, { hash, to }] of Object.entries(transactions))
          found.set(Number(nonce), { hash, to });
      }
      return found;
    },
    dropFromPool: (hash) => client.dropTransaction({ hash }),
    async listLanded() {
      const head = await client.getBlockNumber();
      const landed: Transaction[] = [];
      for (let number = 1n; number <= head; number++) {
        const { transactions } = await client.getBlock({
          blockNumber: number,
          includeTransactions: true,
        });
        landed.push(
          ...transactions.filter(({ from }) => from.toLowerCase() === address.toLowerCase()),
        );
      }
      return landed;
    },
    readRows: () => selectRows(db, 'SELECT * FROM local_relayer_transactions ORDER BY nonce'),
    readLog: () => logged,
    rpc: proxy,
    async close() {
      server.closeAllConnections();
      server.close();
      await db.destroy();
      await chain?.close();
    },
  };
}

async function startProxy(rpcUrl: string): Promise<{ proxy: RpcProxy; server: Server }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const {
        id,
        method,
        params = [],
      } = JSON.parse(body) as { id: number; method: string; params?: readonly unknown[] };
      proxy.asked.push(method);
      void (async () => {
        const reply = await proxy.answer(method, params);
        response.setHeader('content-type', 'application/json');
        if (reply === 'break') return response.destroy();
        if (typeof reply === 'object')
          return response.end(JSON.stringify({ jsonrpc: '2.0', id, ...reply }));
        const passedOn = await fetch(rpcUrl, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        const text = await passedOn.text();
        if (reply === 'lose') return response.destroy();
        return response.end(
          reply === 'withoutBaseFee' ? text.replace(/"baseFeePerGas":"0x[0-9a-f]+",?/, '') : text,
        );
      })().catch(() => response.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: RpcProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    answer: () => 'passOn',
  };
  return { proxy, server };
}
