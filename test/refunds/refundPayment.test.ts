import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { findRefund, listRefunds } from '../../domain/refunds/service.ts';
import type { Refund } from '../../domain/refunds/model.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import {
  getRefundRequest,
  refundPayment,
  type RefundPaymentInput,
} from '../../domain/relay/refundPayment.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { createStore } from '../../domain/stores/service.ts';
import { selectRows } from '../../platform/db.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { readPayment } from '../support/relayFlow.ts';
import { atTime, setSettledTime, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
const PAID = 1_500_000n;

describe('refunding a payment', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;
  let merchant: PrivateKeyAccount;
  let storeId: string;
  let customer: PrivateKeyAccount;

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
    merchant = await chain.createAccount();
    storeId = (await createStore(ctx, { name: 'A shop', payoutAddress: merchant.address })).id;
    customer = await chain.createCustomer();
  });

  async function completePayment(): Promise<Payment> {
    const payment = await harness.createTestPayment(
      { storeId, apiKey: '', payoutAddress: merchant.address },
      { token: chain.token },
    );
    await chain.pay(customer, payment);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect((await readPayment(ctx, payment)).status).to.equal('completed');
    return payment;
  }

  async function signRefund(
    payment: Payment,
    amount: bigint,
    signer = merchant,
  ): Promise<RefundPaymentInput> {
    const request = { storeId, paymentId: payment.id, amount: parseAmountUnits(String(amount)) };
    const { refund, typedData, permit } = await getRefundRequest(ctx, request);
    return {
      ...request,
      nonce: refund.nonce,
      deadline: refund.deadline,
      signature: await signTypedData(signer, typedData),
      permit:
        permit === null
          ? null
          : {
              value: permit.value,
              deadline: BigInt(permit.deadline),
              signature: await signTypedData(signer, permit.typedData),
            },
    };
  }

  async function send(refund: Refund): Promise<void> {
    expect(await sendAttempt(ctx, refund.relayAttemptId ?? '')).to.deep.equal(DONE);
  }

  async function confirmAll(): Promise<void> {
    await scanChain(ctx, chainId);
    const rows = await selectRows<{ id: string }>(
      ctx.db,
      'SELECT id FROM relay_transactions WHERE relayer_id = ?',
      [relayer.id],
    );
    for (const { id } of rows) await confirmTransaction(ctx, id);
  }

  const read = async (refund: Refund) => {
    const found = await findRefund(ctx, refund.id);
    if (found === undefined) throw new Error('the refund is gone');
    return found;
  };

  async function eventsOf(refund: Refund): Promise<string[]> {
    const rows = await selectRows<{ type: string; version: number }>(
      ctx.db,
      'SELECT type, version FROM events WHERE subject_id = ? ORDER BY version',
      [refund.id],
    );
    expect(rows.map(({ version }) => Number(version))).to.deep.equal(
      rows.map((_row, index) => index + 1),
    );
    return rows.map(({ type }) => type);
  }

  it('in part: the payer has the amount back, the store is told once, the payment stays as it is', async () => {
    const payment = await completePayment();
    const before = await chain.balanceOf(customer.address);
    const refund = await refundPayment(ctx, await signRefund(payment, 500_000n));
    expect(refund).to.include({ status: 'processing', version: 1, amount: 500_000n });
    await send(refund);
    expect((await read(refund)).txHash).to.equal(relayer.sent[0]?.hash);
    await chain.mine();
    await confirmAll();
    expect((await read(refund)).status).to.equal('processing');
    await chain.mine(CONFIRMATIONS);
    await confirmAll();
    expect(await read(refund)).to.include({
      status: 'completed',
      version: 2,
      relayAttemptId: null,
      errorCode: null,
    });
    expect(await eventsOf(refund)).to.deep.equal(['refund.created', 'refund.completed']);
    expect((await chain.balanceOf(customer.address)) - before).to.equal(500_000n);
    const after = await readPayment(ctx, payment);
    expect(after).to.include({ status: 'completed', version: 3 });
    expect(await readHistory(ctx, after)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
    const [attempt] = await selectRows<{ status: string; gas_used: string }>(
      ctx.db,
      'SELECT status, gas_used FROM relay_attempts WHERE refund_id = ?',
      [refund.id],
    );
    expect(attempt?.status).to.equal('succeeded');
    expect(Number(attempt?.gas_used)).to.be.greaterThan(0);
  });

  it('in full, with a permit: and then nothing more', async () => {
    const payment = await completePayment();
    const refund = await refundPayment(ctx, await signRefund(payment, PAID));
    expect((await expectRefusal(refundPayment(ctx, await signRefund(payment, 1n)))).code).to.equal(
      'PAY_035',
    );
    await send(refund);
    await chain.mine(CONFIRMATIONS);
    await confirmAll();
    expect((await read(refund)).status).to.equal('completed');
    expect((await expectRefusal(refundPayment(ctx, await signRefund(payment, 1n)))).code).to.equal(
      'PAY_035',
    );
  });

  it('approved once, in parts: one transaction carries them', async () => {
    const [one, two] = [await completePayment(), await completePayment()];
    await chain.approve(merchant);
    const parts = [
      await refundPayment(ctx, await signRefund(one, 700_000n)),
      await refundPayment(ctx, await signRefund(one, 800_000n)),
      await refundPayment(ctx, await signRefund(two, 1n)),
    ];
    await send(parts[0]!);
    expect(relayer.sent).to.have.length(1);
    await chain.mine(CONFIRMATIONS);
    await confirmAll();
    for (const part of parts) expect((await read(part)).status).to.equal('completed');
    expect((await expectRefusal(refundPayment(ctx, await signRefund(one, 1n)))).code).to.equal(
      'PAY_035',
    );
    expect(
      (await listRefunds(ctx, { paymentId: one.id })).map(({ amount }) => amount),
    ).to.have.members([700_000n, 800_000n]);
  });

  it('of which two at once would exceed the payment takes one of them', async () => {
    const payment = await completePayment();
    await chain.approve(merchant);
    const signed = [await signRefund(payment, 1_000_000n), await signRefund(payment, 1_000_000n)];
    const outcomes = await Promise.allSettled(signed.map((input) => refundPayment(ctx, input)));
    const refused = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [(outcome.reason as { code: string }).code] : [],
    );
    expect(refused).to.deep.equal(['PAY_035']);
  });

  it('twice with the same signature is refused', async () => {
    const payment = await completePayment();
    const signed = await signRefund(payment, 10n);
    const refund = await refundPayment(ctx, signed);
    expect((await expectRefusal(refundPayment(ctx, signed))).code).to.equal('PAY_036');
    await send(refund);
    await chain.mine(CONFIRMATIONS);
    await confirmAll();
    expect((await expectRefusal(refundPayment(ctx, signed))).code).to.equal('PAY_036');
  });

  it('is refused when anything does not fit, and changes nothing', async () => {
    const payment = await completePayment();
    const signed = await signRefund(payment, 10n);
    const unpaid = await harness.createTestPayment(
      { storeId, apiKey: '', payoutAddress: merchant.address },
      { token: chain.token },
    );
    const other = await harness.createTestStore();
    for (const [input, code] of [
      [{ ...signed, amount: parseAmountUnits('11') }, 'PAY_015'],
      [{ ...signed, nonce: signed.nonce + 1n }, 'PAY_015'],
      [await signRefund(payment, 10n, customer), 'PAY_015'],
      [{ ...signed, deadline: Math.floor(Date.now() / 1000) + 5 }, 'PAY_019'],
      [{ ...signed, deadline: Math.floor(Date.now() / 1000) + 2 * 86_400 }, 'PAY_019'],
      [{ ...signed, amount: parseAmountUnits(String(PAID + 1n)) }, 'PAY_035'],
      [{ ...signed, paymentId: unpaid.id }, 'PAY_004'],
      [{ ...signed, storeId: other.storeId }, 'PAY_009'],
    ] as const) {
      expect((await expectRefusal(refundPayment(ctx, input))).code, code).to.equal(code);
    }
    expect(await listRefunds(ctx, { paymentId: payment.id })).to.deep.equal([]);
    expect(
      (await expectRefusal(getRefundRequest(ctx, { ...signed, storeId: other.storeId }))).code,
    ).to.equal('PAY_009');
  });

  it('tells the real reason when the merchant does not hold or allow the amount', async () => {
    const payment = await completePayment();
    const signed = await signRefund(payment, 10n);
    const unapproved = await expectRefusal(refundPayment(ctx, { ...signed, permit: null }));
    expect(unapproved.code).to.equal('PAY_002');
    expect(unapproved.detail).to.contain('have the merchant approve it');
    await chain.moveTokensAway(merchant);
    await chain.mine();
    const broke = await expectRefusal(refundPayment(ctx, signed));
    expect(broke.code).to.equal('PAY_001');
    expect(broke.detail).to.contain('The merchant holds 0');
  });

  it('is told as failed when the merchant moves the tokens before it is sent, and may be signed again', async () => {
    const payment = await completePayment();
    const refund = await refundPayment(ctx, await signRefund(payment, 10n));
    await chain.moveTokensAway(merchant);
    await chain.mine();
    await send(refund);
    expect(await read(refund)).to.include({
      status: 'failed',
      errorCode: 'PAY_001',
      relayAttemptId: null,
    });
    expect(await eventsOf(refund)).to.deep.equal(['refund.created', 'refund.failed']);
    await chain.mint(merchant.address, 10n);
    await chain.mine();
    const again = await refundPayment(ctx, await signRefund(payment, 10n));
    await send(again);
    await chain.mine(CONFIRMATIONS);
    await confirmAll();
    expect((await read(again)).status).to.equal('completed');
  });

  it('is taken back with its block, and completed when it lands again', async () => {
    const payment = await completePayment();
    const refund = await refundPayment(ctx, await signRefund(payment, 10n));
    await scanChain(ctx, chainId);
    const goBack = await chain.takeSnapshot();
    await send(refund);
    await chain.mine();
    await confirmAll();
    expect((await read(refund)).position).not.to.equal(null);
    await goBack();
    await chain.mine(2);
    await confirmAll();
    expect(await read(refund)).to.include({ status: 'processing', position: null });
    await chain.send(relayer.sent[0]!);
    await chain.mine(CONFIRMATIONS);
    await confirmAll();
    expect((await read(refund)).status).to.equal('completed');
    expect(await eventsOf(refund)).to.deep.equal([
      'refund.created',
      'refund.reorged',
      'refund.completed',
    ]);
  });

  it('that lands after it was given up is told truthfully', async () => {
    const payment = await completePayment();
    const refund = await refundPayment(ctx, await signRefund(payment, 10n));
    await send(refund);
    const [raw] = relayer.sent;
    const goBack = await chain.takeSnapshot();
    await goBack();
    // Nobody has it any more, and by the chain's clock its deadline is over; somebody kept it all
    // the same.
    await setSettledTime(ctx, chainId, addMs(refund.deadline, 60_000));
    const over = atTime(ctx, addMs(refund.deadline, 60_000));
    const [row] = await selectRows<{ transaction_id: string }>(
      ctx.db,
      'SELECT transaction_id FROM relay_attempts WHERE refund_id = ?',
      [refund.id],
    );
    await confirmTransaction(over, row?.transaction_id ?? '');
    expect((await read(refund)).status).to.equal('failed');
    await chain.send(raw!);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    await scanChain(ctx, chainId);
    expect(await read(refund)).to.include({ status: 'completed', errorCode: null });
    expect(await eventsOf(refund)).to.deep.equal([
      'refund.created',
      'refund.failed',
      'refund.processing',
      'refund.completed',
    ]);
  });
});
