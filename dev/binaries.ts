/**
 * Where the programs of the embedded stack come from: the machine, the Docker engine, or the
 * system's package manager.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, appendFileSync, constants, mkdirSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from './childProcess.ts';

export type OnProgress = (message: string) => void;

/** Servers are often installed where a normal user's PATH does not look. */
const usualDirectories = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/usr/libexec',
  '/opt/homebrew/bin',
  '/opt/homebrew/opt/mariadb/bin',
  '/opt/homebrew/opt/mysql/bin',
];

/** The first of `names` found on PATH or in the usual places, as an absolute path. */
export function findBinary(...names: string[]): string | undefined {
  return findBinaries(...names)[0];
}

/** All of them: those of the first name first, each name's in the order of PATH. */
export function findBinaries(...names: string[]): string[] {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), ...usualDirectories].filter(
    (directory) => directory !== '',
  );
  const paths = names.flatMap((name) => directories.map((directory) => join(directory, name)));
  return [...new Set(paths)].filter(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    if (!statSync(path).isFile()) return false;
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there, or not ours to run.
    return false;
  }
}

/** True when there is a Docker client and its engine answers. */
export async function isDockerAvailable(): Promise<boolean> {
  const docker = findBinary('docker');
  if (docker === undefined) return false;
  try {
    return (await runCommand(docker, ['info'], { timeoutMs: 10_000 })).code === 0;
  } catch {
    // An engine that does not answer in time is as good as none.
    return false;
  }
}

/** Fetches an image unless it is there, telling the progress. */
export async function ensureDockerImage(image: string, onProgress: OnProgress): Promise<void> {
  if ((await runCommand('docker', ['image', 'inspect', image], { timeoutMs: 20_000 })).code === 0)
    return;
  onProgress(`Downloading the Docker image ${image}`);
  const { code, output } = await runCommand('docker', ['pull', image], {
    timeoutMs: 600_000,
    onLine: onProgress,
  });
  if (code !== 0) throw new Error(`docker pull ${image} failed:\n${output.trim()}`);
}

/**
 * Synchronous, so that it can still be done while our process ends. The engine, not the client we
 * started, runs the container.
 */
export function removeDockerContainer(name: string): void {
  spawnSync('docker', ['rm', '--force', name], { stdio: 'ignore', timeout: 30_000 });
}

export function isAptAvailable(): boolean {
  return process.getuid?.() === 0 && findBinary('apt-get') !== undefined;
}

export interface AptInstallOptions {
  /** Names differ between distributions: the first set that can be installed is taken. */
  alternatives: readonly (readonly string[])[];
  logPath: string;
  onProgress: OnProgress;
}

const aptTimeoutMs = 600_000;
/**
 * How long to wait while another installation (a second checkout, unattended upgrades) holds apt's
 * locks.
 */
const aptLockWaitSeconds = 300;

let aptQueue: Promise<void> = Promise.resolve();
let isPackageListFresh = false;

/**
 * Installs packages with apt-get. Only give it packages without a system service (the `-core` and
 * `-tools` ones): nothing may be left running on the machine. One installation at a time; a lock
 * held by another process is waited for.
 */
export function aptInstall(options: AptInstallOptions): Promise<void> {
  const result = aptQueue.then(() => installFirstPossible(options));
  // The next in the queue goes ahead whether this one succeeded or not; this one's error goes to
  // its own caller.
  aptQueue = result.catch(() => undefined);
  return result;
}

async function installFirstPossible({
  alternatives,
  logPath,
  onProgress,
}: AptInstallOptions): Promise<void> {
  if (!isPackageListFresh) {
    onProgress('Updating the package lists (apt-get update)');
    const { code, output } = await runApt(['update'], logPath, onProgress);
    // Lists from an earlier update may be good enough, so a failure here is told and not fatal.
    if (code === 0) isPackageListFresh = true;
    else
      onProgress(
        `apt-get update failed, trying with the lists that are there: ${lastLine(output)}`,
      );
  }
  const failures: string[] = [];
  for (const packages of alternatives) {
    onProgress(`Installing ${packages.join(' ')} (apt-get)`);
    const { code, output } = await runApt(
      ['install', '-y', '--no-install-recommends', ...packages],
      logPath,
      onProgress,
    );
    if (code === 0) return;
    failures.push(`${packages.join(' ')}: ${lastLine(output)}`);
  }
  throw new Error(
    `apt-get could not install any of:\n  ${failures.join('\n  ')}\nThe whole output is in ${logPath}`,
  );
}

async function runApt(
  args: readonly string[],
  logPath: string,
  onProgress: OnProgress,
): Promise<{ code: number; output: string }> {
  mkdirSync(dirname(logPath), { recursive: true });
  const deadline = Date.now() + aptLockWaitSeconds * 1000;
  for (;;) {
    const result = await runCommand(
      'apt-get',
      ['-q', '-o', `DPkg::Lock::Timeout=${aptLockWaitSeconds}`, ...args],
      {
        timeoutMs: aptTimeoutMs,
        // C: the message about the lock is recognised by its text.
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      },
    );
    appendFileSync(logPath, `$ apt-get ${args.join(' ')}\n${result.output}`);
    // The option above covers dpkg's lock only, not that of the package lists.
    const isLocked =
      result.code !== 0 && /Could not get lock|Unable to (?:acquire|lock)/.test(result.output);
    if (!isLocked || Date.now() > deadline) return result;
    onProgress('Another installation is running; waiting for it');
    await sleep(3000);
  }
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}
