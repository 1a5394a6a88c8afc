import { AppError } from '../shared/errors.ts';
import { READ_ONLY_ERRNOS } from './dropReadOnlyConnections.ts';
import { errnoOf } from './errnoOf.ts';

/**
 * What the client or the pool of mysql2 and Knex say when the server is gone, restarting or full.
 */
const AWAY_CODES = new Set([
  'PROTOCOL_CONNECTION_LOST',
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
/**
 * The server is there and does not let us work for the moment. 1040, 1203, 1226: too many
 * connections, of all or of our user. 1053: it is shutting down; 3032: it is offline. 1317: an
 * operator ended the statement; 1927 (MariaDB), 3169 (MySQL): the connection. 4031 (MySQL): it had
 * hung up on a connection that was silent for too long. 9001 (ProxySQL): no server is behind it
 * now. READ_ONLY_ERRNOS: it does not write, as during a failover. 1205, 1213, 1020, 3101: so busy
 * that every retry met another lock, or another transaction of a replicated group.
 */
const AWAY_ERRNOS = new Set([
  1040,
  1203,
  1226,
  1053,
  3032,
  1317,
  1927,
  3169,
  4031,
  9001,
  ...READ_ONLY_ERRNOS,
  1205,
  1213,
  1020,
  3101,
]);

/**
 * Whether a statement or transaction failed since the database does not answer, or is too busy,
 * rather than for what was asked of it.
 */
export function isDatabaseAway(error: unknown): boolean {
  // Thrown on purpose, it says itself what it means.
  if (error instanceof AppError) return false;
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const errno = errnoOf(current);
    if (errno !== undefined) return AWAY_ERRNOS.has(errno);
    if ('code' in current && typeof current.code === 'string' && AWAY_CODES.has(current.code))
      return true;
    // The pool had no connection to give in time; and mysql2's error for a connection that is
    // closing has no code, only this mark.
    if (current.name === 'KnexTimeoutError' || ('fatal' in current && current.fatal === true))
      return true;
  }
  return false;
}
