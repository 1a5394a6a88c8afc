import { once } from 'node:events';
import { expect } from 'chai';

import {
  createRedis,
  type RedisConnection,
  type RedisConnectionKind,
} from '../../platform/redis.ts';
import { startFakeRedis, type FakeRedis } from '../support/startFakeRedis.ts';

/** What Redis says when it is there and does not work for us, in its own words. */
const REFUSALS = {
  READONLY: "READONLY You can't write against a read only replica.",
  LOADING: 'LOADING Redis is loading the dataset in memory',
  MASTERDOWN: "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
};

/** The first connection is to one that refuses, the address leads to another one then. */
describe('a Redis that refuses', () => {
  let server: FakeRedis;
  let refusal: string;
  let redis: RedisConnection | undefined;

  beforeEach(async () => {
    server = await startFakeRedis(([name = ''], { number }) => {
      // The client asks it by itself.
      if (/^(info|client|select)$/i.test(name)) return undefined;
      return number === 1 ? `-${refusal}\r\n` : undefined;
    });
  });
  afterEach(async () => {
    redis?.disconnect();
    await server.close();
  });

  async function connect(kind: RedisConnectionKind): Promise<RedisConnection> {
    redis = createRedis(server.url, kind);
    redis.on('error', () => undefined);
    await once(redis, 'ready');
    return redis;
  }

  for (const kind of ['command', 'worker'] as const) {
    for (const [name, words] of Object.entries(REFUSALS)) {
      it(`with ${name} is left for a new connection (${kind})`, async () => {
        refusal = words;
        const connected = await connect(kind);
        const set = () => connected.set('key', 'value');
        if (kind === 'command') {
          // A caller that can go on without Redis is told at once; the next one finds the other
          // server.
          const ready = once(connected, 'ready');
          expect(await set().catch(() => 'failed')).to.equal('failed');
          await ready;
        }
        expect(await set()).to.equal('OK');
        expect(server.connections()).to.equal(2);
      });
    }

    it(`with anything else is told so, and stays (${kind})`, async () => {
      refusal = 'WRONGTYPE Operation against a key holding the wrong kind of value';
      const connected = await connect(kind);
      const failure = await connected.set('key', 'value').then(
        () => 'nothing',
        (error: Error) => error.message,
      );
      expect(failure).to.equal(refusal);
      expect(server.connections()).to.equal(1);
    });
  }
});
