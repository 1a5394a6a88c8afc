import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTestClient, createWalletClient, defineChain, http, publicActions } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import { paymentGatewayAbi } from '../contracts/generated/PaymentGateway.ts';
import { testTokenAbi } from '../contracts/generated/TestToken.ts';
import type { Stack } from '../dev/startStack.ts';
import type { Address, Bytes32 } from '../shared/hex.ts';

interface CreatedPayment {
  readonly paymentId: string;
  readonly terms: {
    readonly salt: Bytes32;
    readonly token: Address;
    readonly amount: string;
    readonly merchant: Address;
    readonly expiresAt: number;
  };
}

/** How many creations and transactions are under way at once. */
const PARALLEL = 32;
const TIMEOUT_MS = 180_000;

/**
 * `count` payments through the whole of it: created over HTTP, each paid by a customer of its own,
 * found on the chain, confirmed, and told to a store that receives webhooks. The clock runs from
 * the first creation to the last `payment.completed`; customers are funded before.
 */
export async function measureCompletions(input: {
  apiUrl: string;
  apiKey: string;
  stack: Stack;
  token: string;
  count: number;
}): Promise<{ perSecond: number; seconds: number; webhooks: number }> {
  const { apiUrl, apiKey, stack, count } = input;
  const token = input.token as Address;
  const { rpcUrl, chainId } = stack.chain;
  const chain = defineChain({
    id: chainId,
    name: 'bench',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  const anvil = createTestClient({ mode: 'anvil', chain, transport: http(rpcUrl) }).extend(
    publicActions,
  );
  const headers = { 'x-api-key': apiKey, 'content-type': 'application/json' };

  const completed = new Set<string>();
  let webhooks = 0;
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const event = JSON.parse(Buffer.concat(chunks).toString()) as {
        type: string;
        data: { paymentId: string };
      };
      webhooks++;
      if (event.type === 'payment.completed') completed.add(event.data.paymentId);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  const registered = await fetch(`${apiUrl}/webhook-endpoints`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ url }),
  });
  if (registered.status !== 201)
    throw new Error(`the webhook endpoint was not taken: ${await registered.text()}`);

  const customers = Array.from({ length: count }, () => privateKeyToAccount(generatePrivateKey()));
  const walletOf = (account: (typeof customers)[number]) =>
    createWalletClient({ account, chain, transport: http(rpcUrl) });
  const fees = { gas: 200_000n, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 10n ** 9n };
  await inParallel(customers, async (account) => {
    await anvil.setBalance({ address: account.address, value: 10n ** 20n });
    const wallet = walletOf(account);
    await wallet.writeContract({
      address: token,
      abi: testTokenAbi,
      functionName: 'mint',
      args: [account.address, 10n ** 18n],
      nonce: 0,
      ...fees,
    });
    const args = [stack.deployment.gateway, 10n ** 18n] as const;
    await wallet.writeContract({
      address: token,
      abi: testTokenAbi,
      functionName: 'approve',
      args,
      nonce: 1,
      ...fees,
    });
  });
  await sleep(3_000);

  const startedAt = performance.now();
  await inParallel(customers, async (account, index) => {
    const body = JSON.stringify({ orderId: `bench-${index}`, amount: '1500000', token });
    const reply = await fetch(`${apiUrl}/payments`, { method: 'POST', headers, body });
    if (reply.status !== 201) throw new Error(`a payment was not created: ${await reply.text()}`);
    const { terms } = (await reply.json()) as CreatedPayment;
    await walletOf(account).writeContract({
      address: stack.deployment.gateway,
      abi: paymentGatewayAbi,
      functionName: 'pay',
      args: [{ ...terms, amount: BigInt(terms.amount) }],
      nonce: 2,
      ...fees,
    });
  });
  const deadline = performance.now() + TIMEOUT_MS;
  while (completed.size < count) {
    if (performance.now() > deadline)
      throw new Error(`only ${completed.size} of ${count} payments were completed`);
    await sleep(20);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  receiver.close();
  receiver.closeAllConnections();
  return { perSecond: count / seconds, seconds, webhooks };
}

async function inParallel<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const entries = items.entries();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (const [index, item] of entries) await work(item, index);
    }),
  );
}
