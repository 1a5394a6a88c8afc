import { expect } from 'chai';
import { createWalletClient, getAddress, http } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { components } from '../../api/generated/openapi.ts';
import {
  hostileTokenAbi,
  hostileTokenBytecode,
} from '../../contracts/generated/test/HostileToken.ts';
import { cancelPayment } from '../../domain/payments/service.ts';
import type { Config } from '../../platform/config.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { expireNow } from '../support/expireNow.ts';
import { signTypedData } from '../support/gasless.ts';
import {
  readProblem,
  startTestApi,
  type CallOptions,
  type Payment,
  type TestApi,
} from './startTestApi.ts';

type AuthorizationRequest = components['schemas']['AuthorizationRequest'];
const UNKNOWN_ID = `0x${'0c'.repeat(32)}`;

describe('GET /payments/{paymentId}/authorization', function () {
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

  const ask = (
    payment: Pick<Payment, 'paymentId'>,
    customerAddress: string,
    init: CallOptions = {},
    at = api,
  ) =>
    at.call(`/payments/${payment.paymentId}/authorization?customerAddress=${customerAddress}`, {
      store: at.store,
      ...init,
    });
  async function read(
    payment: Payment,
    customer: Pick<PrivateKeyAccount, 'address'>,
    at = api,
  ): Promise<AuthorizationRequest> {
    const response = await ask(payment, customer.address, {}, at);
    expect(response.status).to.equal(200);
    return (await response.json()) as AuthorizationRequest;
  }
  async function refuse(response: Promise<Response>): Promise<[number, string]> {
    const { status, code } = await readProblem(await response);
    return [status, code];
  }

  it('gives what to sign for exactly this payment, good for as long as it', async () => {
    const payment = await api.createPayment();
    const { deadline, typedData, permit } = await read(payment, approved);
    expect(permit).to.equal(null);
    expect(deadline).to.equal(String(Date.parse(payment.expiresAt) / 1000));
    expect(typedData.primaryType).to.equal('PaymentAuthorization');
    expect(typedData.domain).to.include({
      chainId: payment.chainId,
      verifyingContract: payment.gateway,
    });
    expect(typedData.message).to.include({ payer: approved.address, paymentId: payment.paymentId });
    const other = await read(await api.createPayment(), approved);
    expect(other.typedData.message['paymentId']).not.to.equal(payment.paymentId);
  });

  it('gives typed data that a wallet can sign as it is', async () => {
    const { typedData } = await read(await api.createPayment(), approved);
    expect(Object.keys(typedData.types)).to.include.members([
      'EIP712Domain',
      'PaymentAuthorization',
    ]);
    expect(
      await signTypedData(approved, typedData as Parameters<typeof signTypedData>[1]),
    ).to.match(/^0x[0-9a-f]{130}$/);
  });

  it('gives the same to a client generated from openapi.yaml', async () => {
    const payment = await api.createPayment();
    const { data, response } = await api.client().GET('/payments/{paymentId}/authorization', {
      params: {
        path: { paymentId: payment.paymentId },
        query: { customerAddress: approved.address },
      },
    });
    expect(response.status).to.equal(200);
    expect(data).to.deep.equal(await read(payment, approved));
  });

  it('gives the same however often it is asked, and changes nothing', async () => {
    const payment = await api.createPayment();
    const first = await read(payment, approved);
    expect(await read(payment, approved)).to.deep.equal(first);
    expect(await (await api.call(`/payments/${payment.paymentId}/status`)).json()).to.include({
      status: 'pending',
    });
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

  it('offers none where the configuration promises a permit that the token does not have: the allowance has to do', async () => {
    const deployer = await api.chain.createCustomer({});
    const client = createWalletClient({
      account: deployer,
      transport: http(api.stack.chain.rpcUrl),
    });
    const { publicClient } = api.chain;
    const hash = await client.deployContract({
      abi: hostileTokenAbi,
      bytecode: hostileTokenBytecode,
      chain: publicClient.chain,
    });
    const { contractAddress } = await publicClient.waitForTransactionReceipt({ hash });
    const address = getAddress(contractAddress ?? '');
    const token = {
      address,
      symbol: 'HOST',
      decimals: 18,
      permit: { name: 'Hostile', version: '1' },
    };
    const withToken = (config: Config): Config => ({
      ...config,
      chains: config.chains.map((chain) => ({ ...chain, tokens: [...chain.tokens, token] })),
    });
    const promising = await startTestApi({ config: withToken });
    try {
      const customer = await promising.chain.createCustomer({ token: address, approve: false });
      const payment = await promising.createPayment({ token: address });
      const { permit, typedData } = await read(payment, customer, promising);
      expect(permit).to.equal(null);
      const signature = await signTypedData(
        customer,
        typedData as Parameters<typeof signTypedData>[1],
      );
      const json = { customerAddress: customer.address, signature };
      const execute = () => promising.call(`/payments/${payment.paymentId}/execute`, { json });
      expect(await refuse(execute())).to.deep.equal([422, 'PAY_002']);
      const wallet = createWalletClient({
        account: customer,
        transport: http(api.stack.chain.rpcUrl),
      });
      const args = [api.stack.deployment.gateway, 10n ** 18n] as const;
      const approval = {
        address,
        abi: hostileTokenAbi,
        functionName: 'approve',
        args,
        chain: publicClient.chain,
      } as const;
      await publicClient.waitForTransactionReceipt({ hash: await wallet.writeContract(approval) });
      expect((await execute()).status).to.equal(202);
    } finally {
      await promising.close();
    }
  });

  it('takes the address in any case, and answers in the checksummed one', async () => {
    const response = await ask(await api.createPayment(), approved.address.toLowerCase());
    expect(((await response.json()) as AuthorizationRequest).typedData.message).to.include({
      payer: approved.address,
    });
  });

  for (const [name, query] of [
    ['no address', ''],
    ['an address that is too short', '?customerAddress=0x1234'],
    ['a parameter that is not known', `?customerAddress=0x${'11'.repeat(20)}&chain=1`],
    ['the other rail’s parameter', `?userAddress=0x${'11'.repeat(20)}`],
  ] as const) {
    it(`refuses ${name} with 400 PAY_005`, async () => {
      const { paymentId } = await api.createPayment();
      expect(await refuse(api.call(`/payments/${paymentId}/authorization${query}`))).to.deep.equal([
        400,
        'PAY_005',
      ]);
    });
  }

  it('refuses without a key with 401 PAY_010', async () => {
    expect(
      await refuse(ask(await api.createPayment(), approved.address, { store: null })),
    ).to.deep.equal([401, 'PAY_010']);
  });

  it('answers for another store’s payment as for an unknown one: 404 PAY_009', async () => {
    const [payment, store] = [await api.createPayment(), await api.createTestStore()];
    const foreign = await readProblem(await ask(payment, approved.address, { store }));
    const unknown = await readProblem(
      await ask({ paymentId: UNKNOWN_ID }, approved.address, { store }),
    );
    expect([foreign.status, foreign.code]).to.deep.equal([404, 'PAY_009']);
    expect({ ...foreign, requestId: '' }).to.deep.equal({ ...unknown, requestId: '' });
  });

  it('refuses for a cancelled payment with 409 PAY_004', async () => {
    const payment = await api.createPayment();
    await cancelPayment(api.ctx, {
      storeId: api.store.storeId,
      paymentId: asBytes32(payment.paymentId),
    });
    expect(await refuse(ask(payment, approved.address))).to.deep.equal([409, 'PAY_004']);
  });

  it('refuses for an expired payment with 409 PAY_017', async () => {
    const payment = await api.createPayment();
    await expireNow(api.ctx, payment);
    expect(await refuse(ask(payment, approved.address))).to.deep.equal([409, 'PAY_017']);
  });

  for (const [name, change] of [
    ['the chain has no relayer', () => []],
    ['its only relayer is being drained', (relayer) => [{ ...relayer, draining: true }]],
  ] as const satisfies [
    string,
    (relayer: Config['chains'][number]['relayers'][number]) => Config['chains'][number]['relayers'],
  ][]) {
    it(`refuses, as the sending of what was signed, with 409 PAY_028 when ${name}`, async () => {
      const without = await startTestApi({
        config: (config) => ({
          ...config,
          chains: config.chains.map((chain) => ({
            ...chain,
            relayers: chain.relayers.flatMap(change),
          })),
        }),
      });
      try {
        const payment = await without.createPayment();
        expect(await refuse(ask(payment, approved.address, {}, without))).to.deep.equal([
          409,
          'PAY_028',
        ]);
        const json = { customerAddress: approved.address, signature: `0x${'11'.repeat(65)}` };
        expect(
          await refuse(without.call(`/payments/${payment.paymentId}/execute`, { json })),
        ).to.deep.equal([409, 'PAY_028']);
      } finally {
        await without.close();
      }
    });
  }
});
