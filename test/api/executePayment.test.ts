import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { createWalletClient, encodeFunctionData, getAddress, http, type Address } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { components } from '../../api/generated/openapi.ts';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { cancelPayment } from '../../domain/payments/service.ts';
import { listRelayAttempts } from '../../domain/relay/listAttempts.ts';
import { addWaste } from '../../domain/relay/waste/wasteStore.ts';
import type { Config } from '../../platform/config.ts';
import { inTransaction } from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { signTypedData } from '../support/gasless.ts';
import { driveUntil, isOver } from '../support/relayFlow.ts';
import {
  readProblem,
  startTestApi,
  type CallOptions,
  type Payment,
  type TestApi,
} from './startTestApi.ts';
import { programArguments } from '../support/programArguments.ts';

type AuthorizationRequest = components['schemas']['AuthorizationRequest'];
type ExecuteRequest = components['schemas']['ExecuteRequest'];
type PaymentWithTimeline = components['schemas']['PaymentWithTimeline'];

const withLimits =
  (limits: Partial<Config['chains'][number]['relayLimits']>) =>
  (config: Config): Config => ({
    ...config,
    chains: config.chains.map((chain) => ({
      ...chain,
      relayLimits: { ...chain.relayLimits, ...limits },
    })),
  });

describe('GET /payments/{paymentId}/authorization and POST /payments/{paymentId}/execute', function () {
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

  const ask = (payment: Payment, customerAddress: string, init: CallOptions = {}) =>
    api.call(
      `/payments/${payment.paymentId}/authorization?customerAddress=${customerAddress}`,
      init,
    );
  const execute = (payment: Pick<Payment, 'paymentId'>, json: unknown, init: CallOptions = {}) =>
    api.call(`/payments/${payment.paymentId}/execute`, { ...init, json });
  const attemptsOf = (payment: Payment) =>
    listRelayAttempts(api.ctx, { paymentId: asBytes32(payment.paymentId) });
  const wallet = (account: PrivateKeyAccount, data: AuthorizationRequest['typedData']) =>
    signTypedData(account, data as Parameters<typeof signTypedData>[1]);

  /** All that a store's server and its customer's wallet do, with nothing but the API's answers. */
  async function sign(payment: Payment, customer: PrivateKeyAccount): Promise<ExecuteRequest> {
    const { typedData, permit } = (await (
      await ask(payment, customer.address)
    ).json()) as AuthorizationRequest;
    return {
      customerAddress: customer.address,
      signature: await wallet(customer, typedData),
      ...(permit === null
        ? {}
        : {
            permit: {
              value: permit.value,
              deadline: permit.deadline,
              signature: await wallet(customer, permit.typedData),
            },
          }),
    };
  }

  async function refuse(
    payment: Payment,
    json: unknown,
    init: CallOptions = {},
  ): Promise<[number, string]> {
    const before = await attemptsOf(payment);
    const problem = await readProblem(await execute(payment, json, init));
    expect(await attemptsOf(payment)).to.deep.equal(before);
    return [problem.status, problem.code];
  }

  const complete = (payment: Payment) =>
    driveUntil(
      api.ctx,
      { id: asBytes32(payment.paymentId), storeId: api.store.storeId, chainId: payment.chainId },
      isOver,
    );

  for (const isApproved of [true, false]) {
    it(`take on the authorization of a customer who ${isApproved ? 'approved the gateway' : 'signs a permit'}, and it pays`, async () => {
      const payment = await api.createPayment();
      const customer = isApproved ? approved : unapproved;
      const request = await sign(payment, customer);
      expect(request.permit === undefined).to.equal(isApproved);
      const accepted = await execute(payment, request);
      expect(accepted.status).to.equal(202);
      expect(await accepted.json()).to.deep.equal({
        paymentId: payment.paymentId,
        status: 'processing',
        confirmations: 0,
      });
      expect((await complete(payment)).payment.status).to.equal('completed');
      const shown = (await (
        await api.call(`/payments/${payment.paymentId}`)
      ).json()) as PaymentWithTimeline;
      const [attempt] = shown.relayAttempts;
      expect(attempt).to.include({
        rail: 'authorization',
        status: 'succeeded',
        payer: customer.address,
        error: null,
      });
      expect(Number(attempt?.gasUsed)).to.be.within(40_000, 200_000);
      expect(BigInt(attempt?.gasCost ?? 0) > BigInt(attempt?.gasUsed ?? 0)).to.equal(true);
    });
  }

  it('take contract wallets, whose word counts (ERC-1271)', async () => {
    const owner = await api.chain.createCustomer({});
    const { publicClient } = api.chain;
    const { chain } = publicClient;
    const client = createWalletClient({ account: owner, transport: http(api.stack.chain.rpcUrl) });
    const deployed = await client.deployContract({
      abi: testWalletAbi,
      bytecode: testWalletBytecode,
      args: [owner.address],
      chain,
    });
    const address = (await publicClient.waitForTransactionReceipt({ hash: deployed }))
      .contractAddress as Address;
    const mint = await client.writeContract({
      address: api.tokens.TUSD,
      abi: testTokenAbi,
      functionName: 'mint',
      args: [address, 10n ** 12n],
      chain,
    });
    await publicClient.waitForTransactionReceipt({ hash: mint });
    const approval = encodeFunctionData({
      abi: testTokenAbi,
      functionName: 'approve',
      args: [api.stack.deployment.gateway, 10n ** 12n],
    });
    const approve = await client.writeContract({
      address,
      abi: testWalletAbi,
      functionName: 'perform',
      args: [api.tokens.TUSD, approval],
      chain,
    });
    await publicClient.waitForTransactionReceipt({ hash: approve });

    const payment = await api.createPayment();
    const { typedData } = (await (await ask(payment, address)).json()) as AuthorizationRequest;
    const stranger = await api.chain.createCustomer({});
    expect(
      await refuse(payment, {
        customerAddress: address,
        signature: await wallet(stranger, typedData),
      }),
    ).to.deep.equal([422, 'PAY_015']);
    const accepted = await execute(payment, {
      customerAddress: address,
      signature: await wallet(owner, typedData),
    });
    expect(accepted.status).to.equal(202);
    expect((await complete(payment)).payment).to.include({
      status: 'completed',
      payer: getAddress(address),
    });
  });

  it('let one customer authorise several payments side by side', async () => {
    const payments = [
      await api.createPayment(),
      await api.createPayment(),
      await api.createPayment(),
    ];
    const signed = await Promise.all(payments.map((payment) => sign(payment, approved)));
    const answers = await Promise.all(
      payments.map((payment, index) => execute(payment, signed[index])),
    );
    expect(answers.map(({ status }) => status)).to.deep.equal([202, 202, 202]);
    for (const payment of payments)
      expect((await complete(payment)).payment.status).to.equal('completed');
  });

  it('refuse what does not fit, with the real reason', async () => {
    const [payment, other] = [await api.createPayment(), await api.createPayment()];
    const request = await sign(payment, approved);
    const broke = await api.chain.createCustomer({ token: api.tokens.TUSD, balance: 1_499_999n });
    expect(
      await refuse(payment, { ...request, customerAddress: unapproved.address }),
    ).to.deep.equal([422, 'PAY_015']);
    expect(await refuse(other, request)).to.deep.equal([422, 'PAY_015']);
    expect(await refuse(payment, { ...request, signature: `0x${'00'.repeat(65)}` })).to.deep.equal([
      422,
      'PAY_015',
    ]);
    expect(await refuse(payment, await sign(payment, broke))).to.deep.equal([422, 'PAY_001']);
    const { permit: _permit, ...withoutPermit } = await sign(
      payment,
      await api.chain.createCustomer({ token: api.tokens.TUSD, approve: false }),
    );
    expect(await refuse(payment, withoutPermit)).to.deep.equal([422, 'PAY_002']);
    for (const wrong of [
      {},
      { ...request, signature: '0x1' },
      { ...request, customerAddress: '0x12' },
      { ...request, extra: 1 },
    ]) {
      expect(await refuse(payment, wrong)).to.deep.equal([400, 'PAY_005']);
    }
    expect((await ask(payment, '0x12')).status).to.equal(400);
  });

  it('answer for another store’s payment, and an unknown one, alike', async () => {
    const payment = await api.createPayment();
    const request = await sign(payment, approved);
    const other = await api.createTestStore('Another');
    const unknown = { ...payment, paymentId: `0x${'0d'.repeat(32)}` };
    for (const answer of [
      await execute(payment, request, { store: other }),
      await execute(unknown, request),
      await ask(payment, approved.address, { store: other }),
      await ask(unknown, approved.address),
    ]) {
      const { status, code, detail } = await readProblem(answer);
      expect([status, code, detail]).to.deep.equal([404, 'PAY_009', 'There is no such payment.']);
    }
  });

  it('refuse a payment that is cancelled, on its way or paid', async () => {
    const payment = await api.createPayment();
    const request = await sign(payment, approved);
    await cancelPayment(api.ctx, {
      storeId: api.store.storeId,
      paymentId: asBytes32(payment.paymentId),
    });
    expect(await refuse(payment, request)).to.deep.equal([409, 'PAY_004']);
    const second = await api.createPayment();
    const signed = await sign(second, approved);
    await execute(second, signed);
    expect(await refuse(second, signed)).to.deep.equal([409, 'PAY_004']);
    await complete(second);
    expect(await refuse(second, signed)).to.deep.equal([409, 'PAY_003']);
  });

  it('replay the answer for an Idempotency-Key, and refuse another request under it', async () => {
    const payment = await api.createPayment();
    const request = await sign(payment, approved);
    const headers = { 'idempotency-key': 'execute-1' };
    const first = await execute(payment, request, { headers });
    const second = await execute(payment, request, { headers });
    expect([first.status, second.status, second.headers.get('idempotent-replayed')]).to.deep.equal([
      202,
      202,
      'true',
    ]);
    expect(await second.text()).to.equal(await first.text());
    expect(
      await refuse(payment, { ...request, customerAddress: unapproved.address }, { headers }),
    ).to.deep.equal([422, 'PAY_013']);
    expect(await attemptsOf(payment)).to.have.length(1);
  });

  for (const [limits, code, reason] of [
    [{ maxInFlightPerPayer: 1 }, 'PAY_033', 'payer'],
    [{ maxInFlightPerStore: 1 }, 'PAY_033', 'store'],
    [{ gasBudgetPerStorePerDay: 1n }, 'PAY_034', 'store'],
    [{ gasBudgetPerStorePerDayWei: 1n }, 'PAY_034', 'store'],
    [{ gasBudgetPerPayerPerDay: 1n }, 'PAY_034', 'payer'],
    [{ gasBudgetPerPayerPerDayWei: 1n }, 'PAY_034', 'payer'],
  ] as const) {
    it(`say 429 with Retry-After, and whose limit it is, when ${Object.keys(limits).join()} is reached`, async () => {
      const limited = await startTestApi({ config: withLimits(limits) });
      try {
        const customer = await limited.chain.createCustomer({ token: limited.tokens.TUSD });
        const send = async () => {
          const payment = await limited.createPayment();
          const answer = await limited.call(
            `/payments/${payment.paymentId}/authorization?customerAddress=${customer.address}`,
          );
          const { typedData } = (await answer.json()) as AuthorizationRequest;
          const json = {
            customerAddress: customer.address,
            signature: await wallet(customer, typedData),
          };
          return limited.call(`/payments/${payment.paymentId}/execute`, { json });
        };
        if (code === 'PAY_033') expect((await send()).status).to.equal(202);
        const refused = await send();
        expect(Number(refused.headers.get('retry-after'))).to.be.greaterThan(0);
        expect(await readProblem(refused)).to.include({ code, reason });
      } finally {
        await limited.close();
      }
    });
  }

  it('say 429 with Retry-After, then 409, and whose fault it is, after requests that were mined without paying', async () => {
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
    const payment = await api.createPayment();
    const request = await sign(payment, customer);
    const chainId = api.config.chains[0]?.chainId ?? 0;
    const addFailure = () =>
      inTransaction(api.ctx.db, (trx) =>
        addWaste(trx, {
          chainId,
          holders: [{ rule: 'signer', holder: customer.address }],
          at: new Date(),
          gasCost: 5n,
        }),
      );
    const login = Buffer.from(`${api.config.admin.user}:${api.config.admin.password}`).toString(
      'base64',
    );
    const count = async (code: string) => {
      const text = await (
        await fetch(`${api.url}/metrics`, { headers: { authorization: `Basic ${login}` } })
      ).text();
      return Number(
        text.match(
          new RegExp(`^msqpay_problems_total\\{code="${code}",reason="payer"\\} ([0-9]+)$`, 'm'),
        )?.[1] ?? 0,
      );
    };
    const before = [await count('PAY_041'), await count('PAY_042')];

    await addFailure();
    const early = await execute(payment, request);
    expect(early.status).to.equal(429);
    expect(Number(early.headers.get('retry-after'))).to.be.within(1, 30);
    expect(await readProblem(early)).to.include({ code: 'PAY_041', reason: 'payer' });
    for (let more = 0; more < 3; more++) await addFailure();
    const refused = await execute(payment, request);
    expect([refused.status, refused.headers.get('retry-after')]).to.deep.equal([409, null]);
    expect(await readProblem(refused)).to.include({ code: 'PAY_042', reason: 'payer' });
    expect(await attemptsOf(payment)).to.deep.equal([]);
    expect([await count('PAY_041'), await count('PAY_042')]).to.deep.equal([
      before[0]! + 1,
      before[1]! + 1,
    ]);

    // An operator's word ends it.
    const lift = [
      ...programArguments('cli/main.ts'),
      'lift-back-off',
      '--chain',
      String(chainId),
      '--holder',
      customer.address.toLowerCase(),
    ];
    const { stdout } = await promisify(execFile)(process.execPath, lift, {
      cwd: PROJECT_ROOT,
      env: api.environment(),
    });
    expect(JSON.parse(stdout)).to.deep.equal({ forgotten: 4 });
    expect((await execute(payment, request)).status).to.equal(202);
  });
});
