import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { Payment } from '../../domain/payments/model.ts';
import { checkRelayers } from '../../domain/relayers/checkRelayers.ts';
import { RATE_WINDOW_MS } from '../../domain/relayers/model.ts';
import { RELAY_ERRORS } from '../../domain/relay/errors.ts';
import type { RelayerPort, SendOutcome } from '../../domain/relayers/ports.ts';
import { findFreeRelayer, type FreeRelayer } from '../../domain/relayers/findFreeRelayer.ts';
import { noteSend } from '../../domain/relayers/noteSend.ts';
import { lockRelayersOf, takeFreeRelayer } from '../../domain/relayers/takeFreeRelayer.ts';
import { listRelayers } from '../../domain/relayers/state/relayerStore.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { insertTransaction } from '../../domain/relay/attempts/transactionStore.ts';
import type { ChainConfig, RelayerConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { signAuthorization } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { confirmOnce, driveUntil, isOver, readAttempt, readPayment } from '../support/relayFlow.ts';
import { createFakeClock, withChain, withRelayers } from '../support/varyContext.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';

const CONFIRMATIONS = 2;
const TIMEOUT_MS = 1_500;
const UNSENT_AFTER_MS = 3_000;
const ACCEPTED: SendOutcome = {
  kind: 'accepted',
  transaction: { providerTransactionId: 'x', hash: null, state: 'pending' },
};
const AMBIGUOUS: SendOutcome = { kind: 'ambiguous', reason: 'no answer' };

/** One request a transaction, so that each send is a choice. */
const alone = (chain: ChainConfig): ChainConfig => ({
  ...chain,
  relayLimits: { ...chain.relayLimits, maxBatchSize: 1 },
});

describe('the rotation of relayers', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let customer: PrivateKeyAccount;
  let one: OwnRelayer;
  let two: OwnRelayer;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    const configure = chain.configure({ confirmations: CONFIRMATIONS });
    harness = await createHarness({
      env: {
        MSQPAY_RELAY_TIMEOUT_MS: String(TIMEOUT_MS),
        MSQPAY_RELAY_UNSENT_AFTER_MS: String(UNSENT_AFTER_MS),
      },
      config: (config) => {
        const configured = configure(config);
        return { ...configured, chains: configured.chains.map(alone) };
      },
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
    customer = await chain.createCustomer();
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    [one, two] = [await chain.createRelayer(), await chain.createRelayer()];
  });

  const using = (...relayers: RelayerPort[]) => withRelayers(harness.ctx, chainId, relayers);
  const at = (ctx: Context, laterMs: number): Context => ({
    ...ctx,
    clock: { now: () => addMs(new Date(), laterMs) },
  });
  const counts = () => [one.sent.length, two.sent.length];

  function limiting(
    ctx: Context,
    limits: Partial<Pick<RelayerConfig, 'transactionsPerMinute' | 'maxInFlight'>>,
  ): Context {
    const chains = ctx.config.chains.map((config) => ({
      ...config,
      relayers: config.relayers.map((relayer) => ({ ...relayer, ...limits })),
    }));
    return { ...ctx, config: { ...ctx.config, chains } };
  }

  async function accept(ctx: Context): Promise<{ payment: Payment; id: string }> {
    const payment = await harness.createTestPayment(store, { token: chain.token });
    await executePayment(ctx, await signAuthorization(ctx, customer, payment));
    return { payment, id: (await readAttempt(ctx, payment)).id };
  }

  async function sendOne(ctx: Context): Promise<Payment> {
    const { payment, id } = await accept(ctx);
    await sendAttempt(ctx, id);
    return payment;
  }

  async function complete(ctx: Context, payments: readonly Payment[]): Promise<void> {
    const mining = setInterval(() => void chain.mine().catch(() => undefined), 50);
    try {
      for (const payment of payments) {
        const ended = await driveUntil(ctx, payment, isOver, 30_000);
        expect(ended.payment).to.include({ status: 'completed', late: false });
        expect(ended.attempt).to.include({ status: 'succeeded', errorCode: null });
        expect(await chain.countPayments(payment.id)).to.equal(1);
      }
    } finally {
      clearInterval(mining);
    }
  }

  const paused = (relayer: OwnRelayer): RelayerPort => ({
    ...relayer,
    getStatus: async () => ({ ...(await relayer.getStatus()), paused: true }),
  });
  const readStanding = async (ctx: Context, relayer: RelayerPort) =>
    (await listRelayers(ctx.db, [relayer.id]))[0]?.standing;

  for (const [standing, spoil] of [
    [
      'paused',
      (relayers) => using(...relayers.map((relayer) => (relayer === one ? paused(one) : relayer))),
    ],
    [
      'poor',
      (relayers) => {
        const empty = one.getStatus().then(({ address }) => address);
        return withChain(using(...relayers), chainId, (port) => ({
          getBalance: async (owner) => (owner === (await empty) ? 0n : port.getBalance(owner)),
        }));
      },
    ],
  ] as const satisfies [string, (relayers: OwnRelayer[]) => Context][]) {
    it(`has no place for one that a check finds ${standing}, until another check finds it well again`, async () => {
      const spoiled = spoil([one, two]);
      await checkRelayers(spoiled, readRelayerLoads);
      expect([await readStanding(spoiled, one), await readStanding(spoiled, two)]).to.deep.equal([
        standing,
        'ready',
      ]);
      const payments = [await sendOne(spoiled), await sendOne(spoiled)];
      expect(counts()).to.deep.equal([0, 2]);

      const well = using(one, two);
      await checkRelayers(well, readRelayerLoads);
      expect(await readStanding(well, one)).to.equal('ready');
      payments.push(await sendOne(well), await sendOne(well));
      expect(counts()).to.deep.equal([2, 2]);
      await complete(well, payments);
    });

    it(`with all of it ${standing} lets requests wait, takes on new ones, and sends all when one is back`, async () => {
      const spoiled = spoil([one]);
      await checkRelayers(spoiled, readRelayerLoads);
      const first = await accept(spoiled);
      const result = await sendAttempt(spoiled, first.id);
      expect(result.kind).to.equal('later');
      const second = await accept(spoiled);
      expect(await readAttempt(spoiled, first.payment)).to.include({
        status: 'queued',
        sends: 0,
        errorCode: null,
      });
      expect((await readPayment(spoiled, second.payment)).status).to.equal('processing');
      expect(counts()).to.deep.equal([0, 0]);
      const well = using(one);
      await checkRelayers(well, readRelayerLoads);
      await complete(well, [first.payment, second.payment]);
    });
  }

  it('goes on with one that did not answer the last check: a send shows whether it works', async () => {
    const silent = using({
      ...one,
      getStatus: () => Promise.reject(new AppError(RELAY_ERRORS.relayerUnavailable)),
    });
    await checkRelayers(silent, readRelayerLoads);
    expect(await readStanding(silent, one)).to.equal('silent');
    const payment = await sendOne(silent);
    expect(counts()).to.deep.equal([1, 0]);
    await complete(silent, [payment]);
  });

  it('comes to one with a stuck transaction last, and to the same as before once that is mined', async () => {
    const { stuckAfterMs } = harness.config.relay;
    const stuck = await sendOne(using(one));
    const both = using(one, two);
    const muchLater = at(both, stuckAfterMs + 1_000);
    // The other one has more to do than it, and is chosen all the same.
    const payments = [await sendOne(muchLater), await sendOne(muchLater), await sendOne(muchLater)];
    expect(counts()).to.deep.equal([1, 3]);
    // When there is no other one, it is better than none.
    payments.push(await sendOne(at(using(one), stuckAfterMs + 1_000)));
    expect(counts()).to.deep.equal([2, 3]);
    await complete(both, [stuck, ...payments]);
    await sendOne(muchLater);
    await sendOne(muchLater);
    expect(counts()).to.deep.equal([3, 4]);
  });

  describe('counts under its locks, so that for any number of workers', () => {
    /**
     * As many workers as there are asking at the same moment, each with a connection of its own;
     * what one may send, it writes down.
     */
    async function askAtOnce(ctx: Context, workers: number): Promise<FreeRelayer[]> {
      return Promise.all(
        Array.from({ length: workers }, () =>
          inUnitOfWork(ctx, async (unit) => {
            const free = await takeFreeRelayer(
              ctx,
              unit,
              readRelayerLoads,
              await lockRelayersOf(ctx, unit, chainId),
            );
            if ('relayerId' in free) {
              await insertTransaction(unit.trx, {
                id: ctx.newId('rtx'),
                chainId,
                relayerId: free.relayerId,
                to: harness.stack.deployment.gateway,
                data: '0x',
                gasLimit: 100_000n,
                validUntil: addMs(ctx.clock.now(), 900_000),
                items: 1,
                providerTransactionId: null,
                hash: null,
                hashes: [],
                sentAt: ctx.clock.now(),
                blockNumber: null,
                blockHash: null,
                gasUsed: null,
                effectiveGasPrice: null,
                abandonedAt: null,
              });
            }
            return free;
          }),
        ),
      );
    }
    const taken = (answers: readonly FreeRelayer[]) =>
      answers.flatMap((free) => ('relayerId' in free ? [free.relayerId] : []));

    it('the first half of a minute’s transactions goes at once and no more, shared out evenly', async () => {
      const ctx = {
        ...limiting(using(one, two), { transactionsPerMinute: 8 }),
        clock: createFakeClock(new Date()),
      };
      const answers = await askAtOnce(ctx, 20);
      const ids = taken(answers);
      expect([one, two].map(({ id }) => ids.filter((other) => other === id).length)).to.deep.equal([
        4, 4,
      ]);
      // The fifth of eight has to wait for a quarter of the minute.
      for (const free of answers)
        if ('waitMs' in free) expect(free.waitMs).to.equal(Math.min(3_000, RATE_WINDOW_MS / 4));
    });

    it('no minute, wherever it begins, has more transactions than allowed, the second half of them is spread, and nothing is left unused', async () => {
      const limit = 6;
      const clock = createFakeClock(new Date());
      const ctx = { ...limiting(using(one), { transactionsPerMinute: limit }), clock };
      const start = clock.now().getTime();
      const sentAt: number[] = [];
      for (let second = 0; second < 180; second++) {
        const ids = taken(await askAtOnce(ctx, 3));
        sentAt.push(...ids.map(() => clock.now().getTime() - start));
        clock.advance(1_000);
      }
      for (const from of sentAt) {
        expect(
          sentAt.filter((ms) => ms >= from && ms < from + RATE_WINDOW_MS).length,
          `from ${from} ms on`,
        ).to.be.at.most(limit);
      }
      expect(sentAt.slice(0, limit).map((ms) => ms / 1_000)).to.deep.equal([0, 0, 0, 15, 30, 45]);
      // Three minutes, of which the first may begin with a burst.
      expect(sentAt.length).to.be.within(3 * limit - 1, 3 * limit);
    });

    it('one transaction tries a relayer whose rest is over; the others wait for what comes of it', async () => {
      const clock = createFakeClock(new Date());
      const ctx = { ...using(one), clock };
      await askAtOnce(ctx, 1);
      for (let count = 0; count < 3; count++) await noteSend(ctx, one.id, AMBIGUOUS);
      expect(taken(await askAtOnce(ctx, 5))).to.deep.equal([]);
      clock.advance(2_000);
      const answers = await askAtOnce(ctx, 15);
      expect(taken(answers)).to.deep.equal([one.id]);
      for (const free of answers)
        if ('waitMs' in free) expect(free.waitMs).to.be.within(1, 2 * TIMEOUT_MS);

      // It failed once more: twice the rest, and then one again.
      await noteSend(ctx, one.id, AMBIGUOUS);
      expect(await findFreeRelayer(ctx, readRelayerLoads, chainId)).to.deep.equal({
        waitMs: 3_000,
      });
      clock.advance(3_999);
      expect(taken(await askAtOnce(ctx, 5))).to.deep.equal([]);
      clock.advance(1);
      expect(taken(await askAtOnce(ctx, 5))).to.have.length(1);

      // The worker that tried it died: somebody else tries, in time.
      clock.advance(2 * TIMEOUT_MS - 1);
      expect(taken(await askAtOnce(ctx, 5))).to.deep.equal([]);
      clock.advance(1);
      expect(taken(await askAtOnce(ctx, 5))).to.have.length(1);

      await noteSend(ctx, one.id, ACCEPTED);
      expect(taken(await askAtOnce(ctx, 5))).to.have.length(5);
      expect((await listRelayers(ctx.db, [one.id]))[0]).to.include({
        failures: 0,
        restingUntil: null,
        restingReason: null,
      });
    });

    it('one that refuses is left alone for exactly as long as it asks, while the other takes everything', async () => {
      const clock = createFakeClock(new Date());
      const ctx = { ...using(one, two), clock };
      await askAtOnce(ctx, 2);
      await noteSend(ctx, one.id, {
        kind: 'refused',
        reason: 'too many requests',
        retryAfterMs: 7_000,
      });
      clock.advance(6_999);
      expect(new Set(taken(await askAtOnce(ctx, 6)))).to.deep.equal(new Set([two.id]));
      clock.advance(1);
      expect(taken(await askAtOnce(ctx, 6)).filter((id) => id === one.id)).to.have.length(1);
    });
  });

  describe('without a relayer that was taken out of the configuration', () => {
    it('leaves what it took to it while that may still be mined, then sends it through another one', async () => {
      const before = using(one);
      const { payment, id } = await accept(before);
      const forget = await chain.takeSnapshot();
      await sendAttempt(before, id);
      await forget();
      const after = using(two);
      expect((await confirmOnce(at(after, 4 * UNSENT_AFTER_MS), payment)).kind).to.equal('later');
      expect((await readAttempt(after, payment)).status).to.equal('submitted');
      await confirmOnce(at(after, 5 * UNSENT_AFTER_MS + 1_000), payment);
      expect(await readAttempt(after, payment)).to.include({
        status: 'queued',
        mayStillLand: true,
        transactionId: null,
      });
      await complete(after, [payment]);
      expect(counts()).to.deep.equal([1, 1]);
    });

    it('is not called failed while what was never acknowledged may still be mined', async () => {
      let kept: Parameters<RelayerPort['send']>[0] | undefined;
      const before = using({
        ...one,
        send: (input) => {
          kept = input;
          return Promise.resolve(AMBIGUOUS);
        },
      });
      const { payment, id } = await accept(before);
      await sendAttempt(before, id);
      const after = using({
        ...two,
        send: () => Promise.resolve({ kind: 'rejected', reason: 'not for me' }),
      });
      await confirmOnce(at(after, UNSENT_AFTER_MS + 1_000), payment);
      expect((await readAttempt(after, payment)).status).to.equal('queued');
      await sendAttempt(after, id);
      // Nobody could ask the first relayer whether it has the transaction: it has.
      expect((await readPayment(after, payment)).status).to.equal('processing');
      await one.send(kept!);
      await complete(after, [payment]);
      expect(await readHistory(after, await readPayment(after, payment))).to.not.include(
        'payment.relay_failed',
      );
    });

    it('is paid once when both transactions are mined', async () => {
      const before = using(one);
      const { payment, id } = await accept(before);
      const forget = await chain.takeSnapshot();
      await sendAttempt(before, id);
      await forget();
      const after = using(two);
      await confirmOnce(at(after, 5 * UNSENT_AFTER_MS + 1_000), payment);
      await sendAttempt(after, id);
      expect(counts()).to.deep.equal([1, 1]);
      // The first one lands after all, in the same block as its substitute.
      await chain.send(one.sent[0]!);
      await complete(after, [payment]);
    });
  });
});
