import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { components } from '../../api/generated/openapi.ts';
import { expireNow } from '../support/expireNow.ts';
import { signTypedData } from '../support/gasless.ts';
import { readProblem, startTestApi, type Payment, type TestApi } from './startTestApi.ts';

type GaslessRequest = components['schemas']['GaslessRequest'];
const UNKNOWN_ID = `0x${'0c'.repeat(32)}`;

describe('GET /payments/{paymentId}/gasless', () => {
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

  const ask = (payment: Pick<Payment, 'paymentId'>, userAddress: string, store = api.store) =>
    api.call(`/payments/${payment.paymentId}/gasless?userAddress=${userAddress}`, { store });
  async function read(payment: Payment, customer: PrivateKeyAccount): Promise<GaslessRequest> {
    const response = await ask(payment, customer.address);
    expect(response.status).to.equal(200);
    return (await response.json()) as GaslessRequest;
  }

  it('gives the request and its typed data, the same in both, for exactly this payment', async () => {
    const payment = await api.createPayment();
    const { nonce, forwardRequest, typedData, permit } = await read(payment, approved);
    expect(permit).to.equal(null);
    expect(nonce).to.equal('0');
    expect(forwardRequest).to.include({
      from: approved.address,
      to: payment.gateway,
      value: '0',
      gas: '300000',
      nonce: '0',
      deadline: String(Date.parse(payment.expiresAt) / 1000),
    });
    expect(typedData.primaryType).to.equal('ForwardRequest');
    expect(typedData.message).to.deep.equal(forwardRequest);
    expect(typedData.domain).to.include({
      chainId: payment.chainId,
      verifyingContract: api.stack.deployment.forwarder,
    });
    const other = await read(await api.createPayment(), approved);
    expect(other.forwardRequest.data).not.to.equal(forwardRequest.data);
  });

  it('gives typed data that a wallet can sign as it is', async () => {
    const { typedData } = await read(await api.createPayment(), approved);
    expect(Object.keys(typedData.types)).to.include.members(['EIP712Domain', 'ForwardRequest']);
    expect(
      await signTypedData(approved, typedData as Parameters<typeof signTypedData>[1]),
    ).to.match(/^0x[0-9a-f]{130}$/);
  });

  it('offers a permit for the amount when the gateway’s allowance is short', async () => {
    const payment = await api.createPayment();
    const { permit } = await read(payment, unapproved);
    expect(permit).to.include({
      value: payment.amount,
      deadline: String(Date.parse(payment.expiresAt) / 1000),
    });
    expect(permit?.typedData.primaryType).to.equal('Permit');
    expect(permit?.typedData.message).to.include({
      owner: unapproved.address,
      spender: payment.gateway,
      value: payment.amount,
    });
    expect(permit?.typedData.domain['verifyingContract']).to.equal(api.tokens.TUSD);
  });

  it('takes the address in any case, and answers in the checksummed one', async () => {
    const response = await ask(await api.createPayment(), approved.address.toLowerCase());
    expect(((await response.json()) as GaslessRequest).forwardRequest.from).to.equal(
      approved.address,
    );
  });

  for (const [name, query] of [
    ['no address', ''],
    ['an address that is too short', '?userAddress=0x1234'],
    ['a parameter that is not known', `?userAddress=0x${'11'.repeat(20)}&chain=1`],
  ] as const) {
    it(`refuses ${name} with 400 PAY_005`, async () => {
      const { paymentId } = await api.createPayment();
      const problem = await readProblem(await api.call(`/payments/${paymentId}/gasless${query}`));
      expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
    });
  }

  it('refuses without a key with 401 PAY_010', async () => {
    const { paymentId } = await api.createPayment();
    const problem = await readProblem(
      await api.call(`/payments/${paymentId}/gasless?userAddress=${approved.address}`, {
        store: null,
      }),
    );
    expect([problem.status, problem.code]).to.deep.equal([401, 'PAY_010']);
  });

  it('answers for another store’s payment as for an unknown one: 404 PAY_009', async () => {
    const [payment, other] = [await api.createPayment(), await api.createTestStore()];
    const foreign = await readProblem(await ask(payment, approved.address, other));
    const unknown = await readProblem(
      await ask({ paymentId: UNKNOWN_ID }, approved.address, other),
    );
    expect([foreign.status, foreign.code]).to.deep.equal([404, 'PAY_009']);
    expect({ ...foreign, requestId: '' }).to.deep.equal({ ...unknown, requestId: '' });
  });

  it('refuses for a cancelled payment with 409 PAY_004', async () => {
    const payment = await api.createPayment();
    await api.call(`/payments/${payment.paymentId}/cancel`, { method: 'POST' });
    const problem = await readProblem(await ask(payment, approved.address));
    expect([problem.status, problem.code]).to.deep.equal([409, 'PAY_004']);
  });

  it('refuses for an expired payment with 409 PAY_017', async () => {
    const payment = await api.createPayment();
    await expireNow(api.ctx, payment);
    const problem = await readProblem(await ask(payment, approved.address));
    expect([problem.status, problem.code]).to.deep.equal([409, 'PAY_017']);
  });
});
