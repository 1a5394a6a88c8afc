import { expect } from 'chai';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import { publishOutbox } from '../../domain/outbox/service.ts';
import { cancelPayment } from '../../domain/payments/service.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { changeAttempt } from '../../domain/relay/attempts/changeAttempt.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import type { RelayTransaction } from '../../domain/relay/model.ts';
import type { SendOutcome } from '../../domain/relayers/ports.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { listRelayAttempts } from '../../domain/relay/listAttempts.ts';
import { recoverForgottenAttempts } from '../../domain/relay/recoverForgottenAttempts.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { insertItems, insertTransaction } from '../../domain/relay/attempts/transactionStore.ts';
import { liftBackOff } from '../../domain/relay/liftBackOff.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { expectTrueFlights } from '../support/expectTrueFlights.ts';
import { signGasless } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import {
  acceptRelay,
  confirmOnce,
  endWaitingAttempts,
  readAttempt,
  readPayment,
} from '../support/relayFlow.ts';
import {
  atTime,
  setSettledTime,
  withChain,
  withHeadTime,
  withRelayer,
  withRelayers,
} from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
const DONE = { kind: 'done' } as const;

/** Blocks are mined when the test says so, and the relayer does what it is told. */
describe('a relay that is interrupted', () => {
  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  afterEach(() => expectTrueFlights(harness.ctx.db));
  beforeEach(async () => {
    relayer = await chain.createRelayer();
    ctx = withRelayers(harness.ctx, chainId, [relayer]);
  });

  const createPayment = () => harness.createTestPayment(store, { token: chain.token });
  const cannotBeReached = () => Promise.reject(new Error('must not be called'));
  const scan = () => scanChain(ctx, chainId);

  async function expectCompleted(payment: Payment, history: readonly string[]): Promise<void> {
    const completed = await readPayment(ctx, payment);
    expect(completed.status).to.equal('completed');
    expect(await readHistory(ctx, completed)).to.deep.equal(history);
    expect(await chain.countPayments(payment.id)).to.equal(1);
  }

  async function expectCrash(work: Promise<unknown>): Promise<void> {
    const outcome = await work.then(
      () => 'none',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    expect(outcome).to.equal('killed');
  }

  describe('by a crash between saving the intent and hearing the answer', () => {
    it('is not sent again: it is found in the provider’s list', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      // The transaction goes out, and the process is gone before it hears of that.
      const crashing = withRelayer(ctx, chainId, () => ({
        send: async (input) => {
          await relayer.send(input);
          throw new Error('killed');
        },
      }));
      await expectCrash(sendAttempt(crashing, id));
      const interrupted = await readAttempt(ctx, payment);
      expect(interrupted.status).to.equal('submitting');

      // Redelivered while the first worker might still be waiting for its answer: hands off.
      const notSending = withRelayer(ctx, chainId, () => ({ send: cannotBeReached }));
      const patience = addMs(interrupted.updatedAt, 2 * harness.config.relay.timeoutMs);
      expect(await sendAttempt(notSending, id)).to.deep.equal({ kind: 'later', at: patience });
      expect((await readAttempt(ctx, payment)).status).to.equal('submitting');

      expect(await sendAttempt(atTime(notSending, patience), id)).to.deep.equal(DONE);
      expect((await readAttempt(ctx, payment)).status).to.equal('unknown');
      expect(await sendAttempt(atTime(notSending, addMs(patience, 60_000)), id)).to.deep.equal(
        DONE,
      );

      const listing = withRelayer(ctx, chainId, () => ({
        findSent: ({ to, data }) => {
          expect(to).to.equal(harness.config.chains[0]?.forwarder);
          expect(data).to.match(/^0x/);
          return relayer.findTransaction('sent-1');
        },
      }));
      expect((await confirmOnce(listing, payment)).kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'submitted',
        txHash: relayer.sent[0]?.hash,
      });
      await chain.mine(CONFIRMATIONS);
      await scan();
      expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
      expect(relayer.sent).to.have.length(1);
      await expectCompleted(payment, [
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
    });

    it('is sent again when it never went out: once, and only after it had time to show up', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      await sendAttempt(
        withRelayer(ctx, chainId, () => ({ send: cannotBeReached })),
        id,
      ).catch(() => undefined);
      const { updatedAt } = await readAttempt(ctx, payment);
      await sendAttempt(atTime(ctx, addMs(updatedAt, 60_000)), id);
      const early = atTime(ctx, addMs(updatedAt, harness.config.relay.unsentAfterMs - 100));
      expect((await confirmOnce(early, payment)).kind).to.equal('later');
      expect((await readAttempt(ctx, payment)).status).to.equal('unknown');
      expect(
        await confirmOnce(
          atTime(ctx, addMs(updatedAt, harness.config.relay.unsentAfterMs + 100)),
          payment,
        ),
      ).to.deep.equal(DONE);
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued', transactionId: null });
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      await chain.mine(CONFIRMATIONS);
      await scan();
      await confirmOnce(ctx, payment);
      expect(relayer.sent).to.have.length(1);
      await expectCompleted(payment, [
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
    });

    it('and whose late answer arrives after all is not in doubt any more', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      let answer: ((outcome: SendOutcome) => void) | undefined;
      const slow = withRelayer(ctx, chainId, () => ({
        send: () => new Promise<SendOutcome>((resolve) => (answer = resolve)),
      }));
      const sending = sendAttempt(slow, id);
      await waitUntil(() => answer, { what: 'the send' });
      await sendAttempt(atTime(ctx, addMs(new Date(), 60_000)), id);
      expect((await readAttempt(ctx, payment)).status).to.equal('unknown');
      answer!(await relayer.send(await callOf(payment)));
      expect(await sending).to.deep.equal(DONE);
      expect((await readAttempt(ctx, payment)).status).to.equal('submitted');
      await chain.mine(CONFIRMATIONS);
      await scan();
      await confirmOnce(ctx, payment);
      await expectCompleted(payment, [
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
    });

    it('of another worker with the same job, which meanwhile leads others: the next job finds out', async () => {
      const [own, other] = [await createPayment(), await createPayment()];
      const { id } = await acceptRelay(ctx, await chain.createCustomer(), own);
      await acceptRelay(ctx, await chain.createCustomer(), other);
      let isTaken = false;
      const beaten = withChain(ctx, chainId, (port) => ({
        async simulateRelay(items) {
          const simulation = await port.simulateRelay(items);
          if (!isTaken) await takeAndDie(own);
          isTaken = true;
          return simulation;
        },
      }));
      expect(await sendAttempt(beaten, id)).to.deep.equal(DONE);
      expect(await readAttempt(ctx, own)).to.include({ status: 'submitting' });
      expect(await readAttempt(ctx, other)).to.include({ status: 'submitted' });
      expect(relayer.sent).to.have.length(1);
      const rows = await selectRows<{ generation: number }>(
        ctx.db,
        "SELECT generation FROM outbox WHERE queue = 'relay' AND subject_id = ?",
        [id],
      );
      // A promise made after the one that this job is for.
      expect(rows.map(({ generation }) => Number(generation))).to.deep.equal([2]);
      const later = addMs(new Date(), 2 * ctx.config.relay.timeoutMs);
      expect(await sendAttempt(atTime(ctx, later), id)).to.deep.equal(DONE);
      expect(await readAttempt(ctx, own)).to.include({ status: 'unknown' });
    });

    it('of a job that led others and does not come back: what was promised with the intent finds out', async () => {
      const poor = await chain.createCustomer();
      const [own, other] = [await createPayment(), await createPayment()];
      const { id } = await acceptRelay(ctx, poor, own);
      const { id: otherId } = await acceptRelay(ctx, await chain.createCustomer(), other);
      await chain.moveTokensAway(poor);
      await chain.mine();
      // The other's own look is far off, as of one among many that wait for a relayer.
      await execute(ctx.db, "DELETE FROM outbox WHERE queue = 'relay'");
      const patient = {
        ...ctx,
        config: { ...ctx.config, relay: { ...ctx.config.relay, refusalGraceMs: 60_000 } },
      };
      const crashing = withRelayer(patient, chainId, () => ({
        send: async (input) => {
          await relayer.send(input);
          throw new Error('killed');
        },
      }));
      await expectCrash(sendAttempt(crashing, id));
      expect(await readAttempt(ctx, own)).to.include({ status: 'queued', sends: 0 });
      const interrupted = await readAttempt(ctx, other);
      expect(interrupted).to.include({ status: 'submitting' });

      const [promised] = await selectRows<{ run_at: Date }>(
        ctx.db,
        "SELECT run_at FROM outbox WHERE queue = 'relay' AND subject_id = ?",
        [otherId],
      );
      expect(promised, 'a look at it').not.to.equal(undefined);
      const patience = 2 * harness.config.relay.timeoutMs;
      expect(promised!.run_at.getTime() - interrupted.updatedAt.getTime()).to.be.within(
        patience - 1_000,
        patience + 1_000,
      );
      const lookAt = addMs(promised!.run_at, 1_000);
      const jobs: string[] = [];
      await publishOutbox(
        atTime(ctx, lookAt),
        {
          addAll: (added) =>
            Promise.resolve(void jobs.push(...added.map((job) => job.payload.subjectId))),
        },
        1_000,
      );
      expect(jobs).to.include(otherId);
      const notSending = withRelayer(atTime(ctx, lookAt), chainId, () => ({
        send: cannotBeReached,
      }));
      expect(await sendAttempt(notSending, otherId)).to.deep.equal(DONE);
      expect(await readAttempt(ctx, other)).to.include({ status: 'unknown' });
      const listing = withRelayer(ctx, chainId, () => ({
        findSent: () => relayer.findTransaction('sent-1'),
      }));
      await confirmOnce(listing, other);
      expect(await readAttempt(ctx, other)).to.include({
        status: 'submitted',
        txHash: relayer.sent[0]?.hash,
      });
      await chain.mine(CONFIRMATIONS);
      await scan();
      expect(await confirmOnce(ctx, other)).to.deep.equal(DONE);
      expect(relayer.sent).to.have.length(1);
      await expectCompleted(other, ['payment.created', 'payment.processing', 'payment.completed']);
      await endWaitingAttempts(ctx);
    });

    it('by two workers with one job is sent once', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      await Promise.all([sendAttempt(ctx, id), sendAttempt(ctx, id), sendAttempt(ctx, id)]);
      expect(relayer.sent).to.have.length(1);
    });
  });

  /** What another process saves before it sends, and then it is killed. */
  async function takeAndDie(payment: Payment): Promise<void> {
    const attempt = await readAttempt(ctx, payment);
    const transaction: RelayTransaction = {
      ...(await callOf(payment)),
      ...{
        id: ctx.newId('rtx'),
        chainId,
        relayerId: relayer.id,
        items: 1,
        sentAt: ctx.clock.now(),
      },
      ...{ providerTransactionId: null, hash: null, hashes: [], abandonedAt: null },
      ...{ blockNumber: null, blockHash: null, gasUsed: null, effectiveGasPrice: null },
    };
    await inUnitOfWork(ctx, async (unit) => {
      await insertTransaction(unit.trx, transaction);
      await insertItems(unit.trx, transaction.id, [attempt.id]);
      await changeAttempt(ctx, unit, attempt, 'take', {
        facts: { transactionId: transaction.id, batchIndex: 0, sends: 1 },
      });
    });
  }

  /**
   * Something happens on the chain after the transaction was built, and before the relayer has it.
   */
  function justBeforeSending(happens: () => Promise<unknown>): Context {
    return withRelayer(ctx, chainId, () => ({
      send: async (input) => {
        await happens();
        await chain.mine();
        return relayer.send(input);
      },
    }));
  }

  async function callOf(payment: Payment) {
    const { signed, signature, permit, deadline } = await readAttempt(ctx, payment);
    const port = ctx.chains.get(chainId);
    if (port === undefined) throw new Error('no chain');
    const items = [{ signed, signature, permit, paymentId: payment.id, terms: payment.terms }];
    const estimate = await port.estimateRelayGas(items);
    if (estimate.kind === 'refused') throw new Error(estimate.reason);
    return { ...port.encodeRelay(items), gasLimit: estimate.gasLimit, validUntil: deadline };
  }

  it('by a raised fee shows the new hash at once, and completes with the one that is mined', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    const { id } = await acceptRelay(ctx, customer, payment);
    await sendAttempt(ctx, id);
    expect((await readPayment(ctx, payment)).txHash).to.equal(relayer.sent[0]?.hash);
    const { hash } = await relayer.raiseFee();
    await confirmOnce(ctx, payment);
    expect((await readPayment(ctx, payment)).txHash).to.equal(hash);
    expect((await readAttempt(ctx, payment)).txHash).to.equal(hash);
    await chain.mine(CONFIRMATIONS);
    await scan();
    expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
    expect(await readPayment(ctx, payment)).to.include({ status: 'completed', txHash: hash });
    await expectCompleted(payment, ['payment.created', 'payment.processing', 'payment.completed']);
  });

  describe('because the payer moved the tokens away', () => {
    it('before it was sent ends at once, with the reason, and pays on the next try', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      await chain.moveTokensAway(customer);
      await chain.mine();
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      expect(relayer.sent).to.have.length(0);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_001',
      });
      expect(await readPayment(ctx, payment)).to.include({
        status: 'pending',
        relayAttemptId: null,
        payer: null,
      });
      await payAgain(payment, customer.address, () => acceptRelay(ctx, customer, payment));
    });

    it('after it was sent ends when the revert is final, with the reason, and pays on the next try', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      const signed = await signAgain(payment);
      await sendAttempt(
        justBeforeSending(() => chain.moveTokensAway(customer)),
        id,
      );
      await chain.mine();
      expect((await confirmOnce(ctx, payment)).kind).to.equal('later');
      expect((await readAttempt(ctx, payment)).status).to.equal('mined');
      expect((await readPayment(ctx, payment)).status).to.equal('processing');
      await chain.mine(CONFIRMATIONS - 1);
      expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
      const failed = await readAttempt(ctx, payment);
      expect(failed).to.include({ status: 'failed', errorCode: 'PAY_030' });
      expect(failed.errorDetail).to.match(
        new RegExp(
          `^Transaction ${relayer.sent[0]?.hash ?? ''} was mined without doing it: The payer holds 0 of `,
        ),
      );
      expect(await readPayment(ctx, payment)).to.include({
        status: 'pending',
        txHash: null,
        relayAttemptId: null,
      });
      // The forwarder did not use the nonce up: the very same signature is good again, after a wait
      // for what it cost in vain.
      await payAgain(payment, customer.address, () =>
        relayPayment(atTime(ctx, addMs(new Date(), 31_000)), signed),
      );
    });

    /** What was handed in, to be handed in again. */
    async function signAgain(payment: Payment) {
      const { signed, signature, permit } = await readAttempt(ctx, payment);
      if (signed.rail !== 'forwarder') throw new Error('not a forward request');
      return {
        storeId: payment.storeId,
        paymentId: payment.id,
        forwardRequest: signed.request,
        signature,
        permit,
      };
    }

    async function payAgain(
      payment: Payment,
      customer: `0x${string}`,
      relayAgain: () => Promise<unknown>,
    ): Promise<void> {
      await chain.mint(customer, 10n ** 12n);
      await chain.mine();
      await relayAgain();
      const { id } = await readAttempt(ctx, payment);
      // When the wait for what was mined in vain is over.
      await sendAttempt(atTime(ctx, addMs(new Date(), 31_000)), id);
      await chain.mine(CONFIRMATIONS);
      await scan();
      expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
      expect(
        (await listRelayAttempts(ctx, { paymentId: payment.id })).map(({ status }) => status),
      ).to.deep.equal(['failed', 'succeeded']);
      await expectCompleted(payment, [
        'payment.created',
        'payment.processing',
        'payment.relay_failed',
        'payment.processing',
        'payment.completed',
      ]);
    }

    it('and whose second try is in doubt does not take the first one’s transaction for its own', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      const { id: first } = await acceptRelay(ctx, customer, payment);
      const signed = await signAgain(payment);
      await sendAttempt(
        justBeforeSending(() => chain.moveTokensAway(customer)),
        first,
      );
      await chain.mine(CONFIRMATIONS);
      await confirmOnce(ctx, payment);
      await chain.mint(customer.address, 10n ** 12n);
      await chain.mine();
      for (const holder of [customer.address, payment.id])
        await liftBackOff(ctx, { chainId, holder });
      await relayPayment(ctx, signed);
      const { id: second } = await readAttempt(ctx, payment);
      // The same request makes the same call: a provider that is asked for it finds the first
      // transaction, mined and reverted.
      const inDoubt = withRelayer(ctx, chainId, () => ({
        send: () => Promise.resolve({ kind: 'ambiguous', reason: 'time-out' }),
        findSent: async () => {
          const found = await relayer.findTransaction('sent-1');
          return found && { ...found, state: 'mined' };
        },
      }));
      await sendAttempt(inDoubt, second);
      expect((await confirmOnce(inDoubt, payment)).kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({ status: 'unknown', txHash: null });
      const settled = atTime(
        inDoubt,
        addMs(new Date(), harness.config.relay.unsentAfterMs + 1_000),
      );
      expect(await confirmOnce(settled, payment)).to.deep.equal(DONE);
      await sendAttempt(ctx, second);
      await chain.mine(CONFIRMATIONS);
      await scan();
      expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
      expect((await readPayment(ctx, payment)).status).to.equal('completed');
      expect(await chain.countPayments(payment.id)).to.equal(1);
    });
  });

  describe('because the payment was made by other means', () => {
    const history = ['payment.created', 'payment.processing', 'payment.completed'];

    it('seen by the scanner before it was sent: nothing is sent, nothing is told twice', async () => {
      const [customer, payer] = [await chain.createCustomer(), await chain.createCustomer()];
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      await chain.pay(payer, payment);
      await chain.mine();
      await scan();
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      expect(relayer.sent).to.have.length(0);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_003',
      });
      await chain.mine(CONFIRMATIONS);
      await scan();
      expect(await readPayment(ctx, payment)).to.include({ payer: payer.address });
      await expectCompleted(payment, history);
    });

    it('not yet seen by the scanner, before it was sent: the store does not hear of a failure', async () => {
      const [customer, payer] = [await chain.createCustomer(), await chain.createCustomer()];
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      await chain.pay(payer, payment);
      await chain.mine();
      expect((await sendAttempt(ctx, id)).kind).to.equal('later');
      expect((await readPayment(ctx, payment)).status).to.equal('processing');
      await scan();
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_003',
      });
      await chain.mine(CONFIRMATIONS);
      await scan();
      await expectCompleted(payment, history);
    });

    it('in time, while everything of ours was down until long after the expiry: completed, never failed', async () => {
      const [customer, payer] = [await chain.createCustomer(), await chain.createCustomer()];
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      await chain.pay(payer, payment);
      await chain.mine();
      const later = atTime(ctx, addMs(payment.terms.expiresAt, 600_000));
      expect((await sendAttempt(later, id)).kind).to.equal('later');
      expect((await readPayment(ctx, payment)).status).to.equal('processing');
      await chain.mine(CONFIRMATIONS);
      await scanChain(later, chainId);
      expect(await sendAttempt(later, id)).to.deep.equal(DONE);
      expect(await readPayment(ctx, payment)).to.include({ status: 'completed', late: false });
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_003',
      });
      await expectCompleted(payment, history);
    });

    it('while it was on its way, not yet seen by the scanner when the revert is final: the store does not hear of a failure', async () => {
      const [customer, payer] = [await chain.createCustomer(), await chain.createCustomer()];
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      await sendAttempt(
        justBeforeSending(() => chain.pay(payer, payment)),
        id,
      );
      await chain.mine(CONFIRMATIONS);
      expect((await confirmOnce(ctx, payment)).kind).to.equal('later');
      expect((await readPayment(ctx, payment)).status).to.equal('processing');
      await scan();
      expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_003',
      });
      await expectCompleted(payment, history);
    });
  });

  describe('by an attempt’s deadline while it waits', () => {
    it('ends failed when it is over by the chain’s clock too, and not before', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      const later = atTime(ctx, addMs(payment.terms.expiresAt, 1_000));
      expect((await sendAttempt(later, id)).kind, 'the chain stands still').to.equal('later');
      expect((await readPayment(ctx, payment)).status).to.equal('processing');
      const over = withHeadTime(later, chainId, payment.terms.expiresAt);
      expect(await sendAttempt(over, id)).to.deep.equal(DONE);
      expect(relayer.sent).to.have.length(0);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_019',
      });
      // The head may be replaced: whether nobody can pay it any more, a final block tells.
      const failed = await readPayment(ctx, payment);
      expect(failed.status).to.equal('pending');
      expect(await readHistory(ctx, failed)).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.relay_failed',
      ]);
    });

    it('ends failed with its payment when that is over in a final block as well', async () => {
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, await chain.createCustomer(), payment);
      await scan();
      await setSettledTime(ctx, chainId, addMs(payment.terms.expiresAt, 1_000));
      const over = withHeadTime(
        atTime(ctx, addMs(payment.terms.expiresAt, 1_000)),
        chainId,
        payment.terms.expiresAt,
      );
      expect(await sendAttempt(over, id)).to.deep.equal(DONE);
      const failed = await readPayment(ctx, payment);
      expect(await readHistory(ctx, failed)).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.failed',
      ]);
      await ctx.db('chain_cursors').update({ settled_block: null, settled_timestamp: null });
    });
  });

  describe('because its work was forgotten', () => {
    const openWork = async () =>
      (await harness.ctx.db('outbox').select('queue', 'subject_id')).map(
        (row: { queue: string; subject_id: string }) => `${row.queue} ${row.subject_id}`,
      );

    it('is taken up again after a minute, in the queue that fits its state', async () => {
      const [customer, second] = [await chain.createCustomer(), await chain.createCustomer()];
      const [queued, submitted] = [await createPayment(), await createPayment()];
      await sendAttempt(ctx, (await acceptRelay(ctx, second, submitted)).id);
      const { id } = await acceptRelay(ctx, customer, queued);
      const { transactionId } = await readAttempt(ctx, submitted);
      // Nothing is forgotten while its work is promised.
      expect(await recoverForgottenAttempts(atTime(ctx, addMs(new Date(), 120_000)))).to.equal(0);
      await harness.ctx.db('outbox').delete();
      expect(await recoverForgottenAttempts(atTime(ctx, addMs(new Date(), 30_000)))).to.equal(0);
      expect(
        await recoverForgottenAttempts(atTime(ctx, addMs(new Date(), 120_000))),
      ).to.be.at.least(2);
      expect(await openWork()).to.include.members([
        `relay ${id}`,
        `confirm ${transactionId ?? ''}`,
      ]);
      expect(await recoverForgottenAttempts(atTime(ctx, addMs(new Date(), 120_000)))).to.equal(0);
    });

    it('promises its sending together with the acceptance, so that no job can be lost', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, customer, payment);
      expect(await openWork()).to.include(`relay ${id}`);
      const jobs: string[] = [];
      const keep = {
        addAll: (added: readonly { payload: { subjectId: string } }[]) =>
          Promise.resolve(void jobs.push(...added.map((job) => job.payload.subjectId))),
      };
      await publishOutbox(ctx, keep, 1_000);
      expect(jobs).to.include(id);
      // Published, and still promised: Redis may lose it.
      expect(await openWork()).to.include(`relay ${id}`);
    });
  });

  it('cannot be cancelled while it is under way', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await acceptRelay(ctx, customer, payment);
    expect(
      (await expectRefusal(cancelPayment(ctx, { storeId: store.storeId, paymentId: payment.id })))
        .code,
    ).to.equal('PAY_004');
  });

  it('by a chain that does not answer goes on as soon as it does', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    const { id } = await acceptRelay(ctx, customer, payment);
    const silent = () => Promise.reject(new AppError(CHAIN_ERRORS.unavailable));
    const dark = {
      ...ctx,
      chains: new Map(
        [...ctx.chains].map(([key, port]) => [
          key,
          {
            ...port,
            estimateRelayGas: silent,
            getForwarderNonce: silent,
            findReceipt: silent,
            getHead: silent,
            findPayer: silent,
          },
        ]),
      ),
    };
    expect((await sendAttempt(dark, id)).kind).to.equal('later');
    expect((await readAttempt(ctx, payment)).status).to.equal('queued');
    // Not even its deadline is a reason to call it failed unseen.
    expect(
      (await sendAttempt(atTime(dark, addMs(payment.terms.expiresAt, 5_000)), id)).kind,
    ).to.equal('later');
    await sendAttempt(ctx, id);
    const { transactionId } = await readAttempt(ctx, payment);
    expect((await confirmTransaction(dark, transactionId ?? '')).kind).to.equal('later');
    await chain.mine(CONFIRMATIONS);
    await scan();
    expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
    await expectCompleted(payment, ['payment.created', 'payment.processing', 'payment.completed']);
  });

  describe('that was given up and is mined after all', () => {
    let payment: Payment;
    let id: string;
    beforeEach(async () => {
      payment = await createPayment();
      ({ id } = await acceptRelay(ctx, await chain.createCustomer(), payment));
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      const impatient = {
        ...ctx,
        config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } },
      };
      await confirmOnce(impatient, payment);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'queued',
        mayStillLand: true,
        sends: 1,
      });
      await chain.mine();
      await scan();
    });

    async function expectSucceeded(): Promise<void> {
      await chain.mine(CONFIRMATIONS);
      await scan();
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      const attempt = await readAttempt(ctx, payment);
      expect(attempt).to.include({
        status: 'succeeded',
        errorCode: null,
        txHash: relayer.sent[0]?.hash,
      });
      const [item] = await selectRows<{ seq: number }>(
        ctx.db,
        'SELECT seq FROM relay_transaction_items WHERE transaction_id = ? AND attempt_id = ?',
        [attempt.transactionId, id],
      );
      expect(attempt.batchIndex).to.equal(Number(item?.seq));
      expect(attempt.gasUsed > 0n).to.equal(true);
      expect(relayer.sent).to.have.length(1);
      await expectCompleted(payment, [
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
    }

    it('has succeeded, and what it used is charged, once that is final', async () => {
      expect((await sendAttempt(ctx, id)).kind).to.equal('later');
      await expectSucceeded();
    });

    it('is nobody else’s because a node does not know the transaction yet', async () => {
      const lagging = withChain(ctx, chainId, () => ({
        findCall: () => Promise.resolve(undefined),
      }));
      expect((await sendAttempt(lagging, id)).kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued', errorCode: null });
      await expectSucceeded();
    });

    it('is judged by where it stands now, not by where it stood when it was looked up', async () => {
      const racing = withChain(ctx, chainId, (port) => ({
        async findReceipt(hash) {
          const receipt = await port.findReceipt(hash);
          // A reorganisation puts another transaction in its place, and the scanner tells, while
          // the attempt is not locked yet.
          await execute(ctx.db, 'UPDATE payments SET tx_hash = ? WHERE id = ?', [
            `0x${'cd'.repeat(32)}`,
            payment.id,
          ]);
          return receipt;
        },
      }));
      await execute(ctx.db, "UPDATE payments SET status = 'completed' WHERE id = ?", [payment.id]);
      expect((await sendAttempt(racing, id)).kind).to.equal('later');
      expect((await readAttempt(ctx, payment)).status).to.equal('queued');
    });
  });

  it('by another payment of the payer under the same nonce is refused, and taken on when it is signed for the next one', async () => {
    const customer = await chain.createCustomer();
    const [one, two] = [await createPayment(), await createPayment()];
    const [signedOne, signedTwo] = [
      await signGasless(ctx, customer, one),
      await signGasless(ctx, customer, two),
    ];
    const outcomes = await Promise.allSettled([
      relayPayment(ctx, signedOne),
      relayPayment(ctx, signedTwo),
    ]);
    const refused = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as AppError] : [],
    );
    expect(refused.map(({ code }) => code)).to.deep.equal(['PAY_016']);
    const [first, second] = outcomes[0].status === 'fulfilled' ? [one, two] : [two, one];
    await acceptRelay(ctx, customer, second);
    for (const payment of [first, second])
      await sendAttempt(ctx, (await readAttempt(ctx, payment)).id);
    await chain.mine(CONFIRMATIONS);
    await scan();
    for (const payment of [first, second]) await confirmOnce(ctx, payment);
    for (const payment of [first, second])
      await expectCompleted(payment, [
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
  });
});
