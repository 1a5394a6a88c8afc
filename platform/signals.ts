import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { isBytes32 } from '../shared/hex.ts';
import type { Logger } from './logger.ts';
import type { RedisConnection } from './redis.ts';

/** What changed: one of those that a topic is about, such as one `payment`. */
export interface Change {
  /** A word: letters alone. */
  readonly topic: string;
  /** Without spaces. */
  readonly id: string;
}

/**
 * Hints between processes over Redis pub/sub: "there is outbox work", "these payments changed".
 * They make things quicker, and whoever listens also looks at the database from time to time.
 *
 * What a process remembers of a subject must not outlive a change that somebody was told of. So
 * changes are counted in Redis, by the script that publishes them: who wants to answer from memory
 * asks whether it has heard of all that were counted (`isUpToDate`). Where Redis does not answer,
 * the one side does not answer from memory, and the other waits for as long as anything may be
 * remembered (`REMEMBERED_MS`) before it tells of the change.
 */
export interface Signals {
  outboxFilled(): void;
  /**
   * After the commit. Once it is over, nobody answers with what was before: tell of the change
   * then. Never fails.
   */
  changed(changes: Iterable<Change>): Promise<void>;
  /**
   * Makes this process alone forget a subject: it has read that it changed, and nobody may have
   * told of it.
   */
  forget(change: Change): void;
  /**
   * Whether every change that was told before this call is known here. Never fails; asked together
   * by all who ask in one turn of the event loop.
   */
  isUpToDate(): Promise<boolean>;
  onOutboxFilled(listener: () => void): () => void;
  /**
   * @param listener is told the id of each that changed, and `all` when hints were lost: any of the
   *   topic may have changed
   */
  onChanged(topic: string, listener: (id: string) => void): () => void;
  /**
   * Does what publishing needs without telling anybody anything: for readiness. @throws what Redis
   * says
   */
  tryPublishing(): Promise<void>;
  close(): Promise<void>;
}

/** How long, from the reading on, a process may remember what it read of a subject. */
export const REMEMBERED_MS = 2_000;

/** Outbox hints of this span travel together. */
const COALESCE_MS = 5;
const OUTBOX_HINT = 'outbox';
/**
 * A payment's hint is its id alone, as processes of earlier versions read and write it; they pass
 * over those of other topics.
 */
const BARE_TOPIC = 'payment';
/**
 * A change that was counted a moment ago arrives within this time, on another connection; otherwise
 * it was lost.
 */
const ARRIVES_WITHIN_MS = 20;
/** Redis is waited for so long, and then left alone for a moment. */
const ANSWER_TIMEOUT_MS = 250;
const LEFT_ALONE_MS = 1_000;
/**
 * A listener says nothing by itself: asked this often, it finds out that the other side does not
 * answer any more.
 */
const PING_MS = 5_000;

/**
 * KEYS[1] how many changes there were; ARGV[1] the channel, ARGV[2] how many come now, ARGV[3] the
 * hints. The count begins with the time in microseconds, so that one that was lost with Redis's
 * data does not come to the same number again.
 */
const PUBLISH_SCRIPT = `
if redis.call('EXISTS', KEYS[1]) == 0 then
  local now = redis.call('TIME')
  redis.call('SET', KEYS[1], now[1] .. string.format('%06d', now[2]))
end
redis.call('INCRBY', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[1], redis.call('GET', KEYS[1]) .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])`;

/**
 * @param subscribe opens the listening connection, on the first listener only
 */
export function createSignals(options: {
  redis: RedisConnection;
  subscribe: () => RedisConnection;
  prefix: string;
  log: Logger;
}): Signals {
  const { redis, log } = options;
  const channel = `${options.prefix}:signals`;
  const counter = `${options.prefix}:changes`;
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  let changed = new Set<string>();
  let isOutboxFilled = false;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<boolean> | undefined;
  let subscriber: RedisConnection | undefined;
  let pinging: NodeJS.Timeout | undefined;
  /**
   * Of the changes that were counted, so many are known here; undefined before the first that is.
   */
  let heard: number | undefined;
  let checking: Promise<boolean> | undefined;
  let leftAloneUntil = 0;
  let isRefused = false;

  /** @returns whether it was told */
  async function flush(): Promise<boolean> {
    clearTimeout(timer);
    timer = undefined;
    const count = changed.size;
    const hints = [...(isOutboxFilled ? [OUTBOX_HINT] : []), ...changed];
    changed = new Set();
    isOutboxFilled = false;
    try {
      await within(REMEMBERED_MS, publish(count, hints));
      if (isRefused) log.info('Redis takes hints again');
      isRefused = false;
      return true;
    } catch (error) {
      // Redis is there, so nothing else tells of it: each change takes two seconds from now on.
      const isNews = !isRefused && isRefusal(error);
      if (isNews) isRefused = true;
      log[isNews ? 'warn' : 'debug'](
        { err: error },
        isNews ? 'Redis refuses hints: every change takes longer' : 'a hint was not published',
      );
      return false;
    }
  }

  async function publish(count: number, hints: readonly string[]): Promise<void> {
    await redis.eval(PUBLISH_SCRIPT, 1, counter, channel, count, hints.join(' '));
  }

  /** Those who change something in one turn of the event loop tell it together. */
  function flushSoon(): Promise<boolean> {
    flushing ??= new Promise((resolve) => {
      setImmediate(() => {
        flushing = undefined;
        resolve(flush());
      });
    });
    return flushing;
  }

  function listen(): void {
    if (subscriber !== undefined) return;
    subscriber = options.subscribe();
    subscriber.on('error', (error: Error) =>
      log.debug({ err: error }, 'the connection for hints failed'),
    );
    // Redis may be another one afterwards, whose count comes to the same number without the changes
    // that were heard of before.
    subscriber.on('close', forget);
    const ping = () =>
      subscriber
        ?.ping()
        .catch((error: unknown) => log.debug({ err: error }, 'the connection for hints is silent'));
    pinging = setInterval(() => void ping(), PING_MS).unref();
    subscriber.on('message', (_channel: string, message: string) => {
      const [last, count, ...hints] = message.split(' ');
      hear(Number(last), Number(count));
      for (const hint of hints) {
        if (hint === OUTBOX_HINT) emitter.emit('outbox');
        else emitChange(fromHint(hint));
      }
      emitter.emit('heard');
    });
    subscriber
      .subscribe(channel)
      .catch((error: unknown) => log.warn({ err: error }, 'could not subscribe to hints'));
  }

  function emitChange(change: Change | undefined): void {
    if (change !== undefined) emitter.emit(nameOf(change.topic), change.id);
  }

  function forget(): void {
    heard = undefined;
    emitter.emit('lost');
  }

  function hear(last: number, count: number): void {
    // Redis may have lost its count, or we a message: then what changed meanwhile is not known.
    if (heard !== last - count) emitter.emit('lost');
    heard = last;
  }

  async function check(): Promise<boolean> {
    if (performance.now() < leftAloneUntil) return false;
    const before = heard;
    try {
      const counted = Number((await within(ANSWER_TIMEOUT_MS, redis.get(counter))) ?? 0);
      // A count that is lower than what was heard before is one that Redis has lost and begun anew.
      const isKnown = before !== undefined && before <= counted;
      if (isKnown && ((heard ?? 0) >= counted || (await hearsOf(counted)))) return true;
      heard = counted;
      emitter.emit('lost');
      return false;
    } catch (error) {
      leftAloneUntil = performance.now() + LEFT_ALONE_MS;
      log.debug({ err: error }, 'it is not known what changed');
      return false;
    }
  }

  async function hearsOf(counted: number): Promise<boolean> {
    const isHeard = () => heard !== undefined && heard >= counted;
    const waiting = new AbortController();
    await new Promise<void>((resolve) => {
      // After a stall of this process timers come before what has arrived: read that first.
      const end = setTimeout(() => setImmediate(resolve), ARRIVES_WITHIN_MS);
      const listener = () => {
        if (!isHeard()) return;
        clearTimeout(end);
        resolve();
      };
      emitter.on('heard', listener);
      waiting.signal.addEventListener('abort', () => emitter.off('heard', listener));
    });
    waiting.abort();
    return isHeard();
  }

  function on(name: string, listener: (id: string) => void): () => void {
    listen();
    emitter.on(name, listener);
    return () => emitter.off(name, listener);
  }

  return {
    outboxFilled() {
      isOutboxFilled = true;
      timer ??= setTimeout(() => void flushSoon(), COALESCE_MS);
    },
    async changed(changes) {
      const changedAt = performance.now();
      for (const change of changes) {
        emitChange(change);
        changed.add(toHint(change));
      }
      if (!(await flushSoon())) await sleep(REMEMBERED_MS - (performance.now() - changedAt));
    },
    forget: emitChange,
    isUpToDate() {
      listen();
      checking ??= new Promise((resolve) => {
        // Asked after all who came in this turn: what was told before they came is counted by then.
        setImmediate(() => {
          checking = undefined;
          resolve(check());
        });
      });
      return checking;
    },
    onOutboxFilled: (listener) => on('outbox', () => listener()),
    onChanged(topic, listener) {
      const endChanges = on(nameOf(topic), listener);
      const endLosses = on('lost', () => listener('all'));
      return () => {
        endChanges();
        endLosses();
      };
    },
    tryPublishing: () => publish(0, []),
    async close() {
      clearTimeout(timer);
      clearInterval(pinging);
      subscriber?.disconnect();
      await Promise.resolve();
    },
  };
}

/** Of the emitter's event, which no other has. */
function nameOf(topic: string): string {
  return `changed ${topic}`;
}

function toHint({ topic, id }: Change): string {
  return topic === BARE_TOPIC ? id : `${topic}:${id}`;
}

/** @returns undefined: it says nothing that this version knows */
function fromHint(hint: string): Change | undefined {
  if (isBytes32(hint)) return { topic: BARE_TOPIC, id: hint };
  const [, topic, id] = /^([a-zA-Z]+):(.+)$/.exec(hint) ?? [];
  return topic === undefined || id === undefined ? undefined : { topic, id };
}

/** An answer of Redis's own, such as that the user has no rights to a channel. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => {
        // After a stall of this process timers come before what has arrived: read that first.
        timer = setTimeout(
          () => setImmediate(() => reject(new Error(`no answer within ${ms} ms`))),
          ms,
        );
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
