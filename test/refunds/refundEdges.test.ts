import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Refund } from '../../domain/refunds/model.ts';
import { findRefund } from '../../domain/refunds/service.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import {
  getRefundRequest,
  refundPayment,
  type RefundPaymentInput,
} from '../../domain/relay/refundPayment.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { createStore } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { toUnixSeconds } from '../../shared/clock.ts';
import type { AppError } from '../../shared/errors.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { readPayment } from '../support/relayFlow.ts';
import { atTime, withChain, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;

describe('a refund beside what else happens', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;
  let merchant: PrivateKeyAccount;
  let storeId: string;

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
    await chain.approve(merchant);
  });

  async function completePayment(): Promise<Payment> {
    const payment = await harness.createTestPayment(
      { storeId, apiKey: '', payoutAddress: merchant.address },
      { token: chain.token },
    );
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect((await readPayment(ctx, payment)).status).to.equal('completed');
    return payment;
  }

  async function signRefund(payment: Payment, amount: bigint): Promise<RefundPaymentInput> {
    const request = { storeId, paymentId: payment.id, amount: parseAmountUnits(String(amount)) };
    const { refund, typedData } = await getRefundRequest(ctx, request);
    return {
      ...request,
      nonce: refund.nonce,
      deadline: refund.deadline,
      signature: await signTypedData(merchant, typedData),
      permit: null,
    };
  }

  const send = async (refund: Refund) =>
    expect(await sendAttempt(ctx, refund.relayAttemptId ?? '')).to.deep.equal(DONE);

  async function read(refund: Refund): Promise<Refund> {
    const found = await findRefund(ctx, refund.id);
    if (found === undefined) throw new Error('the refund is gone');
    return found;
  }

  async function attemptOf(
    refund: Refund,
  ): Promise<{ status: string; transaction_id: string | null }> {
    const [row] = await selectRows<{ status: string; transaction_id: string | null }>(
      ctx.db,
      'SELECT status, transaction_id FROM relay_attempts WHERE refund_id = ?',
      [refund.id],
    );
    if (row === undefined) throw new Error('the refund has no attempt');
    return row;
  }

  async function failRefund(
    payment: Payment,
    amount: bigint,
  ): Promise<{ refund: Refund; signed: RefundPaymentInput }> {
    const signed = await signRefund(payment, amount);
    const refund = await refundPayment(ctx, signed);
    await failOnChain(refund);
    return { refund, signed };
  }

  /** The merchant has nothing when its turn comes, and has again after that. */
  async function failOnChain(refund: Refund): Promise<void> {
    await chain.moveTokensAway(merchant);
    await chain.mine();
    await send(refund);
    expect((await read(refund)).status).to.equal('failed');
    await chain.mint(merchant.address, 1_000n);
    await chain.mine();
  }

  it('that failed is the one that is signed again, under its nonce: the customer, who has seen the first signature, gets it once', async () => {
    const payment = await completePayment();
    const { refund, signed } = await failRefund(payment, 10n);
    const again = await signRefund(payment, 25n);
    expect(again.nonce).to.equal(signed.nonce);
    expect(await refundPayment(ctx, again)).to.include({
      id: refund.id,
      status: 'processing',
      version: 3,
      amount: 25n,
      errorCode: null,
    });
    await send(await read(refund));
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(await read(refund)).to.include({ status: 'completed', amount: 25n });
    // Whatever the customer does with the first signature now.
    const port = ctx.chains.get(chainId);
    expect(await port?.isRefunded(payment.id, signed.nonce)).to.equal(true);
    expect(await port?.getRefundedAmount(payment.id)).to.equal(25n);
    expect(relayer.sent).to.have.length(1);
  });

  it('signed at once with another one and handed in at once is made, and so is the other one', async () => {
    const payment = await completePayment();
    const signed = await Promise.all([
      signRefund(payment, 700_000n),
      signRefund(payment, 800_000n),
    ]);
    expect(new Set(signed.map(({ nonce }) => nonce)).size).to.equal(2);
    const refunds = await Promise.all(signed.map((input) => refundPayment(ctx, input)));
    await sendAttempt(ctx, refunds[0]?.relayAttemptId ?? '');
    await sendAttempt(ctx, refunds[1]?.relayAttemptId ?? '');
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(
      await Promise.all(refunds.map(async (refund) => (await read(refund)).status)),
    ).to.deep.equal(['completed', 'completed']);
    expect(await onChain(payment)).to.equal(1_500_000n);
  });

  it('that failed is taken up by one of two that are handed in at once; the other is told to have a nonce of its own signed, and is made as well', async () => {
    const payment = await completePayment();
    const { refund, signed } = await failRefund(payment, 10n);
    const both = await Promise.all([signRefund(payment, 20n), signRefund(payment, 30n)]);
    expect(
      both.map(({ nonce }) => nonce),
      'the nonce of the failed one',
    ).to.deep.equal([signed.nonce, signed.nonce]);
    const outcomes = await Promise.allSettled(both.map((input) => refundPayment(ctx, input)));
    const refused = outcomes.findIndex(({ status }) => status === 'rejected');
    const outcome = outcomes[refused];
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(1);
    if (outcome?.status !== 'rejected') throw new Error('none was refused');
    expect(outcome.reason).to.include({ code: 'PAY_036' });
    expect((outcome.reason as AppError).detail)
      .to.contain(`Refund ${refund.id}, which is processing`)
      .and.to.contain('ask for the authorization again');

    const again = await signRefund(payment, both[refused]?.amount ?? 0n);
    expect(again.nonce).not.to.equal(signed.nonce);
    const second = await refundPayment(ctx, again);
    await sendAttempt(ctx, (await read(refund)).relayAttemptId ?? '');
    await sendAttempt(ctx, second.relayAttemptId ?? '');
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect([(await read(refund)).status, (await read(second)).status]).to.deep.equal([
      'completed',
      'completed',
    ]);
    expect(await onChain(payment)).to.equal(50n);
  });

  it('that failed stands in the way of others for as long as its signature is good', async () => {
    const payment = await completePayment();
    const { signed } = await failRefund(payment, 10n);
    const port = ctx.chains.get(chainId);
    if (port === undefined) throw new Error('no chain');
    const refund = {
      merchant: merchant.address,
      amount: signed.amount,
      nonce: signed.nonce + 1n,
      deadline: signed.deadline,
    };
    const signature = await signTypedData(
      merchant,
      port.buildRefundTypedData({ paymentId: payment.id, refund }),
    );
    const other = { ...signed, nonce: refund.nonce, signature };
    expect((await expectRefusal(refundPayment(ctx, other))).code).to.equal('PAY_037');
    expect(
      (await getRefundRequest(ctx, { storeId, paymentId: payment.id, amount: signed.amount }))
        .refund.nonce,
    ).to.equal(signed.nonce);
  });

  /** As the merchant's own tools would: any nonce and deadline. */
  async function signOwnRefund(
    payment: Payment,
    own: { amount: bigint; nonce: bigint; deadline: number },
  ): Promise<RefundPaymentInput> {
    const refund = {
      ...own,
      merchant: merchant.address,
      amount: parseAmountUnits(String(own.amount)),
    };
    const typedData = ctx.chains
      .get(chainId)
      ?.buildRefundTypedData({ paymentId: payment.id, refund });
    if (typedData === undefined) throw new Error('no chain');
    const signature = await signTypedData(merchant, typedData);
    return {
      storeId,
      paymentId: payment.id,
      amount: refund.amount,
      nonce: own.nonce,
      deadline: own.deadline,
      signature,
      permit: null,
    };
  }

  /** By somebody who has read the signature on the chain. */
  async function useSignature(
    payment: Payment,
    { amount, nonce, deadline, signature }: RefundPaymentInput,
  ): Promise<void> {
    const item = {
      signed: {
        rail: 'refund' as const,
        refund: { merchant: merchant.address, amount, nonce, deadline },
      },
      ...{ signature, permit: null, paymentId: payment.id, terms: payment.terms },
    };
    const call = ctx.chains.get(chainId)?.encodeRelay([item]);
    if (call === undefined) throw new Error('no chain');
    await (
      await chain.createRelayer()
    ).send({ ...call, gasLimit: 300_000n, validUntil: new Date(deadline * 1000) });
  }

  /** Some of these tests put the chain's clock ahead of ours. */
  async function chainSeconds(): Promise<number> {
    const head = await ctx.chains.get(chainId)?.getHead();
    return toUnixSeconds(head?.timestamp ?? new Date());
  }

  const onChain = async (payment: Payment) =>
    ctx.chains.get(chainId)?.getRefundedAmount(payment.id);

  it('that failed stands in their way by the chain’s clock: one that is behind ours takes the signature all the same, and no second one is made', async () => {
    const payment = await completePayment();
    const { signed } = await failRefund(payment, 10n);
    // An hour that the chain has not seen: it stood still, or its clock is behind.
    const ahead = atTime(ctx, new Date((signed.deadline + 60) * 1000));
    const soon = signed.deadline + 600;
    const second = await signOwnRefund(payment, {
      amount: 10n,
      nonce: signed.nonce + 1n,
      deadline: soon,
    });
    expect((await expectRefusal(refundPayment(ahead, second))).code).to.equal('PAY_037');
    const request = { storeId, paymentId: payment.id, amount: signed.amount };
    expect(
      (await getRefundRequest(ahead, request)).refund.nonce,
      'the API hands out the nonce that is safe',
    ).to.equal(signed.nonce);

    const again = await refundPayment(
      ahead,
      await signOwnRefund(payment, { amount: 10n, nonce: signed.nonce, deadline: soon }),
    );
    await useSignature(payment, signed);
    await chain.mine();
    await sendAttempt(ahead, again.relayAttemptId ?? '');
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(await onChain(payment)).to.equal(10n);
    expect(await read(again)).to.include({ status: 'completed', amount: 10n });
  });

  it('that was signed twice and failed twice is in the way until the later deadline of the two', async () => {
    const payment = await completePayment();
    const { refund, signed } = await failRefund(payment, 10n);
    const nearer = { amount: 10n, nonce: signed.nonce, deadline: (await chainSeconds()) + 60 };
    await refundPayment(ctx, await signOwnRefund(payment, nearer));
    await failOnChain(await read(refund));
    await chain.setNextBlockTime(new Date((nearer.deadline + 31) * 1000));
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    const other = await signOwnRefund(payment, {
      amount: 10n,
      nonce: signed.nonce + 1n,
      deadline: nearer.deadline + 600,
    });
    expect((await expectRefusal(refundPayment(ctx, other))).code).to.equal('PAY_037');
    expect((await read(refund)).deadline).to.deep.equal(new Date(signed.deadline * 1000));
  });

  it('that the chain has as made is in the way too, though it was told as failed and by the chain’s clock is over', async () => {
    const payment = await completePayment();
    const deadline = (await chainSeconds()) + 60;
    const signed = await signOwnRefund(payment, { amount: 10n, nonce: 1n, deadline });
    const refund = await refundPayment(ctx, signed);
    await failOnChain(refund);
    await useSignature(payment, signed);
    await chain.mine();
    // A node that shows no logs: nobody is told of it.
    const forgetful = withChain(ctx, chainId, (port) => ({
      listGatewayLogs: async (range) => ({
        ...(await port.listGatewayLogs(range)),
        payments: [],
        refunds: [],
      }),
    }));
    await chain.setNextBlockTime(new Date((deadline + 31) * 1000));
    await chain.mine(CONFIRMATIONS);
    await scanChain(forgetful, chainId);
    expect(await read(refund)).to.include({ status: 'failed' });
    const second = await signOwnRefund(payment, {
      amount: 10n,
      nonce: 2n,
      deadline: deadline + 600,
    });
    expect((await expectRefusal(refundPayment(ctx, second))).code).to.equal('PAY_037');
    expect(await onChain(payment)).to.equal(10n);
  });

  it('that failed is in nobody’s way once a later block is final and scanned: the first signature is dead then', async () => {
    const payment = await completePayment();
    const deadline = (await chainSeconds()) + 60;
    const signed = await signOwnRefund(payment, { amount: 10n, nonce: 1n, deadline });
    const refund = await refundPayment(ctx, signed);
    await failOnChain(refund);
    const second = await signOwnRefund(payment, {
      amount: 10n,
      nonce: 2n,
      deadline: deadline + 600,
    });

    await chain.setNextBlockTime(new Date((deadline + 31) * 1000));
    await chain.mine();
    const chains = ctx.config.chains.map((config) => ({ ...config, confirmations: 1 }));
    const atOnce = { ...ctx, config: { ...ctx.config, chains } };
    expect(
      (await expectRefusal(refundPayment(atOnce, second))).code,
      'final, but what it holds is not known',
    ).to.equal('PAY_037');
    await scanChain(ctx, chainId);
    expect(
      (await expectRefusal(refundPayment(ctx, second))).code,
      'a reorganisation may replace that block',
    ).to.equal('PAY_037');
    await chain.mine(CONFIRMATIONS - 1);
    await scanChain(ctx, chainId);
    const made = await refundPayment(ctx, second);
    await useSignature(payment, signed);
    await send(made);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(await onChain(payment)).to.equal(10n);
    expect((await read(made)).status).to.equal('completed');
    expect((await read(refund)).status).to.equal('failed');
  });

  it('may be made by the first signature after all, while the second is on its way: told as it is', async () => {
    const payment = await completePayment();
    const { refund, signed } = await failRefund(payment, 10n);
    await refundPayment(ctx, await signRefund(payment, 25n));
    const { nonce, deadline, amount, signature } = signed;
    const item = {
      signed: {
        rail: 'refund' as const,
        refund: { merchant: merchant.address, amount, nonce, deadline },
      },
      ...{ signature, permit: null, paymentId: payment.id, terms: payment.terms },
    };
    const call = ctx.chains.get(chainId)?.encodeRelay([item]);
    if (call === undefined) throw new Error('no chain');
    await (
      await chain.createRelayer()
    ).send({ ...call, gasLimit: 300_000n, validUntil: new Date(deadline * 1000) });
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(await read(refund)).to.include({ status: 'completed', amount: 10n });
    await sendAttempt(ctx, (await attemptsOf(refund)).at(-1) ?? '');
    expect(relayer.sent).to.have.length(0);
    expect(await read(refund)).to.include({ status: 'completed', amount: 10n });
  });

  async function attemptsOf(refund: Refund): Promise<string[]> {
    const rows = await selectRows<{ id: string }>(
      ctx.db,
      'SELECT id FROM relay_attempts WHERE refund_id = ? ORDER BY created_at, id',
      [refund.id],
    );
    return rows.map(({ id }) => id);
  }

  it('that the chain has and the scanner has not seen yet is counted once', async () => {
    const payment = await completePayment();
    const first = await refundPayment(ctx, await signRefund(payment, 750_000n));
    await send(first);
    await chain.mine();
    expect((await read(first)).position).to.equal(null);
    const second = await refundPayment(ctx, await signRefund(payment, 750_000n));
    expect(second.status).to.equal('processing');
    expect((await expectRefusal(refundPayment(ctx, await signRefund(payment, 1n)))).code).to.equal(
      'PAY_035',
    );
  });

  it('is not taken on when a reorganisation takes its payment away while it is being checked', async () => {
    const payment = await completePayment();
    const signed = await signRefund(payment, 10n);
    const racing = withChain(ctx, chainId, (port) => ({
      async findRefundRefusal(item) {
        const refusal = await port.findRefundRefusal(item);
        await ctx.db('payments').where({ id: payment.id }).update({ status: 'pending' });
        return refusal;
      },
    }));
    expect((await expectRefusal(refundPayment(racing, signed))).code).to.equal('PAY_004');
    expect(
      await selectRows(ctx.db, 'SELECT id FROM refunds WHERE payment_id = ?', [payment.id]),
    ).to.deep.equal([]);
  });

  it('ends when the merchant makes another one under its nonce', async () => {
    const payment = await completePayment();
    const signed = await signRefund(payment, 10n);
    const refund = await refundPayment(ctx, signed);
    const port = ctx.chains.get(chainId);
    if (port === undefined) throw new Error('no chain');
    const other = {
      merchant: merchant.address,
      amount: parseAmountUnits('20'),
      nonce: signed.nonce,
      deadline: signed.deadline,
    };
    const signature = await signTypedData(
      merchant,
      port.buildRefundTypedData({ paymentId: payment.id, refund: other }),
    );
    const call = port.encodeRelay([
      {
        signed: { rail: 'refund', refund: other },
        signature,
        permit: null,
        paymentId: payment.id,
        terms: payment.terms,
      },
    ]);
    await (
      await chain.createRelayer()
    ).send({ ...call, gasLimit: 500_000n } as Parameters<OwnRelayer['send']>[0]);
    await chain.mine(CONFIRMATIONS);
    for (let look = 0; look < 3; look++) {
      await scanChain(ctx, chainId);
      const { status, transaction_id } = await attemptOf(refund);
      if (status === 'queued') await sendAttempt(ctx, refund.relayAttemptId ?? '');
      else if (transaction_id !== null) await confirmTransaction(ctx, transaction_id);
    }
    expect((await attemptOf(refund)).status).to.equal('failed');
    expect((await read(refund)).status).to.not.equal('processing');
  });

  it('that was final and is taken away by a deep reorganisation leaves no room for a second one, and is completed when it lands again', async () => {
    const payment = await completePayment();
    const refund = await refundPayment(ctx, await signRefund(payment, 1_500_000n));
    await scanChain(ctx, chainId);
    const goBack = await chain.takeSnapshot();
    await send(refund);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(await read(refund)).to.include({ status: 'completed', version: 2 });

    await goBack();
    await chain.mine(CONFIRMATIONS + 1);
    await scanChain(ctx, chainId);
    expect(await read(refund)).to.include({
      status: 'failed',
      version: 3,
      position: null,
      completedAt: null,
    });
    expect((await expectRefusal(refundPayment(ctx, await signRefund(payment, 1n)))).code).to.equal(
      'PAY_035',
    );

    await chain.send(relayer.sent[0]!);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(await read(refund)).to.include({ status: 'completed', version: 5 });
    const events = await selectRows<{ type: string }>(
      ctx.db,
      'SELECT type FROM events WHERE subject_id = ? ORDER BY version',
      [refund.id],
    );
    expect(events.map(({ type }) => type)).to.deep.equal([
      'refund.created',
      'refund.completed',
      'refund.reorged',
      'refund.processing',
      'refund.completed',
    ]);
  });

  it('is refused when the merchant has refunded too much without us, though no refund of ours says so', async () => {
    const payment = await completePayment();
    const port = ctx.chains.get(chainId);
    if (port === undefined) throw new Error('no chain');
    const { nonce, deadline, amount, signature } = await signRefund(payment, 1_000_000n);
    const own = { merchant: merchant.address, amount, nonce, deadline };
    const call = port.encodeRelay([
      {
        signed: { rail: 'refund', refund: own },
        signature,
        permit: null,
        paymentId: payment.id,
        terms: payment.terms,
      },
    ]);
    await (
      await chain.createRelayer()
    ).send({ ...call, gasLimit: 500_000n } as Parameters<OwnRelayer['send']>[0]);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(
      (await expectRefusal(refundPayment(ctx, await signRefund(payment, 500_001n)))).code,
    ).to.equal('PAY_035');
    expect((await refundPayment(ctx, await signRefund(payment, 500_000n))).status).to.equal(
      'processing',
    );
  });
});
