/**
 * A private database server for development and tests: MariaDB or MySQL from the machine, else MySQL in Docker, else MariaDB by apt.
 *
 * Durable like a real one (an acknowledged commit survives kill -9), and reached over TCP on the loopback with a password of its own.
 * Under `dataDir`: `state.json` (which server made the data, and the password), `data-<flavour>/`, and the pid and socket files.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createConnection } from 'mysql2/promise';
import type { Connection } from 'mysql2/promise';
import { aptInstall, ensureDockerImage, findBinary, isAptAvailable, isDockerAvailable, removeDockerContainer } from './binaries.ts';
import type { OnProgress } from './binaries.ts';
import { claimDirectory, reapRecordedProcess, runCommand, startProcess } from './childProcess.ts';
import type { ManagedProcess } from './childProcess.ts';
import { findFreePort } from './freePort.ts';

export interface StartDatabaseOptions {
  dataDir: string;
  logPath: string;
  onProgress?: OnProgress;
  /** Used when it is free. */
  preferredPort?: number;
}

export interface Database {
  /** mysql://root:<password>@127.0.0.1:<port>, no database chosen. The same after a restart. */
  readonly url: string;
  readonly port: number;
  readonly flavour: DatabaseFlavour;
  /** Of the server that runs now; another one after a restart. With Docker, that of the client that is attached to it. */
  readonly pid: number;
  /** Creates it unless it is there. Returns its url. */
  createDatabase(name: string): Promise<string>;
  dropDatabase(name: string): Promise<void>;
  /** Ends the server at once, as a crash would. `restart()` brings it back. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export type DatabaseFlavour = 'mariadb' | 'mysql' | 'docker';

interface DatabaseEngine {
  flavour: DatabaseFlavour;
  description: string;
  /** Ends what an earlier run may have left, and makes the data folder if there is none. */
  prepare(): Promise<void>;
  launch(port: number): Promise<ManagedProcess>;
}

interface EngineContext {
  dataDir: string;
  logPath: string;
  password: string;
  onProgress: OnProgress;
}

/** The oldest with SKIP LOCKED, which the product needs. */
const oldestVersion = { mariadb: [10, 6], mysql: [8, 0] } as const;

const dockerImage = 'mysql:8.4';

const aptAlternatives = [['mariadb-server-core'], ['mariadb-server-core-10.6'], ['mysql-server-core-8.0']];

const howToInstall =
  'No database server found. Install MariaDB 10.6 or newer (Debian, Ubuntu: apt-get install mariadb-server-core; macOS: brew install mariadb) ' +
  'or MySQL 8, or start the Docker engine, or give the address of a server you have in DATABASE_URL.';

/** Options that MariaDB and MySQL share. `sql-mode` is MySQL 8's default, so that what passes on one passes on the other. */
const commonServerOptions = [
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

/**
 * @throws DirectoryInUseError when a live process owns `dataDir`
 * @throws Error saying what to install when there is no way to get a database server
 */
export async function startDatabase(options: StartDatabaseOptions): Promise<Database> {
  const onProgress = options.onProgress ?? (() => undefined);
  const dataDir = resolve(options.dataDir);
  const claim = claimDirectory(dataDir);
  try {
    const state = readState(dataDir);
    const context: EngineContext = { dataDir, logPath: resolve(options.logPath), password: state.password, onProgress };
    const { engine, port, server } = await startFirstPossible(context, state.flavour, options.preferredPort);
    writeState(dataDir, { ...state, flavour: engine.flavour });
    onProgress(`${engine.description} listens on 127.0.0.1:${port}`);
    return createHandle({ engine, port, server, password: state.password, onProgress, release: claim.release });
  } catch (error) {
    claim.release();
    throw error;
  }
}

interface RunningEngine {
  engine: DatabaseEngine;
  port: number;
  server: ManagedProcess;
}

async function startFirstPossible(
  context: EngineContext,
  earlierFlavour: DatabaseFlavour | undefined,
  preferredPort: number | undefined,
): Promise<RunningEngine> {
  const failures: string[] = [];
  const attempt = async (engine: DatabaseEngine): Promise<RunningEngine | undefined> => {
    try {
      await engine.prepare();
      return { engine, ...(await launchOnFreePort(engine, preferredPort)) };
    } catch (error) {
      // Data that this very server made before and now cannot open is not to be passed over in silence for an empty database.
      if (engine.flavour === earlierFlavour) throw error;
      failures.push(`${engine.description}: ${error instanceof Error ? error.message : String(error)}`);
      context.onProgress(`${engine.description} does not start here, looking for another way`);
      return undefined;
    }
  };
  const findDocker = async (): Promise<DatabaseEngine[]> => ((await isDockerAvailable()) ? [createDockerEngine(context)] : []);
  const installByApt = async (): Promise<DatabaseEngine[]> => {
    if (!isAptAvailable()) return [];
    await aptInstall({ alternatives: aptAlternatives, logPath: `${context.logPath}.apt`, onProgress: context.onProgress });
    return findNativeEngines(context);
  };
  const findNative = (): Promise<DatabaseEngine[]> => findNativeEngines(context);
  // Data made in Docker stays in use even if a server was installed on the machine since.
  const sources = earlierFlavour === 'docker' ? [findDocker, findNative, installByApt] : [findNative, findDocker, installByApt];
  for (const findEngines of sources) {
    let engines: DatabaseEngine[] = [];
    try {
      engines = await findEngines();
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
    for (const engine of engines) {
      const running = await attempt(engine);
      if (running !== undefined) return running;
    }
  }
  throw new Error([howToInstall, ...failures].join('\n'));
}

async function launchOnFreePort(
  engine: DatabaseEngine,
  preferredPort: number | undefined,
): Promise<{ port: number; server: ManagedProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await findFreePort(attempt === 1 ? preferredPort : undefined);
    try {
      return { port, server: await engine.launch(port) };
    } catch (error) {
      // Somebody took the port between our look and the server's bind.
      const isPortTaken = error instanceof Error && /address already in use|port is already allocated/i.test(error.message);
      if (!isPortTaken || attempt === 3) throw error;
    }
  }
}

function createHandle(parts: RunningEngine & { password: string; onProgress: OnProgress; release: () => void }): Database {
  const { engine, port, password, onProgress, release } = parts;
  const url = `mysql://root:${password}@127.0.0.1:${port}`;
  let server = parts.server;
  let isEndExpected = false;
  const watch = (watched: ManagedProcess): void => {
    void watched.exited.then(() => {
      if (!isEndExpected) onProgress(`The database ended unexpectedly. The end of its log:\n${watched.logTail().slice(-2000)}`);
    });
  };
  watch(server);
  const end = async (how: () => Promise<unknown>): Promise<void> => {
    isEndExpected = true;
    await how();
  };
  return {
    url,
    port,
    flavour: engine.flavour,
    get pid() {
      return server.pid;
    },
    async createDatabase(name) {
      await execute(port, password, `CREATE DATABASE IF NOT EXISTS ${quoteName(name)} CHARACTER SET utf8mb4`);
      return `${url}/${name}`;
    },
    dropDatabase: (name) => execute(port, password, `DROP DATABASE IF EXISTS ${quoteName(name)}`),
    kill: (signal = 'SIGKILL') => end(() => server.kill(signal)),
    async restart() {
      await end(() => server.stop());
      await engine.prepare();
      server = await engine.launch(port);
      isEndExpected = false;
      watch(server);
    },
    async close() {
      await end(() => server.stop());
      release();
    },
  };
}

// ---- Servers from the machine -----------------------------------------------------------------------------------------------------

async function findNativeEngines(context: EngineContext): Promise<DatabaseEngine[]> {
  const engines: DatabaseEngine[] = [];
  for (const name of ['mariadbd', 'mysqld']) {
    const binary = findBinary(name);
    if (binary === undefined) continue;
    // MariaDB installs a mysqld too: ask the program what it is.
    const { output } = await runCommand(binary, ['--no-defaults', '--version'], { timeoutMs: 10_000 });
    const flavour = output.includes('MariaDB') ? 'mariadb' : 'mysql';
    const [, major, minor] = /Ver (\d+)\.(\d+)/.exec(output) ?? [];
    const [oldestMajor, oldestMinor] = oldestVersion[flavour];
    if (Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor)) {
      context.onProgress(`${binary} is too old (${output.trim()})`);
      continue;
    }
    if (engines.some((engine) => engine.flavour === flavour)) continue;
    engines.push(createNativeEngine(context, flavour, binary));
  }
  return engines;
}

function createNativeEngine(context: EngineContext, flavour: 'mariadb' | 'mysql', binary: string): DatabaseEngine {
  const { dataDir, logPath, password, onProgress } = context;
  const tables = join(dataDir, `data-${flavour}`);
  const pidPath = join(dataDir, 'process.json');
  const initFile = join(dataDir, 'init.sql');
  const userOption = process.getuid?.() === 0 ? ['--user=root'] : [];
  const name = flavour === 'mariadb' ? 'MariaDB' : 'MySQL';
  return {
    flavour,
    description: `${name} (${binary})`,
    async prepare() {
      const reaped = await reapRecordedProcess(pidPath, `--datadir=${tables}`);
      if (reaped !== undefined) onProgress(`Ended the database that an earlier run left behind (process ${reaped})`);
      if (existsSync(tables)) return;
      onProgress(`Creating the data folder of ${name}`);
      // Elsewhere first: a folder under the final name is always complete, even if we are killed half-way.
      const draft = `${tables}.new`;
      rmSync(draft, { recursive: true, force: true });
      if (flavour === 'mariadb') await initialiseMariadb(binary, draft, userOption);
      else await initialiseMysql(binary, draft, userOption);
      renameSync(draft, tables);
    },
    async launch(port) {
      // Each statement on one line, as init-file wants it. Run before the server accepts connections, so the password always holds.
      const statements = [
        `CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '${password}';`,
        `ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '${password}';`,
        `GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;`,
        `ALTER USER 'root'@'localhost' IDENTIFIED BY '${password}';`,
        // MariaDB makes it without a password. Nothing listens there, but nothing should depend on that.
        `DROP USER IF EXISTS 'root'@'::1';`,
      ];
      writeFileSync(initFile, statements.join('\n') + '\n', { mode: 0o600 });
      return startProcess({
        name: 'the database',
        command: binary,
        args: [
          '--no-defaults',
          `--datadir=${tables}`,
          `--port=${port}`,
          '--bind-address=127.0.0.1',
          `--socket=${choosePathOfSocket(dataDir)}`,
          `--pid-file=${join(dataDir, 'server.pid')}`,
          `--init-file=${initFile}`,
          `--tmpdir=${makeDirectory(join(dataDir, 'tmp'))}`,
          ...userOption,
          ...commonServerOptions,
          ...(flavour === 'mysql' ? ['--mysqlx=OFF', '--skip-log-bin', '--performance-schema=OFF'] : []),
        ],
        logPath,
        pidPath,
        isReady: () => canConnect(port, password),
        // Crash recovery of a larger database may take its time.
        readyTimeoutMs: 60_000,
        stopTimeoutMs: 30_000,
      });
    },
  };
}

/** The scripts that make the system tables, in the order in which MariaDB's own installer runs them. */
const mariadbSystemScripts = [
  'mysql_system_tables.sql',
  'mysql_performance_tables.sql',
  'mysql_system_tables_data.sql',
  'fill_help_tables.sql',
  'maria_add_gis_sp_bootstrap.sql',
  'mysql_sys_schema.sql',
];

/**
 * Debian's mariadb-server-core has the server, these scripts and mariadb-install-db, but not my_print_defaults, without which that
 * installer refuses to work. So we feed the server the scripts ourselves, as the installer would; it is only the fallback.
 */
async function initialiseMariadb(binary: string, tables: string, userOption: readonly string[]): Promise<void> {
  const prefix = dirname(dirname(realpathSync(binary)));
  const scripts = [join(prefix, 'share/mysql'), join(prefix, 'share/mariadb')].find((folder) =>
    mariadbSystemScripts.every((script) => existsSync(join(folder, script))),
  );
  if (scripts === undefined) {
    const installer = findBinary('mariadb-install-db', 'mysql_install_db');
    if (installer === undefined) throw new Error('Neither the SQL scripts of MariaDB nor mariadb-install-db were found');
    const args = ['--no-defaults', `--datadir=${tables}`, '--auth-root-authentication-method=normal', '--skip-test-db', ...userOption];
    await runOrThrow(installer, args);
    return;
  }
  makeDirectory(tables);
  const sql = [
    'CREATE DATABASE IF NOT EXISTS mysql;',
    'USE mysql;',
    // Root with a password, not "whoever is root on the machine".
    'SET @auth_root_socket=NULL;',
    ...mariadbSystemScripts.map((script) => readFileSync(join(scripts, script), 'utf8')),
  ].join('\n');
  const args = ['--no-defaults', '--bootstrap', `--datadir=${tables}`, ...userOption, '--silent-startup', '--log-warnings=0'];
  await runOrThrow(binary, [...args, '--enforce-storage-engine=', '--max-allowed-packet=8M', '--net-buffer-length=16K'], sql);
}

async function initialiseMysql(binary: string, tables: string, userOption: readonly string[]): Promise<void> {
  makeDirectory(tables);
  await runOrThrow(binary, ['--no-defaults', '--initialize-insecure', `--datadir=${tables}`, ...userOption]);
}

async function runOrThrow(command: string, args: readonly string[], input?: string): Promise<void> {
  const { code, output } = await runCommand(command, args, { timeoutMs: 180_000, ...(input === undefined ? {} : { input }) });
  if (code !== 0) throw new Error(`${command} failed with code ${code}:\n${output.trim().split('\n').slice(-15).join('\n')}`);
}

/** A Unix socket's path is limited to 107 bytes, which a deep checkout exceeds. */
function choosePathOfSocket(dataDir: string): string {
  const path = join(dataDir, 'server.sock');
  return Buffer.byteLength(path) <= 100 ? path : join(tmpdir(), `msqpay-${hashOf(dataDir)}.sock`);
}

// ---- Docker -----------------------------------------------------------------------------------------------------------------------

function createDockerEngine(context: EngineContext): DatabaseEngine {
  const { dataDir, logPath, password, onProgress } = context;
  const name = `msqpay-database-${hashOf(dataDir)}`;
  const environmentFile = join(dataDir, 'docker.env');
  return {
    flavour: 'docker',
    description: `MySQL (Docker, ${dockerImage})`,
    async prepare() {
      removeDockerContainer(name);
      await ensureDockerImage(dockerImage, onProgress);
      // A volume left by a data folder that was deleted since holds another password: begin anew.
      if (readState(dataDir).flavour !== 'docker') await runCommand('docker', ['volume', 'rm', '--force', name], { timeoutMs: 60_000 });
    },
    launch(port) {
      // Not on the command line, where every user of the machine could read it.
      writeFileSync(environmentFile, `MYSQL_ROOT_PASSWORD=${password}\nMYSQL_ROOT_HOST=%\n`, { mode: 0o600 });
      return startProcess({
        name: 'the database',
        command: 'docker',
        args: [
          ...['run', '--rm', '--name', name, '--publish', `127.0.0.1:${port}:3306`, '--env-file', environmentFile],
          ...['--volume', `${name}:/var/lib/mysql`, dockerImage],
          ...commonServerOptions,
          '--skip-log-bin',
        ],
        logPath,
        isReady: () => canConnect(port, password),
        // The image makes its data folder at the first start.
        readyTimeoutMs: 180_000,
        stopTimeoutMs: 30_000,
        onAbandoned: () => removeDockerContainer(name),
      }).then((client) => endWithContainer(client, name));
    },
  };
}

/** `docker run` passes SIGTERM on to the container, but SIGKILL ends only the client. */
function endWithContainer(client: ManagedProcess, name: string): ManagedProcess {
  return {
    ...client,
    async kill(signal = 'SIGKILL') {
      await runCommand('docker', ['kill', '--signal', signal, name], { timeoutMs: 30_000 });
      return client.exited;
    },
  };
}

// ---- State and SQL ----------------------------------------------------------------------------------------------------------------

interface DatabaseState {
  password: string;
  flavour?: DatabaseFlavour;
}

function readState(dataDir: string): DatabaseState {
  const path = join(dataDir, 'state.json');
  if (existsSync(path)) {
    const { password, flavour } = JSON.parse(readFileSync(path, 'utf8')) as Partial<DatabaseState>;
    if (typeof password === 'string' && /^[0-9a-f]+$/.test(password)) return { password, ...(flavour === undefined ? {} : { flavour }) };
    throw new Error(`${path} is damaged. Delete the folder ${dataDir} to begin with an empty database.`);
  }
  const state: DatabaseState = { password: randomBytes(16).toString('hex') };
  writeState(dataDir, state);
  return state;
}

function writeState(dataDir: string, state: DatabaseState): void {
  const path = join(dataDir, 'state.json');
  writeFileSync(`${path}.new`, JSON.stringify(state) + '\n', { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

async function execute(port: number, password: string, sql: string): Promise<void> {
  const connection = await connect(port, password);
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}

async function canConnect(port: number, password: string): Promise<boolean> {
  await execute(port, password, 'SELECT 1');
  return true;
}

function connect(port: number, password: string): Promise<Connection> {
  return createConnection({ host: '127.0.0.1', port, user: 'root', password, connectTimeout: 5000 });
}

function quoteName(name: string): string {
  if (!/^[A-Za-z0-9_]{1,64}$/.test(name)) throw new Error(`Not a database name: ${JSON.stringify(name)}`);
  return `\`${name}\``;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function makeDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
