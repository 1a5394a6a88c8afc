import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { Fault } from '../../simulators/defender/faults.ts';
import { createDefenderRelayer } from '../../adapters/relayers/defender/createDefenderRelayer.ts';
import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import type { Config } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { expectTrueFlights } from '../support/expectTrueFlights.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { readHistory } from '../support/paymentHistory.ts';
import {
  acceptRelay,
  confirmOnce,
  driveUntil,
  endWaitingAttempts,
  isOver,
  readAttempt,
  readPayment,
  type ListedAttempt,
} from '../support/relayFlow.ts';
import {
  atTime,
  firstRelayerOf,
  setSettledTime,
  withRelayer,
  withRelayers,
} from '../support/varyContext.ts';
import { waitUntil } from '../support/waitUntil.ts';

const UNSENT_AFTER_MS = 1_200;
/** Longer than any answer takes here, however busy the machine is. */
const PATIENCE_MS = 10_000;
/** For a relayer that gives no answer. */
const SHORT_TIMEOUT_MS = 600;
/** By how much a date may be put off so that not all come back at once. */
const SPREAD_MS = 2_000;
/** Longer than a test looks ahead, but for the one that is about it. */
const RESEND_AFTER_MS = 24 * 3_600_000;
/** One request a transaction, so that each test has its own to itself. */
const alone = (config: Config): Config => ({
  ...config,
  chains: config.chains.map((chain) => ({
    ...chain,
    relayLimits: { ...chain.relayLimits, maxBatchSize: 1 },
  })),
});
const options = {
  config: alone,
  env: {
    MSQPAY_RELAY_UNSENT_AFTER_MS: String(UNSENT_AFTER_MS),
    MSQPAY_RELAY_TIMEOUT_MS: String(PATIENCE_MS),
    MSQPAY_RELAY_RESEND_AFTER_MS: String(RESEND_AFTER_MS),
  },
};

describe('a relayer that misbehaves', () => {
  let harness: Harness;
  let store: TestStore;
  let ctx: Context;
  let createImpatient: () => Promise<Context>;
  let customer: PrivateKeyAccount;
  let payment: Payment;
  let attempt: ListedAttempt;
  let sentBefore: number;
  let relayers = 0;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness(options);
  });
  after(() => harness.close());

  afterEach(() => expectTrueFlights(harness.ctx.db));
  beforeEach(async () => {
    const [chain] = harness.config.chains;
    const configured = harness.relayerKeys.get(chain?.relayers[0]?.id ?? '');
    if (chain === undefined || configured?.provider !== 'defender')
      throw new Error('the configuration has no relayer');
    // A new one for each test: one that had failures is left alone for a while.
    const id = `main-${++relayers}`;
    const createRelayer = (timeoutMs: number) =>
      createDefenderRelayer({
        relayer: { ...configured, id },
        timeoutMs,
        clock: harness.ctx.clock,
        log: harness.ctx.log,
      });
    ctx = withRelayers(harness.ctx, chain.chainId, [createRelayer(PATIENCE_MS)]);
    createImpatient = async () => {
      const relayer = createRelayer(SHORT_TIMEOUT_MS);
      // Without its login the send would be refused rather than in doubt.
      await waitUntil(() => relayer.getStatus().catch(() => undefined), { what: 'the login' });
      return withRelayers(harness.ctx, chain.chainId, [relayer]);
    };
    await endWaitingAttempts(ctx);
    store = await harness.createTestStore();
    customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
    payment = await harness.createTestPayment(store);
    attempt = await acceptRelay(ctx, customer, payment);
    sentBefore = harness.stack.simulator.transactions().length;
  });
  afterEach(() => harness.stack.simulator.clearFaults());

  const setFault = (fault: Fault) => harness.stack.simulator.setFault(fault);
  /** Sends through a relayer that fails so. */
  async function sendInto(fault: Fault) {
    const sending = fault.kind.startsWith('timeout') ? await createImpatient() : ctx;
    setFault(fault);
    return sendAttempt(sending, attempt.id);
  }
  /** What the relayer has been given for this payment. */
  const sent = () => harness.stack.simulator.transactions().slice(sentBefore);

  async function expectPaidOnce(base = ctx): Promise<void> {
    const ended = await driveUntil(base, payment, isOver);
    expect(ended.payment).to.include({
      status: 'completed',
      late: false,
      payer: customer.address,
      relayAttemptId: null,
    });
    expect(ended.attempt).to.include({
      status: 'succeeded',
      errorCode: null,
      txHash: ended.payment.txHash,
    });
    expect(await readHistory(ctx, ended.payment)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
    expect(await harness.chain.countPayments(payment.id)).to.equal(1);
    expect(await harness.chain.balanceOf(harness.tokens.TUSD, store.payoutAddress)).to.equal(
      1_500_000n,
    );
  }

  describe('and loses its answer after it has sent', () => {
    for (const fault of [
      { kind: 'timeoutAfterSend' },
      { kind: 'resetAfterSend' },
      { kind: 'serverErrorAfterSend' },
      { kind: 'serverErrorAfterSend', status: 504 },
    ] as const satisfies Fault[]) {
      it(`(${JSON.stringify(fault)}) is not given the transaction again: it is found in the list`, async () => {
        expect(await sendInto(fault)).to.deep.equal({ kind: 'done' });
        expect(await readAttempt(ctx, payment)).to.include({ status: 'unknown', errorCode: null });
        expect((await readPayment(ctx, payment)).status).to.equal('processing');
        expect(await sendAttempt(ctx, attempt.id)).to.deep.equal({ kind: 'done' });
        await expectPaidOnce();
        expect(sent()).to.have.length(1);
      });
    }
  });

  describe('and fails before it has sent', () => {
    for (const fault of [
      { kind: 'timeoutBeforeSend' },
      { kind: 'resetBeforeSend' },
      { kind: 'serverError', operation: 'sendTransaction' },
    ] as const satisfies Fault[]) {
      it(`(${JSON.stringify(fault)}) is given the transaction again only when it had time to show up and did not`, async () => {
        await sendInto(fault);
        expect((await readAttempt(ctx, payment)).status).to.equal('unknown');
        expect((await confirmOnce(ctx, payment)).kind).to.equal('later');
        expect((await readAttempt(ctx, payment)).status).to.equal('unknown');
        expect(sent()).to.have.length(0);
        await expectPaidOnce();
        expect(sent()).to.have.length(1);
      });
    }
  });

  describe('and says no', () => {
    for (const [fault, waitMs] of [
      [{ kind: 'rateLimited', retryAfterSeconds: 7, operation: 'sendTransaction' }, 7_000],
      [{ kind: 'paused' }, 30_000],
    ] as const satisfies [Fault, number][]) {
      it(`(${fault.kind}) is asked again after the time that it takes, and nothing is in doubt meanwhile`, async () => {
        setFault(fault);
        const askedAt = Date.now();
        const result = await sendAttempt(ctx, attempt.id);
        expect(result.kind).to.equal('later');
        if (result.kind === 'later')
          expect(result.at.getTime()).to.be.within(
            askedAt + waitMs,
            Date.now() + waitMs + SPREAD_MS,
          );
        expect(await readAttempt(ctx, payment)).to.include({
          status: 'queued',
          transactionId: null,
        });
        expect(sent()).to.have.length(0);
        // The relayer is left alone for as long.
        await expectPaidOnce({ ...ctx, clock: { now: () => addMs(new Date(), waitMs + 1_000) } });
        expect(sent()).to.have.length(1);
      });
    }

    it('(unauthorized) keeps the attempt waiting as long as the login is refused', async () => {
      setFault({ kind: 'unauthorized', count: -1 });
      const result = await sendAttempt(ctx, attempt.id);
      expect(result.kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'queued',
        transactionId: null,
        errorCode: null,
      });
      expect((await readPayment(ctx, payment)).status).to.equal('processing');
      expect(sent()).to.have.length(0);
    });

    it('for ever (rejected) fails the attempt with the reason, and the payment can be paid again', async () => {
      const refusing = withRelayer(ctx, payment.chainId, () => ({
        send: () => Promise.resolve({ kind: 'rejected', reason: 'gasLimit is too high' }),
      }));
      expect(await sendAttempt(refusing, attempt.id)).to.deep.equal({ kind: 'done' });
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_029',
      });
      expect((await readAttempt(ctx, payment)).errorDetail).to.contain('gasLimit is too high');
      const again = await readPayment(ctx, payment);
      expect(again).to.include({ status: 'pending', relayAttemptId: null, payer: null });
      expect(await readHistory(ctx, again)).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.relay_failed',
      ]);
    });
  });

  it('and answers with an intent first: the hash is shown when there is one', async () => {
    setFault({ kind: 'intent', delayMs: 700 });
    await sendAttempt(ctx, attempt.id);
    expect(await readAttempt(ctx, payment)).to.include({ status: 'submitted', txHash: null });
    expect(await readPayment(ctx, payment)).to.include({ status: 'processing', txHash: null });
    await expectPaidOnce();
    expect(sent()).to.have.length(1);
  });

  it('and raises the fee at once: whichever form is mined, it is the one that is shown', async () => {
    setFault({ kind: 'gasBump', delayMs: 0 });
    await sendAttempt(ctx, attempt.id);
    await expectPaidOnce();
    expect(sent()).to.have.length(1);
  });

  it('and raises the fee without ever telling: the first hash, mined, is enough', async () => {
    await sendAttempt(ctx, attempt.id);
    const mute = withRelayer(ctx, payment.chainId, () => ({
      findTransaction: () =>
        Promise.resolve({
          providerTransactionId: 'x',
          hash: `0x${'77'.repeat(32)}`,
          state: 'pending',
        }),
    }));
    const ended = await driveUntil(mute, payment, isOver);
    expect(ended.payment.status).to.equal('completed');
    expect(ended.attempt.status).to.equal('succeeded');
  });

  describe('and never gets the transaction mined', () => {
    beforeEach(async () => {
      setFault({ kind: 'neverMine', releaseNonce: true });
      await sendAttempt(ctx, attempt.id);
      expect((await readAttempt(ctx, payment)).status).to.equal('submitted');
    });

    /** A block of this time is final and scanned. */
    const passOnChain = (time: Date) => setSettledTime(ctx, payment.chainId, time);
    beforeEach(() => scanChain(ctx, payment.chainId));
    afterEach(() =>
      ctx.db('chain_cursors').update({ settled_block: null, settled_timestamp: null }),
    );

    it('is waited for until the deadline is over by the chain’s clock, whatever ours says; then the payment has failed', async () => {
      const wayLater = addMs(attempt.deadline, 3_600_000);
      expect((await confirmOnce(atTime(ctx, wayLater), payment)).kind).to.equal('later');
      await passOnChain(addMs(attempt.deadline, 29_000));
      expect((await confirmOnce(atTime(ctx, wayLater), payment)).kind).to.equal('later');
      expect((await readAttempt(ctx, payment)).status).to.equal('submitted');
      expect((await readPayment(ctx, payment)).status).to.equal('processing');

      await passOnChain(addMs(attempt.deadline, 30_000));
      expect(
        (await confirmOnce(atTime(ctx, wayLater), payment)).kind,
        'the transaction is followed on',
      ).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_019',
      });
      const failed = await readPayment(ctx, payment);
      expect(failed).to.include({ status: 'failed', txHash: null, relayAttemptId: null });
      expect(await readHistory(ctx, failed)).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.failed',
      ]);
      expect(await harness.chain.countPayments(payment.id)).to.equal(0);
      expect(sent()).to.have.length(1);
    });

    it('and gives up on it: it is sent again, and the store hears nothing of it', async () => {
      const ended = withRelayer(ctx, payment.chainId, (relayer) => ({
        findTransaction: async (id) => {
          const found = await relayer.findTransaction(id);
          return found && { ...found, state: 'ended' };
        },
      }));
      expect(await confirmOnce(ended, payment)).to.deep.equal({ kind: 'done' });
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'queued',
        transactionId: null,
        errorCode: null,
      });
      expect(await readPayment(ctx, payment)).to.include({ status: 'processing', txHash: null });
      await expectPaidOnce();
      expect(sent()).to.have.length(2);
    });

    it('however often it is sent: then it ends, when none of them can be mined any more', async () => {
      const hopeless = withRelayer(ctx, payment.chainId, (relayer) => ({
        findTransaction: async (id) => {
          const found = await relayer.findTransaction(id);
          return found && { ...found, state: 'ended' };
        },
      }));
      setFault({ kind: 'neverMine', releaseNonce: true, count: -1 });
      await driveUntil(
        hopeless,
        payment,
        (_payment, { sends, status }) => sends === 8 && status === 'queued',
        30_000,
      );
      expect(sent()).to.have.length(8);
      // Until then one of the eight may be mined after all.
      expect((await sendAttempt(ctx, attempt.id)).kind).to.equal('later');
      expect((await readPayment(ctx, payment)).status).to.equal('processing');
      await passOnChain(addMs(attempt.deadline, 30_000));
      const over = atTime(ctx, addMs(attempt.deadline, -5_000));
      expect((await sendAttempt(over, attempt.id)).kind).to.equal('done');
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_029',
        sends: 8,
      });
      expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.failed',
      ]);
      expect(sent()).to.have.length(8);
    });

    it('for a long time: it is sent again, and whichever is mined, the attempt has succeeded', async () => {
      const soon = {
        ...ctx,
        config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } },
      };
      expect((await confirmOnce(soon, payment)).kind, 'the transaction is followed on').to.equal(
        'later',
      );
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued', mayStillLand: true });
      await expectPaidOnce();
      expect(sent()).to.have.length(2);
    });

    it('for a long time: given up, it still is the load of its relayer, until the relayer says that it is over', async () => {
      const { transactionId } = await readAttempt(ctx, payment);
      const relayerId = firstRelayerOf(ctx, payment.chainId);
      const loadOf = async () =>
        (await readRelayerLoads(ctx.db, [{ id: relayerId }], new Date()))[0];
      const before = await loadOf();
      const soon = {
        ...ctx,
        config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } },
      };
      await confirmOnce(soon, payment);
      expect((await readAttempt(ctx, payment)).transactionId).to.equal(null);
      const load = await loadOf();
      expect(load).to.include({
        inFlight: (before?.inFlight ?? 0) - 1,
        abandoned: (before?.abandoned ?? 0) + 1,
      });
      expect(load?.oldestInFlightAt).not.to.equal(null);
      expect((await confirmTransaction(ctx, transactionId ?? '')).kind).to.equal('later');

      const ended = withRelayer(ctx, payment.chainId, (relayer) => ({
        findTransaction: async (id) => {
          const found = await relayer.findTransaction(id);
          return found && { ...found, state: 'ended' };
        },
      }));
      expect(await confirmTransaction(ended, transactionId ?? '')).to.deep.equal(DONE);
      expect((await loadOf())?.abandoned).to.equal(before?.abandoned);
      expect(await confirmTransaction(ctx, transactionId ?? '')).to.deep.equal(DONE);
      await expectPaidOnce();
    });

    it('and forgets it: it is sent again, late', async () => {
      const forgetful = withRelayer(ctx, payment.chainId, () => ({
        findTransaction: () => Promise.resolve(undefined),
        findSent: () => Promise.resolve(undefined),
      }));
      const soon = atTime(forgetful, addMs(new Date(), UNSENT_AFTER_MS * 3));
      expect((await confirmOnce(soon, payment)).kind).to.equal('later');
      expect((await readAttempt(ctx, payment)).status).to.equal('submitted');
      const late = atTime(forgetful, addMs(new Date(), UNSENT_AFTER_MS * 6));
      expect(await confirmOnce(late, payment)).to.deep.equal({ kind: 'done' });
      expect((await readAttempt(ctx, payment)).status).to.equal('queued');
      await expectPaidOnce();
      expect(sent()).to.have.length(2);
    });

    it('while the customer pays from the own wallet: completed once, and the attempt ends without a word to the store', async () => {
      await harness.chain.payDirectly(customer, payment);
      const { payment: completed } = await driveUntil(
        ctx,
        payment,
        ({ status }) => status === 'completed',
      );
      await passOnChain(addMs(attempt.deadline, 30_000));
      expect((await confirmOnce(ctx, payment)).kind, 'the transaction is followed on').to.equal(
        'later',
      );
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_003',
      });
      expect(await readPayment(ctx, payment)).to.deep.equal(completed);
      expect(await readHistory(ctx, completed)).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
    });
  });

  describe('and is down', () => {
    it('keeps attempts waiting, and direct payments go on', async () => {
      setFault({ kind: 'serverError', count: -1 });
      await sendAttempt(ctx, attempt.id);
      for (let looks = 0; looks < 3; looks++) {
        const seen = await readAttempt(ctx, payment);
        if (seen.transactionId === null) await sendAttempt(ctx, attempt.id);
        else expect((await confirmTransaction(ctx, seen.transactionId)).kind).to.equal('later');
      }
      const waiting = await readPayment(ctx, payment);
      expect(waiting.status).to.equal('processing');
      expect(sent()).to.have.length(0);

      const other = await harness.createTestPayment(await harness.createTestStore());
      const hash = await harness.chain.payDirectly(customer, other);
      await harness.chain.publicClient.waitForTransactionReceipt({ hash });
      await waitUntil(async () => {
        await scanChain(ctx, other.chainId);
        return (await readPayment(ctx, other)).status === 'completed';
      });
      expect((await readPayment(ctx, payment)).status).to.equal('processing');

      harness.stack.simulator.clearFaults();
      await expectPaidOnce();
    });
  });
});
