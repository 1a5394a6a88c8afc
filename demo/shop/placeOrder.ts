import { randomBytes } from 'node:crypto';
import { parseUnits } from 'viem';

import { advanceOrder } from './advanceOrder.ts';
import type { ApiClient } from './createClient.ts';
import { ApiProblem, expectData } from './expectData.ts';
import type { Order, StateFile } from './openStateFile.ts';
import type { Product } from './products.ts';
import type { Token } from './waitForApi.ts';

const EXPIRES_IN_SECONDS = 900;

export interface Till {
  readonly client: ApiClient;
  readonly stateFile: StateFile;
  readonly token: Token;
}

/**
 * Takes an order down and asks for its payment. The price comes from our own list: what a browser
 * sends says which product, never how much.
 * @throws ApiProblem when the payment server refuses; the order is dropped then. On any other error
 *   it stays, see requestPayment.
 */
export async function placeOrder(
  till: Till,
  product: Product,
  now: Date,
): Promise<Order & { paymentId: string }> {
  const order: Order = {
    orderId: `order-${randomBytes(6).toString('hex')}`,
    product: product.id,
    token: till.token.address,
    amount: parseUnits(product.price, till.token.decimals).toString(),
    paymentId: null,
    status: 'pending',
    version: 0,
    webhooks: [],
    createdAt: now.toISOString(),
    shippedAt: null,
  };
  // Before the payment is asked for: its first webhook may be faster than the reply.
  till.stateFile.update((state) => state.orders.push(order));
  try {
    return await requestPayment(till, order, now);
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500) {
      till.stateFile.update((state) => state.orders.splice(state.orders.indexOf(order), 1));
    }
    throw error;
  }
}

/**
 * Asks for the order's payment. The Idempotency-Key belongs to the order, so it may be asked again
 * – after a lost reply, or a crash – and there will be one payment.
 */
export async function requestPayment(
  { client, stateFile, token }: Till,
  order: Order,
  now: Date,
): Promise<Order & { paymentId: string }> {
  const payment = expectData(
    await client.POST('/payments', {
      params: { header: { 'Idempotency-Key': `payment-of-${order.orderId}` } },
      body: {
        orderId: order.orderId,
        chainId: token.chainId,
        token: order.token,
        amount: order.amount,
        expiresInSeconds: EXPIRES_IN_SECONDS,
        metadata: { product: order.product },
      },
    }),
  );
  stateFile.update(() => {
    order.paymentId = payment.paymentId;
    advanceOrder(order, payment, now);
  });
  return { ...order, paymentId: payment.paymentId };
}
