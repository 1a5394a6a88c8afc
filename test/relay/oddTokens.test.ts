import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { findRefund } from '../../domain/refunds/service.ts';
import type { Refund } from '../../domain/refunds/model.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import {
  getRefundRequest,
  refundPayment,
  type RefundPaymentInput,
} from '../../domain/relay/refundPayment.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../../domain/relay/getAuthorizationRequest.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { createStore } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import type { Address } from '../../shared/hex.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signAuthorization, signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { createOddTokens, type OddTokens } from '../support/oddTokens.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { confirmOnce, endWaitingAttempts, readAttempt, readPayment } from '../support/relayFlow.ts';
import { withRelayer, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
type Name = 'usdt' | 'twoDecimals' | 'noDecimals' | 'regulated';

describe('tokens that are not as the usual one', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let tokens: OddTokens;
  let relayer: OwnRelayer;
  let ctx: Context;
  let merchant: PrivateKeyAccount;
  let store: TestStore;
  let customer: PrivateKeyAccount;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    const configure = chain.configure({ confirmations: CONFIRMATIONS });
    tokens = await createOddTokens(chain);
    harness = await createHarness({ config: (base) => tokens.configure(configure(base)) });
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    await endWaitingAttempts(harness.ctx);
    relayer = await chain.createRelayer();
    ctx = withRelayers(harness.ctx, chain.chainId, [relayer]);
    merchant = await chain.createAccount();
    customer = await chain.createAccount();
    const { id } = await createStore(ctx, { name: 'A shop', payoutAddress: merchant.address });
    store = { storeId: id, apiKey: '', payoutAddress: merchant.address };
  });
  afterEach(async () => {
    await tokens.setPaused(tokens.regulated, false);
  });

  async function createPayment(token: Address, amount = 7n): Promise<Payment> {
    await tokens.mint(token, customer.address, amount);
    return harness.createTestPayment(store, { token, amount: parseAmountUnits(String(amount)) });
  }
  async function mineAndConfirm(...payments: readonly Payment[]): Promise<void> {
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chain.chainId);
    for (const payment of payments) await confirmOnce(ctx, payment);
  }
  async function accept(payment: Payment): Promise<string> {
    await executePayment(ctx, await signAuthorization(ctx, customer, payment));
    return (await readAttempt(ctx, payment)).id;
  }
  const wasteOf = async (holder: string) =>
    (
      await selectRows<{ items: number }>(
        ctx.db,
        'SELECT items FROM relay_waste WHERE holder = ?',
        [holder],
      )
    ).reduce((sum, row) => sum + Number(row.items), 0);

  async function signRefund(payment: Payment, amount: bigint): Promise<RefundPaymentInput> {
    const request = {
      storeId: store.storeId,
      paymentId: payment.id,
      amount: parseAmountUnits(String(amount)),
    };
    const { refund, typedData, permit } = await getRefundRequest(ctx, request);
    return {
      ...request,
      ...{
        nonce: refund.nonce,
        deadline: refund.deadline,
        signature: await signTypedData(merchant, typedData),
      },
      permit: permit && {
        ...permit,
        deadline: BigInt(permit.deadline),
        signature: await signTypedData(merchant, permit.typedData),
      },
    };
  }
  async function sendRefund(refund: Refund): Promise<void> {
    await sendAttempt(ctx, refund.relayAttemptId ?? '');
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chain.chainId);
    const rows = await selectRows<{ id: string }>(
      ctx.db,
      'SELECT id FROM relay_transactions WHERE relayer_id = ?',
      [relayer.id],
    );
    for (const { id } of rows) await confirmTransaction(ctx, id);
  }

  for (const [name, hasPermit] of [
    ['usdt', false],
    ['twoDecimals', true],
    ['noDecimals', true],
    ['regulated', true],
  ] as const satisfies [Name, boolean][]) {
    describe(`(${name})`, () => {
      async function expectPaid(payment: Payment): Promise<void> {
        expect(await readPayment(ctx, payment)).to.include({ status: 'completed' });
        expect(await tokens.balanceOf(payment.terms.token, merchant.address)).to.equal(
          payment.terms.amount,
        );
        expect(await tokens.balanceOf(payment.terms.token, customer.address)).to.equal(0n);
      }

      it('are paid directly to the last unit', async () => {
        const payment = await createPayment(tokens[name], 1n);
        await tokens.approve(tokens[name], customer, 1n);
        await chain.pay(customer, payment);
        await mineAndConfirmNothing();
        await expectPaid(payment);
      });

      for (const rail of ['forwarder', 'authorization'] as const) {
        it(`are relayed on the ${rail} rail, ${hasPermit ? 'with a permit' : 'once they are approved'}`, async () => {
          const payment = await createPayment(tokens[name], 12_345n);
          const request = {
            storeId: store.storeId,
            paymentId: payment.id,
            payer: customer.address,
          };
          const { permit, approveFirst } = await getAuthorizationRequest(ctx, request);
          expect([permit === null, approveFirst]).to.deep.equal(
            hasPermit ? [false, null] : [true, 'noPermit'],
          );
          if (!hasPermit) await tokens.approve(tokens[name], customer, 12_345n);
          if (rail === 'forwarder')
            await relayPayment(ctx, await signGasless(ctx, customer, payment));
          else await executePayment(ctx, await signAuthorization(ctx, customer, payment));
          await sendAttempt(ctx, (await readAttempt(ctx, payment)).id);
          await mineAndConfirm(payment);
          await expectPaid(payment);
        });
      }

      it('are refunded to the last unit', async () => {
        const payment = await createPayment(tokens[name], 5n);
        await tokens.approve(tokens[name], customer, 5n);
        await chain.pay(customer, payment);
        await mineAndConfirmNothing();
        if (!hasPermit) {
          const refusal = await expectRefusal(refundPayment(ctx, await signRefund(payment, 4n)));
          expect(refusal).to.include({ code: 'PAY_002', reason: 'noPermit' });
          await tokens.approve(tokens[name], merchant, 5n);
        }
        const refund = await refundPayment(ctx, await signRefund(payment, 4n));
        await sendRefund(refund);
        expect((await findRefund(ctx, refund.id))?.status).to.equal('completed');
        expect(await tokens.balanceOf(tokens[name], customer.address)).to.equal(4n);
        expect(await tokens.balanceOf(tokens[name], merchant.address)).to.equal(1n);
      });
    });
  }
  async function mineAndConfirmNothing(): Promise<void> {
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chain.chainId);
  }

  /** What keeps a token from being moved, and the word for it. */
  const obstacles = {
    'is paused': {
      set: (on: boolean, when?: 'pending') => tokens.setPaused(tokens.regulated, on, when),
      words: /Pausable: paused/,
    },
    'bars the merchant': {
      set: (on: boolean, when?: 'pending') =>
        tokens.setBarred(tokens.regulated, merchant.address, on, when),
      words: /Blacklistable: account is blacklisted/,
    },
    'bars the payer': {
      set: (on: boolean, when?: 'pending') =>
        tokens.setBarred(tokens.regulated, customer.address, on, when),
      words: /Blacklistable: account is blacklisted/,
    },
  } as const;

  for (const [what, { set, words }] of Object.entries(obstacles)) {
    describe(`one that ${what}`, () => {
      let payment: Payment;
      beforeEach(async () => {
        payment = await createPayment(tokens.regulated);
        await tokens.approve(tokens.regulated, customer, 1_000n);
      });

      it('refuses what is handed in, in its own words, and nothing is saved', async () => {
        const signed = await signAuthorization(ctx, customer, payment);
        await set(true);
        for (let tries = 0; tries < 2; tries++) {
          const error = await expectRefusal(executePayment(ctx, signed));
          expect(error.code).to.equal('PAY_027');
          expect(error.detail)
            .to.match(/^The token refuses the transfer: /)
            .and.to.match(words);
        }
        expect(await readPayment(ctx, payment)).to.include({ status: 'pending' });
        expect(relayer.sent.length).to.equal(0);
        await set(false);
        await executePayment(ctx, signed);
      });

      it('after a request was taken on: nothing is sent, and the reason is told', async () => {
        const id = await accept(payment);
        await set(true);
        await sendAttempt(ctx, id);
        expect(relayer.sent.length).to.equal(0);
        const attempt = await readAttempt(ctx, payment);
        expect(attempt).to.include({
          status: 'failed',
          errorCode: 'PAY_027',
          sends: 0,
          gasUsed: 0n,
        });
        expect(attempt.errorDetail).to.match(words);
        expect(await readPayment(ctx, payment)).to.include({ status: 'pending' });
      });

      it('between simulation and block: the gas is counted as waste, the reason told, and the relayer is not made to burn more', async () => {
        const id = await accept(payment);
        const late = withRelayer(ctx, chain.chainId, (own) => ({
          async send(input) {
            await set(true, 'pending');
            return own.send(input);
          },
        }));
        await sendAttempt(late, id);
        await mineAndConfirm(payment);
        const attempt = await readAttempt(ctx, payment);
        expect(attempt).to.include({ status: 'failed', errorCode: 'PAY_030' });
        expect(attempt.errorDetail).to.match(words);
        expect(attempt.gasUsed > 0n).to.equal(true);
        expect(await readPayment(ctx, payment)).to.include({ status: 'pending' });
        expect([await wasteOf(payment.id), await wasteOf(store.storeId)]).to.deep.equal([1, 1]);
        // Whatever is handed in while it lasts is refused before it costs anything.
        const again = await expectRefusal(
          executePayment(ctx, await signAuthorization(ctx, customer, payment)),
        );
        expect(again.code).to.equal('PAY_027');
        const other = await createPaymentLater();
        expect(
          (await expectRefusal(executePayment(ctx, await signAuthorization(ctx, customer, other))))
            .code,
        ).to.equal('PAY_027');
        expect(relayer.sent).to.have.length(1);
      });
    });
  }
  /** Without minting, which a token that is paused refuses. */
  const createPaymentLater = () =>
    harness.createTestPayment(store, { token: tokens.regulated, amount: parseAmountUnits('1') });

  it('of those that give no reason (USDT), that is what is told', async () => {
    const payment = await createPayment(tokens.usdt);
    await tokens.approve(tokens.usdt, customer, 7n);
    const signed = await signAuthorization(ctx, customer, payment);
    await tokens.setBarred(tokens.usdt, customer.address, true);
    const error = await expectRefusal(executePayment(ctx, signed));
    expect(error).to.include({
      code: 'PAY_027',
      detail: 'The token refuses the transfer: no reason given',
    });
  });

  it('a merchant who is barred cannot refund, and hears why before anything is sent', async () => {
    const payment = await createPayment(tokens.regulated);
    await tokens.approve(tokens.regulated, customer, 7n);
    await chain.pay(customer, payment);
    await mineAndConfirmNothing();
    await tokens.approve(tokens.regulated, merchant, 7n);
    const signed = await signRefund(payment, 7n);
    await tokens.setBarred(tokens.regulated, merchant.address, true);
    const error = await expectRefusal(refundPayment(ctx, signed));
    expect(error.code).to.equal('PAY_027');
    expect(error.detail).to.match(/Blacklistable/);
    expect(relayer.sent.length).to.equal(0);
  });
});
