import { LOCAL_STATUSES } from '../../adapters/relayers/local/localModel.ts';
import { expect } from 'chai';

import { readOpenapiDocument } from '../../api/http/openapiDocument.ts';
import { EVENT_TYPES } from '../../domain/modules.ts';
import { PAYMENT_STATUSES } from '../../domain/payments/model.ts';
import { REFUND_STATUSES } from '../../domain/refunds/model.ts';
import { WASTE_KINDS } from '../../domain/relay/waste/decideWaste.ts';
import { RELAY_ATTEMPT_STATUSES, RELAY_RAILS } from '../../domain/relay/model.ts';
import { RELAYER_STANDINGS } from '../../domain/relayers/model.ts';
import { API_KEY_ROLES, RELAY_PRIORITIES } from '../../domain/stores/model.ts';
import {
  WEBHOOK_DELIVERY_STATUSES,
  WEBHOOK_ENDPOINT_STATUSES,
} from '../../domain/webhooks/model.ts';
import { selectRows } from '../../platform/db.ts';
import { createHarness, type Harness } from '../support/harness.ts';

/**
 * What is listed in several places has to be the same in all of them: the model, the database,
 * openapi.yaml.
 */
const CHECKS: Readonly<Record<string, readonly string[]>> = {
  ck_api_keys_role: API_KEY_ROLES,
  ck_payments_status: PAYMENT_STATUSES,
  ck_relay_attempts_status: RELAY_ATTEMPT_STATUSES,
  ck_relay_attempts_rail: RELAY_RAILS,
  ck_relay_attempts_priority: RELAY_PRIORITIES,
  ck_stores_relay_priority: RELAY_PRIORITIES,
  ck_relayers_standing: RELAYER_STANDINGS,
  ck_relay_waste_kind: WASTE_KINDS,
  ck_refunds_status: REFUND_STATUSES,
  ck_local_relayer_transactions_status: LOCAL_STATUSES,
  ck_webhook_deliveries_status: WEBHOOK_DELIVERY_STATUSES,
  ck_webhook_endpoints_status: WEBHOOK_ENDPOINT_STATUSES,
};

describe('lists of states and kinds', () => {
  let harness: Harness;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
  });
  after(() => harness.close());

  it('are in the database what they are in the model: every CHECK that lists texts', async () => {
    const rows = await selectRows<{ name: string; clause: string }>(
      harness.ctx.db,
      `SELECT CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause FROM information_schema.CHECK_CONSTRAINTS
       WHERE CONSTRAINT_SCHEMA = DATABASE() AND CHECK_CLAUSE LIKE '%''%'`,
    );
    const listed = Object.fromEntries(rows.map(({ name, clause }) => [name, textsIn(clause)]));
    expect(listed).to.deep.equal(
      Object.fromEntries(
        Object.entries(CHECKS).map(([name, values]) => [name, [...values].sort()]),
      ),
    );
  });

  /** MySQL writes `_ascii\\'pending\\'`, MariaDB `'pending'`. */
  function textsIn(clause: string): string[] {
    return [...clause.matchAll(/\\?'([a-z_]+)\\?'/g)].map((match) => match[1] ?? '').sort();
  }

  describe('are in openapi.yaml what they are in the model:', () => {
    const document = readOpenapiDocument() as unknown as {
      readonly components: { readonly schemas: Readonly<Record<string, Schema | undefined>> };
      readonly webhooks: Readonly<Record<string, unknown>>;
    };
    interface Schema {
      readonly enum?: readonly string[];
      readonly properties?: Readonly<Record<string, Schema | undefined>>;
    }
    const schema = (name: string, property?: string) => {
      const found = document.components.schemas[name];
      return property === undefined ? found?.enum : found?.properties?.[property]?.enum;
    };

    it('payment statuses', () =>
      expect(schema('PaymentStatus')).to.deep.equal([...PAYMENT_STATUSES]));
    it('relay attempt statuses', () =>
      expect(schema('RelayAttempt', 'status')).to.deep.equal([...RELAY_ATTEMPT_STATUSES]));
    it('refund statuses', () => expect(schema('RefundStatus')).to.deep.equal([...REFUND_STATUSES]));
    it('rails', () => expect(schema('RelayAttempt', 'rail')).to.deep.equal([...RELAY_RAILS]));
    it('priorities', () => expect(schema('RelayPriority')).to.deep.equal([...RELAY_PRIORITIES]));
    it('endpoint statuses', () =>
      expect(schema('WebhookEndpointCore', 'status')).to.deep.equal([
        ...WEBHOOK_ENDPOINT_STATUSES,
      ]));
    it('event types', () => expect(schema('EventType')).to.have.members([...EVENT_TYPES]));
    it('the webhooks that are described', () =>
      expect(Object.keys(document.webhooks)).to.have.members([...EVENT_TYPES]));
  });
});
