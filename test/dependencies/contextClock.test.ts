import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import sinon from 'sinon';

import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import { addMs } from '../../shared/clock.ts';
import { createHarness, type Harness } from '../support/harness.ts';

/** Of a process on a machine whose clock nobody has set. */
describe('a context', () => {
  let harness: Harness;
  before(async () => {
    harness = await createHarness({ env: { MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'true' } });
  });
  afterEach(() => sinon.restore());
  after(() => harness.close());

  for (const aheadMs of [3_600_000, -3_600_000]) {
    it(`compares dates of receivers with the database’s clock, where its own is ${aheadMs} ms ahead`, async () => {
      const retryAt = addMs(harness.ctx.clock.now(), 90_000);
      const receiver = createServer((_request, response) =>
        response.writeHead(503, { 'retry-after': retryAt.toUTCString() }).end(),
      );
      receiver.listen(0, '127.0.0.1');
      await once(receiver, 'listening');
      sinon.useFakeTimers({ now: Date.now() + aheadMs, toFake: ['Date'] });
      const { ctx, close } = await createContext(harness.config, {
        name: 'test',
        eventSinks: EVENT_SINKS,
      });
      try {
        const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
        const outcome = await ctx.webhookSender.post({
          url,
          headers: {},
          body: '{}',
          timeoutMs: 5_000,
        });
        expect(outcome.retryAfterSeconds).to.be.within(60, 91);
      } finally {
        await close();
        receiver.closeAllConnections();
        receiver.close();
      }
    });
  }
});
