import { expect } from 'chai';
import { hashTypedData, type TypedDataDefinition } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { components } from '../../api/generated/openapi.ts';
import { getChain } from '../../domain/chain/service.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { listRelayAttempts } from '../../domain/relay/listAttempts.ts';
import { toUnixSeconds } from '../../shared/clock.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { expireNow } from '../support/expireNow.ts';
import { createContractWallet, type ContractWallet } from '../support/contractWallet.ts';
import { signTypedData } from '../support/gasless.ts';
import { driveUntil, isOver, readAttempt, readPayment } from '../support/relayFlow.ts';
import { createStoreClient } from '../support/storeClient.ts';
import { waitUntil } from '../support/waitUntil.ts';
import {
  readProblem,
  startTestApi,
  type CallOptions,
  type Payment,
  type TestApi,
} from './startTestApi.ts';

type AuthorizationRequest = components['schemas']['AuthorizationRequest'];
type ExecuteRequest = components['schemas']['ExecuteRequest'];

describe('POST /payments/{paymentId}/execute, at its edges,', function () {
  this.timeout(30_000);

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

  const subjectOf = (payment: Payment) => ({
    id: asBytes32(payment.paymentId),
    storeId: api.store.storeId,
    chainId: payment.chainId,
  });
  const attemptsOf = (payment: Payment, at = api) =>
    listRelayAttempts(at.ctx, { paymentId: asBytes32(payment.paymentId) });
  const execute = (payment: Payment, json: unknown, init: CallOptions = {}, at = api) =>
    at.call(`/payments/${payment.paymentId}/execute`, { ...init, json });

  async function request(
    payment: Payment,
    customerAddress: string,
    at = api,
  ): Promise<AuthorizationRequest> {
    const response = await at.call(
      `/payments/${payment.paymentId}/authorization?customerAddress=${customerAddress}`,
    );
    expect(response.status).to.equal(200);
    return (await response.json()) as AuthorizationRequest;
  }
  const wallet = (account: PrivateKeyAccount, data: AuthorizationRequest['typedData']) =>
    signTypedData(account, data as Parameters<typeof signTypedData>[1]);

  /** For a customer who has approved the gateway. */
  async function sign(
    payment: Payment,
    customer: PrivateKeyAccount,
    at = api,
  ): Promise<ExecuteRequest> {
    const { typedData } = await request(payment, customer.address, at);
    return { customerAddress: customer.address, signature: await wallet(customer, typedData) };
  }

  /** The refusal; nothing may have been taken on. */
  async function refuse(
    payment: Payment,
    json: unknown,
    init: CallOptions = {},
    at = api,
  ): Promise<[number, string]> {
    const before = await attemptsOf(payment, at);
    const problem = await readProblem(await execute(payment, json, init, at));
    expect(await attemptsOf(payment, at)).to.deep.equal(before);
    return [problem.status, problem.code];
  }

  it('takes the client generated from openapi.yaml through to completion, with and without a permit', async () => {
    const client = createStoreClient({ url: api.url, apiKey: api.store.apiKey });
    for (const customer of [approved, unapproved]) {
      const payment = await api.createPayment();
      expect(await client.execute(customer, payment.paymentId)).to.deep.equal({
        paymentId: payment.paymentId,
        status: 'processing',
        confirmations: 0,
      });
      const ended = await driveUntil(api.ctx, subjectOf(payment), isOver);
      expect(ended.payment).to.include({ status: 'completed', payer: customer.address });
      expect(ended.attempt.gasCost > 0n).to.equal(true);
    }
  });

  describe('asked with Prefer: wait', () => {
    it('answers with the hash once there is one', async () => {
      const payment = await api.createPayment();
      const asked = execute(payment, await sign(payment, approved), {
        headers: { prefer: 'wait=20' },
      });
      const { id } = await waitUntil(async () => (await attemptsOf(payment))[0]);
      await sendAttempt(api.ctx, id);
      const response = await asked;
      expect([response.status, response.headers.get('preference-applied')]).to.deep.equal([
        202,
        'wait',
      ]);
      const { txHash } = await readAttempt(api.ctx, subjectOf(payment));
      expect(txHash).to.match(/^0x[0-9a-f]{64}$/);
      expect(await response.json()).to.deep.equal({
        paymentId: payment.paymentId,
        status: 'processing',
        confirmations: 0,
        txHash,
      });
      await driveUntil(api.ctx, subjectOf(payment), isOver);
    });

    it('answers without it when the time is over, and has taken the request on all the same', async () => {
      const payment = await api.createPayment();
      const response = await execute(payment, await sign(payment, approved), {
        headers: { prefer: 'respond-async, wait=1' },
      });
      expect(response.status).to.equal(202);
      expect(await response.json()).to.not.have.property('txHash');
      expect(await attemptsOf(payment)).to.have.length(1);
    });
  });

  it('sent three times at once with one Idempotency-Key answers the same three times, and relays once', async () => {
    const payment = await api.createPayment();
    const signed = await sign(payment, approved);
    const headers = { 'idempotency-key': `thrice-${payment.paymentId.slice(2, 12)}` };
    const responses = await Promise.all([1, 2, 3].map(() => execute(payment, signed, { headers })));
    expect(responses.map(({ status }) => status)).to.deep.equal([202, 202, 202]);
    expect(new Set(await Promise.all(responses.map((response) => response.text()))).size).to.equal(
      1,
    );
    expect(await attemptsOf(payment)).to.have.length(1);
  });

  it('sent three times at once without a key relays once, and refuses the others with 409 PAY_004', async () => {
    const payment = await api.createPayment();
    const signed = await sign(payment, approved);
    const responses = await Promise.all([1, 2, 3].map(() => execute(payment, signed)));
    expect(responses.map(({ status }) => status).sort()).to.deep.equal([202, 409, 409]);
    for (const response of responses.filter(({ status }) => status === 409)) {
      expect((await readProblem(response)).code).to.equal('PAY_004');
    }
    expect(await attemptsOf(payment)).to.have.length(1);
  });

  it('a refusal is not kept under its Idempotency-Key: what was put right may be sent again with it', async () => {
    const payment = await api.createPayment();
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD, approve: false });
    const { typedData, permit } = await request(payment, customer.address);
    const signed = {
      customerAddress: customer.address,
      signature: await wallet(customer, typedData),
    };
    const headers = { 'idempotency-key': `mended-${payment.paymentId.slice(2, 12)}` };
    expect(await refuse(payment, signed, { headers })).to.deep.equal([422, 'PAY_002']);
    const mended = {
      ...signed,
      permit: {
        value: permit!.value,
        deadline: permit!.deadline,
        signature: await wallet(customer, permit!.typedData),
      },
    };
    expect((await execute(payment, mended, { headers })).status).to.equal(202);
  });

  describe('refuses', () => {
    it('with 409 PAY_003 a payment that the chain shows as made, before any scan', async () => {
      const payment = await api.createPayment();
      const signed = await sign(payment, approved);
      const payer = await api.chain.createCustomer({ token: api.tokens.TUSD });
      const stored = await readPayment(api.ctx, subjectOf(payment));
      await api.chain.publicClient.waitForTransactionReceipt({
        hash: await api.chain.payDirectly(payer, stored),
      });
      expect(await refuse(payment, signed)).to.deep.equal([409, 'PAY_003']);
    });

    it('with 401 PAY_010 a caller without a key', async () => {
      const payment = await api.createPayment();
      expect(await refuse(payment, await sign(payment, approved), { store: null })).to.deep.equal([
        401,
        'PAY_010',
      ]);
    });

    it('with 409 PAY_017 an expired payment', async () => {
      const payment = await api.createPayment();
      const signed = await sign(payment, approved);
      await expireNow(api.ctx, payment);
      expect(await refuse(payment, signed)).to.deep.equal([409, 'PAY_017']);
    });

    it('with 422 PAY_019 a payment that expires too soon to be relayed', async () => {
      const hasty = await startTestApi({ env: { MSQPAY_RELAY_MIN_DEADLINE_SECONDS: '600' } });
      try {
        const soon = await hasty.createPayment({ expiresInSeconds: 590 });
        const {
          id: paymentId,
          chainId,
          terms,
        } = await readPayment(hasty.ctx, { ...subjectOf(soon), storeId: hasty.store.storeId });
        const authorization = { payer: approved.address, deadline: toUnixSeconds(terms.expiresAt) };
        const typedData = getChain(hasty.ctx, chainId).buildAuthorizationTypedData({
          paymentId,
          terms,
          authorization,
        });
        const signed = {
          customerAddress: approved.address,
          signature: await wallet(approved, typedData),
        };
        expect(await refuse(soon, signed, {}, hasty)).to.deep.equal([422, 'PAY_019']);
        // Nor is it handed out to be signed, on either rail.
        for (const query of [
          `authorization?customerAddress=${approved.address}`,
          `gasless?userAddress=${approved.address}`,
        ]) {
          const problem = await readProblem(
            await hasty.call(`/payments/${soon.paymentId}/${query}`),
          );
          expect([problem.status, problem.code], query).to.deep.equal([422, 'PAY_019']);
        }
        const later = await hasty.createPayment({ expiresInSeconds: 660 });
        expect(
          (await execute(later, await sign(later, approved, hasty), {}, hasty)).status,
        ).to.equal(202);
      } finally {
        await hasty.close();
      }
    });

    it('with 415 PAY_024 what is not JSON', async () => {
      const payment = await api.createPayment();
      const headers = { 'content-type': 'text/plain' };
      const problem = await readProblem(
        await api.call(`/payments/${payment.paymentId}/execute`, { body: 'a=b', headers }),
      );
      expect([problem.status, problem.code]).to.deep.equal([415, 'PAY_024']);
    });

    it('with 422 PAY_002 a permit whose signature is none, is another’s or is for less', async () => {
      const payment = await api.createPayment();
      const { typedData, permit } = await request(payment, unapproved.address);
      const signed = {
        customerAddress: unapproved.address,
        signature: await wallet(unapproved, typedData),
      };
      const { value, deadline } = permit!;
      for (const wrong of [
        { value, deadline, signature: `0x${'00'.repeat(65)}` },
        { value, deadline, signature: await wallet(approved, permit!.typedData) },
        { value: '1', deadline, signature: await wallet(unapproved, permit!.typedData) },
      ]) {
        expect(await refuse(payment, { ...signed, permit: wrong })).to.deep.equal([422, 'PAY_002']);
      }
    });

    for (const [name, permit] of [
      ['a permit that is null', null],
      ['a permit without a signature', { value: '1', deadline: '1' }],
      [
        'a permit that is more than the contracts can hold',
        { value: '9'.repeat(78), deadline: '1', signature: `0x${'11'.repeat(65)}` },
      ],
    ] as const) {
      it(`with 400 PAY_005 ${name}`, async () => {
        const payment = await api.createPayment();
        expect(await refuse(payment, { ...(await sign(payment, approved)), permit })).to.deep.equal(
          [400, 'PAY_005'],
        );
      });
    }
  });

  describe('for a contract wallet', () => {
    let contract: ContractWallet;
    before(async () => {
      contract = await createContractWallet(api, api.tokens.TUSD);
    });
    beforeEach(() => contract.setMode('askOwner'));

    async function signAsOwner(payment: Payment): Promise<ExecuteRequest> {
      const { typedData } = await request(payment, contract.address);
      return {
        customerAddress: contract.address,
        signature: await wallet(contract.owner, typedData),
      };
    }

    for (const mode of ['refuseAll', 'revert', 'burnGas'] as const) {
      it(`refuses with 422 PAY_015 when the wallet does not stand by the signature (${mode})`, async () => {
        const payment = await api.createPayment();
        const signed = await signAsOwner(payment);
        await contract.setMode(mode);
        expect(await refuse(payment, signed)).to.deep.equal([422, 'PAY_015']);
      });
    }

    it('takes an empty signature for what the wallet signed on the chain, and for nothing else', async () => {
      const payment = await api.createPayment();
      const { typedData } = await request(payment, contract.address);
      const signed: ExecuteRequest = { customerAddress: contract.address, signature: '0x' };
      expect(await refuse(payment, signed)).to.deep.equal([422, 'PAY_015']);
      await contract.signOnChain(hashTypedData(typedData as unknown as TypedDataDefinition));
      expect((await execute(payment, signed)).status).to.equal(202);
      expect((await driveUntil(api.ctx, subjectOf(payment), isOver)).payment.status).to.equal(
        'completed',
      );
      expect(
        await refuse(await api.createPayment(), {
          customerAddress: approved.address,
          signature: '0x',
        }),
      ).to.deep.equal([422, 'PAY_015']);
    });

    it('takes a signature of several owners, of 4,096 bytes at most', async () => {
      const payment = await api.createPayment();
      const of = (bytes: number): ExecuteRequest => ({
        customerAddress: contract.address,
        signature: `0x${'11'.repeat(bytes)}`,
      });
      // The wallet is asked, and does not know them.
      for (const bytes of [130, 195, 4_096])
        expect(await refuse(payment, of(bytes)), String(bytes)).to.deep.equal([422, 'PAY_015']);
      expect(await refuse(payment, of(4_097))).to.deep.equal([400, 'PAY_005']);
    });

    it('fails the attempt, not the payment, when the wallet goes back on its word before the sending', async () => {
      const payment = await api.createPayment();
      const signed = await signAsOwner(payment);
      expect((await execute(payment, signed)).status).to.equal(202);
      await contract.setMode('refuseAll');
      const ended = await driveUntil(api.ctx, subjectOf(payment), isOver);
      expect(ended.attempt).to.include({
        status: 'failed',
        errorCode: 'PAY_027',
        sends: 0,
        transactionId: null,
      });
      expect(ended.payment).to.include({ status: 'pending', relayAttemptId: null });
      // The payment can be paid with another word of the same wallet.
      await contract.setMode('askOwner');
      expect((await execute(payment, signed)).status).to.equal(202);
      expect((await driveUntil(api.ctx, subjectOf(payment), isOver)).payment.status).to.equal(
        'completed',
      );
      expect((await attemptsOf(payment)).map(({ status }) => status)).to.deep.equal([
        'failed',
        'succeeded',
      ]);
    });
  });
});
