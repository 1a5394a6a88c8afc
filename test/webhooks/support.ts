import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';

import { EVENT_SINKS } from '../../domain/modules.ts';
import type { WebhookPostOutcome, WebhookSenderPort } from '../../domain/webhooks/ports.ts';
import type { Config } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { createDatabase, execute, type Database } from '../../platform/db.ts';
import { createLogger } from '../../platform/logger.ts';
import { createSecretBox } from '../../platform/secretBox.ts';
import { addMs, type Clock } from '../../shared/clock.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { newId } from '../../shared/ids.ts';
import { migrateByCopy } from '../support/migrateByCopy.ts';
import { getStack } from '../support/stack.ts';

/** A migrated database of its own. */
export async function openTestDatabase(): Promise<{ db: Database; close(): Promise<void> }> {
  const stack = await getStack();
  const db = createDatabase(
    await stack.createDatabase(`webhooks_${randomBytes(6).toString('hex')}`),
    12,
  );
  await migrateByCopy(db);
  return { db, close: () => db.destroy() };
}

export interface TestClock extends Clock {
  advance(ms: number): void;
}

/**
 * Begins now, since signatures are verified against the real time, and stands still. Whole seconds,
 * so that nothing is lost on the way.
 */
export function createTestClock(): TestClock {
  let time = new Date(Math.floor(Date.now() / 1000) * 1000);
  return {
    now: () => time,
    advance(ms) {
      time = addMs(time, ms);
    },
  };
}

export type Post = Parameters<WebhookSenderPort['post']>[0];

export interface FakeSender extends WebhookSenderPort {
  readonly posts: Post[];
  answer: (post: Post) => WebhookPostOutcome | Promise<WebhookPostOutcome>;
}

export function answerWith(
  statusCode: number | null,
  more: Partial<WebhookPostOutcome> = {},
): WebhookPostOutcome {
  const error = statusCode === null ? 'connection refused' : null;
  return { statusCode, error, latencyMs: 3, responseBody: null, retryAfterSeconds: null, ...more };
}

export function createFakeSender(): FakeSender {
  const sender: FakeSender = {
    posts: [],
    answer: () => answerWith(204),
    async post(post) {
      sender.posts.push(post);
      return sender.answer(post);
    },
  };
  return sender;
}

export interface TestContext extends Context {
  readonly clock: TestClock;
}

/** @param sender one for each process that is played */
export function createTestContext(options: {
  db: Database;
  clock: TestClock;
  sender: WebhookSenderPort;
  environment?: Config['environment'];
  webhooks?: Partial<Config['webhooks']>;
}): TestContext {
  const config: Config = {
    environment: options.environment ?? 'test',
    databaseUrl: '',
    databasePool: 12,
    maxWaitingPayments: 2_000,
    maxWaitsPerStore: 500,
    redisUrl: '',
    queuePrefix: '{test}',
    host: '127.0.0.1',
    port: 0,
    workersPort: 0,
    checkoutUrl: 'https://shop.example/{paymentId}',
    encryptionKey: Buffer.alloc(32, 7),
    admin: { user: 'admin', password: 'not a real password' },
    bullBoardReadOnly: true,
    log: { level: 'silent', pretty: false },
    rateLimitPerMinute: 600,
    trustedProxies: 0,
    strictResponses: true,
    webhooks: {
      allowPrivateNetworks: false,
      timeoutMs: 1_000,
      scheduleSeconds: [0, 5, 300],
      places: 64,
      placesPerEndpoint: 16,
      ...options.webhooks,
    },
    outboxRedriveMs: 30_000,
    alertAfterFailures: 5,
    relay: {
      unsentAfterMs: 60_000,
      timeoutMs: 10_000,
      refusalGraceMs: 15_000,
      claimMs: 10_000,
      stuckAfterMs: 300_000,
      resendAfterMs: 600_000,
      minDeadlineSeconds: 15,
    },
    chains: [],
  };
  return {
    config,
    db: options.db,
    redis: {} as Redis,
    log: createLogger(config, 'test'),
    clock: options.clock,
    readClockAheadMs: () => 0,
    whenClockCompared: () => Promise.resolve(),
    newId: (prefix) => newId(prefix, options.clock.now()),
    randomBytes,
    // The middle of the jitter: delays are what the schedule says.
    random: () => 0.5,
    secretBox: createSecretBox(config.encryptionKey),
    signals: {
      outboxFilled: () => undefined,
      changed: () => Promise.resolve(),
      forget: () => undefined,
      isUpToDate: () => Promise.resolve(false),
      onOutboxFilled: () => () => undefined,
      onChanged: () => () => undefined,
      tryPublishing: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
    chains: new Map(),
    relayers: new Map(),
    webhookSender: options.sender,
    eventSinks: EVENT_SINKS,
    requestId: 'req_test',
  };
}

export async function insertStore(ctx: Context): Promise<string> {
  const id = ctx.newId('st');
  await execute(
    ctx.db,
    'INSERT INTO stores (id, name, payout_address, created_at) VALUES (?, ?, ?, ?)',
    [id, 'Test store', '0x000000000000000000000000000000000000dEaD', ctx.clock.now()],
  );
  return id;
}

export function newPaymentId(): Bytes32 {
  return `0x${randomBytes(32).toString('hex')}`;
}
