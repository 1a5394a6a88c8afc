import { expect } from 'chai';
import { EventEmitter } from 'node:events';

import { createLogger } from '../../platform/logger.ts';
import type { RedisConnection } from '../../platform/redis.ts';
import { createSignals, type Signals } from '../../platform/signals.ts';

const PAYMENT = `0x${'11'.repeat(32)}`;

/** Of Redis only what signals ask of it: messages arrive in the turn in which they are sent. */
function createFakeRedis() {
  let counted = 0;
  const sent: string[] = [];
  const subscriber = Object.assign(new EventEmitter(), {
    subscribe: () => Promise.resolve(),
    ping: () => Promise.resolve(),
    disconnect: () => undefined,
  });
  const redis = {
    eval: (
      _script: string,
      _keys: number,
      ...[, , count, hints]: [string, string, number, string]
    ) => {
      counted += count;
      sent.push(hints);
      subscriber.emit('message', 'channel', `${counted} ${count} ${hints}`);
      return Promise.resolve();
    },
  };
  return { redis, subscriber, sent };
}

describe('signals', () => {
  let fake: ReturnType<typeof createFakeRedis>;
  let signals: Signals;
  beforeEach(() => {
    fake = createFakeRedis();
    signals = createSignals({
      redis: fake.redis as unknown as RedisConnection,
      subscribe: () => fake.subscriber as unknown as RedisConnection,
      prefix: 'test',
      log: createLogger({ log: { level: 'silent', pretty: false } }, 'test'),
    });
  });
  afterEach(() => signals.close());

  function listenTo(topic: string): string[] {
    const heard: string[] = [];
    signals.onChanged(topic, (id) => heard.push(id));
    return heard;
  }
  const arrive = (message: string) => fake.subscriber.emit('message', 'channel', message);

  it('name payments by their ids alone, as earlier versions do, and others with their topic', async () => {
    await signals.changed([
      { topic: 'payment', id: PAYMENT },
      { topic: 'order', id: 'ord_1' },
      { topic: 'order', id: 'ord_1' },
    ]);
    expect(fake.sent).to.deep.equal([`${PAYMENT} order:ord_1`]);
  });

  it('are heard by those who listen to their topic, from another process too', () => {
    const [payments, orders] = [listenTo('payment'), listenTo('order')];
    arrive(`1 1 ${PAYMENT}`);
    expect([payments.splice(0), orders.splice(0)], 'the first that is heard').to.deep.equal([
      ['all', PAYMENT],
      ['all'],
    ]);
    arrive(`3 2 ${PAYMENT} order:ord_1`);
    expect([payments, orders]).to.deep.equal([[PAYMENT], ['ord_1']]);
  });

  it('pass over hints of a later version', () => {
    const [payments, orders] = [listenTo('payment'), listenTo('order')];
    arrive('1 1 outbox');
    payments.length = orders.length = 0;
    arrive('4 3 order: :ord_1 what-is-this');
    arrive(`5 1 invoice:inv_1`);
    expect([payments, orders]).to.deep.equal([[], []]);
  });

  it('let those forget everything who lost some, whatever their topic', () => {
    const [payments, orders] = [listenTo('payment'), listenTo('order')];
    arrive('1 1 order:ord_1');
    payments.length = orders.length = 0;
    arrive('3 1 order:ord_2');
    expect([payments, orders]).to.deep.equal([['all'], ['all', 'ord_2']]);
  });

  it('are heard no more by who has ended listening', async () => {
    const heard: string[] = [];
    const end = signals.onChanged('order', (id) => heard.push(id));
    end();
    arrive('3 1 order:ord_1');
    await signals.changed([{ topic: 'order', id: 'ord_2' }]);
    expect(heard).to.deep.equal([]);
  });

  it('make this process alone forget', () => {
    const heard = listenTo('order');
    signals.forget({ topic: 'order', id: 'ord_1' });
    expect(heard).to.deep.equal(['ord_1']);
    expect(fake.sent).to.deep.equal([]);
  });
});
