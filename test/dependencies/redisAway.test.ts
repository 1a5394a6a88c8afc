import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { findFreePort } from '../../dev/freePort.ts';
import { startRedis, type RedisServer } from '../../dev/redis.ts';
import { loadConfig } from '../../platform/config.ts';
import { createRedis } from '../../platform/redis.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { runWorkers } from '../support/runWorkers.ts';
import { waitUntil } from '../support/waitUntil.ts';

/**
 * What is closed while Redis is away is closed for good: nothing of it keeps a process from ending.
 */
describe('a Redis that is away', function () {
  this.timeout(90_000);

  let folder: string;
  let redis: RedisServer;
  let harness: Harness;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-redis-away-'));
    redis = await startRedis({
      dataDir: join(folder, 'redis'),
      logPath: join(folder, 'redis.log'),
    });
    // Its own Redis stays: only what the workers leave behind is counted.
    harness = await createHarness();
  });
  after(async () => {
    await harness.close();
    await redis.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const scheme of ['redis', 'redis+cluster']) {
    it(`does not keep a connection (${scheme}) that is ended while it waits to connect again`, async () => {
      const connection = createRedis(`${scheme}://127.0.0.1:${await findFreePort()}`, 'worker');
      connection.on('error', () => undefined);
      const answer = connection.get('anything').then(String, (error: Error) => error.message);
      await waitUntil(() => connection.status === 'reconnecting', {
        what: 'the connection to wait',
        everyMs: 5,
      });
      const ended = new Promise((resolve) => connection.once('end', resolve));
      connection.disconnect();
      await ended;
      expect(await answer).to.equal('Connection is closed.');
      await sleep(100);
      expect(connection.status).to.equal('end');
    });
  }

  it('does not keep workers that are stopped meanwhile', async () => {
    const countTimers = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    // Until the timers of the tests before have ended, and this one's own, which mocha sets after
    // it was begun, is there.
    await sleep(1_000);
    const before = countTimers();
    const config = loadConfig(harness.environment({ REDIS_URL: redis.url }));
    const workers = await runWorkers({ ...harness, config }, [
      'webhook',
      'expire',
      'maintenance',
      'chain-scan',
    ]);
    await redis.kill();
    await sleep(1_000);
    await workers.stop(1_000);
    await waitUntil(() => countTimers() <= before, {
      what: 'their timers to end',
      timeoutMs: 10_000,
    });
  });
});
