import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { saveNewAttempt, type NewAttempt } from '../../domain/relay/accept/saveNewAttempt.ts';
import { changeAttempt } from '../../domain/relay/attempts/changeAttempt.ts';
import { reconcileUsage } from '../../domain/relay/reconcileUsage.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../../domain/relay/getAuthorizationRequest.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { dayOf, lockUsage, sumUsage } from '../../domain/relay/attempts/usageStore.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { execute, inTransaction, selectRows, type Transaction } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signAuthorization, signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import {
  startOwnChain,
  type OwnChain,
  type OwnContractWallet,
  type OwnRelayer,
} from '../support/ownChain.ts';
import { confirmOnce, readAttempt } from '../support/relayFlow.ts';
import { atTime, withRelayer, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
/** What an authorization of a plain account sets aside. */
const RESERVE = 135_000n;
const MANY = 50_000;
const NOTHING = { inFlight: 0, reservedGas: 0n, reservedCost: 0n, spentGas: 0n, spentCost: 0n };

describe('running totals of what payers and stores use', function () {
  this.timeout(120_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;
  let store: TestStore;

  before(async () => {
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
    store = await harness.createTestStore();
  });
  afterEach(async () => {
    expect(await reconcileUsage(ctx), 'totals that differ from the sums').to.equal(0);
  });

  const createPayment = (of = store) => harness.createTestPayment(of, { token: chain.token });
  const today = () => dayOf(new Date());
  const totalOf = (holder: string) =>
    inTransaction(ctx.db, (trx) => lockUsage(trx, chainId, holder, today()));
  const sumOf = (holder: string) =>
    inTransaction(ctx.db, (trx) => sumUsage(trx, { chainId, holder }, today()));

  const withLimits = (limits: Partial<ChainConfig['relayLimits']>): Context => ({
    ...ctx,
    config: {
      ...ctx.config,
      chains: ctx.config.chains.map((config) => ({
        ...config,
        relayLimits: { ...config.relayLimits, ...limits },
      })),
    },
  });

  async function accept(customer: PrivateKeyAccount, payment: Payment, base = ctx): Promise<void> {
    await executePayment(base, await signAuthorization(base, customer, payment));
  }

  /** The totals say what their attempts add up to. */
  async function expectTotals(holders: readonly string[]): Promise<void> {
    for (const holder of holders)
      expect(await totalOf(holder), holder).to.deep.equal(await sumOf(holder));
  }

  it('follow attempts through all that can happen to them: sent, mined, un-mined, returned, sent again, refused, failed', async () => {
    const customers: PrivateKeyAccount[] = [];
    const payments: Payment[] = [];
    for (let count = 0; count < 3; count++) {
      const [customer, payment] = [await chain.createCustomer(), await createPayment()];
      await accept(customer, payment);
      customers.push(customer);
      payments.push(payment);
    }
    const holders = [store.storeId, ...customers.map(({ address }) => address)];
    expect(await totalOf(store.storeId)).to.deep.equal({
      ...NOTHING,
      inFlight: 3,
      reservedGas: 3n * RESERVE,
    });
    expect(await totalOf(customers[0]!.address)).to.deep.equal({
      ...NOTHING,
      inFlight: 1,
      reservedGas: RESERVE,
    });

    // A transaction that is reverted as a whole is paid for, and what it carried waits again.
    const stingy = withRelayer(ctx, chainId, (own) => ({
      send: (input) => own.send({ ...input, gasLimit: 200_000n }),
    }));
    await sendAttempt(stingy, (await readAttempt(ctx, payments[0]!)).id);
    await expectTotals(holders);
    const takeBack = await chain.takeSnapshot();
    await chain.mine();
    await confirmOnce(ctx, payments[0]!);
    await takeBack();
    await confirmOnce(ctx, payments[0]!);
    expect((await readAttempt(ctx, payments[0]!)).status).to.equal('submitted');
    expect(await totalOf(store.storeId)).to.deep.equal({
      ...NOTHING,
      inFlight: 3,
      reservedGas: 3n * RESERVE,
    });
    for (const signed of relayer.sent) await chain.send(signed);
    await chain.mine(CONFIRMATIONS);
    await confirmOnce(ctx, payments[0]!);
    const returned = await totalOf(store.storeId);
    expect(returned).to.include({ inFlight: 3, reservedGas: 3n * RESERVE });
    expect(returned.spentGas > 0n).to.equal(true);
    await expectTotals(holders);

    // Charged again, one of them in vain.
    const treacherous = withRelayer(ctx, chainId, (own) => ({
      send: async (input) => {
        await chain.moveTokensAway(customers[1]!);
        return own.send(input);
      },
    }));
    for (const payment of payments)
      await sendAttempt(treacherous, (await readAttempt(ctx, payment)).id);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    for (const payment of payments)
      if ((await readAttempt(ctx, payment)).transactionId !== null) await confirmOnce(ctx, payment);
    const statuses = await Promise.all(
      payments.map(async (payment) => (await readAttempt(ctx, payment)).status),
    );
    expect(statuses).to.deep.equal(['succeeded', 'failed', 'succeeded']);
    await expectTotals(holders);
    const total = await totalOf(store.storeId);
    expect(total).to.include({ inFlight: 0, reservedGas: 0n });
    expect(total.spentGas > returned.spentGas).to.equal(true);
    let cost = 0n;
    for (const payment of payments) cost += (await readAttempt(ctx, payment)).gasCost;
    expect(total.spentCost).to.equal(cost);

    // One that was never sent costs nothing.
    const [poor, unsent] = [await chain.createCustomer(), await createPayment()];
    await accept(poor, unsent);
    await chain.moveTokensAway(poor);
    await chain.mine();
    await sendAttempt(ctx, (await readAttempt(ctx, unsent)).id);
    expect((await readAttempt(ctx, unsent)).status).to.equal('failed');
    expect(await totalOf(poor.address)).to.deep.equal(NOTHING);
    expect(await totalOf(store.storeId)).to.deep.equal(total);
  });

  it('move a cost to the day of its latest charge', async () => {
    const [customer, payment] = [await chain.createCustomer(), await createPayment()];
    await accept(customer, payment);
    const now = new Date();
    const charge = async (at: Date, gas: bigint, event: 'succeeded' | 'returned') =>
      inUnitOfWork(ctx, async (unit) => {
        const attempt = await readAttempt(ctx, payment);
        const facts = {
          gasUsed: attempt.gasUsed + gas,
          gasCost: attempt.gasCost + gas * 7n,
          gasChargedAt: at,
        };
        if (event === 'succeeded') return changeAttempt(ctx, unit, attempt, event, { facts });
        await changeAttempt(ctx, unit, attempt, 'take');
        await changeAttempt(ctx, unit, { ...attempt, status: 'submitted' }, 'mined');
        return changeAttempt(ctx, unit, { ...attempt, status: 'mined' }, event, { facts });
      });
    await charge(addMs(now, -86_400_000), 100n, 'returned');
    expect(await totalOf(store.storeId)).to.include({ spentGas: 0n, inFlight: 1 });
    await charge(now, 11n, 'succeeded');
    expect(await totalOf(store.storeId)).to.include({
      spentGas: 111n,
      spentCost: 777n,
      inFlight: 0,
    });
    await expectTotals([store.storeId, customer.address]);
    const days = await selectRows<{ gas_used: string }>(
      ctx.db,
      'SELECT gas_used FROM relay_costs WHERE holder = ? ORDER BY day',
      [store.storeId],
    );
    expect(days.map((row) => Number(row.gas_used))).to.deep.equal([0, 111]);
  });

  it('set aside more for a request that asks the signer’s contract', async () => {
    const [wallet, payment] = [await chain.createContractWallet(), await createPayment()];
    const request = { storeId: payment.storeId, paymentId: payment.id, payer: wallet.address };
    const { typedData } = await getAuthorizationRequest(ctx, request);
    await executePayment(ctx, {
      ...request,
      signature: await signTypedData(wallet.owner, typedData),
      permit: null,
    });
    expect((await readAttempt(ctx, payment)).reservedGas).to.equal(460_000n);
    expect(await totalOf(store.storeId)).to.include({ reservedGas: 460_000n, inFlight: 1 });
    const [customer, plain] = [
      await chain.createCustomer({ approve: false }),
      await createPayment(),
    ];
    await relayPayment(ctx, await signGasless(ctx, customer, plain));
    expect((await readAttempt(ctx, plain)).reservedGas).to.equal(150_000n);
  });

  for (const whose of ['store', 'payer'] as const) {
    it(`keep six requests of one ${whose} that come at once within a budget for three`, async () => {
      const budget = 3n * RESERVE + RESERVE / 2n;
      const limited = withLimits(
        whose === 'store'
          ? { gasBudgetPerStorePerDay: budget }
          : { gasBudgetPerPayerPerDay: budget },
      );
      const customer = await chain.createCustomer();
      const signed = [];
      for (let count = 0; count < 6; count++) {
        const payment = await createPayment(
          whose === 'store' ? store : await harness.createTestStore(),
        );
        signed.push(
          await signAuthorization(
            ctx,
            whose === 'store' ? await chain.createCustomer() : customer,
            payment,
          ),
        );
      }
      const outcomes = await Promise.allSettled(
        signed.map((input) => executePayment(limited, input)),
      );
      const refused = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason as Error] : [],
      );
      expect(refused).to.have.length(3);
      for (const error of refused) expect(error).to.include({ code: 'PAY_034', reason: whose });
      expect(await totalOf(whose === 'store' ? store.storeId : customer.address)).to.include({
        inFlight: 3,
        reservedGas: 3n * RESERVE,
      });
    });
  }

  it('are as they were after an acceptance that was rolled back', async () => {
    const [customer, payment] = [await chain.createCustomer(), await createPayment()];
    const signed = await signAuthorization(ctx, customer, payment);
    const failing = executePayment(ctx, signed, () =>
      Promise.reject(new Error('the database went away')),
    );
    await failing.then(
      () => expect.fail('it was accepted'),
      (error: unknown) => expect(String(error)).to.contain('went away'),
    );
    for (const holder of [store.storeId, customer.address])
      expect(await totalOf(holder)).to.deep.equal(NOTHING);
    await executePayment(ctx, signed);
    expect(await totalOf(store.storeId)).to.include({ inFlight: 1 });
  });

  it('charge the gas that a contract wallet burns to its own store, and nothing of it to the others in the transaction', async () => {
    const acceptFrom = async (wallet: OwnContractWallet, payment: Payment) => {
      const request = { storeId: payment.storeId, paymentId: payment.id, payer: wallet.address };
      const { typedData } = await getAuthorizationRequest(ctx, request);
      await executePayment(ctx, {
        ...request,
        signature: await signTypedData(wallet.owner, typedData),
        permit: null,
      });
      return payment;
    };
    const others: TestStore[] = [];
    const makeOther = async () => {
      const other = await harness.createTestStore();
      others.push(other);
      return createPayment(other);
    };
    const burner = await chain.createContractWallet();
    await burner.setMode('turnCostly');
    const burning = await acceptFrom(burner, await createPayment());
    const honest = [await acceptFrom(await chain.createContractWallet(), await makeOther())];
    for (let count = 0; count < 3; count++) {
      const payment = await makeOther();
      await accept(await chain.createCustomer(), payment);
      honest.push(payment);
    }
    const payments = [burning, ...honest];
    for (const payment of payments) await sendAttempt(ctx, (await readAttempt(ctx, payment)).id);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    for (const payment of payments) await confirmOnce(ctx, payment);

    expect((await readAttempt(ctx, burning)).status).to.equal('failed');
    for (const payment of honest)
      expect((await readAttempt(ctx, payment)).status).to.equal('succeeded');
    const burned = (await totalOf(store.storeId)).spentGas;
    expect(burned > 350_000n, `the burner's store: ${burned}`).to.equal(true);
    const charged = await Promise.all(
      others.map(async ({ storeId }) => (await totalOf(storeId)).spentGas),
    );
    // The wallet that checks its signature takes a little more than the plain accounts.
    for (const gas of charged)
      expect(gas < 110_000n, `the others' stores: ${charged.join(', ')}`).to.equal(true);
    // Other tests' requests may have gone along.
    for (const transactionId of new Set(
      await Promise.all(
        payments.map(async (payment) => (await readAttempt(ctx, payment)).transactionId),
      ),
    )) {
      const [row] = await selectRows<{ shared: string; used: string }>(
        ctx.db,
        `SELECT SUM(a.gas_used) AS shared, MAX(t.gas_used) AS used FROM relay_attempts a JOIN relay_transactions t ON t.id = a.transaction_id
         WHERE t.id = ?`,
        [transactionId],
      );
      expect(row?.shared).to.equal(String(row?.used));
    }
  });

  it('are put right, and told as an error, should they ever differ', async () => {
    const [customer, payment] = [await chain.createCustomer(), await createPayment()];
    await accept(customer, payment);
    await execute(
      ctx.db,
      'UPDATE relay_quotas SET in_flight = 3, reserved_gas = 1 WHERE holder = ?',
      [store.storeId],
    );
    const errors: unknown[] = [];
    const listening = {
      ...ctx,
      log: {
        ...ctx.log,
        error: (...args: unknown[]) => void errors.push(args),
      } as unknown as Context['log'],
    };
    expect(await reconcileUsage(listening)).to.equal(1);
    expect(JSON.stringify(errors))
      .to.contain(store.storeId)
      .and.to.contain('"total":"3","sum":"1"');
    expect(await totalOf(store.storeId)).to.deep.equal({
      ...NOTHING,
      inFlight: 1,
      reservedGas: RESERVE,
    });
  });

  it('are forgotten two days later, not today’s nor yesterday’s', async () => {
    const days = [0, 1, 2, 3].map((ago) => dayOf(addMs(new Date(), -ago * 86_400_000)));
    for (const day of days)
      await execute(ctx.db, 'INSERT INTO relay_costs VALUES (?, ?, ?, 0, 0)', [
        chainId,
        store.storeId,
        day,
      ]);
    await reconcileUsage(ctx);
    const left = await selectRows<{ day: string }>(
      ctx.db,
      "SELECT DATE_FORMAT(day, '%Y-%m-%d') AS day FROM relay_costs WHERE holder = ? ORDER BY day DESC",
      [store.storeId],
    );
    expect(left.map(({ day }) => day)).to.deep.equal(days.slice(0, 2));
  });

  describe(`with ${MANY} attempts of one store and one payer today`, () => {
    /** Rows that the database looked at for this session so far. */
    async function readRowsRead(trx: Transaction): Promise<number> {
      const rows = await selectRows<{ Variable_name: string; Value: string }>(
        trx,
        "SHOW SESSION STATUS LIKE 'Handler_read%'",
      );
      return rows.reduce((sum, row) => sum + Number(row.Value), 0);
    }

    /** @returns how many rows were looked at to take one more request on */
    async function countRowsRead(customer: PrivateKeyAccount): Promise<number> {
      const payment = await createPayment();
      const { signature } = await signAuthorization(ctx, customer, payment);
      const input: NewAttempt = {
        id: ctx.newId('rla'),
        paymentId: payment.id,
        refundId: null,
        storeId: payment.storeId,
        chainId,
        signed: {
          rail: 'authorization',
          authorization: { payer: customer.address, deadline: 2_000_000_000 },
        },
        signature,
        permit: null,
        runsForeignCode: false,
        priority: 'normal',
        deadline: payment.terms.expiresAt,
        gasPrice: 1n,
      };
      return inUnitOfWork(ctx, async (unit) => {
        // What SHOW STATUS reads itself counts too: once more than in between.
        const [first, second] = [await readRowsRead(unit.trx), await readRowsRead(unit.trx)];
        await saveNewAttempt(ctx, unit, input);
        return (await readRowsRead(unit.trx)) - second - (second - first);
      });
    }

    /** Ended and charged today, each with its own payment, by one statement. */
    async function insertMany(payer: string): Promise<void> {
      const digits =
        '(SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)';
      const numbers = `SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n AS n
        FROM ${digits} a, ${digits} b, ${digits} c, ${digits} d, ${digits} e`;
      await execute(
        ctx.db,
        `INSERT INTO relay_attempts (id, payment_id, store_id, chain_id, rail, status, payer, deadline, request, signature, gas_used, gas_cost,
           gas_charged_at, created_at, updated_at)
         SELECT CONCAT('rla_many', LPAD(n, 6, '0')), CONCAT('0x', LPAD(n, 64, '0')), ?, ?, 'authorization', 'succeeded', ?, NOW(3), '{}', '0x', 60000, 60000,
           NOW(3), NOW(3), NOW(3) FROM (${numbers}) numbers WHERE n < ?`,
        [store.storeId, chainId, payer, MANY],
      );
      for (const holder of [store.storeId, payer]) {
        await execute(ctx.db, 'INSERT INTO relay_costs VALUES (?, ?, ?, ?, ?)', [
          chainId,
          holder,
          today(),
          60_000 * MANY,
          60_000 * MANY,
        ]);
      }
    }

    after(() => execute(harness.ctx.db, "DELETE FROM relay_attempts WHERE id LIKE 'rla_many%'"));

    it('taking one more on looks at as many rows as without them', async () => {
      const customer = await chain.createCustomer();
      ctx = withLimits({ gasBudgetPerStorePerDay: undefined, gasBudgetPerPayerPerDay: undefined });
      // The first one makes the rows of the totals.
      await countRowsRead(customer);
      const few = await countRowsRead(customer);
      await insertMany(customer.address);
      const many = await countRowsRead(customer);
      expect(many, `rows looked at: ${few} before, ${many} after`).to.be.at.most(few + 5);
      expect(many).to.be.below(60);
      await expectTotals([store.storeId, customer.address]);
      expect(
        (
          await expectRefusal(
            executePayment(
              withLimits({ gasBudgetPerPayerPerDay: 3_000_000_000n }),
              await signAuthorization(ctx, customer, await createPayment()),
            ),
          )
        ).code,
      ).to.equal('PAY_034');
      await executePayment(
        atTime(ctx, addMs(new Date(), 1)),
        await signAuthorization(ctx, customer, await createPayment()),
      );
    });
  });
});
