import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { createRedis } from '../../platform/redis.ts';
import { startFakeRedis } from '../support/startFakeRedis.ts';
import { waitUntil } from '../support/waitUntil.ts';

describe('a Redis that hangs up', function () {
  this.timeout(20_000);

  it('and again when it is connected anew: what was asked of it has failed when the connection is ended', async () => {
    const server = await startFakeRedis(([name = ''], { number, socket }) => {
      if (number > 1 || name.toLowerCase() === 'get') socket.destroy();
      return undefined;
    });
    const connection = createRedis(server.url, 'worker');
    connection.on('error', () => undefined);
    try {
      const answer = connection.get('anything').then(String, (error: Error) => error.message);
      // The second has come to nothing by the time of the third.
      await waitUntil(() => server.connections() >= 3, {
        what: 'the connection to be tried again',
      });
      expect(
        await Promise.race([answer, sleep(0, 'none')]),
        'it is asked again when there is a connection',
      ).to.equal('none');
      connection.disconnect();
      expect(await Promise.race([answer, sleep(2_000, 'none')])).to.equal('Connection is closed.');
    } finally {
      connection.disconnect();
      await server.close();
    }
  });
});
