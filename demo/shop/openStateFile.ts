import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';

/**
 * What the shop remembers. A real store has this in its database, with a unique key on the webhook
 * ids.
 */

const webhookSchema = z.object({
  id: z.string(),
  type: z.string(),
  version: z.number().int(),
  verifiedAt: z.string(),
});

const orderSchema = z.object({
  orderId: z.string(),
  product: z.string(),
  token: z.string(),
  /** In the token's smallest unit. */
  amount: z.string(),
  /** Null until the payment server answered. */
  paymentId: z.string().nullable(),
  status: z.enum(['pending', 'processing', 'completed', 'expired', 'failed', 'cancelled']),
  /** Of the payment, the highest seen; 0 when none was. */
  version: z.number().int(),
  webhooks: z.array(webhookSchema),
  createdAt: z.string(),
  shippedAt: z.string().nullable(),
});

const webhookEndpointSchema = z.object({
  url: z.string(),
  /**
   * Kept before the endpoint is asked for: should the reply get lost, the same key brings it again,
   * secret and all.
   */
  idempotencyKey: z.string(),
  /** Null until the payment server answered. */
  registered: z.object({ id: z.string(), secret: z.string() }).nullable(),
});

const stateSchema = z.object({
  webhookEndpoint: webhookEndpointSchema.nullable(),
  orders: z.array(orderSchema),
});

export type Order = z.infer<typeof orderSchema>;
export type ShopState = z.infer<typeof stateSchema>;

export interface StateFile {
  readonly state: ShopState;
  /** Changes the state and has it on the disk before it returns. */
  update(change: (state: ShopState) => void): void;
}

/**
 * Reads the file, or begins anew when there is none. Only its owner may read it: it holds the
 * webhook secret.
 */
export function openStateFile(path: string): StateFile {
  const state = readState(path);
  return {
    state,
    update(change) {
      change(state);
      mkdirSync(dirname(path), { recursive: true });
      // Whoever stops us half-way leaves the old file whole.
      const unfinished = `${path}.new`;
      writeFileSync(unfinished, JSON.stringify(state, null, 2), { mode: 0o600 });
      renameSync(unfinished, path);
    },
  };
}

function readState(path: string): ShopState {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { webhookEndpoint: null, orders: [] };
  }
  return stateSchema.parse(JSON.parse(text));
}

export function findOrder(state: ShopState, paymentId: string): Order | undefined {
  return state.orders.find((order) => order.paymentId === paymentId);
}
