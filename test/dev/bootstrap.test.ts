import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { waitUntil } from '../support/waitUntil.ts';

interface Bootstrap {
  decideInstallation(state: {
    lockText: string;
    noteText: string | undefined;
    installedLockText: string | undefined;
    platform: string;
  }): string;
  describeLock(lockText: string, platform: string): string;
  isNodeNewEnough(version: string): boolean;
}

// Plain JavaScript, since it runs before TypeScript is installed: the compiler knows its types only
// from here.
const bootstrapUrl = pathToFileURL(join(PROJECT_ROOT, 'dev', 'bootstrap.mjs')).href;
const { decideInstallation, describeLock, isNodeNewEnough } = (await import(
  bootstrapUrl
)) as Bootstrap;

const platform = 'linux-x64';
const lock = (packages: Record<string, unknown>): string =>
  JSON.stringify({ lockfileVersion: 3, packages });
const tsx = { version: '4.0.0', integrity: 'sha512-aaa', dev: true };
const forLinux = {
  version: '1.0.0',
  integrity: 'sha512-bbb',
  optional: true,
  os: ['linux'],
  cpu: ['x64'],
};
const forMac = {
  version: '1.0.0',
  integrity: 'sha512-ccc',
  optional: true,
  os: ['darwin'],
  cpu: ['arm64'],
};
const wanted = lock({
  '': { name: 'msqpay' },
  'node_modules/tsx': tsx,
  'node_modules/linux': forLinux,
  'node_modules/mac': forMac,
});
const complete = lock({ 'node_modules/tsx': tsx, 'node_modules/linux': forLinux });

describe('the bootstrap', () => {
  it('installs when nothing is installed, whatever the note says', () => {
    const noteText = describeLock(wanted, platform);
    expect(
      decideInstallation({ lockText: wanted, noteText, installedLockText: undefined, platform }),
    ).to.equal('install');
  });

  it('does nothing when the note is of this lock file and platform', () => {
    const noteText = `${describeLock(wanted, platform)}\n`;
    expect(
      decideInstallation({ lockText: wanted, noteText, installedLockText: complete, platform }),
    ).to.equal('current');
  });

  it('installs again when the lock file changed or the packages are for another platform', () => {
    const changed = wanted.replace('sha512-aaa', 'sha512-new');
    expect(
      decideInstallation({
        lockText: changed,
        noteText: describeLock(wanted, platform),
        installedLockText: complete,
        platform,
      }),
    ).to.equal('install');
    const noteText = describeLock(wanted, 'darwin-arm64');
    expect(
      decideInstallation({ lockText: wanted, noteText, installedLockText: complete, platform }),
    ).to.equal('install');
  });

  it('accepts what npm installed by itself when it is complete', () => {
    expect(
      decideInstallation({
        lockText: wanted,
        noteText: undefined,
        installedLockText: complete,
        platform,
      }),
    ).to.equal('adopt');
  });

  for (const [what, installed] of [
    ['lacks the development packages', lock({ 'node_modules/linux': forLinux })],
    ['has another version', complete.replace('4.0.0', '3.9.9')],
    ['has another content under the same version', complete.replace('sha512-aaa', 'sha512-evil')],
    ['lacks the native package of this platform', lock({ 'node_modules/tsx': tsx })],
    ['has an unreadable list', '{"packages":'],
  ] as const) {
    it(`installs when what npm installed ${what}`, () => {
      expect(
        decideInstallation({
          lockText: wanted,
          noteText: undefined,
          installedLockText: installed,
          platform,
        }),
      ).to.equal('install');
    });
  }

  it('wants Node 20.19 or newer', () => {
    expect(
      ['18.20.0', '20.18.3', '20.19.0', '20.20.2', '22.1.0', '100.0.0'].map(isNodeNewEnough),
    ).to.deep.equal([false, false, true, true, true, true]);
  });
});

describe('what npm runs', function () {
  this.timeout(30_000);

  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-bootstrap-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** As npm does: a shell, and in it the command. @returns the shell */
  function startAsNpm(): ChildProcess {
    const program = join(folder, 'program.ts');
    writeFileSync(
      program,
      `import { writeFileSync } from 'node:fs';
       process.on('SIGTERM', () => { writeFileSync(${JSON.stringify(join(folder, 'ended'))}, ''); process.exit(); });
       writeFileSync(${JSON.stringify(join(folder, 'runs'))}, '');
       setTimeout(() => process.exit(), 25_000);`,
    );
    const bootstrap = pathToFileURL(join(PROJECT_ROOT, 'dev', 'bootstrap.mjs')).href;
    const path = relative(PROJECT_ROOT, program);
    const script = `const { bootstrap } = await import(${JSON.stringify(bootstrap)}); await bootstrap(${JSON.stringify(path)}, []);`;
    return spawn('sh', ['-c', '"$0" --input-type=module -e "$1"; true', process.execPath, script], {
      env: { ...process.env, npm_lifecycle_event: 'start' },
      stdio: 'ignore',
    });
  }

  it('ends when npm is ended, which tells nobody', async () => {
    const shell = startAsNpm();
    await waitUntil(() => existsSync(join(folder, 'runs')), { what: 'it to run' });
    shell.kill('SIGKILL');
    await waitUntil(() => existsSync(join(folder, 'ended')), { what: 'it to end' });
  });
});
