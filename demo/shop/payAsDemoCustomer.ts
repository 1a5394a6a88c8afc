import { randomUUID } from 'node:crypto';
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  erc20Abi,
  formatEther,
  formatUnits,
  http,
  parseAbi,
  type Address,
  type Chain,
  type Hash,
  type Hex,
  type PublicClient,
  type TypedDataDefinition,
} from 'viem';
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import type { components } from '../../api/generated/openapi.ts';
import { approveGateway } from './approveGateway.ts';
import type { ApiClient } from './createClient.ts';
import { expectData } from './expectData.ts';
import { gatewayAbi } from './gatewayAbi.ts';
import { toTerms, type Payment } from './toTerms.ts';

/**
 * What the customer's side does, with a key instead of a wallet. For development chains, whose test
 * tokens anyone may mint.
 */

export interface DemoCustomerInput {
  readonly rpcUrl: string;
  readonly customerKey: Hex;
  readonly client: ApiClient;
  readonly payment: Payment;
  /**
   * Whose ether pays for minting, when the customer is short of tokens. The customer's own when
   * absent.
   */
  readonly minterKey?: Hex;
  readonly onStep?: (message: string) => void;
}

export interface DirectPaymentResult {
  readonly customer: Address;
  /** Mined, its event in the chain; the payment server counts the confirmations from here. */
  readonly txHash: Hash;
}

export interface GaslessPaymentResult {
  readonly customer: Address;
  /**
   * Undefined when the relayer had not sent it yet after RELAY_WAIT_SECONDS; it will all the same.
   */
  readonly txHash: Hash | undefined;
}

const RELAY_WAIT_SECONDS = 25;
const POLLING_INTERVAL_MS = 250;
const mintAbi = parseAbi(['function mint(address to, uint256 amount)']);

/**
 * Approves the gateway if need be, and calls `pay`: the customer sends the transactions and pays
 * their gas.
 */
export async function payDirectly(input: DemoCustomerInput): Promise<DirectPaymentResult> {
  const { payment, onStep = () => undefined } = input;
  const purse = await openPurse(input);
  const { customer, publicClient, wallet } = purse;
  const gateway = payment.gateway as Address;
  await ensureTokens(purse, input);
  await allow(purse, input);

  const txHash = await wallet(customer).writeContract({
    address: gateway,
    abi: gatewayAbi,
    functionName: 'pay',
    args: [toTerms(payment)],
  });
  onStep(`sent pay(): ${txHash}`);
  await expectMined(publicClient, txHash);
  onStep('the transaction is in a block');
  return { customer: customer.address, txHash };
}

/**
 * Signs, and nothing else, where the token has a permit: then no approval is needed, and since the
 * relayer sends the transaction, no ether either.
 */
export async function payGasless(input: DemoCustomerInput): Promise<GaslessPaymentResult> {
  const { client, payment, onStep = () => undefined } = input;
  const purse = await openPurse(input);
  const { customer } = purse;
  await ensureTokens(purse, input);

  const path = { paymentId: payment.paymentId };
  const request = expectData(
    await client.GET('/payments/{paymentId}/gasless', {
      params: { path, query: { userAddress: customer.address } },
    }),
  );
  // A token whose permit is of no use: then it takes an approval, and some ether.
  if (request.approveFirst !== null) await allow(purse, input);
  const signature = await sign(customer, request.typedData);
  onStep(`signed the forward request, nonce ${request.nonce}`);
  let permit: components['schemas']['RelayRequest']['permit'];
  if (request.permit !== null) {
    const { value, deadline, typedData } = request.permit;
    permit = { value, deadline, signature: await sign(customer, typedData) };
    onStep(`signed a permit for ${purse.amount} instead of sending an approval`);
  }

  const relayed = expectData(
    await client.POST('/payments/{paymentId}/relay', {
      // A key for this click, not for this payment: should the relay fail, the customer signs the
      // very same message once more, and the server must not take that for a repetition of the
      // first request.
      params: {
        path,
        header: { 'Idempotency-Key': randomUUID(), Prefer: `wait=${RELAY_WAIT_SECONDS}` },
      },
      body: {
        forwardRequest: request.forwardRequest,
        signature,
        ...(permit === undefined ? {} : { permit }),
      },
    }),
  );
  onStep(
    relayed.txHash === undefined
      ? 'handed over to the relayer'
      : `the relayer sent it: ${relayed.txHash}`,
  );
  return { customer: customer.address, txHash: relayed.txHash as Hash | undefined };
}

interface Purse {
  readonly customer: PrivateKeyAccount;
  readonly publicClient: PublicClient;
  wallet(account: PrivateKeyAccount): ReturnType<typeof createWallet>;
  /** The payment's amount as a person reads it. */
  readonly amount: string;
  format(units: bigint): string;
}

async function openPurse({
  rpcUrl,
  customerKey,
  client,
  payment,
}: DemoCustomerInput): Promise<Purse> {
  const { data: tokens } = expectData(await client.GET('/tokens'));
  const token = tokens.find(
    ({ chainId, address }) => chainId === payment.chainId && address === payment.token,
  );
  if (token === undefined)
    throw new Error(`the payment server does not list the token ${payment.token}`);
  const chain = defineChain({
    id: payment.chainId,
    name: token.chainName,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  const format = (units: bigint) => `${formatUnits(units, token.decimals)} ${token.symbol}`;
  return {
    customer: privateKeyToAccount(customerKey),
    publicClient: createPublicClient({
      chain,
      transport: http(rpcUrl),
      pollingInterval: POLLING_INTERVAL_MS,
    }),
    wallet: (account) => createWallet(account, chain, rpcUrl),
    amount: format(BigInt(payment.amount)),
    format,
  };
}

function createWallet(account: PrivateKeyAccount, chain: Chain, rpcUrl: string) {
  return createWalletClient({ account, chain, transport: http(rpcUrl) });
}

async function ensureTokens(
  purse: Purse,
  { payment, minterKey, onStep = () => undefined }: DemoCustomerInput,
): Promise<void> {
  const { customer, publicClient } = purse;
  const token = payment.token as Address;
  const amount = BigInt(payment.amount);
  const [ether, balance] = await Promise.all([
    publicClient.getBalance({ address: customer.address }),
    publicClient.readContract({
      address: token,
      abi: erc20Abi,
      functionName: 'balanceOf',
      args: [customer.address],
    }),
  ]);
  onStep(
    `the customer ${customer.address} has ${formatEther(ether)} ETH and ${purse.format(balance)}`,
  );
  if (balance >= amount) return;
  const minter = minterKey === undefined ? customer : privateKeyToAccount(minterKey);
  const hash = await purse.wallet(minter).writeContract({
    address: token,
    abi: mintAbi,
    functionName: 'mint',
    args: [customer.address, amount - balance],
  });
  await expectMined(publicClient, hash);
  onStep(`minted ${purse.format(amount - balance)} of the test token for the customer`);
}

async function allow(
  { customer, publicClient, wallet, amount }: Purse,
  { payment, onStep = () => undefined }: DemoCustomerInput,
): Promise<void> {
  const hashes = await approveGateway(publicClient, wallet(customer), {
    owner: customer,
    token: payment.token as Address,
    gateway: payment.gateway as Address,
    amount: BigInt(payment.amount),
  });
  for (const hash of hashes.slice(0, -1)) onStep(`set what was left of an approval to 0: ${hash}`);
  for (const hash of hashes.slice(-1)) onStep(`approved the gateway for ${amount}: ${hash}`);
}

async function expectMined(publicClient: PublicClient, hash: Hash): Promise<void> {
  const receipt = await publicClient.waitForTransactionReceipt({ hash });
  if (receipt.status !== 'success') throw new Error(`the transaction ${hash} was reverted`);
}

/**
 * As eth_signTypedData_v4 does. openapi.yaml leaves the content of typed data open, hence the cast.
 */
function sign(
  account: PrivateKeyAccount,
  typedData: components['schemas']['TypedData'],
): Promise<Hex> {
  return account.signTypedData(typedData as unknown as TypedDataDefinition);
}
