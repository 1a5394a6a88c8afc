import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { claimDirectory } from '../../dev/childProcess.ts';
import {
  findSharedStack,
  mayShareStack,
  stopSharedStack,
  writeSharedStack,
} from '../../dev/sharedStack.ts';
import { LOADER_ARGUMENTS, modulePath } from '../support/programArguments.ts';

describe('the stack that runs of tests share', () => {
  let directory: string;
  let server: Server;
  let url: string;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'msqpay-shared-'));
    server = createServer((socket) => socket.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `mysql://root@127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const describeStack = (pid: number) => ({
    pid,
    databaseUrl: url,
    redisUrl: url,
    chainStatePath: join(directory, 'deployed.json'),
    deploymentPath: join(directory, 'deployment.json'),
  });

  it('is found while its process lives and its services listen', async () => {
    expect(await findSharedStack(directory)).to.equal(undefined);
    claimDirectory(directory);
    writeSharedStack(directory, describeStack(process.pid));
    expect(await findSharedStack(directory)).to.deep.equal(describeStack(process.pid));
    server.close();
    await once(server, 'close');
    expect(await findSharedStack(directory)).to.equal(undefined);
  });

  it('is not found once its process is gone, and what it left is removed', async () => {
    writeSharedStack(directory, describeStack(process.pid));
    expect(await findSharedStack(directory)).to.equal(undefined);
    expect(existsSync(join(directory, 'state.json'))).to.equal(false);
  });

  it('is ended by its process, and by nobody when none runs', async () => {
    expect(await stopSharedStack(directory)).to.equal(false);
    const claiming = `
      import { claimDirectory } from '${modulePath('dev/childProcess.ts')}';
      claimDirectory(${JSON.stringify(directory)});
      process.stdout.write('claimed');
      setInterval(() => undefined, 1000);`;
    const owner = spawn(
      process.execPath,
      [...LOADER_ARGUMENTS, '--input-type=module', '--eval', claiming],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(owner.stdout, 'data');
    const ended = once(owner, 'exit');
    expect(await stopSharedStack(directory)).to.equal(true);
    await ended;
  });

  it('is for tests that leave its services alone', () => {
    const share = ['test/api/cancelPayment.test.ts', 'test/relay/**/*.test.ts'];
    expect(mayShareStack(share)).to.equal(true);
    for (const file of [
      'test/e2e/redisOutage.test.ts',
      'test/chaos/chaos.test.ts',
      'test/workers/schedules.test.ts',
      'test/**/*.test.ts',
    ])
      expect(mayShareStack([...share, file]), file).to.equal(false);
  });
});
