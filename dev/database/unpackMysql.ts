/**
 * A real MySQL on Debian, whose releases have none: the packages of its newest suite are unpacked
 * into a folder, and the server is run with the loader and the libraries that were unpacked with
 * it. The machine's own packages are not touched, and it need not be root who does it.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { findBinary } from '../binaries.ts';
import type { OnProgress } from '../binaries.ts';
import { DirectoryInUseError, claimDirectory, runCommand } from '../childProcess.ts';
import type { DirectoryClaim } from '../childProcess.ts';
import { identifyProgram } from './serverProgram.ts';
import type { ServerProgram } from './serverProgram.ts';

const folder = join(PROJECT_ROOT, '.dev', 'mysql');
/** Complete when it is there. */
const unpacked = join(folder, 'unpacked');
const logPath = join(folder, 'apt.log');
/** The only suite that has `mysql-server-core`. */
const suite = 'sid';
const packageName = 'mysql-server-core';
/** What scripts that come with the server would want; the server does not. */
const notNeeded = /^(?:perl|libperl|systemd_|libsystemd-shared)/;
/** A little less than 70 MB, and as much for the list of the suite's packages. */
const downloadTimeoutMs = 600_000;

export function canUnpackMysql(): boolean {
  return (
    existsSync(unpacked) ||
    (findKeyring() !== undefined &&
      findBinary('apt-get') !== undefined &&
      findBinary('dpkg') !== undefined)
  );
}

/**
 * Downloads and unpacks it at the first time.
 * @throws Error with the reason when that fails
 */
export async function unpackMysql(onProgress: OnProgress): Promise<ServerProgram> {
  if (!existsSync(unpacked)) {
    const claim = await waitForClaim(onProgress);
    try {
      if (!existsSync(unpacked)) await downloadAndUnpack(onProgress);
    } finally {
      claim.release();
    }
  }
  return describeUnpacked(unpacked);
}

/** Several mocha processes may want it at the same time: one downloads, the others wait. */
async function waitForClaim(onProgress: OnProgress): Promise<DirectoryClaim> {
  const deadline = Date.now() + downloadTimeoutMs;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return claimDirectory(folder);
    } catch (error) {
      if (!(error instanceof DirectoryInUseError) || Date.now() > deadline) throw error;
      if (isFirst) onProgress(`Process ${error.ownerPid} is unpacking MySQL; waiting for it`);
      await sleep(300);
    }
  }
}

async function downloadAndUnpack(onProgress: OnProgress): Promise<void> {
  const keyring = findKeyring();
  if (keyring === undefined)
    throw new Error(
      "MySQL can be unpacked on Debian only: the keys of Debian's archive are not on this machine",
    );
  const mirrors = await findMirrors();
  if (mirrors.length === 0)
    throw new Error('apt-get is not told of any place that packages come from');
  const draft = join(folder, 'draft');
  const failures: string[] = [];
  for (const mirror of mirrors) {
    rmSync(draft, { recursive: true, force: true });
    onProgress(`Downloading MySQL (${packageName} of Debian's ${suite}, from ${mirror})`);
    try {
      await download(draft, mirror, keyring);
      await unpack(draft);
      await describeUnpacked(join(draft, 'root'));
      renameSync(join(draft, 'root'), unpacked);
      return;
    } catch (error) {
      failures.push(`${mirror}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }
  throw new Error(
    `MySQL could not be had from Debian's packages:\n  ${failures.join('\n  ')}\nThe whole output is in ${logPath}`,
  );
}

function findKeyring(): string | undefined {
  return ['gpg', 'pgp']
    .map((ending) => `/usr/share/keyrings/debian-archive-keyring.${ending}`)
    .find((path) => existsSync(path));
}

/**
 * Where the machine's own packages come from, the likeliest mirror of Debian's archive first: the
 * one that has the release's updates too.
 */
async function findMirrors(): Promise<string[]> {
  const { output } = await runCommand('apt-get', ['update', '--print-uris'], { timeoutMs: 30_000 });
  const sources = [...output.matchAll(/'(\S+)\/dists\/([^/']+)\/InRelease'/g)].map(
    ([, site = '', name = '']) => ({ site, name }),
  );
  const withUpdates = sources.filter(({ name }) => name.endsWith('-updates'));
  return [...new Set([...withUpdates, ...sources].map(({ site }) => site))];
}

/** As if nothing were installed: every library that the server needs comes along. */
async function download(draft: string, mirror: string, keyring: string): Promise<void> {
  for (const name of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(draft, name), { recursive: true });
  writeFileSync(
    join(draft, 'sources.list'),
    `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`,
  );
  writeFileSync(join(draft, 'status'), '');
  const options = {
    'Dir::Etc::sourcelist': join(draft, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(draft, 'lists'),
    'Dir::State::status': join(draft, 'status'),
    'Dir::Cache': join(draft, 'cache'),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'APT::Install-Recommends': 'false',
    'APT::Update::Error-Mode': 'any',
    // The user that root's apt-get downloads as may not look into this folder.
    'APT::Sandbox::User': '',
    'Debug::NoLocking': 'true',
  };
  const args = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await runLogged('apt-get', ['-q', ...args, 'update']);
  await runLogged('apt-get', ['-q', ...args, 'install', '-y', '--download-only', packageName]);
}

async function unpack(draft: string): Promise<void> {
  const archives = join(draft, 'cache', 'archives');
  const packages = readdirSync(archives).filter(
    (name) => name.endsWith('.deb') && !notNeeded.test(name),
  );
  mkdirSync(join(draft, 'root'));
  for (const name of packages)
    await runLogged('dpkg', ['-x', join(archives, name), join(draft, 'root')]);
}

async function runLogged(command: string, args: readonly string[]): Promise<void> {
  const { code, output } = await runCommand(command, args, {
    timeoutMs: downloadTimeoutMs,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  });
  mkdirSync(dirname(logPath), { recursive: true });
  appendFileSync(logPath, `$ ${command} ${args.join(' ')}\n${output}`);
  if (code === 0) return;
  const reasons = output.split('\n').filter((line) => line.startsWith('E: '));
  throw new Error(
    `${command} ended with code ${code}: ${reasons.length > 0 ? reasons.join(' ') : output.trim()}`,
  );
}

/**
 * Asks the server its version as well, so that one that does not run here is found out before it
 * counts as unpacked.
 */
function describeUnpacked(root: string): Promise<ServerProgram> {
  const usr = join(root, 'usr');
  const program = join(usr, 'sbin', 'mysqld');
  const libraries = [
    ...findIn(join(usr, 'lib'), /-linux-gnu/),
    join(usr, 'lib', 'mysql', 'private'),
  ];
  // lib64 on x86-64; beside the libraries elsewhere.
  const [loader] = [join(usr, 'lib64'), join(usr, 'lib'), ...libraries].flatMap((path) =>
    findIn(path, /^ld-linux.*\.so\.\d+$/),
  );
  if (loader === undefined) throw new Error(`No loader was unpacked into ${root}`);
  return identifyProgram(program, {
    command: loader,
    loaderArgs: ['--library-path', libraries.join(':'), program],
    locationOptions: [
      `--basedir=${usr}`,
      `--lc-messages-dir=${join(usr, 'share', 'mysql')}`,
      `--character-sets-dir=${join(usr, 'share', 'mysql', 'charsets')}`,
    ],
  });
}

function findIn(path: string, pattern: RegExp): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => pattern.test(name))
    .map((name) => join(path, name));
}
