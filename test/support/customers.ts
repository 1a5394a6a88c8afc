import { createWalletClient, maxUint256, parseGwei, type Address, type Hash } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import { anvilTransport } from './anvilTransport.ts';
import type { ChainHome } from './harness.ts';
import type { PaymentResource } from './storeClient.ts';

const BALANCE = 10n ** 30n;
/**
 * Everything that a wallet would ask the chain for before it signs: with hundreds of transactions
 * those questions are most of the time.
 */
const FEES = {
  gas: 200_000n,
  maxFeePerGas: parseGwei('100'),
  maxPriorityFeePerGas: parseGwei('1'),
} as const;

/**
 * Customers with tokens. `gasless` ones have no ether and have approved nothing; the others have
 * both. All are funded in a block or two.
 */
export async function createCustomers(
  home: ChainHome,
  input: { readonly count: number; readonly token: Address; readonly gasless: boolean },
): Promise<PrivateKeyAccount[]> {
  const { testClient, publicClient } = home.chain;
  const customers = Array.from({ length: input.count }, () =>
    privateKeyToAccount(generatePrivateKey()),
  );
  const minter = privateKeyToAccount(generatePrivateKey());
  const holders = input.gasless ? [minter] : [minter, ...customers];
  await Promise.all(
    holders.map(({ address }) => testClient.setBalance({ address, value: 10n ** 20n })),
  );
  const hashes: Hash[] = [];
  for (const [nonce, customer] of customers.entries()) {
    const mint = {
      address: input.token,
      abi: testTokenAbi,
      functionName: 'mint',
      args: [customer.address, BALANCE],
      nonce,
      ...FEES,
    } as const;
    hashes.push(await walletOf(home, minter).writeContract(mint));
  }
  if (!input.gasless) {
    const args = [home.stack.deployment.gateway, maxUint256] as const;
    const approve = {
      address: input.token,
      abi: testTokenAbi,
      functionName: 'approve',
      args,
      nonce: 0,
      ...FEES,
    } as const;
    for (const customer of customers)
      hashes.push(await walletOf(home, customer).writeContract(approve));
  }
  for (const hash of hashes) {
    const { status } = await publicClient.waitForTransactionReceipt({ hash });
    if (status !== 'success') throw new Error(`funding the customers failed: ${hash}`);
  }
  return customers;
}

function walletOf(home: ChainHome, account: PrivateKeyAccount) {
  const { chain } = home.chain.publicClient;
  if (chain === undefined) throw new Error('the test chain’s client has no chain');
  return createWalletClient({ account, chain, transport: anvilTransport(home.stack.chain.rpcUrl) });
}

/**
 * The payment as the API describes it is all that a wallet needs. The customer has paid nothing but
 * its approval before.
 */
export function payFromWallet(
  home: ChainHome,
  customer: PrivateKeyAccount,
  payment: PaymentResource,
): Promise<Hash> {
  const { salt, token, amount, merchant, expiresAt } = payment.terms;
  return walletOf(home, customer).writeContract({
    address: payment.gateway as Address,
    abi: paymentGatewayAbi,
    functionName: 'pay',
    args: [
      {
        salt: salt as Hash,
        token: token as Address,
        amount: BigInt(amount),
        merchant: merchant as Address,
        expiresAt,
      },
    ],
    nonce: 1,
    ...FEES,
  });
}
