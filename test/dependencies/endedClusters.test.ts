import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { LOADER_ARGUMENTS, modulePath } from '../support/programArguments.ts';
import { bulk, startFakeRedis, type FakeRedis } from '../support/startFakeRedis.ts';
import { waitUntil } from '../support/waitUntil.ts';

/** Longer than anything that ends by itself may take; what goes on for ever is still there then. */
const ENDS_WITHIN_MS = 15_000;

/**
 * Connects to the cluster at `url`, says so, and does `end` when it is told to; then nothing keeps
 * it.
 */
const scriptOf = (url: string, end: string) => `
  import { once } from 'node:events';
  import { createRedis } from ${JSON.stringify(pathToFileURL(modulePath('platform/redis.ts')).href)};
  const redis = createRedis(${JSON.stringify(url)}, 'worker');
  redis.on('error', () => undefined);
  await once(redis, 'ready');
  process.send('ready');
  await once(process, 'message');
  ${end}
  process.disconnect();`;

/** What a process asks of the cluster now and then is under way when its connections end. */
describe('a process whose connections to a Redis Cluster end while it asks where the slots are', function () {
  this.timeout(60_000);

  let server: FakeRedis;
  let asked: number;
  let answersAfterMs: number;

  beforeEach(async () => {
    asked = answersAfterMs = 0;
    server = await startFakeRedis(([name = '', what = '']) => {
      if (`${name} ${what}`.toLowerCase() !== 'cluster slots') return undefined;
      asked += 1;
      return sleep(
        answersAfterMs,
        `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n${bulk('127.0.0.1')}:${new URL(server.url).port}\r\n`,
      );
    });
  });
  afterEach(() => server.close());

  for (const [what, end] of [
    ['for good', 'redis.disconnect();'],
    [
      'and are made anew, before they end for good',
      'redis.disconnect(); await redis.connect(); await redis.quit();',
    ],
  ] as const) {
    it(`${what}, ends by itself`, async () => {
      const script = scriptOf(server.url.replace('redis:', 'redis+cluster:'), end);
      const child = spawn(
        process.execPath,
        [...LOADER_ARGUMENTS, '--input-type=module', '--eval', script],
        {
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        },
      );
      const exited = once(child, 'exit').then(([code]) => code as number | null);
      try {
        await once(child, 'message');
        const before = asked;
        answersAfterMs = 300;
        await waitUntil(() => asked > before, {
          what: 'the next question for the slots',
          everyMs: 10,
        });
        child.send('end');
        expect(await Promise.race([exited, sleep(ENDS_WITHIN_MS, 'runs on')])).to.equal(0);
      } finally {
        child.kill('SIGKILL');
      }
    });
  }
});
