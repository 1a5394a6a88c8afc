import { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';

import { isBytes32, type Bytes32 } from '../shared/hex.ts';
import type { Logger } from './logger.ts';

/**
 * Hints between processes over Redis pub/sub: "there is outbox work", "this payment changed". They only make things quicker: whoever listens
 * also looks at the database from time to time, so a lost hint costs a moment and nothing else.
 */
export interface Signals {
  outboxFilled(): void;
  paymentChanged(paymentId: Bytes32): void;
  onOutboxFilled(listener: () => void): () => void;
  onPaymentChanged(listener: (paymentId: Bytes32) => void): () => void;
  close(): Promise<void>;
}

/** Hints of this span travel together. */
const COALESCE_MS = 5;
const OUTBOX_HINT = 'outbox';

/**
 * @param subscribe opens the listening connection, on the first listener only
 */
export function createSignals(options: { redis: Redis; subscribe: () => Redis; prefix: string; log: Logger }): Signals {
  const { redis, log } = options;
  const channel = `${options.prefix}:signals`;
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  let waiting = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let subscriber: Redis | undefined;

  function publish(hint: string): void {
    waiting.add(hint);
    timer ??= setTimeout(flush, COALESCE_MS);
  }

  function flush(): void {
    timer = undefined;
    const hints = [...waiting];
    waiting = new Set();
    redis.publish(channel, hints.join(' ')).catch((error: unknown) => log.debug({ err: error }, 'a hint was not published'));
  }

  function listen(): void {
    if (subscriber !== undefined) return;
    subscriber = options.subscribe();
    subscriber.on('error', (error: Error) => log.debug({ err: error }, 'the connection for hints failed'));
    subscriber.on('message', (_channel: string, message: string) => {
      for (const hint of message.split(' ')) {
        if (hint === OUTBOX_HINT) emitter.emit('outbox');
        else if (isBytes32(hint)) emitter.emit('payment', hint);
      }
    });
    subscriber.subscribe(channel).catch((error: unknown) => log.warn({ err: error }, 'could not subscribe to hints'));
  }

  function on(name: 'outbox' | 'payment', listener: (paymentId: Bytes32) => void): () => void {
    listen();
    emitter.on(name, listener);
    return () => emitter.off(name, listener);
  }

  return {
    outboxFilled: () => publish(OUTBOX_HINT),
    paymentChanged: (paymentId) => publish(paymentId),
    onOutboxFilled: (listener) => on('outbox', () => listener()),
    onPaymentChanged: (listener) => on('payment', listener),
    async close() {
      clearTimeout(timer);
      subscriber?.disconnect();
      await Promise.resolve();
    },
  };
}
