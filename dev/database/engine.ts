/**
 * What the ways of having a database server have in common: what one of them can do, and how it is
 * set and asked.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createConnection } from 'mysql2/promise';
import type { OnProgress } from '../binaries.ts';
import type { ServerEngine } from '../launchServer.ts';

export type DatabaseKind = 'mariadb' | 'mysql';

/** Says where the data is: in `data-<flavour>/`, or in a volume of the Docker engine (MySQL). */
export type DatabaseFlavour = DatabaseKind | 'docker';

export interface DatabaseEngine extends ServerEngine {
  readonly flavour: DatabaseFlavour;
}

/** Of a server, in one folder that it may read. */
export interface ServerTlsFiles {
  ca: string;
  cert: string;
  key: string;
}

export interface EngineContext {
  dataDir: string;
  logPath: string;
  password: string;
  onProgress: OnProgress;
  tls: ServerTlsFiles | undefined;
  /** Its data need not survive the death of the machine. */
  isDisposable: boolean;
}

export function tlsOptions(tls: ServerTlsFiles | undefined): string[] {
  return tls === undefined
    ? []
    : [`--ssl-ca=${tls.ca}`, `--ssl-cert=${tls.cert}`, `--ssl-key=${tls.key}`];
}

/**
 * @param isDisposable what is written goes to the operating system as ever, which is not asked to
 *   put it on the disk: it survives the death of the server, though not that of the machine
 */
export function durabilityOptions(isDisposable: boolean): string[] {
  return isDisposable ? ['--innodb-flush-method=nosync'] : [];
}

/**
 * Options that MariaDB and MySQL share. `sql-mode` is MySQL's default, so that what passes on one
 * passes on the other.
 */
export const COMMON_SERVER_OPTIONS = [
  '--character-set-server=utf8mb4',
  '--collation-server=utf8mb4_unicode_ci',
  '--transaction-isolation=READ-COMMITTED',
  '--default-time-zone=+00:00',
  '--sql-mode=ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
  '--max-connections=300',
  '--innodb-buffer-pool-size=256M',
  '--innodb-flush-log-at-trx-commit=1',
  '--skip-name-resolve',
];

/** One statement as root, on a connection of its own. */
export async function executeAsRoot(port: number, password: string, sql: string): Promise<void> {
  const connection = await createConnection({
    host: '127.0.0.1',
    port,
    user: 'root',
    password,
    connectTimeout: 5000,
  });
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}

export async function canConnect(port: number, password: string): Promise<boolean> {
  await executeAsRoot(port, password, 'SELECT 1');
  return true;
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

export function makeDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
