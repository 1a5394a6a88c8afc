import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';

import { openStateFile, type Order, type StateFile } from '../../demo/shop/openStateFile.ts';
import { receiveWebhook, type WebhookDelivery } from '../../demo/shop/receiveWebhook.ts';

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const PAYMENT_ID = `0x${'11'.repeat(32)}`;
const TOKEN = '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512';
const NOW = new Date('2026-01-02T03:04:05.000Z');

type EventData = {
  paymentId: string;
  orderId: string;
  status: string;
  version: number;
  token: string;
  amount: string;
};

function sign(
  id: string,
  type: string,
  changes: Partial<EventData> = {},
  { secret = SECRET, sentAt = new Date() } = {},
): WebhookDelivery {
  const status =
    type === 'payment.completed'
      ? 'completed'
      : type === 'payment.processing'
        ? 'processing'
        : 'pending';
  const data = {
    paymentId: PAYMENT_ID,
    orderId: 'order-1',
    status,
    version: 1,
    token: TOKEN,
    amount: '2500000',
    ...changes,
  };
  const body = JSON.stringify({ type, timestamp: sentAt.toISOString(), data });
  return {
    body: Buffer.from(body),
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, sentAt, body),
    },
  };
}

describe('demo shop: receiving webhooks', () => {
  let folder: string;
  let stateFile: StateFile;

  const receive = (delivery: WebhookDelivery) => receiveWebhook(stateFile, delivery, NOW);
  const getOrder = (): Order => {
    const order = stateFile.state.orders[0];
    if (order === undefined) throw new Error('there is no order');
    return order;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-shop-'));
    stateFile = openStateFile(join(folder, 'shop.json'));
    stateFile.update((state) => {
      state.webhookEndpoint = {
        url: 'http://shop.test/webhooks',
        idempotencyKey: 'key',
        registered: { id: 'we_1', secret: SECRET },
      };
      state.orders.push({
        orderId: 'order-1',
        product: 'espresso',
        token: TOKEN,
        amount: '2500000',
        paymentId: PAYMENT_ID,
        status: 'pending',
        version: 0,
        webhooks: [],
        createdAt: NOW.toISOString(),
        shippedAt: null,
      });
    });
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('takes a verified delivery in, and has it on the disk before it acknowledges', () => {
    expect(receive(sign('evt_1', 'payment.processing', { version: 2 }))).to.equal('accepted');
    expect(getOrder()).to.include({ status: 'processing', version: 2, shippedAt: null });
    expect(getOrder().webhooks).to.deep.equal([
      { id: 'evt_1', type: 'payment.processing', version: 2, verifiedAt: NOW.toISOString() },
    ]);
    expect(JSON.parse(readFileSync(join(folder, 'shop.json'), 'utf8'))).to.deep.equal(
      stateFile.state,
    );
  });

  it('ships when the payment is completed, not before', () => {
    receive(sign('evt_1', 'payment.processing', { version: 2 }));
    expect(getOrder().shippedAt).to.equal(null);
    receive(sign('evt_2', 'payment.completed', { version: 3 }));
    expect(getOrder().shippedAt).to.equal(NOW.toISOString());
  });

  it('refuses what is signed with another secret, was changed on its way, or is not signed', () => {
    const other = `whsec_${Buffer.alloc(32, 2).toString('base64')}`;
    expect(receive(sign('evt_1', 'payment.completed', { version: 3 }, { secret: other }))).to.equal(
      'unverified',
    );
    const genuine = sign('evt_1', 'payment.processing', { version: 2 });
    const changed = Buffer.from(genuine.body.toString().replace('processing', 'completed'));
    expect(receive({ ...genuine, body: changed })).to.equal('unverified');
    expect(
      receive({ ...genuine, headers: { ...genuine.headers, 'webhook-id': 'evt_2' } }),
    ).to.equal('unverified');
    expect(
      receive({ ...genuine, headers: { ...genuine.headers, 'webhook-signature': '' } }),
    ).to.equal('unverified');
    expect(getOrder().webhooks).to.deep.equal([]);
  });

  it('refuses a delivery whose timestamp is too old or in the future, however well it is signed', () => {
    for (const minutes of [-6, 6]) {
      const sentAt = new Date(Date.now() + minutes * 60_000);
      expect(receive(sign('evt_1', 'payment.completed', { version: 3 }, { sentAt }))).to.equal(
        'unverified',
      );
    }
    expect(getOrder().status).to.equal('pending');
  });

  it('accepts one of several signatures, as they are sent while a secret is rotated', () => {
    const delivery = sign('evt_1', 'payment.processing', { version: 2 });
    const signatures = `v1,${Buffer.alloc(32).toString('base64')} ${delivery.headers['webhook-signature']}`;
    expect(
      receive({ ...delivery, headers: { ...delivery.headers, 'webhook-signature': signatures } }),
    ).to.equal('accepted');
  });

  it('counts a repeated delivery once', () => {
    receive(sign('evt_1', 'payment.completed', { version: 3 }));
    expect(receive(sign('evt_1', 'payment.completed', { version: 3 }))).to.equal('duplicate');
    expect(getOrder().webhooks).to.have.length(1);
  });

  it('does not go back when an older event comes later', () => {
    receive(sign('evt_3', 'payment.completed', { version: 3 }));
    expect(receive(sign('evt_2', 'payment.processing', { version: 2 }))).to.equal('accepted');
    expect(getOrder()).to.include({ status: 'completed', version: 3 });
    expect(getOrder().webhooks.map(({ id }) => id)).to.deep.equal(['evt_3', 'evt_2']);
  });

  it('does not ship for a completion that a reorganisation has already taken back', () => {
    receive(sign('evt_4', 'payment.reorged', { version: 4, status: 'pending' }));
    receive(sign('evt_3', 'payment.completed', { version: 3 }));
    expect(getOrder()).to.include({ status: 'pending', version: 4, shippedAt: null });
  });

  it('knows the order before the reply that brings the payment id', () => {
    stateFile.update(() => (getOrder().paymentId = null));
    expect(receive(sign('evt_1', 'payment.created'))).to.equal('accepted');
    expect(getOrder().paymentId).to.equal(PAYMENT_ID);
  });

  it('lets no other payment with the same order id pay for the order', () => {
    expect(
      receive(
        sign('evt_1', 'payment.completed', { version: 3, paymentId: `0x${'22'.repeat(32)}` }),
      ),
    ).to.equal('ignored');
    stateFile.update(() => (getOrder().paymentId = null));
    expect(receive(sign('evt_2', 'payment.completed', { version: 3, amount: '1' }))).to.equal(
      'ignored',
    );
    expect(
      receive(sign('evt_3', 'payment.completed', { version: 3, token: PAYMENT_ID.slice(0, 42) })),
    ).to.equal('ignored');
    expect(getOrder().shippedAt).to.equal(null);
  });

  it('acknowledges an event that it does not know, so that it is not sent for days', () => {
    expect(receive(sign('evt_1', 'coins.spent', { orderId: 'nobody' }))).to.equal('ignored');
    expect(receive(sign('evt_2', 'payment.frozen', { status: 'frozen' }))).to.equal('ignored');
  });

  it('asks for a later delivery while its endpoint is not registered', () => {
    stateFile.update((state) => (state.webhookEndpoint = null));
    expect(receive(sign('evt_1', 'payment.completed', { version: 3 }))).to.equal('notReady');
  });
});
