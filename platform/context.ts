import type { ChainPort } from '../domain/chain/ports.ts';
import type { EventSink } from '../domain/events/ports.ts';
import type { RelayerPort } from '../domain/relayers/ports.ts';
import type { WebhookSenderPort } from '../domain/webhooks/ports.ts';
import type { Clock } from '../shared/clock.ts';
import type { IdPrefix } from '../shared/ids.ts';
import type { Config } from './config.ts';
import type { Database } from './db.ts';
import type { Logger } from './logger.ts';
import type { RedisConnection } from './redis.ts';
import type { SecretBox } from './secretBox.ts';
import type { Signals } from './signals.ts';

/**
 * Everything a service may use, handed to it as its first argument. Built once a process by
 * createContext, varied a request or job by `forRequest`.
 */
export interface Context {
  readonly config: Config;
  readonly db: Database;
  /** Fails at once while Redis is away. */
  readonly redis: RedisConnection;
  readonly log: Logger;
  /** The database's time, which all processes share. */
  readonly clock: Clock;
  /**
   * How far this machine's clock is ahead of that, in ms; negative when it is behind, undefined
   * until they were compared. For those that watch.
   */
  readonly readClockAheadMs: () => number | undefined;
  /** See DatabaseClock. Before a process dates the first thing that others will read. */
  readonly whenClockCompared: () => Promise<void>;
  readonly newId: (prefix: IdPrefix) => string;
  readonly randomBytes: (size: number) => Buffer;
  /** 0 ≤ n < 1, for jitter only. */
  readonly random: () => number;
  readonly secretBox: SecretBox;
  readonly signals: Signals;
  readonly chains: ReadonlyMap<number, ChainPort>;
  /**
   * By relayer id, see ChainConfig.relayers. Workers only: no other process has the keys, and there
   * is none in here then.
   */
  readonly relayers: ReadonlyMap<string, RelayerPort>;
  readonly webhookSender: WebhookSenderPort;
  /** Who is told of events, see domain/modules.ts. */
  readonly eventSinks: readonly EventSink[];
  /** Follows a request into the events and jobs it causes; null outside of any. */
  readonly requestId: string | null;
}

export function forRequest(ctx: Context, requestId: string | null): Context {
  return { ...ctx, requestId, log: requestId === null ? ctx.log : ctx.log.child({ requestId }) };
}
