// The first thing `npm start` and `npm test` run: plain Node without any package, because there may
// be none yet. It checks the Node version, installs the packages when they are missing or are not
// those of package-lock.json, and then runs the real program.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Keep in step with "engines" in package.json. */
const oldestNode = [20, 19];

const forwardedSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Runs `node --import tsx <program>` with the terminal, the signals and the exit code passed
 * through.
 * @param {string} program path from the root of the checkout
 * @param {readonly string[]} args
 */
export async function bootstrap(program, args) {
  if (!isNodeNewEnough(process.versions.node)) {
    console.error(
      `MSQPay needs Node ${oldestNode.join('.')} or newer; this is ${process.versions.node} (${process.execPath}).`,
    );
    console.error(
      'Get a current one from https://nodejs.org or with your version manager (nvm install 22), and run the command again.',
    );
    process.exit(1);
  }
  await ensurePackages();
  await runProgram(program, args);
}

/** @param {string} version such as "20.19.1" */
export function isNodeNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

/**
 * What to do about node_modules:
 * - `current`: it is what our last installation left for this very lock file;
 * - `adopt`: somebody else ran npm, and what npm noted down is what the lock file asks for: only
 *   our note is missing;
 * - `install`: anything else.
 *
 * Pure. The texts are those of the files, or undefined where there is none.
 * @param {{ lockText: string, noteText: string | undefined, installedLockText: string | undefined,
 *   platform: string }} state `noteText`: node_modules/.msqpay-lock-hash; `installedLockText`:
 *   node_modules/.package-lock.json, where npm lists what it installed
 * @returns {'current' | 'adopt' | 'install'}
 */
export function decideInstallation({ lockText, noteText, installedLockText, platform }) {
  if (installedLockText === undefined) return 'install';
  if (noteText !== undefined)
    return noteText.trim() === describeLock(lockText, platform) ? 'current' : 'install';
  return isInstalled(lockText, installedLockText, platform) ? 'adopt' : 'install';
}

/**
 * The text of our note. With the platform: packages with native code that were installed for
 * another one (a checkout that is shared with a container, say) are of no use here.
 * @param {string} lockText
 * @param {string} platform such as "linux-x64"
 */
export function describeLock(lockText, platform) {
  return `${createHash('sha256').update(lockText).digest('hex')} ${platform}`;
}

/**
 * @param {string} lockText
 * @param {string} installedLockText
 * @param {string} platform
 */
function isInstalled(lockText, installedLockText, platform) {
  const [os, cpu] = platform.split('-');
  try {
    const wanted = JSON.parse(lockText).packages;
    const installed = JSON.parse(installedLockText).packages;
    return Object.entries(wanted).every(([path, entry]) => {
      // The project itself is listed under the empty path.
      if (path === '') return true;
      const found = installed[path];
      // Packages for other platforms are in the lock file too, and rightly not installed; those for
      // this one must be.
      if (found === undefined) {
        const isForThisPlatform =
          entry.os?.includes(os) && entry.cpu?.includes(cpu) && entry.libc === undefined;
        return entry.optional === true && !isForThisPlatform;
      }
      return found.version === entry.version && found.integrity === entry.integrity;
    });
  } catch {
    // Either file is not what npm writes: install afresh.
    return false;
  }
}

export async function ensurePackages() {
  const platform = `${process.platform}-${process.arch}`;
  const note = join(root, 'node_modules', '.msqpay-lock-hash');
  const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const decide = () =>
    decideInstallation({
      lockText,
      noteText: readIfThere(note),
      installedLockText: readIfThere(join(root, 'node_modules', '.package-lock.json')),
      platform,
    });
  if (decide() === 'current') return;
  // npm ci begins by deleting node_modules: `npm start` and `npm test` side by side in one checkout
  // must not do that to each other.
  const unlock = await lockInstallation();
  try {
    const decision = decide();
    if (decision === 'current') return;
    if (decision === 'install') await installPackages();
    writeFileSync(note, describeLock(lockText, platform) + '\n');
  } finally {
    unlock();
  }
}

async function lockInstallation() {
  const folder = join(root, '.dev');
  const lock = join(folder, 'installing');
  mkdirSync(folder, { recursive: true });
  for (let waits = 0; ; waits++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      const unlock = () => rmSync(lock, { force: true });
      // process.exit() inside, after a failed installation, skips `finally`.
      process.once('exit', unlock);
      return unlock;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = Number(readIfThere(lock));
    // Empty for the instant between the file's creation and its content; so only a number that is
    // nobody's means a stale lock.
    if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true });
    else if (waits === 0)
      console.log(`Waiting for process ${holder || '?'}, which installs the packages`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

async function installPackages() {
  console.log('Installing the packages (npm ci). This takes a minute the first time.');
  // --include=dev: with NODE_ENV=production npm would leave out the tools that the two commands
  // need.
  const options = ['--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  if ((await runNpm(['ci', ...options])) === 0) return;
  // npm ci insists on every package that the lock file speaks of; a registry that lacks an optional
  // one (for another platform, in a company's mirror) makes it fail. npm install takes the same
  // versions, checks the same checksums, and leaves the lock file alone.
  console.error('npm ci failed; trying npm install');
  const code = await runNpm(['install', '--no-save', ...options]);
  if (code === 0) return;
  console.error(
    `The packages could not be installed (npm ended with code ${code}). The reason is above; then run the command again.`,
  );
  process.exit(code);
}

/** @param {readonly string[]} npmArgs */
function runNpm(npmArgs) {
  // The npm that runs us, if it is one (pnpm and yarn set this variable too), else the one that
  // came with this Node, else any.
  const candidates = [
    process.env['npm_execpath'],
    join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
  ];
  const script = candidates.find(
    (path) => path !== undefined && path.endsWith('npm-cli.js') && existsSync(path),
  );
  const [command, args] =
    script === undefined ? ['npm', npmArgs] : [process.execPath, [script, ...npmArgs]];
  const started = Date.now();
  // npm shows a progress bar on a terminal and nothing at all elsewhere, such as in a build log.
  const ticker = setInterval(
    () => console.log(`  still installing, ${Math.round((Date.now() - started) / 1000)} s`),
    10_000,
  );
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    let isInterrupted = false;
    // The terminal sends Ctrl-C to npm as well, other senders do not; npm does not mind to be told
    // twice.
    const forward = (signal) => {
      isInterrupted = true;
      child.kill(signal);
    };
    for (const signal of forwardedSignals) process.on(signal, forward);
    const finish = (code) => {
      clearInterval(ticker);
      for (const signal of forwardedSignals) process.off(signal, forward);
      resolve(code);
    };
    child.once('error', (error) => {
      console.error(
        `Could not run npm: ${error.message}. Install npm (it comes with Node) and run the command again.`,
      );
      finish(127);
    });
    child.once('exit', (code, signal) => {
      // Asked to stop: no second attempt.
      if (isInterrupted || signal !== null)
        process.exit(code || 128 + constants.signals[signal ?? 'SIGINT']);
      finish(code);
    });
  });
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 */
function runProgram(program, args) {
  const nodeArgs = ['--import', 'tsx', join(root, program), ...args];
  // On Linux the kernel tells the program when we are killed outright, so that it ends with us even
  // then.
  const canTellDeath =
    process.platform === 'linux' &&
    spawnSync('setpriv', ['--pdeathsig', 'TERM', '--', 'true'], { stdio: 'ignore' }).status === 0;
  const [command, commandArgs] = canTellDeath
    ? ['setpriv', ['--pdeathsig', 'TERM', '--', process.execPath, ...nodeArgs]]
    : [process.execPath, nodeArgs];
  return new Promise(() => {
    // A session of its own: a terminal sends Ctrl-C to everybody in the foreground, and npm
    // forwards it once more. The program should see one signal for one key press, and gets it from
    // us.
    const child = spawn(command, commandArgs, { cwd: root, stdio: 'inherit', detached: true });
    const lastSent = new Map();
    for (const signal of forwardedSignals) {
      process.on(signal, () => {
        if (Date.now() - (lastSent.get(signal) ?? 0) < 300) return;
        lastSent.set(signal, Date.now());
        child.kill(signal);
      });
    }
    // A signal to npm alone ends npm and the shell between us: neither passes it on, and nobody is
    // left who could end what runs here.
    if (process.env['npm_lifecycle_event'] !== undefined) {
      const parent = process.ppid;
      setInterval(() => {
        if (process.ppid !== parent) child.kill('SIGTERM');
      }, 500).unref();
    }
    child.once('error', (error) => {
      console.error(`Could not run ${program}: ${error.message}`);
      process.exit(1);
    });
    child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
  });
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It lives, but belongs to somebody else.
    return error.code === 'EPERM';
  }
}
