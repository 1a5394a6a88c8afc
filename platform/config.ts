import { readFileSync } from 'node:fs';
import { getAddress, isAddress } from 'viem';
import { z } from 'zod';

import type { Address } from '../shared/hex.ts';
import { ConfigError } from './ConfigError.ts';
import { parseDatabaseUrl } from './databaseUrl.ts';
import { parseRedisUrl } from './redisUrl.ts';

/**
 * The configuration: the environment, read once, plus the chains file it names. This schema is the
 * only list of our variables; an unknown one with our prefix is an error, so that a typo does not
 * silently mean the default.
 */

const address = z
  .string()
  .refine((text) => isAddress(text, { strict: false }), 'expected an EVM address')
  .transform((text): Address => getAddress(text));

/** For a URL whose parser says what is wrong with it. */
function explain(parseUrl: (text: string) => unknown) {
  return (text: string, context: z.RefinementCtx) => {
    try {
      parseUrl(text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
  };
}

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const positiveInt = z.coerce.number().int().positive();

const environmentSchema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  /**
   * `mysql://user:password@host:3306/database`. With TLS when there is one of `ssl-mode` (DISABLED,
   * REQUIRED, VERIFY_CA, VERIFY_IDENTITY; the last one when it is absent), `ssl-ca`, `ssl-cert`,
   * `ssl-key` (paths of PEM files) and `ssl-server-name` (whose certificate it has to be, when not
   * the host's). See databaseUrl.ts.
   */
  DATABASE_URL: z.string().superRefine(
    explain((url) => {
      if (parseDatabaseUrl(url).database === undefined) throw new ConfigError('names no database');
    }),
  ),
  /**
   * `redis://user:password@host:6379/0`, `rediss://` with TLS;
   * `redis+sentinel://user:password@host:26379,host:26379/0?name=mymaster`;
   * `redis+cluster://user:password@host:6379,host:6379`. The last two with TLS begin with
   * `rediss+`. See redisUrl.ts for the parameters.
   */
  REDIS_URL: z.string().superRefine(explain(parseRedisUrl)),
  /**
   * Base URL of the Defender-compatible server, for the workers; the SDK reads it by itself from
   * this very variable.
   */
  DEFENDER_API_URL: z.url().optional(),
  /** JSON file with the chains, their tokens and relayers, see chainsSchema. */
  MSQPAY_CHAINS_FILE: z.string().min(1),
  MSQPAY_HOST: z.string().default('127.0.0.1'),
  /** 0 takes any free port. */
  MSQPAY_PORT: z.coerce.number().int().min(0).max(65535).default(3000),
  /** Health endpoint of a workers process; 0 takes any free port. */
  MSQPAY_WORKERS_PORT: z.coerce.number().int().min(0).max(65535).default(3001),
  /** How the customer reaches a payment; `{paymentId}` is replaced. */
  MSQPAY_CHECKOUT_URL: z.string().includes('{paymentId}'),
  /** 32 random bytes, base64: encrypts webhook secrets and stored replies at rest. */
  MSQPAY_ENCRYPTION_KEY: z
    .string()
    .transform((text) => Buffer.from(text, 'base64'))
    .refine((bytes) => bytes.length === 32, 'expected 32 bytes in base64'),
  MSQPAY_ADMIN_USER: z.string().min(1),
  MSQPAY_ADMIN_PASSWORD: z.string().min(12),
  /** Bull Board may retry and remove jobs when this is `false`. */
  MSQPAY_BULL_BOARD_READ_ONLY: flag.default(true),
  MSQPAY_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  MSQPAY_LOG_PRETTY: flag.default(false),
  /** Requests a minute for one API key. */
  MSQPAY_RATE_LIMIT_PER_MINUTE: positiveInt.default(600),
  /** How many reverse proxies to believe about the caller's address. */
  MSQPAY_TRUSTED_PROXIES: z.coerce.number().int().min(0).default(0),
  /**
   * Reply with 500 to a response of ours that does not match openapi.yaml (tests), or only log it
   * (production).
   */
  MSQPAY_STRICT_RESPONSES: flag.default(false),
  MSQPAY_DATABASE_POOL: positiveInt.default(16),
  /**
   * So many new payments may wait in one process to be saved, of one store as many as are free; a
   * further one is refused with 503 and `Retry-After`. The default is about what a process saves in
   * a second.
   */
  MSQPAY_MAX_WAITING_PAYMENTS: positiveInt.default(2_000),
  /**
   * So many requests of one store may wait in one process for a payment to change (`?wait=`,
   * `Prefer: wait`); a further one is answered at once. Each asks the database twice a second.
   */
  MSQPAY_MAX_WAITS_PER_STORE: positiveInt.default(500),
  /**
   * Puts several installations on one Redis. With Redis Cluster, keep the braces: all keys of a
   * queue must share a slot.
   */
  MSQPAY_QUEUE_PREFIX: z
    .string()
    .regex(/^\{[a-z0-9-]+\}$/, 'expected a hash tag such as {msqpay}')
    .default('{msqpay}'),
  /**
   * Lets webhooks reach loopback and private addresses. For development: it opens the network of
   * the server to every store.
   */
  MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: flag.default(false),
  /** A minute at most: a delivery keeps its place for as long, see domain/webhooks/places.ts. */
  MSQPAY_WEBHOOK_TIMEOUT_MS: positiveInt.max(60_000).default(15_000),
  /**
   * Deliveries that one workers process makes at once: mostly waiting for other people's servers.
   * Those of all processes are shared out among the stores, see domain/webhooks/places.ts.
   */
  MSQPAY_WEBHOOK_PLACES: z.coerce.number().int().min(16).max(1_000).default(128),
  /**
   * Deliveries at once to one endpoint that answers quickly, over all processes; it begins with
   * one. More may be more than a small server bears.
   */
  MSQPAY_WEBHOOK_PLACES_PER_ENDPOINT: z.coerce.number().int().min(1).max(100).default(16),
  /**
   * Seconds before each delivery attempt, comma-separated. The default is the example of Standard
   * Webhooks: ten attempts in three days.
   */
  MSQPAY_WEBHOOK_SCHEDULE_SECONDS: z
    .string()
    .default('0,5,300,1800,7200,18000,36000,50400,72000,86400')
    .transform((text) =>
      text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part))),
    )
    .refine(
      (delays) =>
        delays.length > 0 && delays.every((delay) => Number.isFinite(delay) && delay >= 0),
      'expected seconds, comma-separated',
    ),
  /**
   * How long a consumer may take before its outbox row is put on the queue again. Ten minutes at
   * most: what was lost with Redis is made up for by then, and a delivery whose process died has
   * its place for as long.
   */
  MSQPAY_OUTBOX_REDRIVE_MS: positiveInt.max(600_000).default(30_000),
  /**
   * Work that failed so often in a row, over half a minute at least, is an alert
   * (`work_keeps_failing`).
   */
  MSQPAY_ALERT_AFTER_FAILURES: positiveInt.default(5),
  /**
   * How long an ambiguous send may still show up on the chain or in the provider's list before it
   * counts as never sent.
   */
  MSQPAY_RELAY_UNSENT_AFTER_MS: positiveInt.default(60_000),
  MSQPAY_RELAY_TIMEOUT_MS: positiveInt.default(10_000),
  /**
   * A transaction that is in no block for this long is given up, and what it carried is sent again:
   * the contract takes each of it once, so all that this can cost is gas. Longer than a provider
   * needs to raise its fees.
   */
  MSQPAY_RELAY_RESEND_AFTER_MS: positiveInt.default(10 * 60_000),
  /**
   * How long the chain has to refuse a request at every look before that counts, and how long after
   * a payer's nonce moved nothing is made of it: nodes behind one URL are seconds apart, and the
   * one that is asked now may not have the block that the request relies on.
   */
  MSQPAY_RELAY_REFUSAL_GRACE_MS: z.coerce.number().int().nonnegative().default(15_000),
  /**
   * When others may choose again what a process was choosing that died. While it lives, it renews
   * what it has claimed three times in this time, however long the chain takes to answer. In less
   * than a second a busy database would let renewals come too late; for more than a minute nothing
   * that died need be held.
   */
  MSQPAY_RELAY_CLAIM_MS: z.coerce.number().int().min(1_000).max(60_000).default(10_000),
  /** A transaction that is in no block for this long is an alert. */
  MSQPAY_RELAY_STUCK_AFTER_MS: positiveInt.default(5 * 60_000),
  /**
   * Most signatures are used at once; a request whose deadline is nearer than this is not taken on
   * (`PAY_019`). On each chain it is three times `blockTimeMs` at least: with less, requests are
   * mined too late, and their gas is spent.
   */
  MSQPAY_RELAY_MIN_DEADLINE_SECONDS: positiveInt.default(15),
});

const tokenSchema = z.strictObject({
  address,
  symbol: z.string().min(1).max(16),
  decimals: z.number().int().min(0).max(77),
  /**
   * The EIP-712 domain of the token's EIP-2612 permit, or absent when it has none. It is tried out:
   * a token that does not take what is signed so is offered without a permit, with an alert.
   */
  permit: z.strictObject({ name: z.string(), version: z.string() }).optional(),
  /**
   * Payments of less are not relayed (`PAY_043`), only paid directly: in the token's smallest unit.
   * Gas for a payment costs the same whatever it is worth, so without a minimum a payment of one
   * unit costs as much as one of a thousand. Absent: any amount.
   */
  minRelayAmount: z
    .string()
    .regex(/^[1-9][0-9]{0,64}$/, 'expected an amount in the smallest unit as a decimal string')
    .transform((text) => BigInt(text))
    .optional(),
});

const decimalWei = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,64})$/, 'expected wei as a decimal string')
  .transform((text) => BigInt(text));

const relayerBase = {
  id: z.string().regex(/^[a-z0-9-]{1,64}$/),
  transactionsPerMinute: z.number().int().positive().default(50),
  maxInFlight: z.number().int().positive().default(10),
  /**
   * Below this the relayer's account counts as poor: it is sent nothing until it was topped up.
   * Absent: what one request costs now.
   */
  minBalanceWei: decimalWei.optional(),
  /** Below this an alert asks for it to be topped up. Absent: what 100 requests cost now. */
  alertBelowWei: decimalWei.optional(),
  /** Is sent nothing more; what it has is followed to its end. */
  draining: z.boolean().default(false),
};

/**
 * Secrets are named by their environment variables, so that the file itself holds none. Only the
 * workers read them: see relayerKeys.ts.
 */
const relayerSchema = z.discriminatedUnion('provider', [
  z.strictObject({
    ...relayerBase,
    provider: z.literal('defender'),
    apiKeyVariable: z.string().min(1),
    apiSecretVariable: z.string().min(1),
  }),
  z.strictObject({
    ...relayerBase,
    provider: z.literal('ozRelayer'),
    /** The server, without `/api/v1`. */
    url: z.url(),
    relayerId: z.string().min(1),
    apiKeyVariable: z.string().min(1),
  }),
  z.strictObject({
    ...relayerBase,
    provider: z.literal('local'),
    privateKeyVariable: z.string().min(1),
    /** A transaction that is not in a block after this time is sent again with higher fees. */
    bumpAfterMs: z.number().int().positive().default(30_000),
    /** Nodes want 10 at least. */
    bumpPercent: z.number().int().min(10).max(100).default(15),
    /** No fee is raised above this. */
    maxFeePerGasWei: decimalWei.optional(),
  }),
]);

const relayLimits = {
  /** Signed requests in one transaction. */
  maxBatchSize: z.number().int().min(1).max(100).default(20),
  /** Requests on their way to the chain at once, of one payer. */
  maxInFlightPerPayer: z.number().int().positive().default(20),
  /** The same, of one store. */
  maxInFlightPerStore: z.number().int().positive().default(2_000),
  /**
   * Requests that were mined without doing anything, of one payer (for refunds: merchant) in 24
   * hours, before relaying is not offered to them any more (`PAY_042`). Each one before makes the
   * next wait longer (`PAY_041`): 30 seconds, 2, 8, … minutes. See
   * domain/relay/waste/decideWaste.ts.
   */
  maxWastedPerPayerPerDay: z.number().int().positive().default(4),
  /** The same, for one payment or refund. */
  maxWastedPerPaymentPerDay: z.number().int().positive().default(3),
  /**
   * The same, of one store; the first half of them has no consequence, since its customers are not
   * the store.
   */
  maxWastedPerStorePerDay: z.number().int().positive().default(200),
  /**
   * Gas that one store's relayed payments and refunds may take on this chain in one UTC day.
   * Absent: what the wei below say, and without those DEFAULT_STORE_GAS. Gas is the same on every
   * chain and at every price; what it may cost is better said in wei.
   */
  gasBudgetPerStorePerDay: z.number().int().positive().optional(),
  /** The same in wei, counted at the price that was paid. Absent: no limit in wei. */
  gasBudgetPerStorePerDayWei: decimalWei.optional(),
  /**
   * The same for one payer, over all stores. Absent: what the wei below say, and without those
   * DEFAULT_PAYER_GAS.
   */
  gasBudgetPerPayerPerDay: z.number().int().positive().optional(),
  gasBudgetPerPayerPerDayWei: decimalWei.optional(),
};

/**
 * As many as one store may have on their way at once (2,000, each with 135,000 to 150,000 set
 * aside) fit in; about 4,000 payments a day.
 */
const DEFAULT_STORE_GAS = 300_000_000;
/**
 * As many as one payer may have on their way at once (20) fit in, a contract wallet's included;
 * about 130 payments a day.
 */
const DEFAULT_PAYER_GAS = 10_000_000;

const relayLimitsSchema = z.strictObject(relayLimits).transform((limits) => ({
  ...limits,
  gasBudgetPerStorePerDay: gasBudget(
    limits.gasBudgetPerStorePerDay,
    limits.gasBudgetPerStorePerDayWei,
    DEFAULT_STORE_GAS,
  ),
  gasBudgetPerPayerPerDay: gasBudget(
    limits.gasBudgetPerPayerPerDay,
    limits.gasBudgetPerPayerPerDayWei,
    DEFAULT_PAYER_GAS,
  ),
}));

/** Whoever sets a budget in wei has said what it may cost, and needs no default in gas. */
function gasBudget(
  gas: number | undefined,
  wei: bigint | undefined,
  byDefault: number,
): bigint | undefined {
  if (gas === undefined && wei !== undefined) return undefined;
  return BigInt(gas ?? byDefault);
}

const chainSchema = z.strictObject({
  chainId: z.number().int().positive(),
  name: z.string().min(1),
  rpcUrls: z.array(z.url()).min(1),
  gateway: address,
  forwarder: address,
  /**
   * Blocks, the event's own included, before a payment is completed; or `finalized`: when the chain
   * itself calls the block final.
   */
  confirmations: z.union([z.number().int().positive(), z.literal('finalized')]),
  /** Typical time between blocks; sets how often the chain is looked at. */
  blockTimeMs: z.number().int().positive(),
  /** The gateway's deployment: scanning starts here. */
  startBlock: z.number().int().min(0),
  /** Most blocks one eth_getLogs may span at the RPC provider. */
  maxBlockRange: z.number().int().positive().default(1000),
  /**
   * How often old blocks are read again, `maxBlockRange` of them, for events that a node kept back
   * when they were new. 0: never.
   */
  auditIntervalSeconds: z.number().int().min(0).default(300),
  /**
   * Payments and refunds that may be withdrawn because the chain does not show them any more, until
   * a reorganisation is followed to its end. When there are more, the scan waits for an operator:
   * it may be an RPC URL of another chain. A reorganisation mostly shows again what it took away.
   */
  maxWithdrawals: z.number().int().min(0).default(200),
  /**
   * May be begun anew under the same database: then everything that it does not show is withdrawn,
   * without asking.
   */
  development: z.boolean().default(false),
  /**
   * Gas that one relayed request takes at most beside what it executes. Some layer-2 chains
   * (Arbitrum and its kin) charge for a transaction's data on the layer below as gas of its own:
   * there this is that share of a single request, generously. It is allowed for when a request is
   * judged by its gas, in what is set aside for it, and in when a relayer's account counts as low.
   * On chains that charge for it apart from gas (the OP stack), it stands for that fee in what is
   * set aside.
   */
  dataGasPerRequest: z.number().int().min(0).default(0),
  /**
   * Wei a gas unit that the chain's block makers want above the base fee at least (on a chain
   * without base fee: the least gas price), where nodes suggest less: 25000000000 to 30000000000 on
   * Polygon, what a refusal names elsewhere ("minimum needed …"). For relayers with the provider
   * `local`, which learn it from refusals and from what others pay, too; so this only saves time.
   * Absent: none.
   */
  minPriorityFeePerGasWei: decimalWei.optional(),
  tokens: z.array(tokenSchema).min(1),
  /** None: no gasless payment on this chain. */
  relayers: z.array(relayerSchema).default([]),
  relayLimits: relayLimitsSchema.prefault({}),
});

const chainsSchema = z
  .strictObject({ chains: z.array(chainSchema).min(1) })
  .superRefine(({ chains }, context) => {
    const ids = chains.map((chain) => chain.chainId);
    if (new Set(ids).size !== ids.length)
      context.addIssue({ code: 'custom', message: 'a chainId is listed twice' });
    for (const chain of chains) {
      const tokens = chain.tokens.map((token) => token.address);
      if (new Set(tokens).size !== tokens.length)
        context.addIssue({ code: 'custom', message: `chain ${chain.chainId} lists a token twice` });
      const { minPriorityFeePerGasWei: least = 0n } = chain;
      for (const relayer of chain.relayers) {
        if (
          relayer.provider !== 'local' ||
          relayer.maxFeePerGasWei === undefined ||
          relayer.maxFeePerGasWei >= least
        )
          continue;
        const message = `relayer ${relayer.id} may offer less (maxFeePerGasWei) than its chain wants at least (minPriorityFeePerGasWei)`;
        context.addIssue({ code: 'custom', message });
      }
    }
    const relayers = chains.flatMap((chain) => chain.relayers.map(({ id }) => id));
    if (new Set(relayers).size !== relayers.length)
      context.addIssue({ code: 'custom', message: 'a relayer id is listed twice' });
  });

/** Names of the variables with its secrets, not these: see relayerKeys.ts. */
export type RelayerConfig = z.output<typeof relayerSchema>;
export type ChainConfig = z.output<typeof chainSchema>;

export interface Config {
  readonly environment: 'development' | 'test' | 'production';
  readonly databaseUrl: string;
  readonly databasePool: number;
  readonly maxWaitingPayments: number;
  readonly maxWaitsPerStore: number;
  readonly redisUrl: string;
  readonly queuePrefix: string;
  readonly host: string;
  readonly port: number;
  readonly workersPort: number;
  readonly checkoutUrl: string;
  readonly encryptionKey: Buffer;
  readonly admin: { readonly user: string; readonly password: string };
  readonly bullBoardReadOnly: boolean;
  readonly log: { readonly level: string; readonly pretty: boolean };
  readonly rateLimitPerMinute: number;
  readonly trustedProxies: number;
  readonly strictResponses: boolean;
  readonly webhooks: {
    readonly allowPrivateNetworks: boolean;
    readonly timeoutMs: number;
    readonly scheduleSeconds: readonly number[];
    readonly places: number;
    readonly placesPerEndpoint: number;
  };
  readonly outboxRedriveMs: number;
  readonly alertAfterFailures: number;
  readonly relay: {
    readonly unsentAfterMs: number;
    readonly timeoutMs: number;
    readonly resendAfterMs: number;
    readonly refusalGraceMs: number;
    readonly claimMs: number;
    readonly stuckAfterMs: number;
    readonly minDeadlineSeconds: number;
  };
  readonly chains: readonly ChainConfig[];
}

const OWN_PREFIX = 'MSQPAY_';

/**
 * @param environment usually process.env
 * @throws ConfigError that names each wrong variable, never a value
 */
export function loadConfig(environment: NodeJS.ProcessEnv): Config {
  const known = new Set(Object.keys(environmentSchema.shape));
  const unknown = Object.keys(environment).filter(
    (name) => name.startsWith(OWN_PREFIX) && !known.has(name),
  );
  if (unknown.length > 0)
    throw new ConfigError(`unknown environment variables: ${unknown.join(', ')}`);

  const env = parse(environmentSchema, environment, 'environment');
  const { chains } = parse(chainsSchema, readJson(env.MSQPAY_CHAINS_FILE), env.MSQPAY_CHAINS_FILE);

  return {
    environment: env.NODE_ENV,
    databaseUrl: env.DATABASE_URL,
    databasePool: env.MSQPAY_DATABASE_POOL,
    maxWaitingPayments: env.MSQPAY_MAX_WAITING_PAYMENTS,
    maxWaitsPerStore: env.MSQPAY_MAX_WAITS_PER_STORE,
    redisUrl: env.REDIS_URL,
    queuePrefix: env.MSQPAY_QUEUE_PREFIX,
    host: env.MSQPAY_HOST,
    port: env.MSQPAY_PORT,
    workersPort: env.MSQPAY_WORKERS_PORT,
    checkoutUrl: env.MSQPAY_CHECKOUT_URL,
    encryptionKey: env.MSQPAY_ENCRYPTION_KEY,
    admin: { user: env.MSQPAY_ADMIN_USER, password: env.MSQPAY_ADMIN_PASSWORD },
    bullBoardReadOnly: env.MSQPAY_BULL_BOARD_READ_ONLY,
    log: { level: env.MSQPAY_LOG_LEVEL, pretty: env.MSQPAY_LOG_PRETTY },
    rateLimitPerMinute: env.MSQPAY_RATE_LIMIT_PER_MINUTE,
    trustedProxies: env.MSQPAY_TRUSTED_PROXIES,
    strictResponses: env.MSQPAY_STRICT_RESPONSES,
    webhooks: {
      allowPrivateNetworks: env.MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS,
      timeoutMs: env.MSQPAY_WEBHOOK_TIMEOUT_MS,
      scheduleSeconds: env.MSQPAY_WEBHOOK_SCHEDULE_SECONDS,
      places: env.MSQPAY_WEBHOOK_PLACES,
      placesPerEndpoint: env.MSQPAY_WEBHOOK_PLACES_PER_ENDPOINT,
    },
    outboxRedriveMs: env.MSQPAY_OUTBOX_REDRIVE_MS,
    alertAfterFailures: env.MSQPAY_ALERT_AFTER_FAILURES,
    relay: {
      unsentAfterMs: env.MSQPAY_RELAY_UNSENT_AFTER_MS,
      timeoutMs: env.MSQPAY_RELAY_TIMEOUT_MS,
      resendAfterMs: env.MSQPAY_RELAY_RESEND_AFTER_MS,
      refusalGraceMs: env.MSQPAY_RELAY_REFUSAL_GRACE_MS,
      claimMs: env.MSQPAY_RELAY_CLAIM_MS,
      stuckAfterMs: env.MSQPAY_RELAY_STUCK_AFTER_MS,
      minDeadlineSeconds: env.MSQPAY_RELAY_MIN_DEADLINE_SECONDS,
    },
    chains,
  };
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(
      `cannot read the chains file ${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function parse<T extends z.ZodType>(schema: T, input: unknown, source: string): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const findings = result.error.issues.map(({ path, message }) => {
    const what = message.endsWith('received undefined') ? 'is missing' : message;
    return `${path.join('.') || '(root)'}: ${what}`;
  });
  throw new ConfigError(`${source} is not valid:\n  ${findings.join('\n  ')}`);
}
