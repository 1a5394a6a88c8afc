import { pino } from 'pino';
import {
  createWalletClient,
  defineChain,
  getAddress,
  http,
  publicActions,
  type TypedDataDefinition,
} from 'viem';
import {
  generatePrivateKey,
  mnemonicToAccount,
  type HDAccount,
  type PrivateKeyAccount,
} from 'viem/accounts';

import { createChain } from '../../adapters/chain/createChain.ts';
import { deployContracts } from '../../contracts/deploy.ts';
import {
  hostileTokenAbi,
  hostileTokenBytecode,
} from '../../contracts/generated/test/HostileToken.ts';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import { startChain } from '../../dev/chain.ts';
import type { ChainPort, RelayCall, TypedData } from '../../domain/chain/ports.ts';
import type {
  PaymentTerms,
  ForwardRequest,
  Permit,
  RelayItem,
} from '../../domain/chain/contractModel.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import type { AmountUnits } from '../../shared/money.ts';
import { addMs, systemClock } from '../../shared/clock.ts';

/**
 * A real chain with the real contracts, the port under test on it, and what a customer with a
 * wallet does.
 */

const MNEMONIC = 'test test test test test test test test test test test junk';
const log = pino({ level: 'silent' });

export type Wallet = ReturnType<typeof createWallet>;

/** A signed request and what it is for. */
interface Signed {
  readonly request: ForwardRequest;
  readonly signature: Hex;
  readonly permit?: Permit;
  readonly terms: PaymentTerms;
}

export interface BuiltCall extends RelayCall {
  readonly gasLimit: bigint;
}

export interface ChainFixture {
  readonly rpcUrl: string;
  readonly config: ChainConfig;
  readonly port: ChainPort;
  readonly token: Address;
  readonly hostileToken: Address;
  readonly merchant: Address;
  readonly deployer: HDAccount;
  /** Has coins, and nothing to do with any payment. */
  readonly relayer: HDAccount;
  readonly wallet: Wallet;
  /**
   * @param changes of the chain's configuration
   * @param aheadMs by how much our clock is ahead of the machine's
   */
  createPort(
    rpcUrls: readonly string[],
    changes?: Partial<ChainConfig>,
    aheadMs?: number | (() => number),
  ): ChainPort;
  makeTerms(changes?: Partial<PaymentTerms>): PaymentTerms;
  makeRequest(
    payer: PrivateKeyAccount,
    terms: PaymentTerms,
    changes?: Partial<ForwardRequest>,
  ): Promise<ForwardRequest>;
  mine(hash: Promise<Hex>): Promise<Hex>;
  mint(to: Address, amount: bigint, of?: Address): Promise<Hex>;
  /** Gives the payer coins for gas, too. */
  approve(payer: PrivateKeyAccount, amount: bigint, of?: Address): Promise<void>;
  pay(payer: PrivateKeyAccount, terms: PaymentTerms, gas?: bigint): Promise<Hex>;
  signPermit(payer: PrivateKeyAccount, value: bigint, deadline?: number): Promise<Permit>;
  toItem(signed: Signed): RelayItem;
  /** The call that carries it, as it would be sent. */
  buildCall(signed: Signed): Promise<BuiltCall>;
  /** See ChainPort.verifySignature. */
  verify(request: ForwardRequest, signature: Hex): Promise<Hex | undefined>;
  close(): Promise<void>;
}

export async function startChainFixture(): Promise<ChainFixture> {
  const anvil = await startChain();
  const account = (addressIndex: number): HDAccount =>
    mnemonicToAccount(MNEMONIC, { addressIndex });
  const [deployer, relayer, merchant] = [account(0), account(1), account(2).address];
  const deployment = await deployContracts({
    rpcUrl: anvil.rpcUrl,
    deployerPrivateKey: privateKeyOf(deployer),
    tokens: [{ name: 'Test Dollar', symbol: 'TUSD', decimals: 6 }],
  });
  const wallet = createWallet(anvil.rpcUrl);
  const hostileHash = await wallet.deployContract({
    abi: hostileTokenAbi,
    bytecode: hostileTokenBytecode,
    account: deployer,
  });
  const hostileToken = getAddress(
    (await wallet.waitForTransactionReceipt({ hash: hostileHash })).contractAddress ?? '0x',
  );
  const token = getAddress(deployment.tokens[0]?.address ?? '0x');
  const config: ChainConfig = {
    chainId: anvil.chainId,
    name: 'test',
    rpcUrls: [anvil.rpcUrl],
    gateway: getAddress(deployment.gateway),
    forwarder: getAddress(deployment.forwarder),
    confirmations: 2,
    blockTimeMs: 1000,
    startBlock: Number(deployment.blockNumber),
    maxBlockRange: 1000,
    auditIntervalSeconds: 0,
    maxWithdrawals: 200,
    development: false,
    dataGasPerRequest: 0,
    tokens: [
      {
        address: token,
        symbol: 'TUSD',
        decimals: 6,
        permit: { name: 'Test Dollar', version: '1' },
      },
      { address: hostileToken, symbol: 'HOST', decimals: 18 },
    ],
    relayers: [],
    relayLimits: {
      maxBatchSize: 20,
      maxInFlightPerPayer: 20,
      maxInFlightPerStore: 2_000,
      maxWastedPerPayerPerDay: 4,
      maxWastedPerPaymentPerDay: 3,
      maxWastedPerStorePerDay: 200,
      gasBudgetPerStorePerDay: undefined,
      gasBudgetPerPayerPerDay: undefined,
    },
  };
  const createPort = (
    rpcUrls: readonly string[],
    changes: Partial<ChainConfig> = {},
    aheadMs: number | (() => number) = 0,
  ): ChainPort => {
    const clock = {
      now: () => addMs(systemClock.now(), typeof aheadMs === 'number' ? aheadMs : aheadMs()),
    };
    return createChain({ chain: { ...config, ...changes, rpcUrls: [...rpcUrls] }, clock, log });
  };
  const port = createPort([anvil.rpcUrl]);

  const toItem = ({ request, signature, permit = undefined, terms }: Signed): RelayItem => ({
    signed: { rail: 'forwarder', request },
    signature,
    permit: permit ?? null,
    paymentId: port.paymentIdOf(terms),
    terms,
  });

  async function mine(hash: Promise<Hex>): Promise<Hex> {
    await wallet.waitForTransactionReceipt({ hash: await hash });
    return hash;
  }

  return {
    rpcUrl: anvil.rpcUrl,
    config,
    port,
    token,
    hostileToken,
    merchant,
    deployer,
    relayer,
    wallet,
    createPort,
    mine,
    makeTerms: (changes = {}) => ({
      salt: generatePrivateKey(),
      token,
      amount: 1_500_000n as AmountUnits,
      merchant,
      expiresAt: inSeconds(3600),
      ...changes,
    }),
    makeRequest: async (payer, terms, changes = {}) => ({
      from: payer.address,
      to: config.gateway,
      value: 0n,
      gas: 300_000n,
      nonce: await port.getForwarderNonce(payer.address),
      deadline: unixSeconds(600),
      data: port.encodePay(terms),
      ...changes,
    }),
    mint: (to, amount, of = token) =>
      mine(
        wallet.writeContract({
          abi: testTokenAbi,
          address: of,
          functionName: 'mint',
          args: [to, amount],
          account: deployer,
        }),
      ),
    async approve(payer, amount, of = token) {
      await mine(
        wallet.sendTransaction({ to: payer.address, value: 10n ** 18n, account: deployer }),
      );
      const args = [config.gateway, amount] as const;
      await mine(
        wallet.writeContract({
          abi: testTokenAbi,
          address: of,
          functionName: 'approve',
          args,
          account: payer,
        }),
      );
    },
    pay: (payer, terms, gas) =>
      mine(
        wallet.sendTransaction({
          to: config.gateway,
          data: port.encodePay(terms),
          account: payer,
          ...(gas === undefined ? {} : { gas }),
        }),
      ),
    async signPermit(payer, value, deadline = unixSeconds(3600)) {
      const typedData = await port.buildPermitTypedData({
        token,
        owner: payer.address,
        value,
        deadline,
      });
      if (typedData === undefined) throw new Error('the token has no permit');
      return { value, deadline: BigInt(deadline), signature: await sign(payer, typedData) };
    },
    toItem,
    async buildCall(signed) {
      const items = [toItem(signed)];
      const estimate = await port.estimateRelayGas(items);
      if (estimate.kind === 'refused') throw new Error(`the call would revert: ${estimate.reason}`);
      return { ...port.encodeRelay(items), gasLimit: estimate.gasLimit };
    },
    verify: (request, signature) => {
      // The rail signs no terms of its own: the request carries them.
      const terms = {
        salt: generatePrivateKey(),
        token,
        amount: 1n as AmountUnits,
        merchant,
        expiresAt: inSeconds(3600),
      };
      return port.verifySignature({
        signed: { rail: 'forwarder', request },
        paymentId: port.paymentIdOf(terms),
        terms,
        signature,
      });
    },
    close: () => anvil.close(),
  };
}

/** As a wallet does it: with nothing but the typed data. */
export function sign(account: PrivateKeyAccount, typedData: TypedData): Promise<Hex> {
  return account.signTypedData(structuredClone(typedData) as unknown as TypedDataDefinition);
}

export function privateKeyOf(account: HDAccount): Hex {
  return `0x${Buffer.from(account.getHdKey().privateKey ?? []).toString('hex')}`;
}

function createWallet(rpcUrl: string) {
  const chain = defineChain({
    id: 31337,
    name: 'test',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  return createWalletClient({ chain, transport: http(rpcUrl), pollingInterval: 20 }).extend(
    publicActions,
  );
}

export function unixSeconds(fromNow: number): number {
  return Math.floor(Date.now() / 1000) + fromNow;
}

export function inSeconds(fromNow: number): Date {
  return new Date(unixSeconds(fromNow) * 1000);
}

export function split(signature: Hex): { r: Hex; s: Hex; v: number } {
  return {
    r: `0x${signature.slice(2, 66)}`,
    s: `0x${signature.slice(66, 130)}`,
    v: Number.parseInt(signature.slice(130), 16),
  };
}

export async function rejection(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof AppError)) throw new Error('expected an AppError', { cause: error });
  return error;
}
