/**
 * A private Redis for development and tests: redis-server or valkey-server from the machine, else
 * Docker, else apt. Append-only file on and nothing evicted, as the queues need it; on the
 * loopback, with a password of its own. Under `dataDir`: `redis.conf` (with the password), `data/`
 * (the append-only file), `bin/` (a link, see below) and the pid file.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join, resolve } from 'node:path';
import {
  aptInstall,
  ensureDockerImage,
  findBinary,
  isAptAvailable,
  isDockerAvailable,
  removeDockerContainer,
} from './binaries.ts';
import type { OnProgress } from './binaries.ts';
import { claimDirectory, reapRecordedProcess, runCommand, startProcess } from './childProcess.ts';
import { createServerHandle, launchServer } from './launchServer.ts';
import type { RunningServer, ServerEngine, ServerHandle } from './launchServer.ts';

export interface StartRedisOptions {
  dataDir: string;
  logPath: string;
  onProgress?: OnProgress;
  /** Used when it is free. */
  preferredPort?: number;
  /**
   * Instead of one of its own: servers that replicate each other share it. 32 hexadecimal digits.
   */
  password?: string;
  /** Makes a Sentinel of it. */
  isSentinel?: boolean;
  /**
   * Further lines of its configuration. With them, and for a Sentinel, it is a program of this
   * machine: servers in containers do not find each other.
   */
  configuration?: readonly string[];
}

export interface RedisServer extends ServerHandle {
  /** redis://:<password>@127.0.0.1:<port>. The same after a restart. */
  readonly url: string;
}

/** What BullMQ needs. */
const oldestVersion = [6, 2] as const;

const dockerImage = 'redis:7';

const howToInstall =
  'No Redis found. Install Redis 6.2 or newer (Debian, Ubuntu: apt-get install redis-tools; macOS: brew install redis) or Valkey, ' +
  'or start the Docker engine, or give the address of a server you have in REDIS_URL.';

/**
 * @throws DirectoryInUseError when a live process owns `dataDir`
 * @throws Error saying what to install when there is no way to get a Redis
 */
export async function startRedis(options: StartRedisOptions): Promise<RedisServer> {
  const onProgress = options.onProgress ?? (() => undefined);
  const dataDir = resolve(options.dataDir);
  const logPath = resolve(options.logPath);
  const claim = claimDirectory(dataDir);
  try {
    const password = options.password ?? readPassword(dataDir);
    const { isSentinel = false, configuration = [] } = options;
    const context = { dataDir, logPath, password, onProgress, isSentinel, configuration };
    const running = await startFirstPossible(context, options.preferredPort);
    const { engine, port } = running;
    onProgress(`${engine.description} listens on 127.0.0.1:${port}`);
    const { release } = claim;
    const handle = createServerHandle(running, { name: 'Redis', onProgress, release });
    return Object.assign(handle, { url: `redis://:${password}@127.0.0.1:${port}` });
  } catch (error) {
    claim.release();
    throw error;
  }
}

interface EngineContext {
  dataDir: string;
  logPath: string;
  password: string;
  onProgress: OnProgress;
  isSentinel: boolean;
  configuration: readonly string[];
}

async function startFirstPossible(
  context: EngineContext,
  preferredPort: number | undefined,
): Promise<RunningServer<ServerEngine>> {
  const failures: string[] = [];
  const isSpecial = context.isSentinel || context.configuration.length > 0;
  const sources: (() => Promise<ServerEngine | undefined>)[] = [
    () => findNativeEngine(context),
    async () =>
      !isSpecial && (await isDockerAvailable()) ? createDockerEngine(context) : undefined,
    async () => {
      if (!isAptAvailable()) return undefined;
      await aptInstall({
        alternatives: [['redis-tools'], ['valkey-tools']],
        logPath: `${context.logPath}.apt`,
        onProgress: context.onProgress,
      });
      return findNativeEngine(context);
    },
  ];
  for (const findEngine of sources) {
    try {
      const engine = await findEngine();
      if (engine === undefined) continue;
      return await launchServer(engine, preferredPort);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
      context.onProgress('Redis does not start this way, looking for another one');
    }
  }
  throw new Error([howToInstall, ...failures].join('\n'));
}

// ---- A server from the machine ------------------------------------------------------------------

async function findNativeEngine(context: EngineContext): Promise<ServerEngine | undefined> {
  const binary = findBinary('redis-server', 'valkey-server') ?? linkServer(context.dataDir);
  if (binary === undefined) return undefined;
  const { output } = await runCommand(binary, ['--version'], { timeoutMs: 10_000 });
  const [, major, minor] = / v=(\d+)\.(\d+)/.exec(output) ?? [];
  if (
    major === undefined ||
    Number(major) < oldestVersion[0] ||
    (Number(major) === oldestVersion[0] && Number(minor) < oldestVersion[1])
  ) {
    context.onProgress(`${binary} is too old or no Redis (${output.trim()})`);
    return undefined;
  }
  return createNativeEngine(context, binary);
}

/**
 * Redis's server and its file checkers are one program, which looks at the name it was called by.
 * Debian's redis-tools, which brings no system service, has it as redis-check-rdb: called
 * redis-server it is the server.
 */
function linkServer(dataDir: string): string | undefined {
  const program = findBinary('redis-check-rdb', 'valkey-check-rdb');
  if (program === undefined) return undefined;
  const folder = makeDirectory(join(dataDir, 'bin'));
  const link = join(
    folder,
    program.endsWith('valkey-check-rdb') ? 'valkey-server' : 'redis-server',
  );
  rmSync(link, { force: true });
  symlinkSync(program, link);
  return link;
}

function createNativeEngine(context: EngineContext, binary: string): ServerEngine {
  const { dataDir, logPath, password, onProgress, isSentinel } = context;
  const pidPath = join(dataDir, 'process.json');
  const configuration = join(dataDir, 'redis.conf');
  return {
    description: `Redis (${binary})`,
    async prepare() {
      const reaped = await reapRecordedProcess(pidPath, dataDir);
      if (reaped !== undefined)
        onProgress(`Ended the Redis that an earlier run left behind (process ${reaped})`);
    },
    launch(port) {
      const dir = makeDirectory(join(dataDir, 'data'));
      writeConfiguration(configuration, {
        port,
        bind: '127.0.0.1',
        dir,
        password,
        further: context.configuration,
      });
      return startProcess({
        name: 'Redis',
        command: binary,
        // Redis shows its address in the process list instead of its arguments, unless told
        // otherwise: we look for our folder there.
        args: [configuration, ...(isSentinel ? ['--sentinel'] : []), '--set-proc-title', 'no'],
        logPath,
        pidPath,
        isReady: () => canPing(port, password),
      });
    },
  };
}

interface Configuration {
  port: number;
  bind: string;
  dir: string;
  password: string;
  further?: readonly string[];
}

/** A file, not arguments: those can be read by every user of the machine. */
function writeConfiguration(
  path: string,
  { port, bind, dir, password, further = [] }: Configuration,
): void {
  const lines = [
    `port ${port}`,
    `bind ${bind}`,
    `dir ${JSON.stringify(dir)}`,
    `requirepass ${password}`,
    'appendonly yes',
    // What a client was told is in the file by then, so it survives the death of the server, though
    // not that of the machine.
    'appendfsync everysec',
    'save ""',
    // The queues must never lose a key silently.
    'maxmemory-policy noeviction',
    'daemonize no',
    ...further,
  ];
  writeFileSync(path, lines.join('\n') + '\n', { mode: 0o600 });
}

// ---- Docker -------------------------------------------------------------------------------------

function createDockerEngine(context: EngineContext): ServerEngine {
  const { dataDir, logPath, password, onProgress } = context;
  const name = `msqpay-redis-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`;
  const configuration = join(dataDir, 'docker.conf');
  return {
    description: `Redis (Docker, ${dockerImage})`,
    async prepare() {
      removeDockerContainer(name);
      await ensureDockerImage(dockerImage, onProgress);
    },
    async launch(port) {
      // Inside the container any address may connect; only the loopback of the machine is
      // published.
      writeConfiguration(configuration, { port: 6379, bind: '0.0.0.0', dir: '/data', password });
      const client = await startProcess({
        name: 'Redis',
        command: 'docker',
        args: [
          ...[
            'run',
            '--rm',
            '--interactive',
            '--name',
            name,
            '--publish',
            `127.0.0.1:${port}:6379`,
            '--volume',
            `${name}:/data`,
          ],
          ...[
            '--user',
            'root',
            '--volume',
            `${configuration}:/redis.conf:ro`,
            dockerImage,
            'redis-server',
            '/redis.conf',
          ],
        ],
        logPath,
        isReady: () => canPing(port, password),
        onAbandoned: () => removeDockerContainer(name),
      });
      return {
        ...client,
        // SIGKILL ends only the attached client, so the engine is asked.
        async kill(signal = 'SIGKILL') {
          await runCommand('docker', ['kill', '--signal', signal, name], { timeoutMs: 30_000 });
          return client.exited;
        },
      };
    },
  };
}

// ---- Password and probe -------------------------------------------------------------------------

function readPassword(dataDir: string): string {
  const path = join(dataDir, 'password');
  if (existsSync(path)) {
    const password = readFileSync(path, 'utf8').trim();
    if (/^[0-9a-f]{32}$/.test(password)) return password;
  }
  // Absent, or cut short: unlike the database's, it is kept nowhere else, so a new one is as good.
  const password = randomBytes(16).toString('hex');
  writeFileSync(path, password + '\n', { mode: 0o600 });
  return password;
}

/**
 * PING over a plain socket. While the append-only file is read the server answers LOADING, which is
 * not ready.
 */
function canPing(port: number, password: string): Promise<boolean> {
  return new Promise((resolvePing, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    let answer = '';
    socket.setTimeout(2000, () => socket.destroy(new Error('Redis does not answer')));
    socket.once('error', reject);
    socket.once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (answer.split('\r\n').length < 3) return;
      socket.destroy();
      resolvePing(answer.includes('+PONG'));
    });
    socket.once('close', () => resolvePing(answer.includes('+PONG')));
  });
}

function makeDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
