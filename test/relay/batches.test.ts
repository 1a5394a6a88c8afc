import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { RelayRail } from '../../domain/relay/model.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../../domain/relay/getAuthorizationRequest.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { expectTrueFlights } from '../support/expectTrueFlights.ts';
import { signAuthorization, signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import {
  startOwnChain,
  type OwnChain,
  type OwnContractWallet,
  type OwnRelayer,
} from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { confirmOnce, readAttempt, readPayment } from '../support/relayFlow.ts';
import { atTime, withChain, withRelayer, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;

type PayerRail = Exclude<RelayRail, 'refund'>;

describe('requests that wait together', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: CONFIRMATIONS }) });
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

  const createPayment = (amount?: string) =>
    harness.createTestPayment(store, {
      token: chain.token,
      ...(amount === undefined ? {} : { amount: parseAmountUnits(amount) }),
    });

  async function accept(
    rail: PayerRail,
    customer: PrivateKeyAccount,
    payment: Payment,
    base = ctx,
  ): Promise<string> {
    if (rail === 'forwarder') await relayPayment(base, await signGasless(base, customer, payment));
    else await executePayment(base, await signAuthorization(base, customer, payment));
    return (await readAttempt(ctx, payment)).id;
  }

  async function acceptMany(
    rail: PayerRail,
    count: number,
  ): Promise<{ payment: Payment; id: string; customer: PrivateKeyAccount }[]> {
    const accepted = [];
    for (let index = 0; index < count; index++) {
      const [customer, payment] = [await chain.createCustomer(), await createPayment()];
      accepted.push({ payment, customer, id: await accept(rail, customer, payment) });
    }
    return accepted;
  }

  async function mineAndConfirm(payments: readonly Payment[]): Promise<void> {
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    for (const payment of payments)
      if ((await readAttempt(ctx, payment)).transactionId !== null) await confirmOnce(ctx, payment);
  }

  async function expectCompleted(payments: readonly Payment[]): Promise<void> {
    for (const payment of payments) {
      expect(await readPayment(ctx, payment)).to.include({ status: 'completed', late: false });
      expect(await readAttempt(ctx, payment)).to.include({ status: 'succeeded', errorCode: null });
      expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
      expect(await chain.countPayments(payment.id)).to.equal(1);
    }
  }

  const withLimits = (limits: Partial<ChainConfig['relayLimits']>): Context => ({
    ...ctx,
    config: {
      ...ctx.config,
      chains: ctx.config.chains.map((config) => ({
        ...config,
        relayLimits: { ...config.relayLimits, ...limits },
      })),
    },
  });

  for (const rail of ['forwarder', 'authorization'] as const) {
    describe(`on the rail ${rail}`, () => {
      it('go in one transaction, led by whichever job comes first, and each is completed once', async () => {
        const waiting = await acceptMany(rail, 5);
        expect(await sendAttempt(ctx, waiting[2]!.id)).to.deep.equal(DONE);
        expect(relayer.sent).to.have.length(1);
        for (const { id } of waiting) expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
        expect(relayer.sent).to.have.length(1);
        const hashes = new Set(
          await Promise.all(
            waiting.map(async ({ payment }) => (await readPayment(ctx, payment)).txHash),
          ),
        );
        expect([...hashes]).to.deep.equal([relayer.sent[0]?.hash]);
        const payments = waiting.map(({ payment }) => payment);
        await mineAndConfirm(payments);
        await expectCompleted(payments);
      });

      it('share what the transaction costs, to the last unit of gas', async () => {
        const waiting = await acceptMany(rail, 3);
        await sendAttempt(ctx, waiting[0]!.id);
        await mineAndConfirm(waiting.map(({ payment }) => payment));
        const attempts = await Promise.all(waiting.map(({ payment }) => readAttempt(ctx, payment)));
        const receipt = await ctx.chains.get(chainId)?.findReceipt(relayer.sent[0]!.hash);
        expect(receipt?.gasUsed).to.be.greaterThan(0n as unknown as number);
        expect(attempts.reduce((sum, { gasUsed }) => sum + gasUsed, 0n)).to.equal(receipt?.gasUsed);
        expect(attempts.reduce((sum, { gasCost }) => sum + gasCost, 0n)).to.equal(
          receipt!.gasUsed * receipt!.effectiveGasPrice,
        );
      });

      it('never go in more than the configured number', async () => {
        const waiting = await acceptMany(rail, 5);
        const small = withLimits({ maxBatchSize: 2 });
        for (const { id } of waiting) await sendAttempt(small, id);
        expect(relayer.sent).to.have.length(3);
        const payments = waiting.map(({ payment }) => payment);
        await mineAndConfirm(payments);
        await expectCompleted(payments);
      });

      it('leave out the one that cannot pay any more, which hears the real reason; the others are paid', async () => {
        const waiting = await acceptMany(rail, 4);
        const [poor, ...others] = [waiting[1]!, waiting[0]!, waiting[2]!, waiting[3]!];
        await chain.moveTokensAway(poor.customer);
        await chain.mine();
        await sendAttempt(ctx, waiting[0]!.id);
        expect(relayer.sent).to.have.length(1);
        expect(await readAttempt(ctx, poor.payment)).to.include({
          status: 'failed',
          errorCode: 'PAY_001',
          transactionId: null,
        });
        expect(await readPayment(ctx, poor.payment)).to.include({
          status: 'pending',
          relayAttemptId: null,
        });
        const payments = others.map(({ payment }) => payment);
        await mineAndConfirm(payments);
        await expectCompleted(payments);
      });

      it('are each told their own outcome when one of them turns bad between simulation and block', async () => {
        const waiting = await acceptMany(rail, 3);
        const bad = waiting[1]!;
        const treacherous = withRelayer(ctx, chainId, (own) => ({
          send: async (input) => {
            await chain.moveTokensAway(bad.customer);
            return own.send(input);
          },
        }));
        await sendAttempt(treacherous, waiting[0]!.id);
        const payments = waiting.map(({ payment }) => payment);
        await mineAndConfirm(payments);
        await expectCompleted([payments[0]!, payments[2]!]);
        const failed = await readAttempt(ctx, bad.payment);
        expect(failed).to.include({ status: 'failed', errorCode: 'PAY_030' });
        expect(failed.errorDetail).to.contain('The payer holds 0 of');
        expect(failed.gasUsed > 0n).to.equal(true);
        expect((await readPayment(ctx, bad.payment)).status).to.equal('pending');
      });

      it('are halved until something can be sent when the chain refuses them as a whole', async () => {
        const waiting = await acceptMany(rail, 4);
        const strict = withChain(ctx, chainId, (port) => ({
          simulateRelay: (items) =>
            items.length > 1
              ? Promise.resolve({ kind: 'refused', reason: 'too much at once' })
              : port.simulateRelay(items),
        }));
        for (const { id } of waiting) await sendAttempt(strict, id);
        expect(relayer.sent).to.have.length(4);
        const payments = waiting.map(({ payment }) => payment);
        await mineAndConfirm(payments);
        await expectCompleted(payments);
      });

      it('are sent again in smaller transactions when theirs is reverted as a whole', async () => {
        const waiting = await acceptMany(rail, 4);
        const stingy = withRelayer(ctx, chainId, (own) => ({
          send: (input) => own.send({ ...input, gasLimit: 200_000n }),
        }));
        await sendAttempt(stingy, waiting[0]!.id);
        const payments = waiting.map(({ payment }) => payment);
        await mineAndConfirm(payments);
        for (const payment of payments) {
          expect(await readAttempt(ctx, payment)).to.include({
            status: 'queued',
            transactionId: null,
            sends: 1,
            errorCode: null,
          });
          expect(await readPayment(ctx, payment)).to.include({
            status: 'processing',
            txHash: null,
          });
        }
        for (const { id } of waiting) await sendAttempt(ctx, id);
        await mineAndConfirm(payments);
        await expectCompleted(payments);
      });

      it('are split when the relayer finds their transaction unacceptable', async () => {
        const waiting = await acceptMany(rail, 4);
        const firstBytes = { length: 0 };
        const narrow = withRelayer(ctx, chainId, (own) => ({
          send: (input) => {
            if (firstBytes.length === 0) firstBytes.length = input.data.length;
            return input.data.length >= firstBytes.length
              ? Promise.resolve({ kind: 'rejected', reason: 'the data is too long' })
              : own.send(input);
          },
        }));
        const small = { ...narrow, config: withLimits({ maxBatchSize: 4 }).config };
        await sendAttempt(small, waiting[0]!.id);
        expect(relayer.sent).to.have.length(0);
        for (const { id } of waiting) await sendAttempt(small, id);
        expect(relayer.sent).to.have.length(2);
        const payments = waiting.map(({ payment }) => payment);
        await mineAndConfirm(payments);
        await expectCompleted(payments);
      });
    });
  }

  it('of one payer who cannot pay both: one is paid, the other hears the reason once that is certain', async () => {
    const customer = await chain.createCustomer();
    await chain.moveTokensAway(customer);
    await chain.mint(customer.address, 1_000_000n);
    await chain.mine();
    const [one, two] = [await createPayment('1000000'), await createPayment('1000000')];
    const first = await accept('authorization', customer, one);
    const second = await accept('authorization', customer, two);
    await sendAttempt(ctx, first);
    expect(relayer.sent).to.have.length(1);
    await chain.mine();
    await sendAttempt(ctx, second);
    expect(relayer.sent).to.have.length(1);
    expect(await readAttempt(ctx, two)).to.include({ status: 'failed', errorCode: 'PAY_001' });
    await mineAndConfirm([one]);
    await expectCompleted([one]);
  });

  describe('that one node refuses', () => {
    const patient = () => ({
      ...ctx,
      config: { ...ctx.config, relay: { ...ctx.config.relay, refusalGraceMs: 15_000 } },
    });
    const short = { kind: 'insufficientAllowance', allowance: 0n } as const;

    it('wait, since that node may lag; when it says so for as long as that may take, they fail', async () => {
      const [waiting, hopeless] = await acceptMany('authorization', 2);
      const lagging = withChain(patient(), chainId, () => ({
        simulateRelay: (items) =>
          Promise.resolve({
            kind: 'ran',
            outcomes: items.map(() => ({ succeeds: false, reason: 'short' })),
          }),
        estimateRelayGas: () => Promise.resolve({ kind: 'refused', reason: 'short' }),
        findRefusal: () => Promise.resolve(short),
      }));
      expect((await sendAttempt(lagging, waiting!.id)).kind).to.equal('later');
      for (const { payment } of [waiting!, hopeless!])
        expect(await readAttempt(ctx, payment)).to.include({ status: 'queued' });
      const begin = new Date();
      // Not before 15 seconds have passed since the first time, however long ago they were taken
      // on.
      expect(
        (await sendAttempt(atTime(lagging, addMs(begin, 10_000)), hopeless!.id)).kind,
      ).to.equal('later');
      expect(await readAttempt(ctx, hopeless!.payment)).to.include({ status: 'queued' });
      expect(await sendAttempt(atTime(lagging, addMs(begin, 15_001)), hopeless!.id)).to.deep.equal(
        DONE,
      );
      for (const { payment } of [waiting!, hopeless!]) {
        expect(await readAttempt(ctx, payment)).to.include({
          status: 'failed',
          errorCode: 'PAY_002',
          sends: 0,
        });
      }
    });

    it('beside others that can be sent are looked at again, though the job that led them ends with the transaction', async () => {
      const [own, other] = await acceptMany('authorization', 2);
      const lagging = withChain(patient(), chainId, (port) => ({
        async simulateRelay(items) {
          const simulation = await port.simulateRelay(items);
          if (simulation.kind !== 'ran') return simulation;
          const isOwn = (index: number) => items[index]?.paymentId === own!.payment.id;
          return {
            ...simulation,
            outcomes: simulation.outcomes.map((it, index) =>
              isOwn(index) ? { succeeds: false, reason: 'short' } : it,
            ),
          };
        },
        findRefusal: () => Promise.resolve(short),
      }));
      expect((await sendAttempt(lagging, own!.id)).kind).to.equal('later');
      expect(await readAttempt(ctx, other!.payment)).to.include({ status: 'submitted' });
      expect(await readAttempt(ctx, own!.payment)).to.include({ status: 'queued' });
      const rows = await selectRows<{ generation: number }>(
        ctx.db,
        "SELECT generation FROM outbox WHERE queue = 'relay' AND subject_id = ?",
        [own!.id],
      );
      // A promise made after the one that this job is for.
      expect(rows.map(({ generation }) => Number(generation))).to.deep.equal([2]);
      expect(await sendAttempt(ctx, own!.id)).to.deep.equal(DONE);
      await mineAndConfirm([own!.payment, other!.payment]);
      await expectCompleted([own!.payment, other!.payment]);
    });

    it('keep back those of the same payer that depend on them, and nobody else', async () => {
      const customer = await chain.createCustomer();
      const [first, second] = [await createPayment(), await createPayment()];
      const firstId = await accept('forwarder', customer, first);
      await accept('forwarder', customer, second);
      const [other] = await acceptMany('forwarder', 1);
      const failing = withChain(ctx, chainId, (port) => ({
        async simulateRelay(items) {
          const simulation = await port.simulateRelay(items);
          if (simulation.kind !== 'ran') return simulation;
          const isFirst = (index: number) => items[index]?.paymentId === first.id;
          return {
            ...simulation,
            outcomes: simulation.outcomes.map((it, index) =>
              isFirst(index) ? { succeeds: false, reason: 'no' } : it,
            ),
          };
        },
      }));
      await sendAttempt(failing, firstId);
      expect(await readAttempt(ctx, other!.payment)).to.include({ status: 'submitted' });
      for (const payment of [first, second])
        expect(await readAttempt(ctx, payment)).to.include({ status: 'queued' });
      expect(await sendAttempt(ctx, firstId)).to.deep.equal(DONE);
      await mineAndConfirm([first, second, other!.payment]);
      await expectCompleted([first, second, other!.payment]);
    });
  });

  describe('among which is one of a contract wallet', () => {
    async function acceptFromWallet(
      wallet: OwnContractWallet,
    ): Promise<{ payment: Payment; id: string }> {
      const payment = await createPayment();
      const request = { storeId: payment.storeId, paymentId: payment.id, payer: wallet.address };
      const { typedData } = await getAuthorizationRequest(ctx, request);
      await executePayment(ctx, {
        ...request,
        signature: await signTypedData(wallet.owner, typedData),
        permit: null,
      });
      return { payment, id: (await readAttempt(ctx, payment)).id };
    }

    it('that is cheap until it stands in a block: the others are paid in a transaction without it', async () => {
      const wallet = await chain.createContractWallet();
      await wallet.setMode('turnCostly');
      const [first, ...others] = await acceptMany('authorization', 2);
      const hostile = await acceptFromWallet(wallet);
      others.push(...(await acceptMany('authorization', 2)));
      await sendAttempt(ctx, first!.id);
      for (const { payment } of others)
        expect((await readAttempt(ctx, payment)).status).to.equal('submitted');
      await sendAttempt(ctx, hostile.id);
      expect(relayer.sent).to.have.length(2);
      await mineAndConfirm([
        first!.payment,
        ...others.map(({ payment }) => payment),
        hostile.payment,
      ]);
      await expectCompleted([first!.payment, ...others.map(({ payment }) => payment)]);
      expect(await readAttempt(ctx, hostile.payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_030',
      });
    });

    it('that takes more gas than anybody’s request may: refused when it is handed in, and not sent when it turns out later', async () => {
      const wallet = await chain.createContractWallet();
      const later = await acceptFromWallet(wallet);
      await wallet.setMode('wasteGas');
      const payment = await createPayment();
      const request = { storeId: payment.storeId, paymentId: payment.id, payer: wallet.address };
      const { typedData } = await getAuthorizationRequest(ctx, request);
      const signature = await signTypedData(wallet.owner, typedData);
      expect(
        (await expectRefusal(executePayment(ctx, { ...request, signature, permit: null }))).code,
      ).to.equal('PAY_015');

      const [beside] = await acceptMany('authorization', 1);
      await sendAttempt(ctx, later.id);
      await sendAttempt(ctx, beside!.id);
      await mineAndConfirm([beside!.payment]);
      await expectCompleted([beside!.payment]);
      const attempt = await readAttempt(ctx, later.payment);
      expect(attempt).to.include({ status: 'failed', errorCode: 'PAY_027', sends: 0 });
      // Within the gas that it may take, the wallet comes to no answer.
      expect(attempt.errorDetail).to.match(
        /^The chain would refuse the request: InvalidAuthorization/,
      );
    });
  });

  describe('forward requests of one payer', () => {
    it('go in the order of their nonces, in one transaction', async () => {
      const customer = await chain.createCustomer();
      const payments = [await createPayment(), await createPayment(), await createPayment()];
      const ids: string[] = [];
      for (const payment of payments) ids.push(await accept('forwarder', customer, payment));
      await sendAttempt(ctx, ids[2]!);
      expect(relayer.sent).to.have.length(1);
      await mineAndConfirm(payments);
      await expectCompleted(payments);
    });

    it('are never sent before the one they depend on', async () => {
      const customer = await chain.createCustomer();
      const [one, two] = [await createPayment(), await createPayment()];
      const first = await accept('forwarder', customer, one);
      await sendAttempt(ctx, first);
      const second = await accept('forwarder', customer, two);
      expect((await sendAttempt(ctx, second)).kind).to.equal('later');
      expect(relayer.sent).to.have.length(1);
      await chain.mine();
      expect(await sendAttempt(ctx, second)).to.deep.equal(DONE);
      expect(relayer.sent).to.have.length(2);
      await mineAndConfirm([one, two]);
      await expectCompleted([one, two]);
    });

    it('fail with the one they depend on, and may be signed again', async () => {
      const customer = await chain.createCustomer();
      const [one, two] = [await createPayment('900000000000'), await createPayment('1000')];
      const first = await accept('forwarder', customer, one);
      const second = await accept('forwarder', customer, two);
      await chain.moveTokensAway(customer);
      await chain.mint(customer.address, 1_000n);
      await chain.mine();
      await sendAttempt(ctx, first);
      expect(await readAttempt(ctx, one)).to.include({ status: 'failed', errorCode: 'PAY_001' });
      await sendAttempt(ctx, second);
      expect(await readAttempt(ctx, two)).to.include({ status: 'failed', errorCode: 'PAY_016' });
      expect(relayer.sent).to.have.length(0);
      const again = await accept('forwarder', customer, two);
      await sendAttempt(ctx, again);
      await mineAndConfirm([two]);
      expect((await readPayment(ctx, two)).status).to.equal('completed');
    });
  });

  describe('limits', () => {
    it('on what one payer has on the way are told as PAY_033, and end with one of them', async () => {
      const limited = withLimits({ maxInFlightPerPayer: 2 });
      const customer = await chain.createCustomer();
      const payments = [await createPayment(), await createPayment(), await createPayment()];
      const first = await accept('authorization', customer, payments[0]!, limited);
      await accept('authorization', customer, payments[1]!, limited);
      const third = await signAuthorization(ctx, customer, payments[2]!);
      const error = await expectRefusal(executePayment(limited, third));
      expect(error.code).to.equal('PAY_033');
      expect(error.retryAfterSeconds).to.equal(10);
      expect(await readPayment(ctx, payments[2]!)).to.include({ status: 'pending', version: 1 });
      await sendAttempt(ctx, first);
      await mineAndConfirm(payments.slice(0, 2));
      await executePayment(limited, third);
      await sendAttempt(ctx, (await readAttempt(ctx, payments[2]!)).id);
      await mineAndConfirm(payments);
      await expectCompleted(payments);
    });

    it('on what one store has on the way hold for it alone, however many ask at once', async () => {
      const limited = withLimits({ maxInFlightPerStore: 3 });
      const own = await harness.createTestStore();
      const signed = await Promise.all(
        [1, 2, 3, 4, 5, 6].map(async () => {
          const payment = await harness.createTestPayment(own, { token: chain.token });
          return { payment, customer: await chain.createCustomer() };
        }),
      );
      const inputs = await Promise.all(
        signed.map(({ payment, customer }) => signAuthorization(ctx, customer, payment)),
      );
      const outcomes = await Promise.allSettled(
        inputs.map((input) => executePayment(limited, input)),
      );
      const refused = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [(outcome.reason as { code: string }).code] : [],
      );
      expect(refused).to.deep.equal(['PAY_033', 'PAY_033', 'PAY_033']);
      const [other, payment] = [await chain.createCustomer(), await createPayment()];
      await accept('authorization', other, payment, limited);
    });

    it('on gas are told as PAY_034 with the time until the next day, count what was spent, and leave direct payments alone', async () => {
      const gasPrice = 1_000_000_007n;
      const budget = (wei: bigint) =>
        withChain(withLimits({ gasBudgetPerStorePerDayWei: wei }), chainId, () => ({
          getGasPrice: () => Promise.resolve(gasPrice),
        }));
      const limited = budget(200_000n * gasPrice);
      const own = await harness.createTestStore();
      const make = () => harness.createTestPayment(own, { token: chain.token });
      const [one, two] = [await make(), await make()];
      const customer = await chain.createCustomer();
      const first = await accept('authorization', customer, one, limited);
      expect((await readAttempt(ctx, one)).reservedCost).to.equal(135_000n * gasPrice);
      const second = await signAuthorization(ctx, customer, two);
      const error = await expectRefusal(executePayment(limited, second));
      expect(error.code).to.equal('PAY_034');
      expect(error.retryAfterSeconds).to.be.within(1, 86_400);
      await sendAttempt(ctx, first);
      await mineAndConfirm([one]);
      const { gasCost } = await readAttempt(ctx, one);
      expect(gasCost > 0n).to.equal(true);
      // What was set aside is free again, what was spent is not.
      const needed = gasCost + 135_000n * gasPrice;
      expect((await expectRefusal(executePayment(budget(needed - 1n), second))).code).to.equal(
        'PAY_034',
      );
      await executePayment(budget(needed), second);
      const direct = await make();
      await chain.pay(await chain.createCustomer(), direct);
      await mineAndConfirm([]);
      expect((await readPayment(ctx, direct)).status).to.equal('completed');
    });
  });
});
