import { expect } from 'chai';

import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../../domain/relay/getAuthorizationRequest.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import type { Context } from '../../platform/context.ts';
import { createDelegatedAccounts, type DelegatedAccounts } from '../support/delegatedAccounts.ts';
import { signAuthorization, signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { confirmOnce, readAttempt } from '../support/relayFlow.ts';
import { withChain, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
const DATA_GAS = 70_000n;

describe('requests on a chain that takes gas for the data of each', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let accounts: DelegatedAccounts;
  let ctx: Context;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    accounts = await createDelegatedAccounts(chain);
    const token = {
      address: accounts.token,
      symbol: 'WUSD',
      decimals: 6,
      permit: { name: 'Wallet Dollar', version: '1' },
    };
    const configure = chain.configure({ confirmations: CONFIRMATIONS });
    harness = await createHarness({
      config(base) {
        const config = configure(base);
        const more = { dataGasPerRequest: Number(DATA_GAS) };
        return {
          ...config,
          chains: config.chains.map((only) => ({
            ...only,
            ...more,
            tokens: [...only.tokens, token],
          })),
        };
      },
    });
    store = await harness.createTestStore();
    ({ chainId } = chain);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    ctx = withRelayers(harness.ctx, chainId, [await chain.createRelayer()]);
  });

  const createPayment = (token = chain.token) => harness.createTestPayment(store, { token });

  it('have what that may be set aside, whatever way they go and whatever code they run', async () => {
    // One whose account gets code after its request was taken on.
    const [customer, changed] = [
      await accounts.createCustomer(),
      await createPayment(accounts.token),
    ];
    await executePayment(ctx, await signAuthorization(ctx, customer, changed));
    expect((await readAttempt(ctx, changed)).reservedGas).to.equal(135_000n + DATA_GAS);
    await accounts.delegate(customer, 'turnCostly');
    await sendAttempt(ctx, (await readAttempt(ctx, changed)).id);
    expect(await readAttempt(ctx, changed)).to.include({
      runsForeignCode: true,
      reservedGas: 460_000n + DATA_GAS,
    });

    const [authorized, forwarded, ofWallet] = [
      await createPayment(),
      await createPayment(),
      await createPayment(),
    ];
    await executePayment(
      ctx,
      await signAuthorization(ctx, await chain.createCustomer(), authorized),
    );
    await relayPayment(ctx, await signGasless(ctx, await chain.createCustomer(), forwarded));
    const wallet = await chain.createContractWallet();
    const request = { storeId: store.storeId, paymentId: ofWallet.id, payer: wallet.address };
    const { typedData } = await getAuthorizationRequest(ctx, request);
    await executePayment(ctx, {
      ...request,
      signature: await signTypedData(wallet.owner, typedData),
      permit: null,
    });
    const reserves = await Promise.all(
      [authorized, forwarded, ofWallet].map(
        async (one) => (await readAttempt(ctx, one)).reservedGas,
      ),
    );
    expect(reserves).to.deep.equal([135_000n + DATA_GAS, 150_000n + DATA_GAS, 460_000n + DATA_GAS]);
    // Nothing is left for the others to be sent with.
    for (const one of [authorized, forwarded, ofWallet])
      await sendAttempt(ctx, (await readAttempt(ctx, one)).id);
  });

  for (const [name, tells] of [
    ['when its receipts tell it', true],
    ['when they do not', false],
  ] as const) {
    it(`are each charged their own part of it, ${name}: a permit pays for nobody else’s data`, async () => {
      const items = 4;
      const payments: Payment[] = [];
      for (let count = 0; count < items; count++) {
        const brings = count === items - 1;
        const customer = brings ? await accounts.createCustomer() : await chain.createCustomer();
        const payment = await createPayment(brings ? accounts.token : chain.token);
        await executePayment(ctx, await signAuthorization(ctx, customer, payment));
        payments.push(payment);
      }
      await sendAttempt(ctx, (await readAttempt(ctx, payments[0]!)).id);
      await chain.mine(CONFIRMATIONS);
      await scanChain(ctx, chainId);
      let used = 0n;
      const data = BigInt(items) * DATA_GAS;
      const taking = withChain(ctx, chainId, (own) => ({
        async findReceipt(hash) {
          const receipt = await own.findReceipt(hash);
          if (receipt === undefined) return undefined;
          used = receipt.gasUsed + data;
          return { ...receipt, gasUsed: used, dataGasUsed: tells ? data : undefined };
        },
      }));
      for (const payment of payments) await confirmOnce(taking, payment);
      const attempts = await Promise.all(payments.map((payment) => readAttempt(ctx, payment)));
      for (const attempt of attempts)
        expect(attempt).to.include({ status: 'succeeded', batchIndex: attempts.indexOf(attempt) });
      expect(attempts.map(({ permit }) => permit !== null)).to.deep.equal([
        false,
        false,
        false,
        true,
      ]);
      const charged = attempts.map(({ gasUsed }) => gasUsed);
      expect(charged.reduce((sum, gas) => sum + gas, 0n)).to.equal(used);
      for (const gas of charged.slice(0, -1))
        expect(gas > DATA_GAS + 40_000n, `${charged.join(', ')}`).to.equal(true);
      expect(charged.at(-1)! < charged[0]! + 40_000n, `${charged.join(', ')}`).to.equal(true);
    });
  }
});
