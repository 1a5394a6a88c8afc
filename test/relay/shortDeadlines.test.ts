import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { getChain } from '../../domain/chain/service.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getRefundRequest, refundPayment } from '../../domain/relay/refundPayment.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../../domain/relay/getAuthorizationRequest.ts';
import { getGaslessRequest } from '../../domain/relay/getGaslessRequest.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { liftBackOff } from '../../domain/relay/liftBackOff.ts';
import { createStore } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signAuthorization, signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { confirmOnce, endWaitingAttempts, readAttempt, readPayment } from '../support/relayFlow.ts';
import { atTime, createFakeClock, withChain, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
const BLOCK_TIME_MS = 12_000;
/** Three blocks, when a request is taken on. */
const LEAST_MS = 36_000;
/** A block and a half, when it is sent. */
const LAST_MS = 18_000;

/** Who signs chooses the deadline; on a chain with slow blocks a near one burns gas for nothing. */
describe('requests with a near deadline, on a chain with a block every 12 seconds', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let relayer: OwnRelayer;
  let clock: ReturnType<typeof createFakeClock>;
  let ctx: Context;
  let store: TestStore;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    const configure = chain.configure({ confirmations: CONFIRMATIONS });
    harness = await createHarness({
      config(base) {
        const config = configure(base);
        return {
          ...config,
          chains: config.chains.map((only) => ({ ...only, blockTimeMs: BLOCK_TIME_MS })),
        };
      },
    });
    ({ chainId } = chain);
    // Whole seconds, as the chain counts.
    clock = createFakeClock(new Date(Math.ceil(Date.now() / 1000) * 1000));
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    relayer = await chain.createRelayer();
    ctx = { ...withRelayers(harness.ctx, chainId, [relayer]), clock };
    await endWaitingAttempts(ctx);
    store = await harness.createTestStore();
    await passTime(60_000);
  });

  /** For us and for the chain. */
  async function passTime(ms: number): Promise<void> {
    clock.advance(ms);
    await chain.setNextBlockTime(clock.now());
    await chain.mine();
  }

  /** At our clock, which goes with the chain's. */
  async function createPayment(expiresInMs = 3_600_000, of = store): Promise<Payment> {
    const aheadMs = clock.now().getTime() - Date.now();
    const expiresInSeconds = Math.ceil((aheadMs + expiresInMs) / 1000);
    const payment = await harness.createTestPayment(of, { token: chain.token, expiresInSeconds });
    return payment;
  }

  /** A forward request that is good for so long. */
  async function signFor(customer: PrivateKeyAccount, payment: Payment, goodForMs: number) {
    const { storeId, id: paymentId } = payment;
    const { forwardRequest: offered } = await getGaslessRequest(ctx, {
      storeId,
      paymentId,
      payer: customer.address,
    });
    const forwardRequest = { ...offered, deadline: toUnixSeconds(addMs(clock.now(), goodForMs)) };
    const typedData = getChain(ctx, chainId).buildForwardRequestTypedData(forwardRequest);
    return {
      storeId,
      paymentId,
      forwardRequest,
      signature: await signTypedData(customer, typedData),
      permit: null,
    };
  }

  async function accept(customer: PrivateKeyAccount, goodForMs: number): Promise<Payment> {
    const payment = await createPayment();
    await relayPayment(ctx, await signFor(customer, payment, goodForMs));
    return payment;
  }

  it('are refused when fewer than three blocks would fit, on the forwarder rail', async () => {
    const [customer, payment] = [await chain.createCustomer(), await createPayment()];
    const error = await expectRefusal(
      relayPayment(ctx, await signFor(customer, payment, LEAST_MS - 1_000)),
    );
    expect(error.code).to.equal('PAY_019');
    expect(error.detail).to.contain('36 seconds');
    await relayPayment(ctx, await signFor(customer, payment, LEAST_MS));
  });

  it('are refused so, and not even handed out, when the payment expires too soon', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    const input = { storeId: store.storeId, paymentId: payment.id, payer: customer.address };
    const [authorized, forwarded] = [
      await signAuthorization(ctx, customer, payment),
      await signGasless(ctx, customer, payment),
    ];
    const late = atTime(ctx, addMs(payment.terms.expiresAt, -LEAST_MS + 1_000));
    for (const attempted of [
      executePayment(late, authorized),
      relayPayment(late, forwarded),
      getAuthorizationRequest(late, input),
      getGaslessRequest(late, input),
    ]) {
      expect((await expectRefusal(attempted)).code).to.equal('PAY_019');
    }
    // What is handed out may be handed in.
    const justInTime = atTime(ctx, addMs(payment.terms.expiresAt, -LEAST_MS));
    await executePayment(justInTime, await signAuthorization(justInTime, customer, payment));
  });

  it('are refused so as refunds', async () => {
    const merchant = await chain.createAccount();
    const { id: storeId } = await createStore(ctx, {
      name: 'A shop',
      payoutAddress: merchant.address,
    });
    const payment = await createPayment(3_600_000, {
      storeId,
      apiKey: '',
      payoutAddress: merchant.address,
    });
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    await chain.approve(merchant);
    const sign = async (goodForMs: number) => {
      const request = { storeId, paymentId: payment.id, amount: parseAmountUnits('1000') };
      const { refund: offered } = await getRefundRequest(ctx, request);
      const refund = { ...offered, deadline: toUnixSeconds(addMs(clock.now(), goodForMs)) };
      const typedData = getChain(ctx, chainId).buildRefundTypedData({
        paymentId: payment.id,
        refund,
      });
      const { nonce, deadline } = refund;
      return {
        ...request,
        nonce,
        deadline,
        signature: await signTypedData(merchant, typedData),
        permit: null,
      };
    };
    expect((await expectRefusal(refundPayment(ctx, await sign(LEAST_MS - 1_000)))).code).to.equal(
      'PAY_019',
    );
    await refundPayment(ctx, await sign(LEAST_MS));
  });

  it('are not sent any more when less than a block and a half is left', async () => {
    const customer = await chain.createCustomer();
    const payment = await accept(customer, LEAST_MS);
    const { id } = await readAttempt(ctx, payment);
    await sendAttempt(atTime(ctx, addMs(clock.now(), LEAST_MS - LAST_MS)), id);
    expect(relayer.sent).to.have.length(0);
    expect((await readAttempt(ctx, payment)).status).to.equal('queued');
    await sendAttempt(atTime(ctx, addMs(clock.now(), LEAST_MS - LAST_MS - 1)), id);
    expect(relayer.sent).to.have.length(1);
  });

  it('are not sent when the time ran out while they were simulated', async () => {
    const payment = await accept(await chain.createCustomer(), LEAST_MS);
    const ownClock = createFakeClock(clock.now());
    const slow = withChain({ ...ctx, clock: ownClock }, chainId, (port) => ({
      async estimateRelayGas(items) {
        ownClock.advance(LEAST_MS - LAST_MS);
        return port.estimateRelayGas(items);
      },
    }));
    await sendAttempt(slow, (await readAttempt(ctx, payment)).id);
    expect(relayer.sent).to.have.length(0);
    expect((await readAttempt(ctx, payment)).status).to.equal('queued');
  });

  describe('and are mined too late', () => {
    /** Handed in, sent at once, and in a block so long afterwards. */
    async function mineLate(
      customer: PrivateKeyAccount,
      { goodForMs, minedAfterMs }: { goodForMs: number; minedAfterMs: number },
    ) {
      const payment = await accept(customer, goodForMs);
      await sendAttempt(ctx, (await readAttempt(ctx, payment)).id);
      await passTime(minedAfterMs);
      await chain.mine(CONFIRMATIONS);
      await scanChain(ctx, chainId);
      await confirmOnce(ctx, payment);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_030',
      });
      expect((await readPayment(ctx, payment)).status).to.equal('pending');
    }

    async function countWaste(holder: string): Promise<number> {
      const [row] = await selectRows<{ items: string | null }>(
        ctx.db,
        'SELECT SUM(items) AS items FROM relay_waste WHERE chain_id = ? AND holder IN (?, ?)',
        [chainId, holder, `late:${holder}`],
      );
      return Number(row?.items ?? 0);
    }

    it('though nobody was slow, count against their store; against their payer when that is repeated', async () => {
      const customer = await chain.createCustomer();
      const early = { goodForMs: LEAST_MS, minedAfterMs: LEAST_MS + 1_000 };
      for (let count = 1; count <= 3; count++) {
        // Twice without consequence.
        await mineLate(customer, early);
        expect([await countWaste(customer.address), await countWaste(store.storeId)]).to.deep.equal(
          [count, count],
        );
      }
      const payment = await createPayment();
      const again = await expectRefusal(
        relayPayment(ctx, await signFor(customer, payment, 600_000)),
      );
      expect(again).to.include({ code: 'PAY_041', reason: 'payer', retryAfterSeconds: 30 });
      expect(again.detail).to.contain('too short a time');
      await passTime(31_000);
      await mineLate(customer, early);
      expect(
        await expectRefusal(relayPayment(ctx, await signFor(customer, payment, 600_000))),
      ).to.include({
        code: 'PAY_042',
        reason: 'payer',
      });
      expect(await liftBackOff(ctx, { chainId, holder: customer.address })).to.equal(4);
      await relayPayment(ctx, await signFor(customer, payment, 600_000));
    });

    it('count so in a batch too, where the forwarder passes them over', async () => {
      const customers = [await chain.createCustomer(), await chain.createCustomer()];
      const payments = [];
      for (const customer of customers) payments.push(await accept(customer, LEAST_MS + 10_000));
      await sendAttempt(ctx, (await readAttempt(ctx, payments[0]!)).id);
      expect((await readAttempt(ctx, payments[1]!)).status).to.equal('submitted');
      await passTime(LEAST_MS + 11_000);
      await chain.mine(CONFIRMATIONS);
      await scanChain(ctx, chainId);
      await confirmOnce(ctx, payments[0]!);
      for (const { address } of customers) expect(await countWaste(address)).to.equal(1);
      expect(await countWaste(store.storeId)).to.equal(2);
      for (const payment of payments) {
        await sendAttempt(ctx, (await readAttempt(ctx, payment)).id);
        expect(await readAttempt(ctx, payment)).to.include({
          status: 'failed',
          errorCode: 'PAY_019',
        });
      }
    });

    it('after we, the relayer or the chain took their time, count against nobody, however often', async () => {
      const customer = await chain.createCustomer();
      for (const slow of [
        { goodForMs: LEAST_MS, minedAfterMs: 2 * LEAST_MS + 1_000 },
        { goodForMs: 2 * LEAST_MS, minedAfterMs: 2 * LEAST_MS + 1_000 },
        { goodForMs: 600_000, minedAfterMs: 601_000 },
        { goodForMs: 600_000, minedAfterMs: 601_000 },
      ]) {
        await mineLate(customer, slow);
      }
      expect([await countWaste(customer.address), await countWaste(store.storeId)]).to.deep.equal([
        0, 0,
      ]);
      await accept(customer, LEAST_MS);
    });
  });
});
