import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import type { Permit } from '../../domain/chain/contractModel.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { noteServedTurn } from '../../domain/relay/attempts/turnStore.ts';
import { withClaim } from '../../domain/relay/send/withClaim.ts';
import { setRelayWeight } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { inTransaction, selectRows } from '../../platform/db.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { signAuthorization, signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { confirmOnce, endWaitingAttempts, readAttempt } from '../support/relayFlow.ts';
import { atTime, withChain, withRelayers } from '../support/varyContext.ts';

/** Longer than anything stands aside for its next look. */
const LOOK_MS = 6_000;
const GRACE_MS = 15_000;
const AMOUNT = 1_500_000n;

interface Waiting {
  readonly payment: Payment;
  readonly id: string;
}

describe('requests that stand aside', function () {
  this.timeout(120_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let store: TestStore;
  let relayer: OwnRelayer;
  let ctx: Context;

  before(async function () {
    this.timeout(240_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: 1 }) });
    ({ chainId } = chain);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    await endWaitingAttempts(harness.ctx);
    store = await harness.createTestStore();
    relayer = await chain.createRelayer();
    ctx = withLimits(withRelayers(harness.ctx, chainId, [relayer]), 1);
  });

  const withLimits = (base: Context, maxBatchSize: number, refusalGraceMs = GRACE_MS): Context => ({
    ...base,
    // They go behind as far as they may.
    random: () => 0.99,
    config: {
      ...base.config,
      relay: { ...base.config.relay, refusalGraceMs },
      chains: base.config.chains.map((one) => ({
        ...one,
        relayLimits: { ...one.relayLimits, maxBatchSize },
      })),
    },
  });
  /** So many looks later. */
  const later = (looks: number, base = ctx): Context =>
    atTime(base, addMs(harness.ctx.clock.now(), looks * LOOK_MS));

  const createPayment = (amount = AMOUNT) =>
    harness.createTestPayment(store, {
      token: chain.token,
      amount: parseAmountUnits(String(amount)),
    });
  async function accepted(payment: Payment): Promise<Waiting> {
    return { payment, id: (await readAttempt(ctx, payment)).id };
  }
  async function acceptForward(customer: PrivateKeyAccount, amount?: bigint): Promise<Waiting> {
    const payment = await createPayment(amount);
    await relayPayment(ctx, await signGasless(ctx, customer, payment));
    return accepted(payment);
  }
  async function accept(
    customer: PrivateKeyAccount,
    permit: (payment: Payment) => Promise<Permit | null> = () => Promise.resolve(null),
  ) {
    const payment = await createPayment();
    await executePayment(ctx, {
      ...(await signAuthorization(ctx, customer, payment)),
      permit: await permit(payment),
    });
    return accepted(payment);
  }
  async function acceptMany(count: number): Promise<Waiting[]> {
    const all: Waiting[] = [];
    for (let index = 0; index < count; index++)
      all.push(await accept(await chain.createCustomer()));
    return all;
  }
  const statusOf = async ({ payment }: Waiting) => (await readAttempt(ctx, payment)).status;
  const turnOf = async ({ payment }: Waiting) => (await readAttempt(ctx, payment)).turn;
  const statusesOf = (all: readonly Waiting[]) => Promise.all(all.map(statusOf));

  /** @param ahead how far its nonce is ahead of the token's */
  function signPermit(
    owner: PrivateKeyAccount,
    ahead: bigint,
  ): (payment: Payment) => Promise<Permit> {
    return async ({ terms }) => {
      const deadline = toUnixSeconds(terms.expiresAt);
      const typedData = await ctx.chains.get(chainId)?.buildPermitTypedData({
        token: terms.token,
        owner: owner.address,
        value: terms.amount,
        deadline,
      });
      if (typedData === undefined) throw new Error('the token has no permit');
      const message = {
        ...typedData.message,
        nonce: String(BigInt(String(typedData.message['nonce'])) + ahead),
      };
      return {
        value: terms.amount,
        deadline: BigInt(deadline),
        signature: await signTypedData(owner, { ...typedData, message }),
      };
    };
  }

  it('for permits whose nonce never comes keep nobody from being sent', async () => {
    const hostile = await chain.createCustomer();
    const early: Waiting[] = [];
    for (let index = 0; index < 4; index++)
      early.push(await accept(hostile, signPermit(hostile, 1n)));
    const good = await accept(await chain.createCustomer());
    await chain.approve(hostile, 0n);
    // Each job looks three times; the early ones are free again before the next.
    expect((await sendAttempt(later(0), good.id)).kind).to.equal('later');
    expect((await sendAttempt(later(1), good.id)).kind).to.equal('later');
    await sendAttempt(later(2), good.id);
    expect(await statusOf(good)).to.equal('submitted');
    expect(await statusesOf(early)).to.deep.equal(['queued', 'queued', 'queued', 'queued']);
  });

  it('behind a refused one of their payer keep nobody from being sent, nor that one from its end', async () => {
    const payer = await chain.createCustomer();
    const refused = await acceptForward(payer, 10n ** 11n);
    const followers: Waiting[] = [];
    for (let index = 0; index < 6; index++) followers.push(await acceptForward(payer));
    const good = await acceptForward(await chain.createCustomer());
    await chain.moveTokensAway(payer);
    await chain.mint(payer.address, 10n ** 10n);
    await chain.mine();
    ctx = withLimits(ctx, 2);
    expect((await sendAttempt(later(0), good.id)).kind).to.equal('later');
    expect((await sendAttempt(later(1), good.id)).kind).to.equal('later');
    await sendAttempt(later(2), good.id);
    expect(await statusOf(good)).to.equal('submitted');
    for (let looks = 3; looks < 12 && (await statusOf(refused)) === 'queued'; looks++)
      await sendAttempt(later(looks), refused.id);
    expect(await readAttempt(ctx, refused.payment)).to.include({
      status: 'failed',
      errorCode: 'PAY_001',
    });
  });

  it('keep their turns the first time, and before their time; then they go behind, in the order that they have', async () => {
    const [first, second, third] = await acceptMany(3);
    const all = [first!, second!, third!];
    const own = await readAttempt(ctx, first!.payment);
    const { turnStep: step } = own;
    const turnsOf = (some: readonly Waiting[]) => Promise.all(some.map(turnOf));
    const standAside = (at: Context) =>
      withClaim(withLimits(at, 2), { own, isOwnAside: true }, ({ candidates, ...claim }) => {
        for (const { attempt } of candidates) claim.putAside(attempt, addMs(at.clock.now(), 2_000));
        return Promise.resolve(candidates.map(({ attempt }) => attempt.id));
      });
    const turns = await turnsOf(all);
    expect(await standAside(later(0))).to.deep.equal([first!.id, second!.id]);
    // Its own job comes before its time.
    expect(await standAside(later(0))).to.deep.equal([first!.id, third!.id]);
    expect(await turnsOf(all)).to.deep.equal(turns);
    expect(await standAside(later(1))).to.deep.equal([first!.id, second!.id]);
    // By twice as many as the store has waiting at most.
    expect(await turnsOf(all)).to.deep.equal([
      turns[0]! + 6n * step,
      turns[1]! + 6n * step,
      turns[2],
    ]);
    expect(await standAside(later(2))).to.deep.equal([third!.id, first!.id]);
    // Whoever comes anew, of their own store too, is not behind them, nor before all that was
    // looked at in vain.
    const newcomer = await accept(await chain.createCustomer());
    expect(await turnOf(newcomer)).to.equal(turns[2]! + step);
    for (let looks = 3; looks < 12; looks++) await standAside(later(looks));
    store = await harness.createTestStore();
    const stranger = await accept(await chain.createCustomer());
    const begin = (await turnOf(stranger)) - step;
    expect(begin > turns[0]! + 6n * step).to.equal(true);
    // However often they are looked at: no further behind than that.
    for (const turn of await turnsOf([...all, newcomer]))
      expect(Number(turn - begin)).to.be.within(0, Number(16n * step));
  });

  it('are not further behind for what their store has on its way already', async () => {
    for (const { id } of await acceptMany(5)) await sendAttempt(later(0), id);
    expect(relayer.sent).to.have.length(5);
    const waiting = await accept(await chain.createCustomer());
    const own = await readAttempt(ctx, waiting.payment);
    for (const looks of [0, 1]) {
      await withClaim(later(looks), { own, isOwnAside: true }, ({ candidates, putAside }) => {
        for (const { attempt } of candidates)
          putAside(attempt, addMs(later(looks).clock.now(), 2_000));
        return Promise.resolve();
      });
    }
    expect(await turnOf(waiting)).to.equal(own.turn + 2n * own.turnStep);
  });

  it('come back one by one, though they stood aside together', async () => {
    const all = await acceptMany(12);
    const own = await readAttempt(ctx, all[0]!.payment);
    let drawn = 0;
    const served = (await turnOf(all.at(-1)!)) + 1n;
    const random = () => (++drawn * 0.618) % 1;
    for (const looks of [0, 1]) {
      const at = later(looks);
      await withClaim(
        { ...withLimits(at, 12), random },
        { own, isOwnAside: true },
        ({ candidates, putAside }) => {
          for (const { attempt } of candidates) putAside(attempt, addMs(at.clock.now(), 2_000));
          return Promise.resolve();
        },
      );
      // Meanwhile the order has gone on, past all of them.
      if (looks === 0) await inTransaction(ctx.db, (trx) => noteServedTurn(trx, chainId, served));
    }
    const turns = await Promise.all(all.map(turnOf));
    expect(turns).to.deep.equal(turns.toSorted((a, b) => Number(a - b)));
    expect(turns[0]! > served).to.equal(true);
    expect(new Set(turns).size).to.be.above(8);
  });

  for (const rail of ['forwarder', 'authorization'] as const) {
    it(`for an earlier one of their payer lose nothing by it, once that is in a block (${rail})`, async () => {
      const [customer, ...strangers] = [
        await chain.createCustomer(),
        await chain.createCustomer(),
        await chain.createCustomer(),
      ];
      const handIn = (permit: boolean) =>
        rail === 'forwarder'
          ? acceptForward(customer)
          : accept(customer, permit ? signPermit(customer, 0n) : undefined);
      const earlier = await handIn(false);
      await sendAttempt(later(0), earlier.id);
      expect(await statusOf(earlier)).to.equal('submitted');
      const waiting = await handIn(true);
      const others: Waiting[] = [];
      for (const stranger of strangers) others.push(await acceptForward(stranger));
      const { turn } = await readAttempt(ctx, waiting.payment);
      for (const looks of [0, 1]) {
        await withClaim(
          later(looks),
          { own: await readAttempt(ctx, waiting.payment), isOwnAside: true },
          ({ candidates, putAside }) => {
            for (const { attempt } of candidates)
              putAside(attempt, addMs(later(looks).clock.now(), 2_000));
            return Promise.resolve();
          },
        );
      }
      expect((await turnOf(waiting)) > (await turnOf(others[1]!))).to.equal(true);
      await chain.mine();
      await confirmOnce(withLimits(ctx, 1, 0), earlier.payment);
      expect((await turnOf(waiting)) <= turn).to.equal(true);
      await sendAttempt(withLimits(later(2), 1, 0), others[0]!.id);
      expect(await statusesOf([waiting, ...others])).to.deep.equal([
        'submitted',
        'queued',
        'queued',
      ]);
    });
  }

  it('while that earlier one comes into a block go on at once', async () => {
    const [customer, stranger] = [await chain.createCustomer(), await chain.createCustomer()];
    const earlier = await acceptForward(customer);
    await sendAttempt(later(0), earlier.id);
    const [waiting, other] = [await acceptForward(customer), await acceptForward(stranger)];
    await sendAttempt(later(0), waiting.id);
    expect([await statusOf(waiting), await statusOf(other)]).to.deep.equal(['queued', 'submitted']);
    const own = await readAttempt(ctx, waiting.payment);
    await withClaim(later(1), { own, isOwnAside: true }, async ({ candidates, putAside }) => {
      expect(candidates.map(({ attempt }) => attempt.id)).to.deep.equal([waiting.id]);
      await chain.mine();
      await confirmOnce(ctx, earlier.payment);
      putAside(candidates[0]!.attempt, later(20).clock.now());
    });
    const [row] = await selectRows<{ choose_after: Date | null; claim_id: string | null }>(
      ctx.db,
      'SELECT choose_after, claim_id FROM relay_attempts WHERE id = ?',
      [waiting.id],
    );
    expect(row).to.deep.equal({ choose_after: null, claim_id: null });
    expect((await turnOf(waiting)) < own.turn).to.equal(true);
  });

  it('since they cannot be asked about are a failure of their own, and go behind when they fail again', async () => {
    const bad = await chain.createCustomer();
    const refused = await accept(bad);
    const [one, other] = [
      await accept(await chain.createCustomer()),
      await accept(await chain.createCustomer()),
    ];
    await chain.moveTokensAway(bad);
    await chain.mine();
    const silent = withChain(withLimits(ctx, 2, 0), chainId, (port) => ({
      findPayer: (paymentId, ...rest) =>
        paymentId === refused.payment.id
          ? Promise.reject(new AppError(CHAIN_ERRORS.unavailable))
          : port.findPayer(paymentId, ...rest),
    }));
    const { turn } = await readAttempt(ctx, refused.payment);
    expect(await sendAttempt(later(0, silent), one.id)).to.deep.equal(DONE);
    expect([await statusOf(refused), await statusOf(one)]).to.deep.equal(['queued', 'submitted']);
    expect(await sendAttempt(later(2, silent), other.id)).to.deep.equal(DONE);
    expect([await statusOf(refused), await statusOf(other)]).to.deep.equal(['queued', 'submitted']);
    expect((await turnOf(refused)) > turn).to.equal(true);
    const failures = await selectRows<{ subject_id: string; failures: string | number }>(
      ctx.db,
      "SELECT subject_id, failures FROM work_failures WHERE queue = 'relay' AND subject_id IN (?, ?, ?)",
      [refused.id, one.id, other.id],
    );
    expect(failures.map((row) => [row.subject_id, Number(row.failures)])).to.deep.equal([
      [refused.id, 2],
    ]);
  });

  it('refused once by a node that lags are sent at the next look, whatever the weight of their store', async () => {
    await setRelayWeight(ctx, { storeId: store.storeId, weight: 10_000 });
    ctx = withLimits(ctx, 2);
    const [refused, ...others] = await acceptMany(6);
    const lagging = withChain(ctx, chainId, (port) => ({
      async simulateRelay(items) {
        const simulation = await port.simulateRelay(items);
        if (simulation.kind !== 'ran') return simulation;
        const outcomes = simulation.outcomes.map((outcome, index) =>
          items[index]?.paymentId === refused!.payment.id
            ? { succeeds: false as const, reason: 'short' }
            : outcome,
        );
        return { ...simulation, outcomes };
      },
      findRefusal: () => Promise.resolve({ kind: 'insufficientAllowance', allowance: 0n }),
    }));
    await sendAttempt(later(0, lagging), others[4]!.id);
    expect(await statusesOf([refused!, ...others])).to.deep.equal([
      'queued',
      'submitted',
      'queued',
      'queued',
      'queued',
      'queued',
    ]);
    await sendAttempt(later(1), others[4]!.id);
    expect(await statusesOf([refused!, ...others])).to.deep.equal([
      'submitted',
      'submitted',
      'submitted',
      'queued',
      'queued',
      'queued',
    ]);
  });

  it('refused by one URL that another contradicts are not behind for that', async () => {
    const [refused, ...others] = await acceptMany(4);
    const isRefused = (items: readonly { readonly paymentId: string }[]) =>
      items[0]?.paymentId === refused!.payment.id;
    const contradicted = withChain(withLimits(ctx, 1, 0), chainId, (port) => ({
      estimateRelayGas: (items) =>
        isRefused(items)
          ? Promise.resolve({ kind: 'refused', reason: 'short' })
          : port.estimateRelayGas(items),
      findRefusal: () => Promise.resolve({ kind: 'insufficientAllowance', allowance: 0n }),
      isSurelyRefused: () => Promise.resolve(false),
    }));
    for (const looks of [0, 1]) await sendAttempt(later(looks, contradicted), others[looks]!.id);
    expect(await statusesOf([refused!, ...others])).to.deep.equal([
      'queued',
      'submitted',
      'submitted',
      'queued',
    ]);
    await sendAttempt(later(2), others[2]!.id);
    expect(await statusesOf([refused!, ...others])).to.deep.equal([
      'submitted',
      'submitted',
      'submitted',
      'queued',
    ]);
  });
});
