import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { components } from '../../api/generated/openapi.ts';
import { cancelPayment, getPayment } from '../../domain/payments/service.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { listRelayAttempts } from '../../domain/relay/listAttempts.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { expireNow } from '../support/expireNow.ts';
import { signTypedData } from '../support/gasless.ts';
import { driveUntil, isOver, readAttempt } from '../support/relayFlow.ts';
import { waitUntil } from '../support/waitUntil.ts';
import {
  readProblem,
  startTestApi,
  type CallOptions,
  type Payment,
  type TestApi,
} from './startTestApi.ts';

type GaslessRequest = components['schemas']['GaslessRequest'];
type RelayRequest = components['schemas']['RelayRequest'];

describe('POST /payments/{paymentId}/relay', () => {
  let api: TestApi;
  let approved: PrivateKeyAccount;
  let unapproved: PrivateKeyAccount;

  before(async function () {
    this.timeout(120_000);
    api = await startTestApi();
    const token = api.tokens.TUSD;
    [approved, unapproved] = await Promise.all([
      api.chain.createCustomer({ token }),
      api.chain.createCustomer({ token, approve: false }),
    ]);
  });
  after(() => api.close());

  const relay = (payment: Pick<Payment, 'paymentId'>, json: unknown, init: CallOptions = {}) =>
    api.call(`/payments/${payment.paymentId}/relay`, { ...init, json });
  const attemptsOf = (payment: Payment) =>
    listRelayAttempts(api.ctx, { paymentId: asBytes32(payment.paymentId) });

  /** All that a store's server and its customer's wallet do, with nothing but the API's answers. */
  async function sign(payment: Payment, customer: PrivateKeyAccount): Promise<RelayRequest> {
    const response = await api.call(
      `/payments/${payment.paymentId}/gasless?userAddress=${customer.address}`,
    );
    const { forwardRequest, typedData, permit } = (await response.json()) as GaslessRequest;
    const wallet = (data: GaslessRequest['typedData']) =>
      signTypedData(customer, data as Parameters<typeof signTypedData>[1]);
    return {
      forwardRequest,
      signature: await wallet(typedData),
      ...(permit === null
        ? {}
        : {
            permit: {
              value: permit.value,
              deadline: permit.deadline,
              signature: await wallet(permit.typedData),
            },
          }),
    };
  }

  /** The refusal; nothing may have been taken on. */
  async function refuse(
    payment: Payment,
    json: unknown,
    init: CallOptions = {},
  ): Promise<[number, string]> {
    const before = await attemptsOf(payment);
    const problem = await readProblem(await relay(payment, json, init));
    expect(await attemptsOf(payment)).to.deep.equal(before);
    return [problem.status, problem.code];
  }

  for (const isApproved of [true, false]) {
    it(`takes on the request of a customer who ${isApproved ? 'approved the gateway' : 'signs a permit'}, and it pays`, async () => {
      const payment = await api.createPayment();
      const customer = isApproved ? approved : unapproved;
      const request = await sign(payment, customer);
      expect('permit' in request).to.equal(!isApproved);
      const response = await relay(payment, request);
      expect(response.status).to.equal(202);
      expect(response.headers.get('preference-applied')).to.equal(null);
      expect(await response.json()).to.deep.equal({
        paymentId: payment.paymentId,
        status: 'processing',
        confirmations: 0,
      });
      const stored = await getPayment(api.ctx, {
        storeId: api.store.storeId,
        paymentId: asBytes32(payment.paymentId),
      });
      const ended = await driveUntil(api.ctx, stored, isOver);
      expect(ended.payment).to.include({ status: 'completed', payer: customer.address });
      const shown = (await (await api.call(`/payments/${payment.paymentId}`)).json()) as Payment;
      expect(shown.status).to.equal('completed');
    });
  }

  it('answers with the hash when it was asked to wait for it', async () => {
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
    const payment = await api.createPayment();
    const request = await sign(payment, customer);
    const asked = relay(payment, request, { headers: { prefer: 'wait=20' } });
    const { id } = await waitUntil(async () => (await attemptsOf(payment))[0]);
    await sendAttempt(api.ctx, id);
    const response = await asked;
    expect(response.status).to.equal(202);
    expect(response.headers.get('preference-applied')).to.equal('wait');
    const { txHash } = await readAttempt(api.ctx, { id: asBytes32(payment.paymentId) });
    expect(txHash).to.match(/^0x[0-9a-f]{64}$/);
    expect(await response.json()).to.deep.equal({
      paymentId: payment.paymentId,
      status: 'processing',
      confirmations: 0,
      txHash,
    });
  });

  it('answers without the hash when the time to wait is over, and is taken on all the same', async () => {
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
    const payment = await api.createPayment();
    const response = await relay(payment, await sign(payment, customer), {
      headers: { prefer: 'respond-async, wait=1' },
    });
    expect(response.status).to.equal(202);
    expect(await response.json()).to.not.have.property('txHash');
    expect(await attemptsOf(payment)).to.have.length(1);
  });

  it('replays its first answer for the same Idempotency-Key, and relays once', async () => {
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
    const payment = await api.createPayment();
    const request = await sign(payment, customer);
    const headers = { 'idempotency-key': `relay-${payment.paymentId.slice(2, 12)}` };
    const first = await relay(payment, request, { headers });
    const stored = await getPayment(api.ctx, {
      storeId: api.store.storeId,
      paymentId: asBytes32(payment.paymentId),
    });
    await driveUntil(api.ctx, stored, isOver);
    const again = await relay(payment, request, { headers });
    expect([first.status, again.status]).to.deep.equal([202, 202]);
    expect(again.headers.get('idempotent-replayed')).to.equal('true');
    expect(await again.text()).to.equal(await first.text());
    expect(await attemptsOf(payment)).to.have.length(1);
    // Without the key it is another request, and too late.
    expect(await refuse(payment, request)).to.deep.equal([409, 'PAY_003']);
  });

  it('takes a priority among the store’s own requests, shows it, and knows another one as another request', async () => {
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
    const payment = await api.createPayment();
    const request = await sign(payment, customer);
    expect(await refuse(payment, { ...request, priority: 'urgent' })).to.deep.equal([
      400,
      'PAY_005',
    ]);
    const headers = { 'idempotency-key': `urgent-${payment.paymentId.slice(2, 12)}` };
    expect((await relay(payment, { ...request, priority: 'high' }, { headers })).status).to.equal(
      202,
    );
    const shown = (await (
      await api.call(`/payments/${payment.paymentId}`)
    ).json()) as components['schemas']['PaymentWithTimeline'];
    expect(shown.relayAttempts.map(({ priority }) => priority)).to.deep.equal(['high']);
    expect(
      (await relay(payment, { ...request, priority: 'high' }, { headers })).headers.get(
        'idempotent-replayed',
      ),
    ).to.equal('true');
    expect(await refuse(payment, request, { headers })).to.deep.equal([422, 'PAY_013']);
  });

  it('sent twice at once with one Idempotency-Key gets one answer twice, and relays once', async () => {
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
    const payment = await api.createPayment();
    const request = await sign(payment, customer);
    const headers = { 'idempotency-key': `twice-${payment.paymentId.slice(2, 12)}` };
    const responses = await Promise.all([1, 2, 3].map(() => relay(payment, request, { headers })));
    expect(responses.map(({ status }) => status)).to.deep.equal([202, 202, 202]);
    expect(new Set(await Promise.all(responses.map((response) => response.text()))).size).to.equal(
      1,
    );
    expect(await attemptsOf(payment)).to.have.length(1);
  });

  describe('refuses', () => {
    it('with 422 PAY_001 a payer who has too little', async () => {
      const poor = await api.chain.createCustomer({ token: api.tokens.TUSD, balance: 1n });
      const payment = await api.createPayment();
      expect(await refuse(payment, await sign(payment, poor))).to.deep.equal([422, 'PAY_001']);
    });

    it('with 422 PAY_002 a payer who has not approved the gateway', async () => {
      const payment = await api.createPayment();
      const { forwardRequest, signature } = await sign(
        payment,
        await api.chain.createCustomer({ token: api.tokens.TUSD, approve: false }),
      );
      expect(await refuse(payment, { forwardRequest, signature })).to.deep.equal([422, 'PAY_002']);
    });

    it('with 409 PAY_003 a payment that was made', async () => {
      const payment = await api.createPayment();
      const request = await sign(payment, approved);
      const payer = await api.chain.createCustomer({ token: api.tokens.TUSD });
      const stored = await getPayment(api.ctx, {
        storeId: api.store.storeId,
        paymentId: asBytes32(payment.paymentId),
      });
      await api.chain.publicClient.waitForTransactionReceipt({
        hash: await api.chain.payDirectly(payer, stored),
      });
      expect(await refuse(payment, request)).to.deep.equal([409, 'PAY_003']);
    });

    it('with 409 PAY_004 a cancelled payment, and one whose relay is under way', async () => {
      const [cancelled, relaying] = [await api.createPayment(), await api.createPayment()];
      const [one, two] = [await sign(cancelled, approved), await sign(relaying, approved)];
      await cancelPayment(api.ctx, {
        storeId: api.store.storeId,
        paymentId: asBytes32(cancelled.paymentId),
      });
      expect(await refuse(cancelled, one)).to.deep.equal([409, 'PAY_004']);
      expect((await relay(relaying, two)).status).to.equal(202);
      expect(await refuse(relaying, two)).to.deep.equal([409, 'PAY_004']);
    });

    it('with 404 PAY_009 another store’s payment, as an unknown one', async () => {
      const payment = await api.createPayment();
      const request = await sign(payment, approved);
      const store = await api.createTestStore();
      expect(await refuse(payment, request, { store })).to.deep.equal([404, 'PAY_009']);
      const unknown = await readProblem(
        await relay({ paymentId: `0x${'0c'.repeat(32)}` }, request, { store }),
      );
      expect([unknown.status, unknown.code]).to.deep.equal([404, 'PAY_009']);
    });

    it('with 401 PAY_010 a caller without a key', async () => {
      const payment = await api.createPayment();
      expect(await refuse(payment, await sign(payment, approved), { store: null })).to.deep.equal([
        401,
        'PAY_010',
      ]);
    });

    it('with 422 PAY_013 an Idempotency-Key that was used for another request', async () => {
      const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
      const payment = await api.createPayment();
      const request = await sign(payment, customer);
      const headers = { 'idempotency-key': `other-${payment.paymentId.slice(2, 12)}` };
      expect((await relay(payment, request, { headers })).status).to.equal(202);
      const changed = { ...request, signature: `0x${'11'.repeat(65)}` };
      expect(await refuse(payment, changed, { headers })).to.deep.equal([422, 'PAY_013']);
    });

    it('with 422 PAY_015 a signature that is not the payer’s', async () => {
      const payment = await api.createPayment();
      const [mine, theirs] = [await sign(payment, approved), await sign(payment, unapproved)];
      expect(await refuse(payment, { ...mine, signature: theirs.signature })).to.deep.equal([
        422,
        'PAY_015',
      ]);
    });

    it('with 409 PAY_016 a nonce that was used', async () => {
      const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
      const [first, second] = [await api.createPayment(), await api.createPayment()];
      const [one, two] = [await sign(first, customer), await sign(second, customer)];
      expect((await relay(first, one)).status).to.equal(202);
      const stored = await getPayment(api.ctx, {
        storeId: api.store.storeId,
        paymentId: asBytes32(first.paymentId),
      });
      await driveUntil(api.ctx, stored, isOver);
      expect(await refuse(second, two)).to.deep.equal([409, 'PAY_016']);
    });

    it('with 409 PAY_017 an expired payment', async () => {
      const payment = await api.createPayment();
      const request = await sign(payment, approved);
      await expireNow(api.ctx, payment);
      expect(await refuse(payment, request)).to.deep.equal([409, 'PAY_017']);
    });

    it('with 422 PAY_018 a request that was signed for another payment', async () => {
      const [payment, other] = [await api.createPayment(), await api.createPayment()];
      expect(await refuse(payment, await sign(other, approved))).to.deep.equal([422, 'PAY_018']);
    });

    it('with 422 PAY_019 a deadline that leaves too little time', async () => {
      const payment = await api.createPayment();
      const request = await sign(payment, approved);
      const forwardRequest = {
        ...request.forwardRequest,
        deadline: String(Math.floor(Date.now() / 1000) + 5),
      };
      expect(await refuse(payment, { ...request, forwardRequest })).to.deep.equal([422, 'PAY_019']);
    });

    it('with 415 PAY_024 what is not JSON', async () => {
      const payment = await api.createPayment();
      const response = await api.call(`/payments/${payment.paymentId}/relay`, {
        body: 'a=b',
        headers: { 'content-type': 'text/plain' },
      });
      const problem = await readProblem(response);
      expect([problem.status, problem.code]).to.deep.equal([415, 'PAY_024']);
    });

    const changes: readonly (readonly [
      name: string,
      change: (request: RelayRequest) => unknown,
    ])[] = [
      ['no body', () => ({})],
      ['no signature', ({ forwardRequest }) => ({ forwardRequest })],
      ['a signature that is no hex', (request) => ({ ...request, signature: 'signed' })],
      ['a member that is not known', (request) => ({ ...request, gasPrice: '1' })],
      [
        'a number instead of a decimal string',
        (request) => ({ ...request, forwardRequest: { ...request.forwardRequest, gas: 300000 } }),
      ],
      [
        'a negative gas',
        (request) => ({ ...request, forwardRequest: { ...request.forwardRequest, gas: '-1' } }),
      ],
      [
        'a value in hex',
        (request) => ({ ...request, forwardRequest: { ...request.forwardRequest, value: '0x0' } }),
      ],
      [
        'an empty nonce',
        (request) => ({ ...request, forwardRequest: { ...request.forwardRequest, nonce: '' } }),
      ],
      [
        'a deadline beyond all times',
        (request) => ({
          ...request,
          forwardRequest: { ...request.forwardRequest, deadline: '9'.repeat(30) },
        }),
      ],
      [
        'an address of another length',
        (request) => ({ ...request, forwardRequest: { ...request.forwardRequest, to: '0x12' } }),
      ],
      [
        'data with half a byte',
        (request) => ({ ...request, forwardRequest: { ...request.forwardRequest, data: '0xabc' } }),
      ],
      [
        'a permit without a signature',
        (request) => ({ ...request, permit: { value: '1', deadline: '1' } }),
      ],
      ['a permit that is null', (request) => ({ ...request, permit: null })],
    ];
    for (const [name, change] of changes) {
      it(`with 400 PAY_005 ${name}`, async () => {
        const payment = await api.createPayment();
        expect(await refuse(payment, change(await sign(payment, approved)))).to.deep.equal([
          400,
          'PAY_005',
        ]);
      });
    }

    const HUGE = '9'.repeat(78);
    for (const [name, change] of [
      [
        'nonce',
        (request: RelayRequest) => ({
          ...request,
          forwardRequest: { ...request.forwardRequest, nonce: HUGE },
        }),
      ],
      [
        'deadline',
        (request: RelayRequest) => ({
          ...request,
          forwardRequest: { ...request.forwardRequest, deadline: '281474976710656' },
        }),
      ],
      [
        'permit',
        (request: RelayRequest) => ({
          ...request,
          permit: { value: HUGE, deadline: '1', signature: `0x${'11'.repeat(65)}` },
        }),
      ],
    ] as const) {
      it(`with 400 PAY_005 a ${name} that is more than the contracts can hold`, async () => {
        const payment = await api.createPayment();
        expect(await refuse(payment, change(await sign(payment, unapproved)))).to.deep.equal([
          400,
          'PAY_005',
        ]);
      });
    }

    it('with 422 a permit whose signature is none', async () => {
      const payment = await api.createPayment();
      const request = await sign(payment, unapproved);
      for (const signature of [`0x${'11'.repeat(65)}`, `0x${'00'.repeat(65)}`]) {
        const permit = { value: payment.amount, deadline: '99999999999999', signature };
        expect(await refuse(payment, { ...request, permit })).to.deep.equal([422, 'PAY_002']);
      }
    });

    it('with 422 PAY_018 a value or gas that is absurd', async () => {
      const payment = await api.createPayment();
      const request = await sign(payment, approved);
      for (const change of [{ value: HUGE }, { gas: HUGE }]) {
        const forwardRequest = { ...request.forwardRequest, ...change };
        expect(await refuse(payment, { ...request, forwardRequest })).to.deep.equal([
          422,
          'PAY_018',
        ]);
      }
    });
  });
});
