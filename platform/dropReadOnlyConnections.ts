import { errnoOf } from './errnoOf.ts';

/**
 * The server that we are connected to does not write, or not any more: after a failover it is the
 * former primary, while the address leads to another one. 1290: it runs read-only (also Aurora's
 * former writer). 1792: the transaction is read-only. 1836 (MySQL): it is in read-only mode. 1047:
 * a node of a Galera cluster that is outside of the primary component, which does not read either.
 */
export const READ_ONLY_ERRNOS: ReadonlySet<number> = new Set([1290, 1792, 1836, 1047]);

/**
 * A server that is read-only on purpose would otherwise have all connections made anew with every
 * statement.
 */
const ALL_AT_MOST_EVERY_MS = 100;

/**
 * What of mysql2's connection is needed here. Knex gives no connection out again that has emitted
 * `error`.
 */
export interface WatchedConnection {
  query(...args: unknown[]): unknown;
  emit(event: 'error', error: Error): boolean;
  listenerCount(event: 'error'): number;
  readonly stream: { once(event: 'close', listener: () => void): unknown };
}

/**
 * Watches the connections of one pool: when a statement finds that the server does not write, none
 * of the pool's connections is used again, so that the next try reaches whatever the address leads
 * to by then. A live connection to a former primary would never end by itself.
 *
 * @returns for a new connection of the pool, starts watching it
 */
export function dropReadOnlyConnections(): (connection: WatchedConnection) => void {
  const open = new Set<WatchedConnection>();
  let droppedAt = -Infinity;

  /**
   * Nobody listens on a connection that Knex is ending already; then the event would be thrown, and
   * end the process.
   */
  function spoil(connection: WatchedConnection, error: Error): void {
    if (connection.listenerCount('error') > 0) connection.emit('error', error);
  }

  function drop(found: WatchedConnection, error: Error): void {
    spoil(found, error);
    if (performance.now() - droppedAt < ALL_AT_MOST_EVERY_MS) return;
    droppedAt = performance.now();
    for (const connection of open) spoil(connection, error);
    open.clear();
  }

  return (connection) => {
    open.add(connection);
    // Not the connection's own event: Knex takes its listeners away before it ends one.
    connection.stream.once('close', () => void open.delete(connection));
    const query = connection.query.bind(connection);
    connection.query = (...args) => {
      const done: unknown = args.at(-1);
      if (typeof done === 'function') {
        args[args.length - 1] = (error: Error | null, ...rest: unknown[]) => {
          const errno = errnoOf(error);
          if (error !== null && errno !== undefined && READ_ONLY_ERRNOS.has(errno))
            drop(connection, error);
          (done as (...given: unknown[]) => void)(error, ...rest);
        };
      }
      return query(...args);
    };
  };
}
