import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { decideRequestGas } from '../../domain/chain/decideRequestGas.ts';
import { reconcileUsage } from '../../domain/relay/reconcileUsage.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../../domain/relay/getAuthorizationRequest.ts';
import { findTransaction } from '../../domain/relay/attempts/transactionStore.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { createDelegatedAccounts, type DelegatedAccounts } from '../support/delegatedAccounts.ts';
import { signAuthorization, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import {
  startOwnChain,
  type OwnChain,
  type OwnContractWallet,
  type OwnRelayer,
} from '../support/ownChain.ts';
import { confirmOnce, readAttempt, readPayment } from '../support/relayFlow.ts';
import { withRelayer, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;

interface Waiting {
  readonly payment: Payment;
  readonly id: string;
}

describe('requests that run code of their payer’s account', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let accounts: DelegatedAccounts;
  let relayer: OwnRelayer;
  let ctx: Context;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    accounts = await createDelegatedAccounts(chain);
    const permit = { name: 'Wallet Dollar', version: '1' };
    const token = { address: accounts.token, symbol: 'WUSD', decimals: 6, permit };
    const configure = chain.configure({ confirmations: CONFIRMATIONS });
    harness = await createHarness({
      config(base) {
        const config = configure(base);
        return {
          ...config,
          chains: config.chains.map((only) => ({ ...only, tokens: [...only.tokens, token] })),
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
    relayer = await chain.createRelayer();
    ctx = withRelayers(harness.ctx, chainId, [relayer]);
  });
  afterEach(async () => {
    expect(await reconcileUsage(ctx), 'totals that differ from the sums').to.equal(0);
  });

  async function accept(
    customer: PrivateKeyAccount,
    token = chain.token,
    of = store,
  ): Promise<Waiting> {
    const payment = await harness.createTestPayment(of, { token });
    await executePayment(ctx, await signAuthorization(ctx, customer, payment));
    return { payment, id: (await readAttempt(ctx, payment)).id };
  }

  async function acceptFromWallet(wallet: OwnContractWallet, of = store): Promise<Waiting> {
    const payment = await harness.createTestPayment(of, { token: chain.token });
    const request = { storeId: payment.storeId, paymentId: payment.id, payer: wallet.address };
    const { typedData } = await getAuthorizationRequest(ctx, request);
    await executePayment(ctx, {
      ...request,
      signature: await signTypedData(wallet.owner, typedData),
      permit: null,
    });
    return { payment, id: (await readAttempt(ctx, payment)).id };
  }

  async function mineAndConfirm(all: readonly Waiting[]): Promise<void> {
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    for (const { payment } of all)
      if ((await readAttempt(ctx, payment)).transactionId !== null) await confirmOnce(ctx, payment);
  }

  async function expectCompleted(all: readonly Waiting[]): Promise<void> {
    for (const { payment } of all) {
      expect(await readPayment(ctx, payment)).to.include({ status: 'completed' });
      expect(await readAttempt(ctx, payment)).to.include({ status: 'succeeded' });
      expect(await chain.countPayments(payment.id)).to.equal(1);
    }
  }

  const transactionOf = async ({ payment }: Waiting) => {
    const { transactionId } = await readAttempt(ctx, payment);
    return transactionId === null ? undefined : findTransaction(ctx.db, transactionId);
  };

  /** The account gets its code when the transaction was simulated, estimated, and saved. */
  const delegatingLate = (traitor: PrivateKeyAccount) =>
    withRelayer(ctx, chainId, (own) => ({
      async send(input) {
        await accounts.delegate(traitor, 'turnCostly');
        return own.send(input);
      },
    }));

  /** What is in no block is given up at once. */
  const impatient = (): Context => ({
    ...ctx,
    config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } },
  });

  async function countWaste(holder: string): Promise<number> {
    const [row] = await selectRows<{ items: string | null }>(
      ctx.db,
      'SELECT SUM(items) AS items FROM relay_waste WHERE holder = ?',
      [holder],
    );
    return Number(row?.items ?? 0);
  }

  it('go in batches of their own: those of a contract wallet, and those with a permit that the token asks an account’s code about', async () => {
    const [wallet, delegated] = [
      await chain.createContractWallet(),
      await accounts.createCustomer(),
    ];
    await wallet.setMode('turnCostly');
    const plain = [await accept(await chain.createCustomer())];
    const foreign = [await acceptFromWallet(wallet), await accept(delegated, accounts.token)];
    await accounts.delegate(delegated, 'turnCostly');
    plain.push(
      await accept(await chain.createCustomer()),
      await accept(await accounts.createCustomer(), accounts.token),
    );
    await sendAttempt(ctx, plain[0]!.id);
    const [first, ...rest] = await Promise.all(plain.map(transactionOf));
    expect(first?.items).to.equal(3);
    expect(rest.map((transaction) => transaction?.id)).to.deep.equal([first?.id, first?.id]);
    for (const item of foreign)
      expect(await readAttempt(ctx, item.payment)).to.include({ status: 'queued', sends: 0 });
    await sendAttempt(ctx, foreign[0]!.id);
    expect((await transactionOf(foreign[1]!))?.items).to.equal(2);
    await mineAndConfirm([...plain, ...foreign]);
    await expectCompleted(plain);
    for (const item of foreign)
      expect(await readAttempt(ctx, item.payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_030',
      });
  });

  it('may get their code between simulation and block: they take nothing from the others', async () => {
    const traitor = await accounts.createCustomer();
    // The fewer there are, the less the margin of the estimate could hide it.
    const all = [await accept(traitor, accounts.token), await accept(await chain.createCustomer())];
    await sendAttempt(delegatingLate(traitor), all[0]!.id);
    expect((await transactionOf(all[1]!))?.items).to.equal(2);
    await mineAndConfirm(all);
    await expectCompleted([all[1]!]);
    expect(await readAttempt(ctx, all[0]!.payment)).to.include({
      status: 'failed',
      errorCode: 'PAY_030',
    });
  });

  it('though they had none when they were taken on: what they burn is set aside, theirs to pay, and their signer’s fault', async () => {
    const burner = await accounts.createCustomer();
    const burning = await accept(burner, accounts.token);
    expect(await readAttempt(ctx, burning.payment)).to.include({ runsForeignCode: false });
    await accounts.delegate(burner, 'turnCostly');
    const other = await acceptFromWallet(
      await chain.createContractWallet(),
      await harness.createTestStore(),
    );
    await sendAttempt(ctx, burning.id);
    expect((await transactionOf(other))?.items).to.equal(2);
    const sent = await readAttempt(ctx, burning.payment);
    expect(sent).to.include({ status: 'submitted', runsForeignCode: true });
    expect(sent.reservedGas).to.equal(decideRequestGas('authorization', true, 0n));
    expect(await reconcileUsage(ctx), 'totals that differ from the sums').to.equal(0);
    await mineAndConfirm([burning, other]);
    await expectCompleted([other]);
    const [burnt, paid] = [
      await readAttempt(ctx, burning.payment),
      await readAttempt(ctx, other.payment),
    ];
    expect(burnt).to.include({ status: 'failed', errorCode: 'PAY_030' });
    expect(burnt.gasUsed > 350_000n, `the burner's: ${burnt.gasUsed}`).to.equal(true);
    expect(paid.gasUsed < 120_000n, `the other's: ${paid.gasUsed}`).to.equal(true);
    expect(await countWaste(burner.address)).to.equal(1);
  });

  it('though they got it after they were sent: what they burn is theirs to pay, and their signer’s fault, in a batch or alone', async () => {
    const [burner, loner] = [await accounts.createCustomer(), await accounts.createCustomer()];
    const burning = await accept(burner, accounts.token);
    const other = await accept(
      await chain.createCustomer(),
      chain.token,
      await harness.createTestStore(),
    );
    await sendAttempt(delegatingLate(burner), burning.id);
    expect((await transactionOf(other))?.items).to.equal(2);
    const alone = await accept(loner, accounts.token);
    await sendAttempt(delegatingLate(loner), alone.id);
    expect((await transactionOf(alone))?.items).to.equal(1);
    await mineAndConfirm([burning, other, alone]);
    await expectCompleted([other]);
    const [burnt, paid] = [
      await readAttempt(ctx, burning.payment),
      await readAttempt(ctx, other.payment),
    ];
    expect(burnt.gasUsed > 350_000n, `the burner's: ${burnt.gasUsed}`).to.equal(true);
    expect(paid.gasUsed < 120_000n, `the other's: ${paid.gasUsed}`).to.equal(true);
    expect(await readAttempt(ctx, alone.payment)).to.include({
      status: 'failed',
      errorCode: 'PAY_030',
    });
    expect([await countWaste(burner.address), await countWaste(loner.address)]).to.deep.equal([
      1, 1,
    ]);
  });

  it('though they had left their transaction when it was mined: what they burn is nobody else’s to pay', async () => {
    const [burner, of] = [await chain.createContractWallet(), await harness.createTestStore()];
    await burner.setMode('turnCostly');
    const all = [
      await acceptFromWallet(burner),
      await acceptFromWallet(await chain.createContractWallet(), of),
    ];
    await sendAttempt(ctx, all[0]!.id);
    expect((await transactionOf(all[1]!))?.items).to.equal(2);
    await confirmOnce(impatient(), all[0]!.payment);
    for (const { payment } of all)
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued', mayStillLand: true });
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    await sendAttempt(ctx, all[1]!.id);
    await expectCompleted([all[1]!]);
    const paid = await readAttempt(ctx, all[1]!.payment);
    expect(
      paid.gasUsed > 50_000n && paid.gasUsed < 120_000n,
      `the other's: ${paid.gasUsed}`,
    ).to.equal(true);
  });

  it('though they leave their transaction at the first look, and the others are charged at a later one', async () => {
    const [burner, of] = [await chain.createContractWallet(), await harness.createTestStore()];
    await burner.setMode('turnCostly');
    const burning = await acceptFromWallet(burner);
    const silent = withRelayer(ctx, chainId, () => ({
      send: () => Promise.resolve({ kind: 'ambiguous', reason: 'no answer' }),
    }));
    await sendAttempt(silent, burning.id);
    await confirmOnce(impatient(), burning.payment);
    expect(await readAttempt(ctx, burning.payment)).to.include({
      status: 'queued',
      mayStillLand: true,
    });
    const other = await acceptFromWallet(await chain.createContractWallet(), of);
    await sendAttempt(ctx, burning.id);
    expect((await transactionOf(other))?.items).to.equal(2);
    await chain.mine(CONFIRMATIONS);
    await confirmOnce(ctx, other.payment);
    const burnt = await readAttempt(ctx, burning.payment);
    expect(burnt).to.include({ status: 'queued', transactionId: null });
    expect(burnt.gasUsed > 350_000n, `the burner's: ${burnt.gasUsed}`).to.equal(true);
    expect((await readAttempt(ctx, other.payment)).status).to.equal('mined');
    await scanChain(ctx, chainId);
    await confirmOnce(ctx, other.payment);
    await expectCompleted([other]);
    const [paid] = [await readAttempt(ctx, other.payment)];
    expect(
      paid.gasUsed > 50_000n && paid.gasUsed < 120_000n,
      `the other's: ${paid.gasUsed}`,
    ).to.equal(true);
    const used = (await transactionOf(other))?.gasUsed;
    expect(burnt.gasUsed + paid.gasUsed).to.equal(used);
  });

  it('though they had it in that one block only: what used up the gas is counted for their payment and their store', async () => {
    const [burner, of] = [await accounts.createCustomer(), await harness.createTestStore()];
    const burning = await accept(burner, accounts.token, of);
    await sendAttempt(delegatingLate(burner), burning.id);
    await chain.mine();
    await accounts.undelegate(burner);
    await mineAndConfirm([burning]);
    expect(await readAttempt(ctx, burning.payment)).to.include({
      status: 'failed',
      errorCode: 'PAY_030',
    });
    expect([await countWaste(burning.payment.id), await countWaste(of.storeId)]).to.deep.equal([
      1, 1,
    ]);
  });
});
