import type { Context } from './context.ts';
import { execute, withRetries } from './db.ts';

/**
 * What has to work of the database and of Redis is writing: for the readiness of every kind of
 * process.
 */

/** Of these one is written, so that processes that try at once do not wait for each other. */
const READINESS_ROWS = 16;
const REDIS_KEPT_SECONDS = 60;

/** A former primary still answers. @throws what the database says */
export async function tryDatabaseWrite(ctx: Context): Promise<void> {
  const id = Math.floor(ctx.random() * READINESS_ROWS);
  await withRetries(() =>
    execute(
      ctx.db,
      'INSERT INTO readiness_writes (id, written_at) VALUES (?, UTC_TIMESTAMP(3)) ON DUPLICATE KEY UPDATE written_at = VALUES(written_at)',
      [id],
    ),
  );
}

/**
 * Nor does a replica that answers, or one whose memory is full, take jobs; and a user of Redis may
 * have the rights to all keys and to no channel. @throws what Redis says
 */
export async function tryRedisWrite(ctx: Context): Promise<void> {
  await Promise.all([
    ctx.redis.set(`${ctx.config.queuePrefix}:readiness`, '1', 'EX', REDIS_KEPT_SECONDS),
    ctx.signals.tryPublishing(),
  ]);
}
