import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { findFreePort } from '../../dev/freePort.ts';
import { createQueues, type Queues } from '../../platform/queues.ts';
import { bulk, startFakeRedis, type FakeRedis } from '../support/startFakeRedis.ts';

/** What a producer does when Redis is not well at the moment at which the process starts. */
describe('queues', function () {
  this.timeout(20_000);

  let server: FakeRedis | undefined;
  let queues: Queues | undefined;
  afterEach(async () => {
    await queues?.close();
    await server?.close();
    queues = server = undefined;
  });

  const put = (to: Queues) =>
    to.addAll([
      {
        queue: 'relay',
        jobId: 'job-1',
        payload: { outboxId: 'job', generation: 1, subjectId: 'subject', requestId: null },
        delayMs: 0,
      },
    ]);
  const open = (url: string) => createQueues({ redisUrl: url, queuePrefix: 'test' });

  for (const scheme of ['redis', 'redis+cluster']) {
    it(`are refused at once what they ask of a Redis (${scheme}) that was away when they were made`, async () => {
      queues = await open(`${scheme}://127.0.0.1:${await findFreePort()}`);
      const startedAt = performance.now();
      const failures = await Promise.all(
        [put(queues), queues.get('relay').getJobScheduler('any')].map((asked) =>
          Promise.race([asked.then(() => 'done'), sleep(5_000, 'nothing')]).catch(() => 'refused'),
        ),
      );
      expect(failures).to.deep.equal(['refused', 'refused']);
      expect(performance.now() - startedAt).to.be.below(3_000);
    });
  }

  it('work after a Redis that stood still when they had just been connected', async () => {
    let isReady = false;
    let goOn = (): void => undefined;
    const standsStill = new Promise<void>((resolve) => (goOn = resolve));
    let added = 0;
    server = await startFakeRedis(async ([name = '']) => {
      const command = name.toLowerCase();
      if (command === 'client' || command === 'select') return '+OK\r\n';
      if (command === 'info' && !isReady) {
        // The client's own question, after which it is ready.
        isReady = true;
        return bulk('redis_version:7.2.4\r\nloading:0\r\n');
      }
      await standsStill;
      if (command === 'info') return bulk('redis_version:7.2.4\r\nloading:0\r\n');
      if (command === 'evalsha' || command === 'eval') added += 1;
      return bulk('job-1');
    });
    queues = await open(server.url);
    expect(
      await put(queues).then(String, ({ message }: Error) => message),
      'while it stands still',
    ).to.equal('Command timed out');
    goOn();
    await put(queues);
    expect(added).to.be.greaterThan(0);
  });
});
