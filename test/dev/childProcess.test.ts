import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import {
  DirectoryInUseError,
  claimDirectory,
  isProcessAlive,
  reapRecordedProcess,
  startProcess,
} from '../../dev/childProcess.ts';
import { LOADER_ARGUMENTS, modulePath } from '../support/programArguments.ts';

const moduleUrl = pathToFileURL(modulePath('dev/childProcess.ts')).href;

describe('child processes', function () {
  this.timeout(20_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-child-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /**
   * A parent that starts a child which ignores Ctrl-C, tells us its pid, and then does what `end`
   * says.
   */
  async function startParent(
    end: string,
  ): Promise<{ parent: number; child: number; ended: Promise<unknown> }> {
    const pidPath = join(folder, 'child.json');
    const script = `
      import { startProcess } from ${JSON.stringify(moduleUrl)};
      const child = await startProcess({
        name: 'the child', command: process.execPath, logPath: ${JSON.stringify(join(folder, 'child.log'))},
        pidPath: ${JSON.stringify(pidPath)}, args: ['-e', 'console.log("up"); setInterval(() => {}, 1000)', ${JSON.stringify(folder)}],
        // Until it runs it may not have asked yet to be told of its parent's end.
        isReady: ({ logTail }) => logTail().includes('up'),
      });
      console.log(child.pid);
      setTimeout(() => { ${end} }, 50);
      setInterval(() => {}, 1000);`;
    const parent = spawn(
      process.execPath,
      [...LOADER_ARGUMENTS, '--input-type=module', '-e', script],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let complaints = '';
    parent.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
    const ended = new Promise((resolve) => parent.once('exit', resolve));
    const child = await new Promise<number>((resolve, reject) => {
      parent.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())));
      parent.once('close', () =>
        reject(new Error(`the parent ended before its child was up: ${complaints}`)),
      );
    });
    return { parent: parent.pid ?? 0, child, ended };
  }

  const isGoneSoon = async (pid: number): Promise<boolean> => {
    for (let waits = 0; waits < 200 && isProcessAlive(pid); waits++) await sleep(50);
    return !isProcessAlive(pid);
  };

  for (const [how, end] of [
    ['an uncaught error', 'throw new Error("boom")'],
    ['process.exit', 'process.exit(0)'],
    ['a signal that nobody handles', 'process.kill(process.pid, "SIGTERM")'],
  ] as const) {
    it(`do not outlive a parent that ends by ${how}`, async () => {
      const { child, ended } = await startParent(end);
      await ended;
      expect(await isGoneSoon(child)).to.equal(true);
    });
  }

  it('do not outlive a parent that is killed outright', async function () {
    if (process.platform !== 'linux') this.skip();
    const { parent, child, ended } = await startParent('');
    expect(isProcessAlive(child)).to.equal(true);
    process.kill(parent, 'SIGKILL');
    await ended;
    expect(await isGoneSoon(child)).to.equal(true);
  });

  it('that were left behind are ended at the next start, but never a stranger with the same pid', async () => {
    const pidPath = join(folder, 'process.json');
    const child = await startProcess({
      name: 'the child',
      command: process.execPath,
      args: ['-e', 'setInterval(() => {}, 1000)', folder],
      logPath: join(folder, 'log'),
      pidPath,
    });
    const record = JSON.parse(readFileSync(pidPath, 'utf8')) as { startTime: string };
    // Same pid, started at another time.
    writeFileSync(pidPath, JSON.stringify({ ...record, startTime: `${record.startTime}0` }));
    expect(await reapRecordedProcess(pidPath, folder)).to.equal(undefined);
    expect(child.isRunning()).to.equal(true);
    // Same pid and time, but another program.
    writeFileSync(pidPath, JSON.stringify(record));
    expect(await reapRecordedProcess(pidPath, '/another/folder')).to.equal(undefined);
    expect(child.isRunning()).to.equal(true);
    writeFileSync(pidPath, JSON.stringify(record));
    expect(await reapRecordedProcess(pidPath, folder)).to.equal(child.pid);
    expect(await isGoneSoon(child.pid)).to.equal(true);
  });

  it('that fail to start say why, with the end of their log', async () => {
    const error = await startProcess({
      name: 'the child',
      command: process.execPath,
      args: ['-e', 'console.error("no such option"); process.exit(3)'],
      logPath: join(folder, 'log'),
      isReady: () => false,
    }).catch((reason: unknown) => reason);
    expect(String(error)).to.match(/ended with code 3.*no such option/s);
  });

  it('that do not stop when asked are killed', async () => {
    const child = await startProcess({
      name: 'the child',
      command: process.execPath,
      args: [
        '-e',
        'process.on("SIGTERM", () => {}); console.log("deaf"); setInterval(() => {}, 1000)',
      ],
      logPath: join(folder, 'log'),
      isReady: ({ logTail }) => logTail().includes('deaf'),
      stopTimeoutMs: 100,
    });
    expect(await child.stop()).to.deep.equal({ code: null, signal: 'SIGKILL' });
  });

  it('claim a folder one at a time; a claim whose owner is gone does not count', () => {
    const claim = claimDirectory(folder);
    expect(() => claimDirectory(folder)).to.throw(DirectoryInUseError, folder);
    claim.release();
    writeFileSync(
      join(folder, 'owner.json'),
      JSON.stringify({ pid: process.pid, startTime: 'another time', command: '' }),
    );
    claimDirectory(folder).release();
  });
});
