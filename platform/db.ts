import { connect, isIP, type Socket } from 'node:net';
import knexModule, { type Knex } from 'knex';

import { createAddressLimits } from './createAddressLimits.ts';
import { parseDatabaseUrl } from './databaseUrl.ts';
import {
  dropReadOnlyConnections,
  READ_ONLY_ERRNOS,
  type WatchedConnection,
} from './dropReadOnlyConnections.ts';
import { errnoOf } from './errnoOf.ts';
import type { Logger } from './logger.ts';

export type Database = Knex;
export type Transaction = Knex.Transaction;

/**
 * Deadlock; MariaDB's "record has changed since last read"; and what MySQL's group replication says
 * at a commit that another member's came before: the transaction is rolled back, and may simply be
 * tried again.
 */
const RETRYABLE_ERRNOS = new Set([1213, 1020, 3101]);
const LOCK_WAIT_TIMEOUT_ERRNO = 1205;
const DUPLICATE_ERRNO = 1062;
const TRANSACTION_TRIES = 6;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * wait_timeout: a process that is stopped or cut off in the middle of a transaction keeps its locks
 * until the server hangs up, by default after hours. Longer than the pool keeps a connection that
 * nobody uses.
 */
const SESSION_SETTINGS = `SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = 8, wait_timeout = 60,
  sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'`;

/** What knex hands to afterCreate. */
interface RawConnection extends WatchedConnection {
  query(sql: string, done: (error: Error | null) => void): void;
}

/**
 * @param url as in DATABASE_URL
 * @param poolSize the most connections this process opens
 * @throws ConfigError when the URL is not right
 */
export function createDatabase(url: string, poolSize: number, log?: Logger): Database {
  return knexModule(knexConfig(url, poolSize, log));
}

/**
 * How this project connects, and what it sets on every connection: for createDatabase, and for
 * knex's own command line (knexfile.ts).
 */
export function knexConfig(url: string, poolSize: number, log?: Logger): Knex.Config {
  const watch = dropReadOnlyConnections();
  return {
    client: 'mysql2',
    connection: {
      ...connectionOptions(url),
      timezone: 'Z',
      charset: 'utf8mb4',
      supportBigNumbers: true,
      // DECIMAL and BIGINT arrive as strings: a JavaScript number would round them.
      bigNumberStrings: true,
      decimalNumbers: false,
      connectTimeout: CONNECT_TIMEOUT_MS,
    },
    pool: {
      min: 0,
      max: poolSize,
      acquireTimeoutMillis: 10_000,
      idleTimeoutMillis: 30_000,
      afterCreate: (connection: RawConnection, done: (error: Error | null) => void) => {
        watch(connection);
        // Two statements: the isolation level's variable has another name in either database, and
        // cannot be set beside others by this syntax.
        connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', (error) => {
          if (error) done(error);
          else connection.query(SESSION_SETTINGS, done);
        });
      },
    },
    // An error's message would hold the statement with its values: customers' addresses,
    // signatures, sealed secrets.
    compileSqlOnError: false,
    // Knex would write to the console by itself, past redaction. Every failure reaches its caller
    // too.
    ...(log === undefined ? {} : { log: toKnexLogger(log) }),
  };
}

/** Where the server is, and who asks it, in mysql2's words. */
export function connectionOptions(url: string) {
  const { host, port, user, password, database, tls } = parseDatabaseUrl(url);
  const addressOptions = createAddressLimits(CONNECT_TIMEOUT_MS);
  // What mysql2 compares the certificate with. Of an address it would compare "localhost"; Node
  // takes the dot at the end away, and compares the address.
  const named = tls?.serverName ?? host;
  return {
    host: isIP(named) === 0 || tls === undefined ? named : `${named}.`,
    port,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    // The host that is connected to may have another name than its certificate.
    stream: (): Socket =>
      connect({
        host,
        port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 10_000,
        ...addressOptions(host),
      }),
    ...(tls === undefined
      ? {}
      : {
          ssl: {
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
            rejectUnauthorized: tls.verify !== 'nothing',
            verifyIdentity: tls.verify === 'identity',
          },
        }),
  };
}

function toKnexLogger(log: Logger): Knex.Logger {
  const write = (level: 'debug' | 'warn') => (message: unknown) =>
    log[level]({ knex: String(message) }, 'database');
  return {
    debug: write('debug'),
    warn: write('warn'),
    error: write('warn'),
    deprecate: write('debug'),
  };
}

/**
 * Runs `work` in one READ COMMITTED transaction, and again when the database asks for it. `work`
 * may therefore run several times: everything it does must be in the transaction.
 */
export function inTransaction<T>(db: Database, work: (trx: Transaction) => Promise<T>): Promise<T> {
  return withRetries(() => db.transaction(work));
}

/**
 * For a single statement outside of any transaction, or a whole transaction: runs it again after a
 * deadlock and the like.
 */
export async function withRetries<T>(work: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (error) {
      if (tried >= triesFor(error)) throw error;
      // A little disorder, or the same two would meet again.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * 2 ** tried));
    }
  }
}

/**
 * A lock wait has already taken its full time: once more is enough, or a caller would wait for a
 * minute. What a read-only server refused is tried once more on another connection, which may lead
 * to another server.
 */
function triesFor(error: unknown): number {
  const errno = errnoOf(error);
  if (errno === undefined) return 1;
  if (errno === LOCK_WAIT_TIMEOUT_ERRNO || READ_ONLY_ERRNOS.has(errno)) return 2;
  return RETRYABLE_ERRNOS.has(errno) ? TRANSACTION_TRIES : 1;
}

export function isDuplicateKey(error: unknown): boolean {
  return errnoOf(error) === DUPLICATE_ERRNO;
}

/** SELECT through knex.raw, with the rows typed by the caller, who parses them. */
export async function selectRows<Row>(
  db: Database | Transaction,
  sql: string,
  bindings: readonly Knex.RawBinding[] = [],
): Promise<Row[]> {
  const [rows] = (await db.raw(sql, bindings)) as [Row[], unknown];
  return rows;
}

/** INSERT, UPDATE or DELETE through knex.raw. @returns how many rows it matched */
export async function execute(
  db: Database | Transaction,
  sql: string,
  bindings: readonly Knex.RawBinding[] = [],
): Promise<number> {
  const [result] = (await db.raw(sql, bindings)) as [{ affectedRows: number }, unknown];
  return result.affectedRows;
}

/** JSON columns arrive as text from MariaDB and parsed from MySQL. */
export function parseJsonColumn(value: unknown): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value;
}

/** For `IN (…)` and `VALUES (…)`. */
export function placeholders(values: readonly unknown[]): string {
  return values.map(() => '?').join(', ');
}
