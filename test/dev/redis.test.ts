import { expect } from 'chai';
import { Redis } from 'ioredis';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isProcessAlive } from '../../dev/childProcess.ts';
import { startRedis } from '../../dev/redis.ts';
import type { RedisServer } from '../../dev/redis.ts';

describe('startRedis', function () {
  this.timeout(60_000);
  let folder: string;
  let server: RedisServer | undefined;
  const start = async (): Promise<RedisServer> => {
    server = await startRedis({
      dataDir: join(folder, 'redis'),
      logPath: join(folder, 'redis.log'),
    });
    return server;
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-redis-'));
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('keeps what it acknowledged when it is killed, on the same address', async () => {
    const { url, pid } = await start();
    await using(url, (redis) => redis.set('kept', 'yes'));
    await server?.kill('SIGKILL');
    expect(isProcessAlive(pid)).to.equal(false);
    await server?.restart();
    expect(server?.url).to.equal(url);
    expect(await using(url, (redis) => redis.get('kept'))).to.equal('yes');
  });

  it('finds the data of an earlier run', async () => {
    await using((await start()).url, (redis) => redis.set('earlier', 'run'));
    await server?.close();
    expect(await using((await start()).url, (redis) => redis.get('earlier'))).to.equal('run');
  });

  it('evicts nothing and writes every change to its file', async () => {
    const settings = await using((await start()).url, (redis) =>
      redis.config('GET', 'maxmemory-policy', 'appendonly', 'bind'),
    );
    expect(settings).to.have.members([
      'maxmemory-policy',
      'noeviction',
      'appendonly',
      'yes',
      'bind',
      '127.0.0.1',
    ]);
  });

  it('lets nobody in without its password', async () => {
    const { port } = await start();
    const answer = await using(`redis://127.0.0.1:${port}`, (redis) =>
      redis.get('kept').catch((error: unknown) => String(error)),
    );
    expect(answer).to.match(/NOAUTH/);
  });

  it('leaves no process behind when closed', async () => {
    const { pid } = await start();
    expect(isProcessAlive(pid)).to.equal(true);
    await server?.close();
    expect(isProcessAlive(pid)).to.equal(false);
  });
});

async function using<Result>(
  url: string,
  work: (redis: Redis) => Promise<Result>,
): Promise<Result> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, enableReadyCheck: false });
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
