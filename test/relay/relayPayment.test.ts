import { expect } from 'chai';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { scanChain } from '../../domain/scan/scanChain.ts';
import { cancelPayment } from '../../domain/payments/service.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { getGaslessRequest } from '../../domain/relay/getGaslessRequest.ts';
import { listRelayAttempts } from '../../domain/relay/listAttempts.ts';
import { relayPayment, type RelayPaymentInput } from '../../domain/relay/relayPayment.ts';
import type { ForwardRequest } from '../../domain/chain/contractModel.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { driveUntil, isOver, readPayment } from '../support/relayFlow.ts';
import { atTime, withRelayers } from '../support/varyContext.ts';
import { waitUntil } from '../support/waitUntil.ts';

const ELSEWHERE = '0x000000000000000000000000000000000000bEEF';

describe('handing in a signed request', () => {
  let harness: Harness;
  let store: TestStore;
  let customer: PrivateKeyAccount;
  let withoutAllowance: PrivateKeyAccount;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    store = await harness.createTestStore();
    const token = harness.tokens.TUSD;
    [customer, withoutAllowance] = await Promise.all([
      harness.chain.createCustomer({ token }),
      harness.chain.createCustomer({ token, approve: false }),
    ]);
  });
  after(() => harness.close());

  /** The request changed and then signed by the customer, as a hostile one would. */
  async function signChanged(
    payment: Payment,
    change: Partial<ForwardRequest>,
    signer = customer,
  ): Promise<RelayPaymentInput> {
    const { forwardRequest } = await getGaslessRequest(harness.ctx, {
      storeId: payment.storeId,
      paymentId: payment.id,
      payer: customer.address,
    });
    const request = { ...forwardRequest, ...change };
    const chain = harness.ctx.chains.get(payment.chainId);
    if (chain === undefined) throw new Error('no chain');
    const signature = await signTypedData(signer, chain.buildForwardRequestTypedData(request));
    return {
      storeId: payment.storeId,
      paymentId: payment.id,
      forwardRequest: request,
      signature,
      permit: null,
    };
  }

  /** The refusal, after which nothing may have changed. */
  async function refuse(
    payment: Payment,
    input: RelayPaymentInput,
    ctx = harness.ctx,
  ): Promise<AppError> {
    const before = await readPayment(harness.ctx, payment);
    const attempts = await listRelayAttempts(harness.ctx, { paymentId: payment.id });
    const error = await expectRefusal(relayPayment(ctx, input));
    expect(await readPayment(harness.ctx, payment)).to.deep.equal(before);
    expect(await listRelayAttempts(harness.ctx, { paymentId: payment.id })).to.deep.equal(attempts);
    return error;
  }

  it('is refused with PAY_001 when the payer has too little, with both amounts', async () => {
    const poor = await harness.chain.createCustomer({
      token: harness.tokens.TUSD,
      balance: 1_499_999n,
    });
    const payment = await harness.createTestPayment(store);
    const error = await refuse(payment, await signGasless(harness.ctx, poor, payment));
    expect(error).to.include({
      code: 'PAY_001',
      detail: 'The payer holds 1499999 of the 1500000 that are needed.',
    });
  });

  it('is refused with PAY_002 when the gateway is not approved and no permit comes with it', async () => {
    const payment = await harness.createTestPayment(store);
    const signed = await signGasless(harness.ctx, withoutAllowance, payment);
    expect(signed.permit).not.to.equal(null);
    const error = await refuse(payment, { ...signed, permit: null });
    expect(error.code).to.equal('PAY_002');
    expect(error.detail).to.match(/^The gateway may take 0 of the 1500000 that are needed/);
  });

  for (const [name, spoil] of [
    [
      'is signed by someone else',
      async (input: RelayPaymentInput, other: RelayPaymentInput) =>
        Promise.resolve({ ...input, permit: other.permit }),
    ],
    [
      'is for less than the amount',
      async (input: RelayPaymentInput) =>
        Promise.resolve({
          ...input,
          permit: input.permit && { ...input.permit, value: 1_499_999n },
        }),
    ],
    [
      'has expired',
      async (input: RelayPaymentInput) =>
        Promise.resolve({ ...input, permit: input.permit && { ...input.permit, deadline: 1n } }),
    ],
  ] as const) {
    it(`is refused with PAY_002 when the permit ${name}`, async () => {
      const payment = await harness.createTestPayment(store);
      const other = await harness.chain.createCustomer({
        token: harness.tokens.TUSD,
        approve: false,
      });
      const [signed, strangers] = [
        await signGasless(harness.ctx, withoutAllowance, payment),
        await signGasless(harness.ctx, other, payment),
      ];
      expect((await refuse(payment, await spoil(signed, strangers))).code).to.equal('PAY_002');
    });
  }

  it('is refused with PAY_015 when the signature is another’s, changed, or none at all', async () => {
    const payment = await harness.createTestPayment(store);
    const stranger = privateKeyToAccount(generatePrivateKey());
    const signed = await signGasless(harness.ctx, customer, payment);
    const strangers = await signChanged(payment, {}, stranger);
    const flipped =
      `${signed.signature.slice(0, 10)}${signed.signature[10] === '0' ? '1' : '0'}${signed.signature.slice(11)}` as const;
    const signatures = [
      strangers.signature,
      flipped as `0x${string}`,
      '0x',
      '0x1234',
      `0x${'00'.repeat(65)}`,
    ] as const;
    for (const signature of signatures)
      expect((await refuse(payment, { ...signed, signature })).code).to.equal('PAY_015');
  });

  it('is refused with PAY_015 when something was changed after signing', async () => {
    const payment = await harness.createTestPayment(store);
    const signed = await signGasless(harness.ctx, customer, payment);
    for (const change of [
      { gas: 200_000n },
      { nonce: 1n },
      { deadline: signed.forwardRequest.deadline - 1 },
      { from: withoutAllowance.address },
    ]) {
      const error = await refuse(payment, {
        ...signed,
        forwardRequest: { ...signed.forwardRequest, ...change },
      });
      expect(error.code).to.equal('PAY_015');
    }
  });

  it('is refused with PAY_016 when the nonce is not the payer’s next one', async () => {
    const payment = await harness.createTestPayment(store);
    const error = await refuse(payment, await signChanged(payment, { nonce: 7n }));
    expect(error).to.include({
      code: 'PAY_016',
      detail: "forwardRequest.nonce is 7, the payer's next one is 0.",
    });
  });

  it('is refused with PAY_018 when it is not this payment’s call to the gateway and nothing else', async () => {
    const payment = await harness.createTestPayment(store);
    const [other, dearer] = [
      await harness.createTestPayment(store),
      await harness.createTestPayment(store, { amount: parseAmountUnits('1') }),
    ];
    const { data } = (await signChanged(payment, {})).forwardRequest;
    const changes: Partial<ForwardRequest>[] = [
      { data: (await signChanged(other, {})).forwardRequest.data },
      { data: (await signChanged(dearer, {})).forwardRequest.data },
      { data: `${data}00` },
      { data: data.slice(0, -2) as `0x${string}` },
      { data: '0x' },
      { to: ELSEWHERE },
      { to: harness.tokens.TUSD },
      { value: 1n },
      { gas: 300_001n },
    ];
    for (const change of changes)
      expect((await refuse(payment, await signChanged(payment, change))).code).to.equal('PAY_018');
  });

  it('is refused with PAY_019 when its deadline leaves too little time', async () => {
    const payment = await harness.createTestPayment(store);
    const { minDeadlineSeconds } = harness.config.relay;
    const now = new Date();
    const ctx = atTime(harness.ctx, now);
    const tooNear = await signChanged(payment, {
      deadline: toUnixSeconds(now) + minDeadlineSeconds - 1,
    });
    expect((await refuse(payment, tooNear, ctx)).code).to.equal('PAY_019');
    expect((await refuse(payment, await signChanged(payment, { deadline: 0 }), ctx)).code).to.equal(
      'PAY_019',
    );
    const justEnough = await signChanged(payment, {
      deadline: toUnixSeconds(now) + minDeadlineSeconds,
    });
    expect((await relayPayment(ctx, justEnough)).status).to.equal('processing');
  });

  it('is refused with PAY_019 when the payment itself expires too soon to be relayed, whatever was signed', async () => {
    const payment = await harness.createTestPayment(store);
    const ctx = atTime(harness.ctx, addMs(payment.terms.expiresAt, -5_000));
    const signed = await signChanged(payment, {
      deadline: toUnixSeconds(payment.terms.expiresAt) + 3_600,
    });
    expect((await refuse(payment, signed, ctx)).code).to.equal('PAY_019');
  });

  it('is refused with PAY_017 when the payment has expired, told or not yet told', async () => {
    const payment = await harness.createTestPayment(store);
    const signed = await signChanged(payment, {
      deadline: toUnixSeconds(payment.terms.expiresAt) + 3_600,
    });
    const ctx = atTime(harness.ctx, addMs(payment.terms.expiresAt, 1_000));
    expect((await refuse(payment, signed, ctx)).code).to.equal('PAY_017');
    await harness.ctx.db('payments').where({ id: payment.id }).update({ status: 'expired' });
    expect((await refuse(payment, signed)).code).to.equal('PAY_017');
  });

  it('is refused with PAY_003 when the payment was made, before and after the scanner has seen it', async () => {
    const payment = await harness.createTestPayment(store);
    const signed = await signGasless(harness.ctx, customer, payment);
    const payer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
    const hash = await harness.chain.payDirectly(payer, payment);
    await harness.chain.publicClient.waitForTransactionReceipt({ hash });
    expect((await refuse(payment, signed)).code).to.equal('PAY_003');
    await waitUntil(async () => {
      await scanChain(harness.ctx, payment.chainId);
      return (await readPayment(harness.ctx, payment)).status === 'completed';
    });
    expect((await refuse(payment, signed)).code).to.equal('PAY_003');
  });

  it('is refused with PAY_004 when the payment was cancelled', async () => {
    const payment = await harness.createTestPayment(store);
    const signed = await signGasless(harness.ctx, customer, payment);
    await cancelPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });
    expect((await refuse(payment, signed)).code).to.equal('PAY_004');
  });

  it('is refused with PAY_004 while an earlier one is under way', async () => {
    const payment = await harness.createTestPayment(store);
    const signed = await signGasless(harness.ctx, customer, payment);
    await relayPayment(harness.ctx, signed);
    expect((await refuse(payment, signed)).code).to.equal('PAY_004');
  });

  it('is refused with PAY_028 on a chain without a relayer, as is asking what to sign', async () => {
    const payment = await harness.createTestPayment(store);
    const signed = await signGasless(harness.ctx, customer, payment);
    const ctx = withRelayers(harness.ctx, payment.chainId, []);
    expect((await refuse(payment, signed, ctx)).code).to.equal('PAY_028');
    const asked = getGaslessRequest(ctx, {
      storeId: store.storeId,
      paymentId: payment.id,
      payer: customer.address,
    });
    expect((await expectRefusal(asked)).code).to.equal('PAY_028');
  });

  it('is answered like an unknown payment when it is another store’s', async () => {
    const payment = await harness.createTestPayment(store);
    const signed = await signGasless(harness.ctx, customer, payment);
    const { storeId } = await harness.createTestStore();
    const foreign = await refuse(payment, { ...signed, storeId });
    const unknown = await expectRefusal(
      relayPayment(harness.ctx, { ...signed, storeId, paymentId: `0x${'0c'.repeat(32)}` }),
    );
    expect(foreign.code).to.equal('PAY_009');
    expect([foreign.code, foreign.detail]).to.deep.equal([unknown.code, unknown.detail]);
  });

  it('several times at once is taken once: one attempt, one transaction, one transfer', async () => {
    const payer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
    const payment = await harness.createTestPayment(store);
    const signed = await signGasless(harness.ctx, payer, payment);
    const sentBefore = harness.stack.simulator.transactions().length;
    const results = await Promise.allSettled(
      [1, 2, 3, 4].map(() => relayPayment(harness.ctx, signed)),
    );
    const refusals = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    for (const error of refusals)
      expect(error).to.be.instanceOf(AppError).with.property('code', 'PAY_004');
    expect(refusals).to.have.length(3);
    expect(await listRelayAttempts(harness.ctx, { paymentId: payment.id })).to.have.length(1);
    const ended = await driveUntil(harness.ctx, payment, isOver);
    expect(ended.payment.status).to.equal('completed');
    expect(await readHistory(harness.ctx, ended.payment)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
    expect(await harness.chain.countPayments(payment.id)).to.equal(1);
    const data = signed.forwardRequest.data.slice(2);
    const sent = harness.stack.simulator.transactions().slice(sentBefore);
    expect(sent.filter(({ shown }) => shown.data?.includes(data))).to.have.length(1);
  });
});
