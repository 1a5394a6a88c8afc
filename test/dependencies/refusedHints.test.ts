import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';

import { startRedis, type RedisServer } from '../../dev/redis.ts';
import type { Context } from '../../platform/context.ts';
import { createRedis, type RedisConnection } from '../../platform/redis.ts';
import { createSignals, type Signals } from '../../platform/signals.ts';
import { tryRedisWrite } from '../../platform/tryWrites.ts';
import { asBytes32 } from '../../shared/hex.ts';

const PASSWORD = 'a-password';
const PREFIX = '{test}';

/** As Redis 7 makes a user who is given all keys and all commands: every queue works for him. */
describe('a user of Redis who has no rights to channels', function () {
  this.timeout(60_000);

  let folder: string;
  let server: RedisServer;
  let admin: RedisConnection;
  let redis: RedisConnection;
  let signals: Signals;
  let ctx: Context;
  let told: { readonly level: number; readonly msg: string }[];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-acl-'));
    server = await startRedis({
      dataDir: join(folder, 'redis'),
      logPath: join(folder, 'redis.log'),
    });
    admin = createRedis(server.url, 'worker');
    await admin.acl('SETUSER', 'shop', 'on', `>${PASSWORD}`, 'resetchannels', '~*', '+@all');
    const url = `redis://shop:${PASSWORD}@127.0.0.1:${server.port}`;
    told = [];
    const log = pino(
      { level: 'info' },
      { write: (line: string) => void told.push(JSON.parse(line) as (typeof told)[number]) },
    );
    redis = createRedis(url, 'worker');
    signals = createSignals({
      redis,
      subscribe: () => createRedis(url, 'subscriber'),
      prefix: PREFIX,
      log,
    });
    ctx = { redis, signals, config: { queuePrefix: PREFIX } } as unknown as Context;
  });
  after(async () => {
    await signals.close();
    for (const connection of [redis, admin]) connection.disconnect();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const tryWrite = () =>
    tryRedisWrite(ctx).then(
      () => 'up',
      (error: Error) => error.message,
    );
  const change = () =>
    signals.changed([{ topic: 'payment', id: asBytes32(`0x${'11'.repeat(32)}`) }]);

  it('is told by readiness, and once by a warning, until he is given them', async () => {
    expect(await tryWrite()).to.contain('The user');
    await change();
    await change();
    expect(told.map(({ level, msg }) => [level, msg])).to.deep.equal([
      [40, 'Redis refuses hints: every change takes longer'],
    ]);

    await admin.acl('SETUSER', 'shop', '&*');
    expect(await tryWrite()).to.equal('up');
    await change();
    expect(told.map(({ msg }) => msg).slice(1)).to.deep.equal(['Redis takes hints again']);
  });
});
