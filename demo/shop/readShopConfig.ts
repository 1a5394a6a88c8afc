import { readFileSync } from 'node:fs';
import { z } from 'zod';

const hexKey = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'expected a private key, 0x and 64 hex digits')
  .transform((text) => text as `0x${string}`);
const httpUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''));

const environmentSchema = z.object({
  NODE_ENV: z.string().optional(),
  SHOP_HOST: z.string().default('127.0.0.1'),
  /** 0 takes any free port. */
  SHOP_PORT: z.coerce.number().int().min(0).max(65535).default(0),
  /** How the payment server and the customers reach the shop; http://host:port when absent. */
  SHOP_PUBLIC_URL: httpUrl.optional(),
  /** With the version: http://127.0.0.1:3000/api/v1 */
  SHOP_API_URL: httpUrl,
  SHOP_API_KEY: z.string().min(1).optional(),
  /** Instead of SHOP_API_KEY: a JSON file with `apiKey` in it. */
  SHOP_API_KEY_FILE: z.string().min(1).optional(),
  SHOP_STATE_PATH: z.string().min(1),
  /** For development: with both, the checkout page can pay by itself. */
  SHOP_DEMO_CUSTOMER_KEY: hexKey.optional(),
  SHOP_RPC_URL: httpUrl.optional(),
});

export interface ShopConfig {
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string | undefined;
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly statePath: string;
  readonly demoCustomer: { readonly key: `0x${string}`; readonly rpcUrl: string } | undefined;
}

/** @throws Error that names each variable that is missing or wrong, never its value */
export function readShopConfig(environment: NodeJS.ProcessEnv): ShopConfig {
  // `NAME=` in a shell or a compose file means "not set".
  const parsed = environmentSchema.safeParse(
    Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== '')),
  );
  if (!parsed.success)
    throw new Error(`The shop's environment is not right:\n${z.prettifyError(parsed.error)}`);
  const env = parsed.data;
  if ((env.SHOP_DEMO_CUSTOMER_KEY === undefined) !== (env.SHOP_RPC_URL === undefined)) {
    throw new Error('SHOP_DEMO_CUSTOMER_KEY and SHOP_RPC_URL go together');
  }
  if (env.SHOP_DEMO_CUSTOMER_KEY !== undefined && env.NODE_ENV === 'production') {
    throw new Error(
      'SHOP_DEMO_CUSTOMER_KEY is for development: whoever sees the checkout page could spend from it',
    );
  }
  return {
    host: env.SHOP_HOST,
    port: env.SHOP_PORT,
    publicUrl: env.SHOP_PUBLIC_URL,
    apiUrl: env.SHOP_API_URL,
    apiKey: readApiKey(env),
    statePath: env.SHOP_STATE_PATH,
    demoCustomer:
      env.SHOP_DEMO_CUSTOMER_KEY === undefined || env.SHOP_RPC_URL === undefined
        ? undefined
        : { key: env.SHOP_DEMO_CUSTOMER_KEY, rpcUrl: env.SHOP_RPC_URL },
  };
}

function readApiKey(env: {
  readonly SHOP_API_KEY?: string | undefined;
  readonly SHOP_API_KEY_FILE?: string | undefined;
}): string {
  if (env.SHOP_API_KEY !== undefined) return env.SHOP_API_KEY;
  if (env.SHOP_API_KEY_FILE === undefined)
    throw new Error('SHOP_API_KEY or SHOP_API_KEY_FILE must be set');
  return z
    .object({ apiKey: z.string().min(1) })
    .parse(JSON.parse(readFileSync(env.SHOP_API_KEY_FILE, 'utf8'))).apiKey;
}
