import { encodeFunctionData, type Hash } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import { testTokenAbi } from '../../../contracts/generated/TestToken.ts';
import type { TypedData } from '../../../domain/chain/ports.ts';
import { toUnixSeconds } from '../../../shared/clock.ts';
import type { Hex } from '../../../shared/hex.ts';
import { createCustomers } from '../../support/customers.ts';
import { signTypedData } from '../../support/gasless.ts';
import type { StoreClient } from '../../support/storeClient.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';
import { sendRaw, WALLET_FEES } from './moveTokensAway.ts';

interface Options {
  readonly client: StoreClient;
  readonly chains: readonly ChaosChain[];
  /** On each chain. */
  readonly customers: number;
  readonly count: (what: string) => void;
}

/** Of one customer: as many as may be on their way at once. */
const REQUESTS_EACH = 20;
const TINY = '1';
const PERMIT_SECONDS = 3_600;
const PERMIT_TYPES = {
  Permit: [
    { name: 'owner', type: 'address' },
    { name: 'spender', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const;

/**
 * Customers whose requests can never be sent, and are refused by nobody before their deadline: all
 * of one customer's bring the same permit, whose nonce is not the next one and never will be, and
 * the approval that they were taken on by is gone before they are looked at. Resolves when that is
 * so.
 */
export async function startEarlyPermits({
  client,
  chains,
  customers,
  count,
}: Options): Promise<void> {
  for (const chain of chains) {
    const all = await createCustomers(chain.home, {
      count: customers,
      token: chain.token,
      gasless: false,
    });
    await Promise.all(all.map((customer, place) => handInAll(chain, customer, place)));
  }

  async function handInAll(
    chain: ChaosChain,
    customer: PrivateKeyAccount,
    place: number,
  ): Promise<void> {
    const deadline = toUnixSeconds(new Date()) + PERMIT_SECONDS;
    const permit = {
      value: TINY,
      deadline: String(deadline),
      signature: await signEarlyPermit(chain, customer, BigInt(deadline)),
    };
    for (let number = 0; number < REQUESTS_EACH; number++) {
      const orderId = `early-${chain.name}-${place}-${number}`;
      const payment = await client.createPayment({
        orderId,
        amount: TINY,
        token: chain.token,
        chainId: chain.chainId,
      });
      count(`early permits: ${await handIn(customer, payment.paymentId as Hash, permit)}`);
    }
    await sendRaw(chain, await signRevocation(chain, customer));
  }

  async function handIn(
    customer: PrivateKeyAccount,
    paymentId: Hash,
    permit: { readonly value: string; readonly deadline: string; readonly signature: Hex },
  ): Promise<string> {
    const path = { paymentId };
    const query = { customerAddress: customer.address };
    const offered = await client.api.GET('/payments/{paymentId}/authorization', {
      params: { path, query },
    });
    if (offered.data === undefined) return `not offered: ${offered.error.code}`;
    const signature = await signTypedData(customer, offered.data.typedData as unknown as TypedData);
    const { data, error } = await client.api.POST('/payments/{paymentId}/execute', {
      params: { path, header: { 'Idempotency-Key': `early-${paymentId}` } },
      body: { customerAddress: customer.address, signature, permit },
    });
    return data === undefined ? `refused: ${error.code}` : 'accepted';
  }
}

/** The customer has used none: its next one has the nonce 0. */
async function signEarlyPermit(
  chain: ChaosChain,
  customer: PrivateKeyAccount,
  deadline: bigint,
): Promise<Hex> {
  const { chainId, token } = chain;
  const name = await chain.home.chain.publicClient.readContract({
    address: token,
    abi: testTokenAbi,
    functionName: 'name',
  });
  const { gateway } = chain.home.stack.deployment;
  return customer.signTypedData({
    domain: { name, version: '1', chainId, verifyingContract: token },
    types: PERMIT_TYPES,
    primaryType: 'Permit',
    message: {
      owner: customer.address,
      spender: gateway,
      value: BigInt(TINY),
      nonce: 1n,
      deadline,
    },
  });
}

/** The customer has sent nothing but its approval before. */
function signRevocation(chain: ChaosChain, customer: PrivateKeyAccount): Promise<Hex> {
  const { gateway } = chain.home.stack.deployment;
  const data = encodeFunctionData({
    abi: testTokenAbi,
    functionName: 'approve',
    args: [gateway, 0n],
  });
  return customer.signTransaction({
    chainId: chain.chainId,
    type: 'eip1559',
    to: chain.token,
    data,
    nonce: 1,
    ...WALLET_FEES,
  });
}
