import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect } from 'chai';
import { parse } from 'yaml';

import { cancelPayment } from '../../domain/payments/service.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { buildEventBody } from '../../domain/webhooks/message.ts';
import type { EventType } from '../../domain/events/model.ts';
import { EVENT_TYPES } from '../../domain/modules.ts';
import { parseJsonColumn, selectRows } from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';

interface Document {
  readonly webhooks: Readonly<Record<string, unknown>>;
}

describe('the body of a webhook', () => {
  let harness: Harness;
  let store: TestStore;
  const document = parse(readFileSync(join(PROJECT_ROOT, 'openapi.yaml'), 'utf8')) as Document;
  const ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: true }));
  ajv.addSchema(document, 'openapi');
  const isEvent = ajv.compile({ $ref: 'openapi#/components/schemas/PaymentEvent' });

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    store = await harness.createTestStore();
  });
  after(() => harness.close());

  async function readBodies(paymentId: string): Promise<unknown[]> {
    const rows = await selectRows<{ type: EventType; data: unknown; created_at: Date }>(
      harness.ctx.db,
      'SELECT type, data, created_at FROM events WHERE subject_id = ? ORDER BY version',
      [paymentId],
    );
    return rows.map((row) =>
      JSON.parse(
        buildEventBody({
          type: row.type,
          createdAt: row.created_at,
          data: parseJsonColumn(row.data) as Record<string, unknown>,
        }),
      ),
    );
  }

  function expectValid(body: unknown): void {
    expect(isEvent(body), JSON.stringify(isEvent.errors)).to.equal(true);
  }

  it('is as openapi.yaml describes it, from creation to completion', async () => {
    const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
    const payment = await harness.createTestPayment(store, {
      metadata: { cart: '17' },
      customerEmail: 'buyer@example.org',
    });
    await harness.chain.payDirectly(customer, payment);
    const bodies = await waitUntil(async () => {
      await scanChain(harness.ctx, payment.chainId);
      const found = await readBodies(payment.id);
      return found.length === 3 ? found : undefined;
    });
    bodies.forEach(expectValid);
    expect(JSON.stringify(bodies)).not.to.contain('buyer@example.org');
  });

  it('is as openapi.yaml describes it when a payment is cancelled', async () => {
    const payment = await harness.createTestPayment(store);
    await cancelPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });
    const bodies = await readBodies(payment.id);
    expect(bodies).to.have.length(2);
    bodies.forEach(expectValid);
  });

  it('is refused by the same check when something is missing or unknown', async () => {
    const payment = await harness.createTestPayment(store);
    const [body] = (await readBodies(payment.id)) as { data: Record<string, unknown> }[];
    const { amount: _amount, ...rest } = body?.data ?? {};
    expect(isEvent({ ...body, data: rest })).to.equal(false);
    expect(isEvent({ ...body, data: { ...body?.data, surprise: true } })).to.equal(false);
  });

  it('has every event type described under `webhooks`', () => {
    expect(Object.keys(document.webhooks).sort()).to.deep.equal([...EVENT_TYPES].sort());
  });
});
