import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import { deployContracts } from '../../../contracts/deploy.ts';
import { startChain } from '../../../dev/chain.ts';
import { describeChains } from '../../../dev/deployOnce.ts';
import { DEV_KEYS } from '../../../dev/devKeys.ts';
import {
  startOzRelayerSimulator,
  type OzRelayerSimulator,
} from '../../../simulators/ozRelayer/startOzRelayerSimulator.ts';
import type { Fault } from '../../../simulators/relayer/faults.ts';
import type { Address, Hex } from '../../../shared/hex.ts';
import { createRandom, type Random } from '../../support/createRandom.ts';
import {
  createDelegatedAccounts,
  type DelegatedAccounts,
} from '../../support/delegatedAccounts.ts';
import { createTestChain, type ChainHome, type Harness } from '../../support/harness.ts';
import { createAskNode, type AskNode } from '../nodes/rpc.ts';
import { DATA_GAS_PER_REQUEST, startDataGasNode } from '../nodes/startDataGasNode.ts';
import { startLyingNode, type LyingNode } from '../nodes/startLyingNode.ts';
import { startMining, type MiningChain } from './miningChain.ts';

/** A chain that the server works on: the truth about it, and the URLs at which the server asks. */
export interface ChaosChain {
  readonly name: string;
  readonly chainId: number;
  /** The chain itself: tests act and judge here, past every lie. */
  readonly home: ChainHome;
  readonly ask: AskNode;
  readonly token: Address;
  /** Gas that it takes for the data of a request at most. */
  readonly dataGasPerRequest: number;
  /**
   * Accounts that may get code (EIP-7702), with a token of their own that asks such code about
   * permits.
   */
  readonly delegated: DelegatedAccounts;
  readonly nodes: readonly LyingNode[];
  readonly mining: MiningChain;
}

/** What every relayer may do. */
export interface Relaying {
  readonly maxBatchSize: number;
  readonly transactionsPerMinute: number;
  readonly maxInFlight: number;
}

/** What is given to a relayer of ours as a fault, whatever its protocol. */
export type SendFault = Omit<Fault<never>, 'operation'>;

export interface ChaosChains {
  readonly chains: readonly ChaosChain[];
  /** The relayers of others, which misbehave on demand. */
  readonly relayers: readonly {
    readonly id: string;
    setFault(fault: SendFault): void;
    clearFaults(): void;
  }[];
  /** For processes of the server: the harness's environment, with these chains. */
  environment(overrides?: Readonly<Record<string, string>>): NodeJS.ProcessEnv;
  close(): Promise<void>;
}

/**
 * More than the deepest reorganisation and the longest orphan fork: so none may undo a completion.
 */
export const CONFIRMATIONS = 6;
export const DEEPEST_REORG = CONFIRMATIONS - 1;
const BLOCK_TIME_MS = 250;
/**
 * Small batches, for the sake of more sends that may go wrong; the limits are not what this is
 * about.
 */
const MANY_SENDS: Relaying = { maxBatchSize: 5, transactionsPerMinute: 100_000, maxInFlight: 50 };
/** So that what a node kept back for long is found while this lasts. */
const AUDIT_SECONDS = 5;
const SECOND_CHAIN_ID = 31_338;
/** The first chain has URLs to fall back on; the second one has nothing but its only one. */
const URLS = { first: 3, second: 1 } as const;
/** Of the second chain's blocks: less than the 30 seconds that the server allows for. */
const SECONDS_BEHIND = 20;

/**
 * Two chains with our contracts at the same addresses, as equal deployer nonces give them: the
 * stack's, with the Defender simulator and a key of our own as relayers, and another one with an
 * OpenZeppelin Relayer and another key.
 */
export async function startChaosChains(
  harness: Harness,
  random: Random,
  relaying = MANY_SENDS,
): Promise<ChaosChains> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  try {
    const second = await startChain({
      chainId: SECOND_CHAIN_ID,
      blockTimeSeconds: BLOCK_TIME_MS / 1000,
      secondsBehind: SECONDS_BEHIND,
    });
    closers.push(() => second.close());
    const takingDataGas = await startDataGasNode(second.rpcUrl);
    closers.push(() => takingDataGas.close());
    const deployment = await deployContracts({
      rpcUrl: second.rpcUrl,
      deployerPrivateKey: DEV_KEYS.deployer,
      tokens: harness.stack.deployment.tokens.map(({ name, symbol, decimals }) => ({
        name,
        symbol,
        decimals,
      })),
    });
    if (deployment.gateway !== harness.stack.deployment.gateway)
      throw new Error('the gateways of the two chains have different addresses');
    const homes: ChainHome[] = [
      harness,
      {
        chain: createTestChain({ chain: second, deployment }),
        stack: { chain: second, deployment },
      },
    ];

    const keys = homes.map(() => generatePrivateKey());
    const apiKey = 'chaos-oz-relayer-key';
    const oz = await startOz(second, apiKey);
    closers.push(() => oz.close());
    for (const [index, home] of homes.entries()) {
      const accounts = [
        privateKeyToAccount(keys[index] ?? '0x').address,
        ...(index === 1 ? [oz.address] : []),
      ];
      for (const address of accounts)
        await home.chain.testClient.setBalance({ address, value: 10n ** 20n });
    }

    const rpcUrls = homes.map(({ stack }, index) =>
      index === 0 ? stack.chain.rpcUrl : takingDataGas.url,
    );
    const dataGas = [0, DATA_GAS_PER_REQUEST];
    const nodes: LyingNode[][] = [];
    for (const [index, rpcUrl] of rpcUrls.entries()) {
      const count = index === 0 ? URLS.first : URLS.second;
      const own: LyingNode[] = [];
      for (let url = 0; url < count; url++) {
        const node = await startLyingNode(rpcUrl, createRandom(random.between(0, 2 ** 31)));
        closers.push(() => node.close());
        own.push(node);
      }
      nodes.push(own);
    }

    const delegated = await Promise.all(
      homes.map(({ stack: { chain } }) => createDelegatedAccounts({ ...chain, isMined: true })),
    );
    const entries = homes.map((home, index) => ({
      ...describeOne(home, delegated[index]?.token),
      auditIntervalSeconds: AUDIT_SECONDS,
      dataGasPerRequest: dataGas[index] ?? 0,
      rpcUrls: (nodes[index] ?? []).map(({ url }) => url),
      relayLimits: { maxBatchSize: relaying.maxBatchSize },
    }));
    const path = join(harness.config.queuePrefix.replaceAll(/[{}]/g, ''));
    const file = join(
      harness.environment()['MSQPAY_CHAINS_FILE'] ?? '',
      '..',
      `chaos-${path}.json`,
    );
    const { transactionsPerMinute, maxInFlight } = relaying;
    const limits = { transactionsPerMinute, maxInFlight };
    const local = { provider: 'local', bumpAfterMs: 2_000, ...limits };
    writeFileSync(
      file,
      JSON.stringify({
        chains: [
          {
            ...entries[0],
            relayers: [
              ...(entries[0]?.relayers ?? []).map((one) => ({ ...one, ...limits })),
              { ...local, id: 'own', privateKeyVariable: 'CHAOS_KEY_0' },
            ],
          },
          {
            ...entries[1],
            name: 'Second chain',
            relayers: [
              {
                id: 'oz',
                provider: 'ozRelayer',
                url: oz.url,
                relayerId: OZ_RELAYER_ID,
                apiKeyVariable: 'CHAOS_OZ_KEY',
                ...limits,
              },
              { ...local, id: 'own-second', privateKeyVariable: 'CHAOS_KEY_1' },
            ],
          },
        ],
      }),
    );

    const chains: ChaosChain[] = [];
    for (const [index, home] of homes.entries()) {
      const { chainId } = home.stack.chain;
      const ask = createAskNode(rpcUrls[index] ?? '');
      const mining = await startMining(ask, BLOCK_TIME_MS, index === 0 ? 0 : SECONDS_BEHIND);
      closers.push(() => mining.stop());
      const token = home.stack.deployment.tokens.find(({ symbol }) => symbol === 'TUSD')?.address;
      if (token === undefined) throw new Error('the chain has no TUSD');
      const accounts = delegated[index];
      if (accounts === undefined) throw new Error('the chain has no accounts that may get code');
      const name = index === 0 ? 'first' : 'second';
      chains.push({
        name,
        chainId,
        home,
        ask,
        token,
        delegated: accounts,
        nodes: nodes[index] ?? [],
        mining,
        dataGasPerRequest: dataGas[index] ?? 0,
      });
    }
    const { simulator } = harness.stack;
    return {
      chains,
      relayers: [
        {
          id: 'main',
          setFault: (fault) => simulator.setFault(fault),
          clearFaults: () => simulator.clearFaults(),
        },
        { id: 'oz', setFault: (fault) => oz.setFault(fault), clearFaults: () => oz.clearFaults() },
      ],
      environment: (overrides = {}) =>
        harness.environment({
          MSQPAY_CHAINS_FILE: file,
          CHAOS_KEY_0: keys[0] as Hex,
          CHAOS_KEY_1: keys[1] as Hex,
          CHAOS_OZ_KEY: apiKey,
          ...overrides,
        }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const OZ_RELAYER_ID = 'chaos';

function startOz(chain: ChainHome['stack']['chain'], apiKey: string): Promise<OzRelayerSimulator> {
  return startOzRelayerSimulator({
    rpcUrl: chain.rpcUrl,
    chainId: chain.chainId,
    privateKey: generatePrivateKey(),
    relayerId: OZ_RELAYER_ID,
    apiKey,
    pollMs: BLOCK_TIME_MS,
  });
}

function describeOne({ stack }: ChainHome, walletToken: Address | undefined) {
  const [described] = describeChains({
    rpcUrl: stack.chain.rpcUrl,
    deployment: stack.deployment,
    blockTimeSeconds: BLOCK_TIME_MS / 1000,
    confirmations: CONFIRMATIONS,
    transactionsPerMinute: MANY_SENDS.transactionsPerMinute,
  }).chains;
  if (described === undefined) throw new Error('the chain has no description');
  const token = {
    address: walletToken,
    symbol: 'WUSD',
    decimals: 6,
    permit: { name: 'Wallet Dollar', version: '1' },
  };
  return { ...described, chainId: stack.chain.chainId, tokens: [...described.tokens, token] };
}
