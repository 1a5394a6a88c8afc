import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect } from 'chai';
import {
  createWalletClient,
  encodeFunctionData,
  getAddress,
  hashTypedData,
  http,
  type Address,
  type TypedDataDefinition,
} from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';
import { parse } from 'yaml';

import type { components } from '../../api/generated/openapi.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import type { TypedData } from '../../domain/chain/ports.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { createStore, issueApiKey } from '../../domain/stores/service.ts';
import { buildEventBody } from '../../domain/webhooks/message.ts';
import type { EventType } from '../../domain/events/model.ts';
import { parseJsonColumn, selectRows } from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { createContractWallet } from '../support/contractWallet.ts';
import { signTypedData } from '../support/gasless.ts';
import type { TestStore } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';
import {
  readProblem,
  startTestApi,
  type CallOptions,
  type Payment,
  type TestApi,
} from './startTestApi.ts';

type Refund = components['schemas']['Refund'];
type RefundRequest = components['schemas']['RefundRequest'];
type CreateRefundRequest = components['schemas']['CreateRefundRequest'];

describe('refunds over HTTP', function () {
  this.timeout(30_000);

  let api: TestApi;
  let merchant: PrivateKeyAccount;
  let store: TestStore;

  before(async function () {
    this.timeout(120_000);
    api = await startTestApi();
    merchant = privateKeyToAccount(generatePrivateKey());
    store = await openStore(merchant.address);
  });
  after(() => api.close());

  async function openStore(payoutAddress: Address): Promise<TestStore> {
    const { id } = await createStore(api.ctx, { name: 'A shop', payoutAddress });
    const { key } = await issueApiKey(api.ctx, { storeId: id, role: 'store', environment: 'test' });
    return { storeId: id, apiKey: key, payoutAddress };
  }

  async function completePayment(
    owner = store,
  ): Promise<{ payment: Payment; customer: PrivateKeyAccount }> {
    const [payment, customer] = [
      await api.createPayment({}, owner),
      await api.chain.createCustomer({ token: api.tokens.TUSD }),
    ];
    const find = () =>
      getPayment(api.ctx, { storeId: owner.storeId, paymentId: asBytes32(payment.paymentId) });
    await api.chain.payDirectly(customer, await find());
    await waitUntil(async () => {
      await scanChain(api.ctx, payment.chainId);
      return (await find()).status === 'completed';
    });
    return { payment, customer };
  }

  const ask = (payment: Pick<Payment, 'paymentId'>, amount: string, options: CallOptions = {}) =>
    api.call(`/payments/${payment.paymentId}/refunds/authorization?amount=${amount}`, {
      store,
      ...options,
    });
  const hand = (payment: Pick<Payment, 'paymentId'>, json: unknown, options: CallOptions = {}) =>
    api.call(`/payments/${payment.paymentId}/refunds`, { store, json, ...options });

  async function sign(
    payment: Payment,
    amount: string,
    signer = merchant,
    owner = store,
  ): Promise<CreateRefundRequest> {
    const response = await ask(payment, amount, { store: owner });
    expect(response.status).to.equal(200);
    const request = (await response.json()) as RefundRequest;
    return {
      amount: request.amount,
      nonce: request.nonce,
      deadline: request.deadline,
      signature: await signTypedData(signer, request.typedData as unknown as TypedData),
      ...(request.permit === null
        ? {}
        : {
            permit: {
              value: request.permit.value,
              deadline: request.permit.deadline,
              signature: await signTypedData(
                signer,
                request.permit.typedData as unknown as TypedData,
              ),
            },
          }),
    };
  }

  async function list(payment: Pick<Payment, 'paymentId'>, owner = store): Promise<Refund[]> {
    const response = await api.call(`/payments/${payment.paymentId}/refunds`, { store: owner });
    expect(response.status).to.equal(200);
    return ((await response.json()) as { data: Refund[] }).data;
  }

  /** The refusal, after which there is no refund more than before. */
  async function refuse(
    payment: Payment,
    json: unknown,
    options: CallOptions = {},
  ): Promise<[status: number, code: string]> {
    const before = await list(payment);
    const { status, code } = await readProblem(await hand(payment, json, options));
    expect(await list(payment)).to.deep.equal(before);
    return [status, code];
  }

  /** Does what the workers would, until the payment's refunds have all ended. */
  async function driveToEnd(payment: Payment): Promise<void> {
    await waitUntil(
      async () => {
        const attempts = await selectRows<{
          id: string;
          status: string;
          transaction_id: string | null;
        }>(
          api.ctx.db,
          "SELECT id, status, transaction_id FROM relay_attempts WHERE payment_id = ? AND status NOT IN ('succeeded', 'failed')",
          [payment.paymentId],
        );
        for (const { id, status, transaction_id } of attempts) {
          if (status === 'queued') await sendAttempt(api.ctx, id);
          else if (transaction_id !== null) await confirmTransaction(api.ctx, transaction_id);
        }
        await scanChain(api.ctx, payment.chainId);
        return attempts.length === 0;
      },
      { what: 'the end of the refunds' },
    );
  }

  it('take the merchant’s signature and permit, and give the payer the amount back', async () => {
    const { payment, customer } = await completePayment();
    const before = await api.chain.balanceOf(api.tokens.TUSD, customer.address);
    const request = await sign(payment, '400000');
    expect(request).to.have.property('permit');
    const response = await hand(payment, request);
    expect(response.status).to.equal(202);
    const accepted = (await response.json()) as Refund;
    expect(accepted).to.include({
      paymentId: payment.paymentId,
      amount: '400000',
      status: 'processing',
      version: 1,
      error: null,
    });
    await driveToEnd(payment);
    const [refund, ...others] = await list(payment);
    expect(others).to.deep.equal([]);
    expect(refund).to.include({ id: accepted.id, status: 'completed', version: 2, error: null });
    expect(refund?.chain?.txHash).to.equal(refund?.txHash);
    expect((await api.chain.balanceOf(api.tokens.TUSD, customer.address)) - before).to.equal(
      400_000n,
    );
  });

  it('are listed newest first, and leave the payment and its timeline as they were', async () => {
    const { payment } = await completePayment();
    const show = async () =>
      (await (await api.call(`/payments/${payment.paymentId}`, { store })).json()) as Record<
        string,
        unknown
      >;
    const before = await show();
    for (const amount of ['100', '200']) {
      expect((await hand(payment, await sign(payment, amount))).status).to.equal(202);
      await driveToEnd(payment);
    }
    expect((await list(payment)).map(({ amount, status }) => [amount, status])).to.deep.equal([
      ['200', 'completed'],
      ['100', 'completed'],
    ]);
    const after = await show();
    for (const name of ['status', 'version', 'timeline', 'relayAttempts'])
      expect(after[name], name).to.deep.equal(before[name]);
  });

  it('are told to the store’s endpoints as openapi.yaml describes it, with versions of their own', async () => {
    const owner = await openStore(merchant.address);
    const endpoint = await api.call('/webhook-endpoints', {
      store: owner,
      json: { url: 'http://127.0.0.1:9/hook' },
    });
    expect(endpoint.status).to.equal(201);
    const { payment } = await completePayment(owner);
    expect(
      (await hand(payment, await sign(payment, '5', merchant, owner), { store: owner })).status,
    ).to.equal(202);
    await driveToEnd(payment);
    const rows = await selectRows<{
      id: string;
      type: EventType;
      version: number;
      data: unknown;
      created_at: Date;
    }>(
      api.ctx.db,
      "SELECT id, type, version, data, created_at FROM events WHERE parent_id = ? AND subject_type = 'refund' ORDER BY version",
      [payment.paymentId],
    );
    expect(rows.map(({ type, version }) => [type, Number(version)])).to.deep.equal([
      ['refund.created', 1],
      ['refund.completed', 2],
    ]);
    const ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: true }));
    ajv.addSchema(
      parse(readFileSync(join(PROJECT_ROOT, 'openapi.yaml'), 'utf8')) as object,
      'openapi',
    );
    const isEvent = ajv.compile({ $ref: 'openapi#/components/schemas/RefundEvent' });
    for (const row of rows) {
      const data = parseJsonColumn(row.data) as Record<string, unknown>;
      const body = JSON.parse(
        buildEventBody({ type: row.type, createdAt: row.created_at, data }),
      ) as unknown;
      expect(isEvent(body), JSON.stringify(isEvent.errors)).to.equal(true);
      const deliveries = await selectRows(
        api.ctx.db,
        'SELECT id FROM webhook_deliveries WHERE event_id = ?',
        [row.id],
      );
      expect(deliveries).to.have.length(1);
    }
  });

  it('replay their first answer for the same Idempotency-Key, and happen once', async () => {
    const { payment, customer } = await completePayment();
    const before = await api.chain.balanceOf(api.tokens.TUSD, customer.address);
    const request = await sign(payment, '300');
    const headers = { 'idempotency-key': `refund-${payment.paymentId.slice(2, 12)}` };
    const first = await hand(payment, request, { headers });
    await driveToEnd(payment);
    const again = await hand(payment, request, { headers });
    expect([first.status, again.status]).to.deep.equal([202, 202]);
    expect(again.headers.get('idempotent-replayed')).to.equal('true');
    expect(await again.text()).to.equal(await first.text());
    expect(await list(payment)).to.have.length(1);
    expect((await api.chain.balanceOf(api.tokens.TUSD, customer.address)) - before).to.equal(300n);
    expect(await refuse(payment, { ...request, amount: '301' }, { headers })).to.deep.equal([
      422,
      'PAY_013',
    ]);
    expect(await refuse(payment, request)).to.deep.equal([409, 'PAY_036']);
  });

  it('sent several times at once with one Idempotency-Key get one answer, and happen once', async () => {
    const { payment } = await completePayment();
    const request = await sign(payment, '300');
    const headers = { 'idempotency-key': `twins-${payment.paymentId.slice(2, 12)}` };
    const responses = await Promise.all([1, 2, 3].map(() => hand(payment, request, { headers })));
    expect(responses.map(({ status }) => status)).to.deep.equal([202, 202, 202]);
    expect(new Set(await Promise.all(responses.map((response) => response.text()))).size).to.equal(
      1,
    );
    expect(await list(payment)).to.have.length(1);
  });

  it('take the word of a merchant that is a contract (ERC-1271), and nobody else’s', async () => {
    const owner = await api.chain.createCustomer();
    const { chain } = api.chain.publicClient;
    if (chain === undefined) throw new Error('the test chain’s client has no chain');
    const wallet = createWalletClient({
      account: owner,
      chain,
      transport: http(api.stack.chain.rpcUrl),
    });
    const mined = (hash: `0x${string}`) =>
      api.chain.publicClient.waitForTransactionReceipt({ hash });
    const deployed = await mined(
      await wallet.deployContract({
        abi: testWalletAbi,
        bytecode: testWalletBytecode,
        args: [owner.address],
      }),
    );
    if (!deployed.contractAddress) throw new Error('the wallet was not deployed');
    const contract = getAddress(deployed.contractAddress);
    const approval = encodeFunctionData({
      abi: testTokenAbi,
      functionName: 'approve',
      args: [api.stack.deployment.gateway, 10n ** 18n],
    });
    await mined(
      await wallet.writeContract({
        address: contract,
        abi: testWalletAbi,
        functionName: 'perform',
        args: [api.tokens.TUSD, approval],
      }),
    );
    const shop = await openStore(contract);
    const { payment, customer } = await completePayment(shop);
    const before = await api.chain.balanceOf(api.tokens.TUSD, customer.address);
    const forged = await readProblem(
      await hand(payment, await sign(payment, '7', merchant, shop), { store: shop }),
    );
    expect([forged.status, forged.code]).to.deep.equal([422, 'PAY_015']);
    expect(
      (await hand(payment, await sign(payment, '7', owner, shop), { store: shop })).status,
    ).to.equal(202);
    await driveToEnd(payment);
    expect((await list(payment, shop)).map(({ status }) => status)).to.deep.equal(['completed']);
    expect((await api.chain.balanceOf(api.tokens.TUSD, customer.address)) - before).to.equal(7n);
  });

  it('take what the merchant’s contract signed on the chain (an empty signature), and ask it about those of several owners', async () => {
    const contract = await createContractWallet(api, api.tokens.TUSD);
    const shop = await openStore(contract.address);
    const { payment, customer } = await completePayment(shop);
    const before = await api.chain.balanceOf(api.tokens.TUSD, customer.address);
    const { typedData, amount, nonce, deadline } = (await (
      await ask(payment, '7', { store: shop })
    ).json()) as RefundRequest;
    const handIn = async (signature: string) =>
      hand(payment, { amount, nonce, deadline, signature }, { store: shop });
    for (const bytes of [0, 130, 195, 4_096]) {
      const refused = await readProblem(await handIn(`0x${'11'.repeat(bytes)}`));
      expect([refused.status, refused.code], String(bytes)).to.deep.equal([422, 'PAY_015']);
    }
    const tooLong = await readProblem(await handIn(`0x${'11'.repeat(4_097)}`));
    expect([tooLong.status, tooLong.code]).to.deep.equal([400, 'PAY_005']);
    expect(await list(payment, shop)).to.deep.equal([]);

    await contract.signOnChain(hashTypedData(typedData as unknown as TypedDataDefinition));
    expect((await handIn('0x')).status).to.equal(202);
    await driveToEnd(payment);
    expect((await list(payment, shop)).map(({ status }) => status)).to.deep.equal(['completed']);
    expect((await api.chain.balanceOf(api.tokens.TUSD, customer.address)) - before).to.equal(7n);
  });

  describe('are refused', () => {
    let payment: Payment;
    let request: CreateRefundRequest;

    before(async () => {
      ({ payment } = await completePayment());
      request = await sign(payment, '1000');
    });

    it('with 404 PAY_009 for another store’s payment, as for an unknown one, whatever is asked', async () => {
      const other = await api.createTestStore();
      const unknown = { paymentId: `0x${'0c'.repeat(32)}` };
      for (const one of [payment, unknown]) {
        const listed = api.call(`/payments/${one.paymentId}/refunds`, { store: other });
        for (const response of [
          await ask(one, '1', { store: other }),
          await hand(one, request, { store: other }),
          await listed,
        ]) {
          const problem = await readProblem(response);
          expect([problem.status, problem.code, problem.detail]).to.deep.equal([
            404,
            'PAY_009',
            'There is no such payment.',
          ]);
        }
      }
    });

    it('with 401 PAY_010 without a key', async () => {
      expect(await refuse(payment, request, { store: null })).to.deep.equal([401, 'PAY_010']);
    });

    it('with 409 PAY_004 for a payment that is not completed, already when asking what to sign', async () => {
      const pending = await api.createPayment({}, store);
      expect(await refuse(pending, request)).to.deep.equal([409, 'PAY_004']);
      const asked = await readProblem(await ask(pending, '1'));
      expect([asked.status, asked.code]).to.deep.equal([409, 'PAY_004']);
    });

    it('with 422 PAY_035 for more than was paid', async () => {
      const asked = await readProblem(await ask(payment, '1500001'));
      expect([asked.status, asked.code]).to.deep.equal([422, 'PAY_035']);
      expect(await refuse(payment, { ...request, amount: '1500001' })).to.deep.equal([
        422,
        'PAY_035',
      ]);
    });

    it('with 422 PAY_015 when somebody else signed, or something was changed after signing', async () => {
      const stranger = privateKeyToAccount(generatePrivateKey());
      expect(await refuse(payment, await sign(payment, '1000', stranger))).to.deep.equal([
        422,
        'PAY_015',
      ]);
      for (const change of [
        { amount: '1001' },
        { nonce: '1' },
        { deadline: String(Number(request.deadline) - 1) },
      ]) {
        expect(await refuse(payment, { ...request, ...change })).to.deep.equal([422, 'PAY_015']);
      }
    });

    it('with 422 PAY_002 when the merchant has neither approved the gateway nor signed a permit', async () => {
      const { permit: _permit, ...withoutPermit } = request;
      expect(await refuse(payment, withoutPermit)).to.deep.equal([422, 'PAY_002']);
    });

    it('with 422 PAY_019 for a deadline that is too near or too far', async () => {
      const now = Math.floor(Date.now() / 1000);
      for (const deadline of [0, now + 5, now + 25 * 3_600]) {
        expect(await refuse(payment, { ...request, deadline: String(deadline) })).to.deep.equal([
          422,
          'PAY_019',
        ]);
      }
    });

    it('with 400 PAY_005 for a nonce that is more than 128 bits', async () => {
      expect(await refuse(payment, { ...request, nonce: (2n ** 128n).toString() })).to.deep.equal([
        400,
        'PAY_005',
      ]);
    });

    for (const [name, change] of [
      ['no nonce', { nonce: undefined }],
      ['no signature', { signature: undefined }],
      ['an amount of nothing', { amount: '0' }],
      ['a negative amount', { amount: '-1' }],
      ['an amount with a fraction', { amount: '1.5' }],
      ['a number for an amount', { amount: 1000 }],
      ['a deadline in words', { deadline: 'tomorrow' }],
      ['a member that is not known', { reason: 'broken' }],
    ] as const) {
      it(`with 400 PAY_005 for ${name}`, async () => {
        expect(await refuse(payment, { ...request, ...change })).to.deep.equal([400, 'PAY_005']);
      });
    }

    it('with 400 PAY_005 when asking what to sign for no amount', async () => {
      for (const query of ['', '?amount=0', '?amount=1e3']) {
        const problem = await readProblem(
          await api.call(`/payments/${payment.paymentId}/refunds/authorization${query}`, { store }),
        );
        expect([problem.status, problem.code], query).to.deep.equal([400, 'PAY_005']);
      }
    });
  });
});
