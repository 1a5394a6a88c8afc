import { expect } from 'chai';

import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { endUnsent } from '../../domain/relay/send/endUnsent.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import type { Context } from '../../platform/context.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import {
  acceptRelay,
  confirmOnce,
  readAttempt,
  readPayment,
  type ListedAttempt,
} from '../support/relayFlow.ts';
import { withChain, withRelayer, withRelayers } from '../support/varyContext.ts';

const REFUSED = { code: 'PAY_029', detail: 'The chain would refuse the request.' };
const SENT_AND_PAID = ['payment.created', 'payment.processing', 'payment.completed'];
const ENDED = ['payment.created', 'payment.processing', 'payment.relay_failed'];

describe('ending an attempt that another worker sends at the same moment', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let other: Awaited<ReturnType<typeof createContext>>;
  let chainId: number;
  let store: TestStore;
  let relayer: OwnRelayer;
  /** The worker that found out that it cannot be sent … */
  let ending: Context;
  /** … and the one that sends it, with connections of its own. */
  let sending: Context;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: (config) => {
        const own = chain.configure({ confirmations: 1 })(config);
        // Each request is sent by itself, by its own job.
        return {
          ...own,
          chains: own.chains.map((one) => ({
            ...one,
            relayLimits: { ...one.relayLimits, maxBatchSize: 1 },
          })),
        };
      },
    });
    other = await createContext(harness.config, {
      name: 'test',
      eventSinks: EVENT_SINKS,
      relayerKeys: harness.relayerKeys,
    });
    chainId = harness.config.chains[0]?.chainId ?? 0;
    store = await harness.createTestStore();
  });
  after(async () => {
    await other.close();
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    relayer = await chain.createRelayer();
    ending = withRelayers(harness.ctx, chainId, [relayer]);
    sending = withRelayers(other.ctx, chainId, [relayer]);
  });

  async function accept(): Promise<{ payment: Payment; attempt: ListedAttempt }> {
    const payment = await harness.createTestPayment(store, { token: chain.token });
    return { payment, attempt: await acceptRelay(ending, await chain.createCustomer(), payment) };
  }

  /** A promise, and what resolves it. */
  function createGate(): { readonly isOpen: Promise<void>; open(): void } {
    let open: () => void = () => undefined;
    const isOpen = new Promise<void>((resolve) => (open = resolve));
    return { isOpen, open };
  }

  const historyOf = async (payment: Payment) =>
    readHistory(ending, await readPayment(ending, payment));

  async function expectSentAndPaid(payment: Payment): Promise<void> {
    expect(await readAttempt(ending, payment)).to.include({
      status: 'submitted',
      errorCode: null,
      sends: 1,
    });
    await chain.mine();
    await scanChain(ending, chainId);
    await confirmOnce(ending, payment);
    expect(await readAttempt(ending, payment)).to.include({ status: 'succeeded' });
    expect(await historyOf(payment)).to.deep.equal(SENT_AND_PAID);
  }

  it('ends nothing that was sent while the chain was asked about it', async () => {
    const { payment, attempt } = await accept();
    const held = createGate();
    const asked = createGate();
    const slow = withChain(ending, chainId, (port) => ({
      async findPayer(...question) {
        const payer = await port.findPayer(...question);
        asked.open();
        await held.isOpen;
        return payer;
      },
    }));
    const end = endUnsent(slow, attempt, REFUSED);
    await asked.isOpen;
    await sendAttempt(sending, attempt.id);
    held.open();
    expect((await end).kind, 'whoever sent it sees to it').to.equal('done');
    await expectSentAndPaid(payment);
  });

  it('ends nothing that is being sent, and stays to find out should its sender die', async () => {
    const { payment, attempt } = await accept();
    const held = createGate();
    const handedOver = createGate();
    const slow = withRelayer(sending, chainId, (port) => ({
      async send(transaction) {
        handedOver.open();
        await held.isOpen;
        return port.send(transaction);
      },
    }));
    const send = sendAttempt(slow, attempt.id);
    await handedOver.isOpen;
    expect((await endUnsent(ending, attempt, REFUSED)).kind).to.equal('later');
    expect(await readAttempt(ending, payment)).to.include({
      status: 'submitting',
      errorCode: null,
    });
    held.open();
    await send;
    await expectSentAndPaid(payment);
  });

  it('ends what its sender finds ended: nothing of it is sent', async () => {
    const { payment, attempt } = await accept();
    const held = createGate();
    const estimated = createGate();
    const slow = withChain(sending, chainId, (port) => ({
      async estimateRelayGas(items) {
        const estimate = await port.estimateRelayGas(items);
        estimated.open();
        await held.isOpen;
        return estimate;
      },
    }));
    const send = sendAttempt(slow, attempt.id);
    await estimated.isOpen;
    expect((await endUnsent(ending, attempt, REFUSED)).kind).to.equal('done');
    held.open();
    await send;
    expect(relayer.sent).to.have.length(0);
    expect(await readAttempt(ending, payment)).to.include({
      status: 'failed',
      errorCode: 'PAY_029',
      sends: 0,
      transactionId: null,
    });
    expect(await historyOf(payment)).to.deep.equal(ENDED);
  });

  it('comes to one of the two, whichever is first, whenever they meet', async () => {
    const all = [];
    for (let count = 0; count < 12; count++) all.push(await accept());
    for (const { attempt } of all) {
      // Both have asked the chain, and go for the locks now.
      const met = createGate();
      const sender = withChain(sending, chainId, (port) => ({
        estimateRelayGas: (items) => port.estimateRelayGas(items).finally(() => met.open()),
      }));
      const ender = withChain(ending, chainId, (port) => ({
        findPayer: async (...question) => {
          const payer = await port.findPayer(...question);
          await met.isOpen;
          return payer;
        },
      }));
      await Promise.all([endUnsent(ender, attempt, REFUSED), sendAttempt(sender, attempt.id)]);
    }
    const transactions = await selectRows<{ id: string }>(
      ending.db,
      'SELECT id FROM relay_transactions WHERE relayer_id = ?',
      [relayer.id],
    );
    const outcomes = await Promise.all(all.map(({ payment }) => readAttempt(ending, payment)));
    const sent = outcomes.filter(({ status }) => status === 'submitted');
    const ended = outcomes.filter(({ status }) => status === 'failed');
    expect(sent.length + ended.length).to.equal(all.length);
    expect(relayer.sent.length).to.equal(sent.length);
    expect(transactions.map(({ id }) => id)).to.have.members(
      sent.map(({ transactionId }) => transactionId),
    );
    for (const { sends, transactionId } of ended)
      expect([sends, transactionId]).to.deep.equal([0, null]);
    await chain.mine();
    await scanChain(ending, chainId);
    for (const { payment } of all) {
      const { status } = await readAttempt(ending, payment);
      expect(await historyOf(payment)).to.deep.equal(status === 'failed' ? ENDED : SENT_AND_PAID);
      expect(await chain.countPayments(payment.id)).to.equal(status === 'failed' ? 0 : 1);
    }
    await execute(ending.db, "DELETE FROM outbox WHERE queue = 'relay'", []);
  });
});
