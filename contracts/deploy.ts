import {
  BaseError,
  createPublicClient,
  createWalletClient,
  defineChain,
  getAddress,
  http,
  RpcRequestError,
  type Address,
  type Hex,
  type PublicClient,
  type TransactionReceipt,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { msqPayForwarderAbi, msqPayForwarderBytecode } from './generated/MSQPayForwarder.ts';
import { paymentGatewayAbi, paymentGatewayBytecode } from './generated/PaymentGateway.ts';
import { testTokenAbi, testTokenBytecode } from './generated/TestToken.ts';

export interface TokenDescription {
  name: string;
  symbol: string;
  decimals: number;
}

export interface DeployOptions {
  rpcUrl: string;
  deployerPrivateKey: Hex;
  /** Test tokens to deploy: anyone can mint them. Empty on a real chain. */
  tokens: TokenDescription[];
}

export interface Deployment {
  gateway: Address;
  forwarder: Address;
  tokens: (TokenDescription & { address: Address })[];
  /** The block that holds the gateway's creation: none of its events is older. */
  blockNumber: bigint;
}

/** Fast chains mine at once; on slow ones a few more questions do not matter. */
const POLLING_INTERVAL_MS = 100;

/**
 * Deploys a new gateway with its forwarder, and the test tokens. The account must not send anything
 * else meanwhile.
 */
export async function deployContracts({
  rpcUrl,
  deployerPrivateKey,
  tokens,
}: DeployOptions): Promise<Deployment> {
  const publicClient = createPublicClient({
    transport: http(rpcUrl),
    pollingInterval: POLLING_INTERVAL_MS,
  });
  const account = privateKeyToAccount(deployerPrivateKey);
  const chain = describeChain(await publicClient.getChainId(), rpcUrl);
  const wallet = createWalletClient({ account, chain, transport: http(rpcUrl) });
  await assertCancun(publicClient);
  const firstNonce = await publicClient.getTransactionCount({
    address: account.address,
    blockTag: 'pending',
  });

  // Forwarder and tokens may share a block. The gateway comes after them: it insists that its
  // forwarder exists.
  const forwarderHash = await wallet.deployContract({
    abi: msqPayForwarderAbi,
    bytecode: msqPayForwarderBytecode,
    nonce: firstNonce,
  });
  const tokenHashes: Hex[] = [];
  for (const [index, { name, symbol, decimals }] of tokens.entries()) {
    const args = [name, symbol, decimals] as const;
    tokenHashes.push(
      await wallet.deployContract({
        abi: testTokenAbi,
        bytecode: testTokenBytecode,
        args,
        nonce: firstNonce + 1 + index,
      }),
    );
  }
  const waitFor = (hash: Hex) => publicClient.waitForTransactionReceipt({ hash });
  const forwarder = createdAddress('MSQPayForwarder', await waitFor(forwarderHash));
  const tokenReceipts = await Promise.all(tokenHashes.map(waitFor));
  const gatewayReceipt = await waitFor(
    await wallet.deployContract({
      abi: paymentGatewayAbi,
      bytecode: paymentGatewayBytecode,
      args: [forwarder],
      nonce: firstNonce + 1 + tokens.length,
    }),
  );
  return {
    gateway: createdAddress('PaymentGateway', gatewayReceipt),
    forwarder,
    tokens: tokenReceipts.map((receipt, index) => {
      const token = tokens[index];
      if (token === undefined) throw new Error('More token receipts than tokens');
      return { ...token, address: createdAddress(`TestToken ${token.symbol}`, receipt) };
    }),
    blockNumber: gatewayReceipt.blockNumber,
  };
}

/**
 * Stores 1 for the transaction, loads it, copies it in memory and returns the copy: TSTORE, TLOAD
 * and MCOPY, as a contract's creation.
 */
const CANCUN_PROBE = '0x60015f5d5f5c5f5260205f60205e60206020f3';

/**
 * The contracts are compiled for Cancun; elsewhere their deployment would be paid for and every
 * payment would fail. @throws Error that says so
 */
async function assertCancun(client: PublicClient): Promise<void> {
  const needs =
    'The contracts need a chain with the rules of Cancun (transient storage, MCOPY). Nothing was sent';
  let answer: Hex | undefined;
  try {
    answer = (await client.call({ data: CANCUN_PROBE })).data;
  } catch (error) {
    const words =
      error instanceof BaseError ? error.walk((cause) => cause instanceof RpcRequestError) : null;
    if (!(words instanceof RpcRequestError)) throw error;
    throw new Error(`${needs}: the node refuses a trial of them (${words.details})`, {
      cause: error,
    });
  }
  if (answer === undefined || BigInt(answer) !== 1n)
    throw new Error(`${needs}: a trial of them came to nothing`);
}

/**
 * Whether there is a contract at the address, for instance after a restart of a chain that keeps
 * its state.
 */
export async function isDeployed(rpcUrl: string, address: Address): Promise<boolean> {
  const code = await createPublicClient({ transport: http(rpcUrl) }).getCode({ address });
  return code !== undefined && code !== '0x';
}

function createdAddress(what: string, receipt: TransactionReceipt): Address {
  if (
    receipt.status !== 'success' ||
    receipt.contractAddress === null ||
    receipt.contractAddress === undefined
  ) {
    throw new Error(`The deployment of ${what} failed in transaction ${receipt.transactionHash}`);
  }
  return getAddress(receipt.contractAddress);
}

function describeChain(id: number, rpcUrl: string) {
  return defineChain({
    id,
    name: `Chain ${String(id)}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
}
