/**
 * Child processes of the embedded stack, and the folders they own.
 *
 * A child must never outlive us, however we end:
 * - orderly: the owner calls `stop()` (SIGTERM, then SIGKILL after a while);
 * - an uncaught error, `process.exit`, or a signal nobody handles: the hooks below kill what is
 *   left;
 * - SIGKILL of ourselves: on Linux the kernel sends the child SIGTERM (`setpriv --pdeathsig`);
 *   elsewhere the pid that was recorded in the folder is found and ended at the next start, after
 *   checking that it still is the process we started.
 *
 * Children get their own session: a Ctrl-C in the terminal reaches only us, and we end them in the
 * right order.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface StartProcessOptions {
  /** For messages: "the database". */
  name: string;
  command: string;
  args: readonly string[];
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Standard output and error are appended here. */
  logPath: string;
  /** The pid is recorded here so that a later start can end it, should we die without doing so. */
  pidPath?: string;
  /**
   * Asked again and again until true. An exception counts as "not yet" and is shown if the time
   * runs out.
   */
  isReady?: (process: ManagedProcess) => Promise<boolean> | boolean;
  readyTimeoutMs?: number;
  /** How long `stop()` waits between SIGTERM and SIGKILL. */
  stopTimeoutMs?: number;
  /** Extra synchronous clean-up when our own process ends without `stop()`. */
  onAbandoned?: () => void;
}

export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
  isRunning(): boolean;
  /** What it wrote since it was started, the last 64 KiB at most. */
  logTail(): string;
  stop(): Promise<ProcessExit>;
  kill(signal?: NodeJS.Signals): Promise<ProcessExit>;
}

const logTailBytes = 64 * 1024;

/**
 * Starts a program and resolves when it is ready; rejects, with the end of its log, when it ends
 * first or takes too long.
 */
export async function startProcess(options: StartProcessOptions): Promise<ManagedProcess> {
  const { name, logPath, pidPath, readyTimeoutMs = 30_000, stopTimeoutMs = 15_000 } = options;
  mkdirSync(dirname(logPath), { recursive: true });
  const log = openSync(logPath, 'a');
  const logStart = fstatSync(log).size;
  const [command, args] = withParentDeathSignal(options.command, options.args);
  // File descriptors, not pipes: the child can write on, and its last words are kept, whatever
  // happens to us.
  const child = spawn(command, args, {
    stdio: ['ignore', log, log],
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  closeSync(log);

  const pid = child.pid;
  if (pid === undefined) {
    const error = await new Promise<Error>((resolve) => child.once('error', resolve));
    throw new Error(`Could not start ${name} (${options.command}): ${error.message}`, {
      cause: error,
    });
  }
  let exit: ProcessExit | undefined;
  const entry: LiveProcess = { pid, onAbandoned: options.onAbandoned };
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      liveProcesses.delete(entry);
      if (pidPath !== undefined) rmSync(pidPath, { force: true });
      resolve(exit);
    });
  });
  liveProcesses.add(entry);
  installExitHooks();
  if (pidPath !== undefined) recordProcess(pidPath, pid, options.args);

  const signalGroup = (signal: NodeJS.Signals): void => {
    if (exit === undefined) sendToGroup(pid, signal);
  };
  const managed: ManagedProcess = {
    name,
    pid,
    exited,
    isRunning: () => exit === undefined,
    logTail: () => readTail(logPath, logStart),
    async stop() {
      signalGroup('SIGTERM');
      const inTime = await Promise.race([exited, sleep(stopTimeoutMs, undefined, { ref: false })]);
      if (inTime !== undefined) return inTime;
      signalGroup('SIGKILL');
      return exited;
    },
    kill(signal = 'SIGKILL') {
      signalGroup(signal);
      return exited;
    },
  };

  const deadline = Date.now() + readyTimeoutMs;
  let lastError: unknown;
  for (;;) {
    if (exit !== undefined) {
      const how = exit.signal === null ? `with code ${String(exit.code)}` : `by ${exit.signal}`;
      throw new Error(
        `${name} ended ${how} before it was ready. The end of ${logPath}:\n${lastLines(managed.logTail())}`,
      );
    }
    try {
      if (options.isReady === undefined || (await options.isReady(managed))) return managed;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > deadline) {
      await managed.kill();
      throw new Error(
        `${name} was not ready after ${readyTimeoutMs / 1000} s. The end of ${logPath}:\n${lastLines(managed.logTail())}`,
        {
          cause: lastError,
        },
      );
    }
    // A child that just ended must not cost another round of waiting.
    await Promise.race([exited, sleep(50)]);
  }
}

export interface CommandResult {
  code: number;
  /** Standard output and error together. */
  output: string;
}

export interface RunCommandOptions {
  env?: NodeJS.ProcessEnv;
  input?: string;
  timeoutMs?: number;
  onLine?: (line: string) => void;
}

/**
 * Runs a program to its end. Rejects only when it could not be started or took too long; a failure
 * is in `code`.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: RunCommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const [wrapped, wrappedArgs] = withParentDeathSignal(command, args);
    const child = spawn(wrapped, wrappedArgs, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    const entry: LiveProcess | undefined =
      child.pid === undefined ? undefined : { pid: child.pid, onAbandoned: undefined };
    if (entry !== undefined) {
      liveProcesses.add(entry);
      installExitHooks();
    }
    let output = '';
    let unfinishedLine = '';
    let isLate = false;
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            isLate = true;
            if (child.pid !== undefined) sendToGroup(child.pid, 'SIGKILL');
          }, options.timeoutMs);
    const take = (chunk: Buffer): void => {
      const text = chunk.toString('utf8');
      output += text;
      const lines = (unfinishedLine + text).split('\n');
      unfinishedLine = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') options.onLine?.(line.trim());
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    // A program may end without reading its input (EPIPE); its exit code tells more than that
    // error.
    child.stdin?.on('error', () => undefined);
    if (options.input !== undefined) child.stdin?.end(options.input);
    const finish = (): void => {
      clearTimeout(timer);
      if (entry !== undefined) liveProcesses.delete(entry);
    };
    child.once('error', (error) => {
      finish();
      reject(new Error(`Could not run ${command}: ${error.message}`, { cause: error }));
    });
    child.once('close', (code, signal) => {
      finish();
      if (isLate)
        reject(
          new Error(`${command} took more than ${(options.timeoutMs ?? 0) / 1000} s and was ended`),
        );
      else
        resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), output });
    });
  });
}

// ---- Folders with an owner ----------------------------------------------------------------------

export class DirectoryInUseError extends Error {
  readonly directory: string;
  readonly ownerPid: number;

  constructor(directory: string, ownerPid: number) {
    const owner =
      ownerPid === process.pid
        ? 'this very process'
        : `process ${ownerPid} (is it running in another terminal?)`;
    super(
      `The data folder ${directory} is in use by ${owner}. Stop that one first, or use another folder.`,
    );
    this.name = 'DirectoryInUseError';
    this.directory = directory;
    this.ownerPid = ownerPid;
  }
}

export interface DirectoryClaim {
  release(): void;
}

/**
 * Makes this process the only owner of a data folder. The claim of a process that is gone does not
 * count.
 */
export function claimDirectory(directory: string): DirectoryClaim {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'owner.json');
  for (let attempt = 0; attempt < 5; attempt++) {
    // link() is atomic and fails when the name exists: nobody ever sees a half-written claim.
    const draft = join(directory, `owner.${process.pid}.${attempt}.tmp`);
    writeRecord(draft, process.pid, '');
    try {
      linkSync(draft, path);
      return {
        release() {
          if (readRecord(path)?.pid === process.pid) rmSync(path, { force: true });
        },
      };
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    const owner = readRecord(path);
    if (owner !== undefined && isSameProcess(owner))
      throw new DirectoryInUseError(directory, owner.pid);
    // The owner is gone. rename() rather than remove: of two processes that find the same stale
    // claim only one moves it away.
    const stale = join(directory, `owner.${process.pid}.stale`);
    try {
      renameSync(path, stale);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    rmSync(stale, { force: true });
  }
  throw new Error(
    `Could not claim the data folder ${directory}: others keep claiming it at the same time`,
  );
}

/** The live process that has claimed a data folder, if there is one. */
export function readOwnerPid(directory: string): number | undefined {
  const owner = readRecord(join(directory, 'owner.json'));
  return owner !== undefined && isSameProcess(owner) ? owner.pid : undefined;
}

/**
 * Ends the process recorded at `pidPath` if it still runs and still is the one that was recorded:
 * same pid, same start time, and `marker` (something only our child has, such as its data folder)
 * on its command line.
 * @returns the pid that was ended, if any
 */
export async function reapRecordedProcess(
  pidPath: string,
  marker: string,
): Promise<number | undefined> {
  const record = readRecord(pidPath);
  if (record === undefined) return undefined;
  const isThere = (): boolean => isSameProcess(record);
  let reaped: number | undefined;
  if (isThere() && (await readSettledCommandLine(record.pid)).includes(marker)) {
    reaped = record.pid;
    sendToGroup(record.pid, 'SIGTERM');
    const deadline = Date.now() + 15_000;
    while (isThere() && Date.now() < deadline) await sleep(50);
    if (isThere()) {
      sendToGroup(record.pid, 'SIGKILL');
      while (isThere()) await sleep(20);
    }
  }
  rmSync(pidPath, { force: true });
  return reaped;
}

/**
 * True while the process lives; a zombie, which only waits for its parent to notice, does not
 * count.
 */
export function isProcessAlive(pid: number): boolean {
  return readStartTime(pid) !== undefined;
}

interface ProcessRecord {
  pid: number;
  startTime: string;
  command: string;
}

function recordProcess(path: string, pid: number, args: readonly string[]): void {
  mkdirSync(dirname(path), { recursive: true });
  writeRecord(path, pid, args.join(' '));
}

function writeRecord(path: string, pid: number, command: string): void {
  const record: ProcessRecord = { pid, startTime: readStartTime(pid) ?? '', command };
  writeFileSync(path, JSON.stringify(record) + '\n', { mode: 0o600 });
}

function readRecord(path: string): ProcessRecord | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, startTime, command } = value as Partial<Record<keyof ProcessRecord, unknown>>;
    if (typeof pid !== 'number' || typeof startTime !== 'string' || typeof command !== 'string')
      return undefined;
    return { pid, startTime, command };
  } catch {
    // Absent, or cut short by a power failure: either way it names no process.
    return undefined;
  }
}

/** A pid alone may by now belong to somebody else; together with the start time it does not. */
function isSameProcess(record: ProcessRecord): boolean {
  const startTime = readStartTime(record.pid);
  return startTime !== undefined && startTime === record.startTime;
}

function readStartTime(pid: number): string | undefined {
  if (!existsSync('/proc/self/stat')) return runPs(pid, 'lstart');
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may itself hold spaces and brackets:
    // count from the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    // No such process.
    return undefined;
  }
}

function readCommandLine(pid: number): string | undefined {
  if (!existsSync('/proc/self/cmdline')) return runPs(pid, 'command');
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return undefined;
  }
}

/**
 * While a process becomes another program its command line is empty: on a busy machine that is
 * seen.
 * @returns empty when it stays so for a second, as that of a process which is about to end does
 */
async function readSettledCommandLine(pid: number): Promise<string> {
  for (let looks = 0; ; looks++) {
    const commandLine = readCommandLine(pid) ?? '';
    if (commandLine !== '' || looks === 50) return commandLine;
    await sleep(20);
  }
}

function runPs(pid: number, column: 'lstart' | 'command'): string | undefined {
  try {
    return (
      execFileSync('ps', ['-p', String(pid), '-o', `${column}=`], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim() || undefined
    );
  } catch {
    // ps answers "no such process" with a failure.
    return undefined;
  }
}

// ---- Ending with our own process ----------------------------------------------------------------

interface LiveProcess {
  pid: number;
  onAbandoned: (() => void) | undefined;
}

const liveProcesses = new Set<LiveProcess>();
let hasExitHooks = false;

function installExitHooks(): void {
  if (hasExitHooks) return;
  hasExitHooks = true;
  // Runs after an uncaught exception too. Killing is safe: both engines recover from it, and
  // nothing asynchronous can run here.
  process.on('exit', abandonAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const handler = (): void => {
      // Somebody else handles this signal and will end the children in order.
      if (process.listenerCount(signal) > 1) return;
      abandonAll();
      process.removeListener(signal, handler);
      process.kill(process.pid, signal);
    };
    process.on(signal, handler);
  }
}

function abandonAll(): void {
  for (const { pid, onAbandoned } of liveProcesses) {
    sendToGroup(pid, 'SIGKILL');
    onAbandoned?.();
  }
  liveProcesses.clear();
}

/**
 * To the whole group: a program started through a wrapper script would otherwise live on without
 * it.
 */
function sendToGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

let canSetParentDeathSignal: boolean | undefined;

function withParentDeathSignal(
  command: string,
  args: readonly string[],
): [string, readonly string[]] {
  canSetParentDeathSignal ??=
    process.platform === 'linux' &&
    spawnSync('setpriv', ['--pdeathsig', 'TERM', '--', 'true'], { stdio: 'ignore' }).status === 0;
  // setpriv replaces itself by the program, so the pid is the program's. If it is missing, reaping
  // at the next start remains.
  return canSetParentDeathSignal
    ? ['setpriv', ['--pdeathsig', 'TERM', '--', command, ...args]]
    : [command, args];
}

// ---- Small helpers ------------------------------------------------------------------------------

function readTail(path: string, from: number): string {
  const file = openSync(path, 'r');
  try {
    const end = fstatSync(file).size;
    const start = Math.max(from, end - logTailBytes);
    if (end <= start) return '';
    const buffer = Buffer.alloc(end - start);
    const length = readSync(file, buffer, 0, buffer.length, start);
    return buffer.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-15).join('\n');
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
