import { Redis, type Cluster, type RedisOptions } from 'ioredis';

/** BullMQ's consumers ask for up to 10 seconds at a time. */
export const SILENCE_OF_CONSUMER_MS = 15_000;

/**
 * A connection to one server, with ioredis 5.11's time for silence (`socketTimeout`) put right: it
 * would run on when the connection ends, so that a process would end that much later, and a new
 * connection could be ended for the old one's silence.
 */
export class TimedRedis extends Redis {
  constructor(options: RedisOptions) {
    super(options);
    endSilenceWithConnection(this);
    goOnConnecting(this);
    this.on('end', () => failInterrupted(this));
    this.on('connect', () => {
      for (const sentinel of this.#listSentinels())
        sentinel.on('error', (error: Error) => this.emit('sentinelError', error));
    });
    this.on('end', () => {
      for (const sentinel of this.#listSentinels()) sentinel.disconnect();
    });
  }

  /**
   * Connections on which ioredis hears of failovers. What fails on them it would write to the
   * console; here it is an event of ours (`sentinelError`), as when a sentinel is asked. They end
   * with ours, even when that was ended before it was made.
   */
  #listSentinels(): readonly Redis[] {
    const { failoverDetector } = Reflect.get(this, 'connector') as {
      readonly failoverDetector?: {
        readonly sentinels: readonly { readonly client: Redis }[];
      } | null;
    };
    return (failoverDetector?.sentinels ?? []).map(({ client }) => client);
  }

  override disconnect(reconnect = false): void {
    const isWaiting = this.status === 'reconnecting';
    super.disconnect(reconnect);
    if (isWaiting && !reconnect) endWaiting(this);
  }

  /** How BullMQ makes the connections of its consumers out of ours. */
  override duplicate(override: Partial<RedisOptions> = {}): TimedRedis {
    return new TimedRedis({ ...this.options, ...override, socketTimeout: SILENCE_OF_CONSUMER_MS });
  }
}

/** For connections that ioredis makes by itself. */
export function endSilenceWithConnection(redis: Redis): void {
  redis.on('close', () => {
    clearTimeout(Reflect.get(redis, 'socketTimeoutTimer') as NodeJS.Timeout | undefined);
    Reflect.set(redis, 'socketTimeoutTimer', undefined);
  });
}

/**
 * A failover that ioredis 5.11 hears of ends the stream, so that another is made. While one is
 * being made already, that was the end of the connection for good: it looks for a word of the
 * sentinels, sees that it is not connecting any more, and gives up. Only whoever ends the
 * connection ends its connecting.
 */
function goOnConnecting(redis: Redis): void {
  const connector = Reflect.get(redis, 'connector') as { connecting: boolean; disconnect(): void };
  const disconnect = connector.disconnect.bind(connector);
  connector.disconnect = () => {
    disconnect();
    const isEnding = Reflect.get(redis, 'manuallyClosing') === true;
    if (redis.status === 'connecting' && !isEnding) connector.connecting = true;
  };
}

/**
 * What was asked of a connection that was lost is kept to be asked again. When a connection comes
 * to nothing after that, and it is ended, ioredis 5.11 would never answer it, and whoever stops
 * would wait for it.
 */
function failInterrupted(redis: Redis): void {
  const interrupted = Reflect.get(redis, 'prevCommandQueue') as
    | { shift(): { readonly command: { reject(error: Error): void } } | undefined }
    | null
    | undefined;
  for (let item = interrupted?.shift(); item !== undefined; item = interrupted?.shift()) {
    item.command.reject(new Error('Connection is closed.'));
  }
}

/**
 * One that is ended while it waits to connect again has ended: ioredis 5.11 would neither say so
 * nor answer its commands, and BullMQ's consumers, which wait for both, would never close.
 */
export function endWaiting(connection: Redis | Cluster): void {
  const call = (name: 'flushQueue' | 'setStatus', argument: unknown) =>
    (Reflect.get(connection, name) as (this: Redis | Cluster, argument: unknown) => void).call(
      connection,
      argument,
    );
  Reflect.set(connection, 'manuallyClosing', false);
  call('flushQueue', new Error('Connection is closed.'));
  call('setStatus', 'end');
}
