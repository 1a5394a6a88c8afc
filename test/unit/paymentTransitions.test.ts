import { expect } from 'chai';

import { changePayments } from '../../domain/payments/changePayments.ts';
import { EVENT_TYPE_OF_TRANSITION } from '../../domain/payments/decide.ts';
import { PAYMENT_STATUSES, type Payment, type PaymentStatus } from '../../domain/payments/model.ts';
import { getPayment } from '../../domain/payments/service.ts';
import { lockPayments } from '../../domain/payments/store.ts';
import {
  nextPaymentStatus,
  PAYMENT_TRANSITION_EVENTS,
  type PaymentTransitionEvent,
} from '../../domain/payments/transitions.ts';
import { listEvents } from '../../domain/events/listEvents.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';

/** Written out once more, for whoever changes the table by mistake. '-': must not happen. */
const EXPECTED: Readonly<
  Record<PaymentTransitionEvent, Readonly<Record<PaymentStatus, PaymentStatus | '-'>>>
> = {
  relayAccepted: {
    pending: 'processing',
    processing: '-',
    completed: '-',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
  relayFailed: {
    pending: '-',
    processing: 'pending',
    completed: '-',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
  relayFailedFinal: {
    pending: '-',
    processing: 'failed',
    completed: '-',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
  eventSeen: {
    pending: 'processing',
    processing: '-',
    completed: '-',
    expired: 'processing',
    failed: 'processing',
    cancelled: 'processing',
  },
  eventFinal: {
    pending: '-',
    processing: 'completed',
    completed: '-',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
  eventRemoved: {
    pending: '-',
    processing: 'pending',
    completed: 'pending',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
  eventRemovedInFlight: {
    pending: '-',
    processing: 'processing',
    completed: '-',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
  eventRemovedLate: {
    pending: '-',
    processing: 'expired',
    completed: 'expired',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
  eventRemovedCancelled: {
    pending: '-',
    processing: 'cancelled',
    completed: 'cancelled',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
  expire: {
    pending: 'expired',
    processing: '-',
    completed: '-',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
  cancel: {
    pending: 'cancelled',
    processing: '-',
    completed: '-',
    expired: '-',
    failed: '-',
    cancelled: '-',
  },
};

describe('the transitions of payments', () => {
  let harness: Harness;
  let store: TestStore;
  let payment: Payment;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    store = await harness.createTestStore();
    payment = await harness.createTestPayment(store);
  });
  after(() => harness.close());

  const read = () => getPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });

  async function apply(transition: PaymentTransitionEvent): Promise<void> {
    await inUnitOfWork(harness.ctx, async (unit) => {
      const locked = await lockPayments(unit.trx, [payment.id]);
      await changePayments(
        harness.ctx,
        unit,
        locked.map((current) => ({ payment: current, transitions: [transition] })),
      );
    });
  }

  it('know every event and every status', () => {
    expect(Object.keys(EXPECTED)).to.have.members([...PAYMENT_TRANSITION_EVENTS]);
    for (const row of Object.values(EXPECTED))
      expect(Object.keys(row)).to.have.members([...PAYMENT_STATUSES]);
  });

  for (const event of PAYMENT_TRANSITION_EVENTS) {
    for (const status of PAYMENT_STATUSES) {
      const next = EXPECTED[event][status];
      if (next === '-') {
        it(`do not let ${event} happen to a payment that is ${status}`, async () => {
          expect(nextPaymentStatus(status, event)).to.equal(undefined);
          await harness.ctx.db('payments').where({ id: payment.id }).update({ status });
          const [before, events] = [
            await read(),
            await listEvents(harness.ctx, { type: 'payment', id: payment.id }),
          ];
          const error = await expectRefusal(apply(event));
          expect(error).to.include({
            code: 'PAY_004',
            detail: `A payment that is ${status} does not allow this.`,
          });
          expect(await read()).to.deep.equal(before);
          expect(await listEvents(harness.ctx, { type: 'payment', id: payment.id })).to.deep.equal(
            events,
          );
        });
      } else {
        it(`by ${event} lead from ${status} to ${next}, with the next version and an event of it`, async () => {
          expect(nextPaymentStatus(status, event)).to.equal(next);
          await harness.ctx.db('payments').where({ id: payment.id }).update({ status });
          const { version } = await read();
          await apply(event);
          expect(await read()).to.include({ status: next, version: version + 1 });
          const events = await listEvents(harness.ctx, { type: 'payment', id: payment.id });
          const told = events.filter((one) => one.version === version + 1).map(({ type }) => type);
          expect(told).to.deep.equal([EVENT_TYPE_OF_TRANSITION[event]]);
        });
      }
    }
  }

  it('of one change are all applied or none', async () => {
    await harness.ctx.db('payments').where({ id: payment.id }).update({ status: 'pending' });
    const before = await read();
    const change = inUnitOfWork(harness.ctx, async (unit) => {
      const [locked] = await lockPayments(unit.trx, [payment.id]);
      if (locked === undefined) throw new Error('no payment');
      await changePayments(harness.ctx, unit, [
        { payment: locked, transitions: ['eventSeen', 'eventFinal', 'cancel'] },
      ]);
    });
    expect((await expectRefusal(change)).code).to.equal('PAY_004');
    expect(await read()).to.deep.equal(before);
  });
});
