/**
 * A private database server for development and tests: MariaDB or MySQL from the machine, else
 * MySQL in Docker, else MariaDB by apt. Where MySQL is asked for: from the machine, else in Docker,
 * else unpacked from Debian's packages.
 *
 * Durable like a real one (an acknowledged commit survives kill -9), and reached over TCP on the
 * loopback with a password of its own. Under `dataDir`: `state.json` (which server made the data,
 * and the password), `data-<flavour>/`, and the pid and socket files.
 */
import { resolve } from 'node:path';
import { aptInstall, isAptAvailable, isDockerAvailable } from '../binaries.ts';
import type { OnProgress } from '../binaries.ts';
import { claimDirectory } from '../childProcess.ts';
import { createServerHandle, launchServer } from '../launchServer.ts';
import type { RunningServer, ServerHandle } from '../launchServer.ts';
import { createDockerEngine } from './createDockerEngine.ts';
import { createNativeEngine } from './createNativeEngine.ts';
import { readDatabaseState, writeDatabaseState } from './databaseState.ts';
import { executeAsRoot } from './engine.ts';
import type {
  DatabaseEngine,
  DatabaseFlavour,
  DatabaseKind,
  EngineContext,
  ServerTlsFiles,
} from './engine.ts';
import { findServerPrograms } from './findServerPrograms.ts';
import { canUnpackMysql, unpackMysql } from './unpackMysql.ts';

export interface StartDatabaseOptions {
  dataDir: string;
  logPath: string;
  onProgress?: OnProgress;
  /** Used when it is free. */
  preferredPort?: number;
  /**
   * Which one it has to be; what DEV_DATABASE says when this is absent, and any when that is absent
   * too.
   */
  kind?: DatabaseKind;
  /** With these it speaks TLS to whoever asks for it. */
  tls?: ServerTlsFiles;
  /**
   * Its data need not survive the death of the machine, only its own: nothing waits for the disk.
   * Default: it does.
   */
  isDisposable?: boolean;
}

export interface Database extends ServerHandle {
  /** mysql://root:<password>@127.0.0.1:<port>, no database chosen. The same after a restart. */
  readonly url: string;
  readonly flavour: DatabaseFlavour;
  /** Such as "MySQL 8.4.6 (/usr/sbin/mysqld)". */
  readonly description: string;
  /** Creates it unless it is there. Returns its url. */
  createDatabase(name: string): Promise<string>;
  dropDatabase(name: string): Promise<void>;
}

const aptAlternatives = [
  ['mariadb-server-core'],
  ['mariadb-server-core-10.6'],
  ['mysql-server-core-8.0'],
];

const otherwise =
  'or start the Docker engine, or give the address of a server you have in DATABASE_URL.';
const howToInstall =
  'No database server found. Install MariaDB 10.6 or newer (Debian, Ubuntu: apt-get install mariadb-server-core; macOS: brew install mariadb) ' +
  `or MySQL 8, ${otherwise}`;
const howToInstallKind: Readonly<Record<DatabaseKind, string>> = {
  mariadb:
    'No MariaDB found, and it was asked for. Install MariaDB 10.6 or newer (Debian, Ubuntu: apt-get install mariadb-server-core; ' +
    'macOS: brew install mariadb).',
  mysql:
    'No MySQL found, and it was asked for. Install MySQL 8.4 (macOS: brew install mysql), or name its server in DEV_MYSQLD, or start the ' +
    "Docker engine. On Debian it is unpacked from Debian's own packages, for which apt-get and dpkg are needed, and the network.",
};

/**
 * @throws DirectoryInUseError when a live process owns `dataDir`
 * @throws Error saying what to install when there is no way to get a database server
 */
export async function startDatabase(options: StartDatabaseOptions): Promise<Database> {
  const onProgress = options.onProgress ?? (() => undefined);
  const dataDir = resolve(options.dataDir);
  const claim = claimDirectory(dataDir);
  try {
    const state = readDatabaseState(dataDir);
    const context: EngineContext = {
      dataDir,
      logPath: resolve(options.logPath),
      password: state.password,
      onProgress,
      tls: options.tls,
      isDisposable: options.isDisposable ?? false,
    };
    const kind = options.kind ?? readWantedKind();
    const running = await startFirstPossible(context, {
      ...options,
      kind,
      earlierFlavour: state.flavour,
    });
    const { engine, port } = running;
    writeDatabaseState(dataDir, { ...state, flavour: engine.flavour });
    onProgress(`${engine.description} listens on 127.0.0.1:${port}`);
    const { release } = claim;
    const handle = createServerHandle(running, { name: 'The database', onProgress, release });
    return Object.assign(handle, describeDatabase(engine, port, state.password));
  } catch (error) {
    claim.release();
    throw error;
  }
}

function readWantedKind(): DatabaseKind | undefined {
  const wanted = process.env['DEV_DATABASE'];
  if (wanted === undefined || wanted === '') return undefined;
  if (wanted === 'mariadb' || wanted === 'mysql') return wanted;
  throw new Error(`DEV_DATABASE is "${wanted}"; it may be mariadb or mysql`);
}

interface Wanted {
  kind: DatabaseKind | undefined;
  earlierFlavour: DatabaseFlavour | undefined;
  preferredPort?: number;
}

async function startFirstPossible(
  context: EngineContext,
  { kind, earlierFlavour, preferredPort }: Wanted,
): Promise<RunningServer<DatabaseEngine>> {
  const failures: string[] = [];
  const attempt = async (
    engine: DatabaseEngine,
  ): Promise<RunningServer<DatabaseEngine> | undefined> => {
    try {
      return await launchServer(engine, preferredPort);
    } catch (error) {
      // Data that this very server made before and now cannot open is not to be passed over in
      // silence for an empty database.
      if (engine.flavour === earlierFlavour) throw error;
      failures.push(
        `${engine.description}: ${error instanceof Error ? error.message : String(error)}`,
      );
      context.onProgress(`${engine.description} does not start here, looking for another way`);
      return undefined;
    }
  };
  const findNative: Source = async () =>
    (await findServerPrograms(kind, context.onProgress)).map((program) =>
      createNativeEngine(context, program),
    );
  // Outside of what may fail and be passed over: a server that was named and is none is a mistake
  // to be told.
  const native = await findNative();
  for (const findEngines of listSources(context, { native, findNative, kind, earlierFlavour })) {
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
  throw new Error(
    [kind === undefined ? howToInstall : howToInstallKind[kind], ...failures].join('\n'),
  );
}

type Source = () => Promise<DatabaseEngine[]>;

interface Findings extends Wanted {
  native: DatabaseEngine[];
  findNative: Source;
}

/** In the order in which they are asked. */
function listSources(
  context: EngineContext,
  { native, findNative, kind, earlierFlavour }: Findings,
): Source[] {
  const findDocker: Source = async () =>
    (await isDockerAvailable()) ? [createDockerEngine(context)] : [];
  const installByApt: Source = async () => {
    if (!isAptAvailable()) return [];
    await aptInstall({
      alternatives: aptAlternatives,
      logPath: `${context.logPath}.apt`,
      onProgress: context.onProgress,
    });
    return findNative();
  };
  const unpack: Source = async () =>
    canUnpackMysql() ? [createNativeEngine(context, await unpackMysql(context.onProgress))] : [];
  const installed: Source[] = [async () => native];
  if (kind !== 'mariadb') installed.push(findDocker);
  // Data made in Docker stays in use even if a server was installed on the machine since.
  if (earlierFlavour === 'docker') installed.reverse();
  return [...installed, kind === 'mysql' ? unpack : installByApt];
}

function describeDatabase(
  { flavour, description }: DatabaseEngine,
  port: number,
  password: string,
): Omit<Database, keyof ServerHandle> {
  const url = `mysql://root:${password}@127.0.0.1:${port}`;
  return {
    url,
    flavour,
    description,
    async createDatabase(name) {
      const sql = `CREATE DATABASE IF NOT EXISTS ${quoteName(name)} CHARACTER SET utf8mb4`;
      await executeAsRoot(port, password, sql);
      return `${url}/${name}`;
    },
    dropDatabase: (name) =>
      executeAsRoot(port, password, `DROP DATABASE IF EXISTS ${quoteName(name)}`),
  };
}

function quoteName(name: string): string {
  if (!/^[A-Za-z0-9_]{1,64}$/.test(name))
    throw new Error(`Not a database name: ${JSON.stringify(name)}`);
  return `\`${name}\``;
}
