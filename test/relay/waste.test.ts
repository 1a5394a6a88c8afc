import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { getChain } from '../../domain/chain/service.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { listRefunds } from '../../domain/refunds/service.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import { getRefundRequest, refundPayment } from '../../domain/relay/refundPayment.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../../domain/relay/getAuthorizationRequest.ts';
import { listRefundAttempts } from '../../domain/relay/listAttempts.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { deleteOldWaste } from '../../domain/relay/deleteOldWaste.ts';
import { liftBackOff } from '../../domain/relay/liftBackOff.ts';
import { reportStoreWaste } from '../../domain/relay/reportStoreWaste.ts';
import { createStore } from '../../domain/stores/service.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signAuthorization, signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { confirmOnce, endWaitingAttempts, readAttempt, readPayment } from '../support/relayFlow.ts';
import { atTime, withChain, withRelayer, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
const HOUR_MS = 3_600_000;

describe('requests that are mined without paying', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;
  let store: TestStore;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: CONFIRMATIONS }) });
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    relayer = await chain.createRelayer();
    ctx = withRelayers(harness.ctx, chainId, [relayer]);
    await endWaitingAttempts(ctx);
    store = await harness.createTestStore();
  });

  const createPayment = (of = store) => harness.createTestPayment(of, { token: chain.token });
  const later = (ms: number, base = ctx) => atTime(base, addMs(new Date(), ms));

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

  /** Has just been simulated, and is on its way to the relayer. */
  const betraying = (customer: PrivateKeyAccount) =>
    withRelayer(ctx, chainId, (own) => ({
      send: async (input) => {
        await chain.moveTokensAway(customer);
        return own.send(input);
      },
    }));

  async function confirm(payment: Payment): Promise<void> {
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    await confirmOnce(ctx, payment);
  }

  /**
   * One signed request of a customer who moves the tokens away once it was simulated, mined and
   * judged. @returns what was handed in
   */
  async function waste(customer: PrivateKeyAccount, payment: Payment, base = ctx) {
    const signed = await signAuthorization(base, customer, payment);
    await executePayment(base, signed);
    await sendAttempt(
      { ...betraying(customer), clock: base.clock },
      (await readAttempt(ctx, payment)).id,
    );
    await confirm(payment);
    expect(await readAttempt(ctx, payment)).to.include({ status: 'failed', errorCode: 'PAY_030' });
    await chain.mint(customer.address, 10n ** 12n);
    await chain.mine();
    return signed;
  }

  async function readWaste(holder: string): Promise<{ items: number; gasCost: bigint }> {
    const rows = await selectRows<{ items: string; gas_cost: string }>(
      ctx.db,
      'SELECT items, gas_cost FROM relay_waste WHERE chain_id = ? AND holder = ?',
      [chainId, holder],
    );
    return {
      items: rows.reduce((sum, row) => sum + Number(row.items), 0),
      gasCost: rows.reduce((sum, row) => sum + BigInt(row.gas_cost), 0n),
    };
  }

  it('are remembered: a payer who does it twenty times at once is not relayed any more, and others of the store are', async () => {
    const customer = await chain.createCustomer();
    const signed = [];
    for (let count = 0; count < 20; count++) {
      const payment = await harness.createTestPayment(store, {
        token: chain.token,
        amount: parseAmountUnits('1'),
      });
      signed.push({ payment, input: await signAuthorization(ctx, customer, payment) });
    }
    for (const { input } of signed) await executePayment(ctx, input);
    await sendAttempt(betraying(customer), (await readAttempt(ctx, signed[0]!.payment)).id);
    expect(relayer.sent).to.have.length(1);
    await confirm(signed[0]!.payment);
    let cost = 0n;
    for (const { payment } of signed) {
      const attempt = await readAttempt(ctx, payment);
      expect(attempt).to.include({ status: 'failed', errorCode: 'PAY_030' });
      expect((await readPayment(ctx, payment)).status).to.equal('pending');
      cost += attempt.gasCost;
    }
    expect(cost > 0n).to.equal(true);
    for (const holder of [customer.address, store.storeId])
      expect(await readWaste(holder)).to.deep.equal({ items: 20, gasCost: cost });
    expect(await reportStoreWaste(ctx)).to.deep.include({
      chainId,
      storeId: store.storeId,
      items: 20,
      gasCost: cost,
    });

    await chain.mint(customer.address, 10n ** 12n);
    await chain.mine();
    for (const base of [ctx, later(23 * HOUR_MS - 1)]) {
      // The very same signatures, and a new payment, even at another store.
      const other = await harness.createTestPayment(await harness.createTestStore(), {
        token: chain.token,
        expiresInSeconds: 2 * 86_400,
      });
      for (const attempted of [signed[7]!.payment, other]) {
        if (base !== ctx && attempted !== other) continue;
        const error = await expectRefusal(
          executePayment(base, await signAuthorization(ctx, customer, attempted)),
        );
        expect(error).to.include({
          code: 'PAY_042',
          reason: 'payer',
          retryAfterSeconds: undefined,
        });
        expect(await readPayment(ctx, attempted)).to.include({ status: 'pending' });
      }
      await expectRefusal(relayPayment(base, await signGasless(ctx, customer, other)));
    }
    const [honest, payment] = [await chain.createCustomer(), await createPayment()];
    await executePayment(ctx, await signAuthorization(ctx, honest, payment));
    await sendAttempt(ctx, (await readAttempt(ctx, payment)).id);
    await confirm(payment);
    expect((await readPayment(ctx, payment)).status).to.equal('completed');
    // Directly, anybody may pay.
    await chain.pay(customer, signed[3]!.payment);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect((await readPayment(ctx, signed[3]!.payment)).status).to.equal('completed');
  });

  it('make the same signature wait, longer each time, until that payment can only be paid directly', async () => {
    const customer = await chain.createCustomer();
    const payment = await harness.createTestPayment(store, {
      token: chain.token,
      expiresInSeconds: 86_400,
    });
    const signed = await waste(customer, payment);
    const early = await expectRefusal(executePayment(ctx, signed));
    expect(early).to.include({ code: 'PAY_041', reason: 'payer' });
    expect(early.retryAfterSeconds).to.be.within(1, 30);
    expect(await readPayment(ctx, payment)).to.include({ status: 'pending' });

    await waste(customer, payment, later(31_000));
    expect(
      (await expectRefusal(executePayment(later(31_000), signed))).retryAfterSeconds,
    ).to.be.within(60, 120);
    await waste(customer, payment, later(125_000));
    expect(await expectRefusal(executePayment(later(500_000), signed))).to.include({
      code: 'PAY_042',
      reason: 'payment',
    });
    expect(await readWaste(payment.id)).to.include({ items: 3 });
    // The payer has one left, for another payment, after the wait.
    const other = await createPayment();
    expect(
      await expectRefusal(executePayment(ctx, await signAuthorization(ctx, customer, other))),
    ).to.include({
      code: 'PAY_041',
      reason: 'payer',
    });
    await executePayment(later(500_000), await signAuthorization(ctx, customer, other));
  });

  it('are counted for the store as well, whoever its payers are, and for no other store', async () => {
    const limited = withLimits({ maxWastedPerStorePerDay: 4 });
    for (let count = 0; count < 3; count++)
      await waste(await chain.createCustomer(), await createPayment());
    const [honest, payment] = [await chain.createCustomer(), await createPayment()];
    const signed = await signAuthorization(ctx, honest, payment);
    expect(await expectRefusal(executePayment(limited, signed))).to.include({
      code: 'PAY_041',
      reason: 'store',
    });
    await waste(await chain.createCustomer(), await createPayment());
    expect(await expectRefusal(executePayment(limited, signed))).to.include({
      code: 'PAY_042',
      reason: 'store',
    });
    const elsewhere = await createPayment(await harness.createTestStore());
    await executePayment(limited, await signAuthorization(ctx, honest, elsewhere));
    expect(await liftBackOff(ctx, { chainId, holder: store.storeId })).to.equal(4);
    await executePayment(limited, signed);
  });

  it('by a contract wallet that burns gas in a block speak against that wallet, alone or in a batch', async () => {
    for (const beside of [0, 2]) {
      const wallet = await chain.createContractWallet();
      await wallet.setMode('turnCostly');
      const honest = [];
      const accept = async (payment: Payment) => {
        const request = { storeId: payment.storeId, paymentId: payment.id, payer: wallet.address };
        const { typedData } = await getAuthorizationRequest(ctx, request);
        await executePayment(ctx, {
          ...request,
          signature: await signTypedData(wallet.owner, typedData),
          permit: null,
        });
      };
      const burning = await createPayment();
      await accept(burning);
      expect((await readAttempt(ctx, burning)).runsForeignCode).to.equal(true);
      for (let count = 0; count < beside; count++) {
        const [customer, payment] = [await chain.createCustomer(), await createPayment()];
        await executePayment(ctx, await signAuthorization(ctx, customer, payment));
        expect((await readAttempt(ctx, payment)).runsForeignCode).to.equal(false);
        honest.push({ customer, payment });
      }
      await sendAttempt(ctx, (await readAttempt(ctx, burning)).id);
      await confirm(burning);
      for (const { payment } of honest) {
        await sendAttempt(ctx, (await readAttempt(ctx, payment)).id);
        await confirm(payment);
      }
      expect(await readAttempt(ctx, burning)).to.include({
        status: 'failed',
        errorCode: 'PAY_030',
      });
      expect(await readWaste(wallet.address)).to.include({ items: 1 });
      for (const { customer } of honest)
        expect(await readWaste(customer.address)).to.include({ items: 0 });
      const error = await expectRefusal(accept(await createPayment()));
      expect(error).to.include({ code: 'PAY_041', reason: 'payer' });
    }
  });

  it('by a merchant who refunds from an empty account are counted for the merchant and the refund', async () => {
    const merchant = await chain.createAccount();
    const { id: storeId } = await createStore(ctx, {
      name: 'A shop',
      payoutAddress: merchant.address,
    });
    const payment = await createPayment({ storeId, apiKey: '', payoutAddress: merchant.address });
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    await chain.approve(merchant);
    const amount = parseAmountUnits('1000');
    const sign = async () => {
      const request = { storeId, paymentId: payment.id, amount };
      const { refund, typedData } = await getRefundRequest(ctx, request);
      return {
        ...request,
        nonce: refund.nonce,
        deadline: refund.deadline,
        signature: await signTypedData(merchant, typedData),
        permit: null,
      };
    };
    const { id: refundId } = await refundPayment(ctx, await sign());
    const [attempt] = await listRefundAttempts(ctx, [refundId]);
    await sendAttempt(betraying(merchant), attempt!.id);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    const [sent] = await listRefundAttempts(ctx, [refundId]);
    await confirmTransaction(ctx, sent!.transactionId!);
    expect((await listRefunds(ctx, { paymentId: payment.id }))[0]).to.include({ status: 'failed' });
    await chain.mint(merchant.address, 10n ** 12n);
    await chain.mine();
    for (const holder of [merchant.address, refundId, storeId])
      expect(await readWaste(holder), holder).to.include({ items: 1 });
    expect(await expectRefusal(refundPayment(ctx, await sign()))).to.include({
      code: 'PAY_041',
      reason: 'merchant',
    });
    await refundPayment(later(31_000), await sign());
  });

  it('since the forwarder passed them over, whose nonce was used up meanwhile, are counted for their payment and store', async () => {
    const [hostile, honest] = [await chain.createCustomer(), await chain.createCustomer()];
    const [passedOver, rival, paid] = [
      await createPayment(),
      await createPayment(),
      await createPayment(await harness.createTestStore()),
    ];
    // Both have the same nonce: neither knows of the other.
    const overtaking = await signGasless(ctx, hostile, rival);
    await relayPayment(ctx, await signGasless(ctx, hostile, passedOver));
    await relayPayment(ctx, await signGasless(ctx, honest, paid));
    const another = await chain.createRelayer();
    const overtaken = withRelayer(ctx, chainId, (own) => ({
      async send(input) {
        const signed = { rail: 'forwarder', request: overtaking.forwardRequest } as const;
        const item = {
          signed,
          signature: overtaking.signature,
          permit: null,
          paymentId: rival.id,
          terms: rival.terms,
        };
        await another.send({
          ...input,
          ...getChain(ctx, chainId).encodeRelay([item]),
          gasLimit: 500_000n,
        });
        return own.send(input);
      },
    }));
    await sendAttempt(overtaken, (await readAttempt(ctx, passedOver)).id);
    await confirm(passedOver);
    expect((await readPayment(ctx, paid)).status).to.equal('completed');
    expect((await readAttempt(ctx, passedOver)).status).to.equal('queued');
    expect(await readWaste(passedOver.id)).to.include({ items: 1 });
    expect(await readWaste(store.storeId)).to.include({ items: 1 });
    for (const holder of [hostile.address, honest.address, paid.id, paid.storeId]) {
      expect(await readWaste(holder), holder).to.include({ items: 0 });
    }
    await sendAttempt(ctx, (await readAttempt(ctx, passedOver)).id);
    expect(relayer.sent).to.have.length(1);
  });

  describe('end what waits behind them', () => {
    /** So many of one payer, handed in before anything was wasted. */
    async function acceptMany(customer: PrivateKeyAccount, count: number, of = store) {
      const payments: Payment[] = [];
      for (let index = 0; index < count; index++) {
        const payment = await createPayment(of);
        await executePayment(ctx, await signAuthorization(ctx, customer, payment));
        payments.push(payment);
      }
      return payments;
    }

    const idOf = async (payment: Payment | undefined) => (await readAttempt(ctx, payment!)).id;

    /**
     * The first batch fails on the chain; then the payer's tokens are back, so that no simulation
     * would hold back the rest.
     */
    async function wasteBatch(
      limited: Context,
      customer: PrivateKeyAccount,
      first: Payment,
    ): Promise<void> {
      await sendAttempt({ ...limited, relayers: betraying(customer).relayers }, await idOf(first));
      expect(relayer.sent).to.have.length(1);
      await confirm(first);
      await chain.mint(customer.address, 10n ** 12n);
      await chain.mine();
    }

    const statusesOf = (payments: readonly Payment[]) =>
      Promise.all(payments.map(async (payment) => (await readAttempt(ctx, payment)).status));

    it('when it is the payer’s limit: no more than one batch is burnt, and others’ requests in the queue are sent', async () => {
      const limited = withLimits({ maxBatchSize: 5, maxWastedPerPayerPerDay: 4 });
      const customer = await chain.createCustomer();
      const payments = await acceptMany(customer, 10);
      await wasteBatch(limited, customer, payments[0]!);
      const [honest] = await acceptMany(
        await chain.createCustomer(),
        1,
        await harness.createTestStore(),
      );
      // Every job looks once.
      for (const payment of [...payments.slice(5), honest])
        await sendAttempt(limited, await idOf(payment));
      expect(
        relayer.sent,
        'what was sent: the first batch, and who had no part in it',
      ).to.have.length(2);
      await confirm(honest!);
      expect((await readPayment(ctx, honest!)).status).to.equal('completed');
      for (const payment of payments.slice(5)) {
        expect(await readAttempt(ctx, payment)).to.include({
          status: 'failed',
          errorCode: 'PAY_042',
          sends: 0,
        });
        expect((await readPayment(ctx, payment)).status).to.equal('pending');
      }
    });

    it('when it is the store’s limit, whoever its payers are', async () => {
      const limited = withLimits({ maxBatchSize: 4, maxWastedPerStorePerDay: 4 });
      const [burner, other] = [await chain.createCustomer(), await chain.createCustomer()];
      const burnt = await acceptMany(burner, 4);
      const waiting = await acceptMany(other, 3);
      await wasteBatch(limited, burner, burnt[0]!);
      for (const payment of waiting) await sendAttempt(limited, await idOf(payment));
      expect(relayer.sent).to.have.length(1);
      expect(await statusesOf(waiting)).to.deep.equal(['failed', 'failed', 'failed']);
      expect(await readAttempt(ctx, waiting[0]!)).to.include({ errorCode: 'PAY_042' });
    });

    it('for as long as it has to wait, and is sent then', async () => {
      const limited = withLimits({ maxBatchSize: 1 });
      const customer = await chain.createCustomer();
      const [first, second, third] = await acceptMany(customer, 3);
      await wasteBatch(limited, customer, first!);
      const result = await sendAttempt(limited, await idOf(second));
      expect(result.kind).to.equal('later');
      expect(relayer.sent).to.have.length(1);
      expect(await statusesOf([second!, third!])).to.deep.equal(['queued', 'queued']);
      // The wait is 30 seconds. Each job sends whose turn it is.
      for (let jobs = 0; jobs < 2; jobs++)
        await sendAttempt(later(31_000, limited), await idOf(third));
      expect(relayer.sent).to.have.length(3);
    });

    it('at once, when their deadline is over before their wait is', async () => {
      const limited = withLimits({ maxBatchSize: 1 });
      const customer = await chain.createCustomer();
      const [first, second] = await acceptMany(customer, 2);
      await wasteBatch(limited, customer, first!);
      await execute(ctx.db, 'UPDATE relay_attempts SET deadline = ? WHERE id = ?', [
        addMs(new Date(), 20_000),
        await idOf(second),
      ]);
      await sendAttempt(limited, await idOf(second));
      expect(relayer.sent).to.have.length(1);
      expect(await readAttempt(ctx, second!)).to.include({
        status: 'failed',
        errorCode: 'PAY_041',
      });
      expect((await readPayment(ctx, second!)).status).to.equal('pending');
    });
  });

  describe('are counted against nobody', () => {
    async function expectNotBlamed(customer: PrivateKeyAccount, payment: Payment): Promise<void> {
      for (const holder of [customer.address, payment.id, store.storeId])
        expect(await readWaste(holder), holder).to.include({ items: 0 });
    }

    it('when the payment was made by other means meanwhile', async () => {
      const [customer, payment] = [await chain.createCustomer(), await createPayment()];
      await executePayment(ctx, await signAuthorization(ctx, customer, payment));
      const overtaken = withRelayer(ctx, chainId, (own) => ({
        send: async (input) => {
          await chain.pay(customer, payment);
          return own.send(input);
        },
      }));
      await sendAttempt(overtaken, (await readAttempt(ctx, payment)).id);
      await confirm(payment);
      expect((await readAttempt(ctx, payment)).status).to.equal('failed');
      expect((await readPayment(ctx, payment)).status).to.equal('completed');
      await expectNotBlamed(customer, payment);
    });

    it('when the relayer gave too little gas, to one by itself or to a batch', async () => {
      const stingy = withRelayer(ctx, chainId, (own) => ({
        send: (input) => own.send({ ...input, gasLimit: 70_000n }),
      }));
      for (const count of [1, 3]) {
        const accepted = [];
        for (let index = 0; index < count; index++) {
          const [customer, payment] = [await chain.createCustomer(), await createPayment()];
          await executePayment(ctx, await signAuthorization(ctx, customer, payment));
          accepted.push({ customer, payment });
        }
        await sendAttempt(stingy, (await readAttempt(ctx, accepted[0]!.payment)).id);
        await confirm(accepted[0]!.payment);
        for (const { customer, payment } of accepted) {
          expect((await readAttempt(ctx, payment)).status).to.equal(
            count === 1 ? 'failed' : 'queued',
          );
          await expectNotBlamed(customer, payment);
          if (count === 1)
            await executePayment(ctx, await signAuthorization(ctx, customer, payment));
        }
      }
    });

    it('when their block came after the deadline', async () => {
      const [customer, payment] = [await chain.createCustomer(), await createPayment()];
      await executePayment(ctx, await signAuthorization(ctx, customer, payment));
      await sendAttempt(betraying(customer), (await readAttempt(ctx, payment)).id);
      await chain.mine(CONFIRMATIONS);
      const slow = withChain(ctx, chainId, (port) => ({
        findBlock: async (number) => {
          const block = await port.findBlock(number);
          return block && { ...block, timestamp: addMs(payment.terms.expiresAt, 1_000) };
        },
      }));
      await confirmOnce(slow, payment);
      expect((await readAttempt(ctx, payment)).status).to.equal('failed');
      await expectNotBlamed(customer, payment);
    });
  });

  it('count once, when they are final: not before, not for a block that was taken away, not again when two workers judge at once', async () => {
    const [customer, payment] = [await chain.createCustomer(), await createPayment()];
    await executePayment(ctx, await signAuthorization(ctx, customer, payment));
    const takeBack = await chain.takeSnapshot();
    await sendAttempt(betraying(customer), (await readAttempt(ctx, payment)).id);
    await chain.mine();
    await confirmOnce(ctx, payment);
    expect((await readAttempt(ctx, payment)).status).to.equal('mined');
    expect(await readWaste(customer.address)).to.include({ items: 0 });
    await takeBack();
    await confirmOnce(ctx, payment);
    expect((await readAttempt(ctx, payment)).status).to.equal('submitted');
    expect(await readWaste(customer.address)).to.include({ items: 0 });

    await chain.moveTokensAway(customer);
    for (const signed of relayer.sent) await chain.send(signed);
    await chain.mine(CONFIRMATIONS);
    await Promise.all([
      confirmOnce(ctx, payment),
      confirmOnce(ctx, payment),
      confirmOnce(ctx, payment),
    ]);
    expect((await readAttempt(ctx, payment)).status).to.equal('failed');
    for (const holder of [customer.address, payment.id, store.storeId])
      expect(await readWaste(holder)).to.include({ items: 1 });
  });

  it('are forgotten after a day, and deleted', async () => {
    const [customer, payment] = [await chain.createCustomer(), await createPayment()];
    await waste(customer, payment);
    const other = await harness.createTestPayment(store, {
      token: chain.token,
      expiresInSeconds: 3 * 86_400,
    });
    const strict = withLimits({ maxWastedPerPayerPerDay: 1 });
    const signed = await signAuthorization(ctx, customer, other);
    expect((await expectRefusal(executePayment(strict, signed))).code).to.equal('PAY_042');
    expect(await deleteOldWaste(later(22 * HOUR_MS))).to.equal(0);
    await executePayment(later(25 * HOUR_MS, strict), signed);
    expect(await deleteOldWaste(later(25 * HOUR_MS))).to.be.greaterThan(0);
    expect(await readWaste(customer.address)).to.include({ items: 0 });
  });
});
