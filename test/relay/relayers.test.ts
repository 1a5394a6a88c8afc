import { expect } from 'chai';

import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { RelayerPort, SendOutcome } from '../../domain/relayers/ports.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import type { ChainConfig, RelayerConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { signAuthorization } from '../support/gasless.ts';
import { expectTrueFlights } from '../support/expectTrueFlights.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { confirmOnce, driveUntil, isOver, readAttempt, readPayment } from '../support/relayFlow.ts';
import { withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;

/** One request a transaction, so that each send is a choice. */
const alone = (chain: ChainConfig): ChainConfig => ({
  ...chain,
  relayLimits: { ...chain.relayLimits, maxBatchSize: 1 },
});

describe('several relayers of one chain', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let one: OwnRelayer;
  let two: OwnRelayer;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    const configure = chain.configure({ confirmations: CONFIRMATIONS });
    harness = await createHarness({
      config: (config) => {
        const configured = configure(config);
        return { ...configured, chains: configured.chains.map(alone) };
      },
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  afterEach(() => expectTrueFlights(harness.ctx.db));
  beforeEach(async () => {
    [one, two] = [await chain.createRelayer(), await chain.createRelayer()];
  });

  const using = (...relayers: RelayerPort[]) => withRelayers(harness.ctx, chainId, relayers);
  const answering = (relayer: OwnRelayer, outcome: SendOutcome): RelayerPort => ({
    ...relayer,
    send: () => Promise.resolve(outcome),
  });
  const refused = (retryAfterMs: number): SendOutcome => ({
    kind: 'refused',
    reason: 'too many',
    retryAfterMs,
  });
  const ambiguous: SendOutcome = { kind: 'ambiguous', reason: 'no answer' };
  const at = (ctx: Context, laterMs: number): Context => ({
    ...ctx,
    clock: { now: () => addMs(new Date(), laterMs) },
  });

  function configured(
    ctx: Context,
    id: string,
    changes: Partial<Pick<RelayerConfig, 'draining'>>,
  ): Context {
    const chains = ctx.config.chains.map((config) => ({
      ...config,
      relayers: config.relayers.map((relayer) =>
        relayer.id === id ? { ...relayer, ...changes } : relayer,
      ),
    }));
    return { ...ctx, config: { ...ctx.config, chains } };
  }

  async function accept(ctx: Context): Promise<{ payment: Payment; id: string }> {
    const payment = await harness.createTestPayment(store, { token: chain.token });
    await executePayment(ctx, await signAuthorization(ctx, await chain.createCustomer(), payment));
    return { payment, id: (await readAttempt(ctx, payment)).id };
  }

  async function complete(ctx: Context, payment: Payment): Promise<void> {
    const driving = setInterval(() => void chain.mine().catch(() => undefined), 50);
    try {
      const ended = await driveUntil(ctx, payment, isOver, 30_000);
      expect({
        payment: ended.payment.status,
        attempt: ended.attempt.status,
        error: ended.attempt.errorDetail,
      }).to.deep.equal({
        payment: 'completed',
        attempt: 'succeeded',
        error: null,
      });
      expect(await chain.countPayments(payment.id)).to.equal(1);
    } finally {
      clearInterval(driving);
    }
  }

  it('share the work: the one with less to do takes the next transaction', async () => {
    const ctx = using(one, two);
    for (let count = 0; count < 4; count++) await sendAttempt(ctx, (await accept(ctx)).id);
    expect([one.sent.length, two.sent.length]).to.deep.equal([2, 2]);
  });

  it('stand in for each other: when one refuses, the other takes the request at once, and the first one rests for as long as it asked', async () => {
    const ctx = using(answering(one, refused(30_000)), two);
    const first = await accept(ctx);
    // Whichever is asked first: in the end the other has it.
    for (let tries = 0; tries < 2; tries++) await sendAttempt(ctx, first.id);
    const second = await accept(ctx);
    for (let tries = 0; tries < 2; tries++) await sendAttempt(ctx, second.id);
    expect([one.sent.length, two.sent.length]).to.deep.equal([0, 2]);
    await complete(using(one, two), first.payment);
    await complete(using(one, two), second.payment);
  });

  it('come back after their rest with one transaction to see, even when many ask at once', async () => {
    const silent = using(answering(one, ambiguous));
    for (let count = 0; count < 3; count++) await sendAttempt(silent, (await accept(silent)).id);
    const waiting = await accept(silent);
    expect((await sendAttempt(silent, waiting.id)).kind).to.equal('later');
    expect((await readAttempt(silent, waiting.payment)).status).to.equal('queued');

    let asked = 0;
    const slow = using({
      ...one,
      send: (input) => (asked++ === 0 ? one.send(input) : Promise.reject(new Error('asked twice'))),
    });
    const others = [waiting, await accept(silent), await accept(silent)];
    const rested = at(slow, 3_000);
    await Promise.all(
      others.map(({ id }) =>
        sendAttempt({ ...rested, relayers: new Map(rested.relayers) }, id).catch(() => undefined),
      ),
    );
    expect(asked, 'transactions while it was tried').to.be.within(1, 3);
    expect(one.sent.length).to.equal(1);
  });

  it('accept requests while none of them works, which wait and are paid when one is back; direct payments go on meanwhile', async () => {
    const broken = using(answering(one, refused(1_000)), answering(two, refused(1_000)));
    const { payment, id } = await accept(broken);
    for (let tries = 0; tries < 3; tries++) await sendAttempt(broken, id);
    expect(await readAttempt(broken, payment)).to.include({ status: 'queued', errorCode: null });
    const direct = await harness.createTestPayment(store, { token: chain.token });
    await chain.pay(await chain.createCustomer(), direct);
    await chain.mine(CONFIRMATIONS);
    await scanChain(broken, chainId);
    expect((await readPayment(broken, direct)).status).to.equal('completed');
    await complete(using(one, two), payment);
  });

  it('that are being drained get nothing new, and what they have is followed to its end', async () => {
    const ctx = using(one);
    const { payment, id } = await accept(ctx);
    await sendAttempt(ctx, id);
    const draining = configured(using(one, two), one.id, { draining: true });
    for (let count = 0; count < 3; count++)
      await sendAttempt(draining, (await accept(draining)).id);
    expect([one.sent.length, two.sent.length]).to.deep.equal([1, 3]);
    await complete(draining, payment);
  });

  describe('one of which is taken out of the configuration', () => {
    it('leaves nothing behind: what it had taken is found on the chain', async () => {
      const before = using(one);
      const { payment, id } = await accept(before);
      await sendAttempt(before, id);
      const after = using(two);
      expect((await confirmOnce(after, payment)).kind).to.equal('later');
      expect((await readAttempt(after, payment)).status).to.equal('submitted');
      await complete(after, payment);
      expect(two.sent).to.have.length(0);
    });

    it('leaves nothing in doubt: what it never acknowledged goes to another one, though not before it had time to show up', async () => {
      const before = using(answering(one, ambiguous));
      const { payment, id } = await accept(before);
      await sendAttempt(before, id);
      expect((await readAttempt(before, payment)).status).to.equal('unknown');
      const after = using(two);
      expect((await confirmOnce(after, payment)).kind).to.equal('later');
      expect((await readAttempt(after, payment)).status).to.equal('unknown');
      const later = at(after, harness.config.relay.unsentAfterMs + 1_000);
      await confirmOnce(later, payment);
      expect((await readAttempt(after, payment)).status).to.equal('queued');
      await complete(after, payment);
      expect([one.sent.length, two.sent.length]).to.deep.equal([0, 1]);
    });

    it('and whose transaction lands after all costs nobody anything but gas', async () => {
      let kept: Parameters<RelayerPort['send']>[0] | undefined;
      const before = using({
        ...one,
        send: (input) => {
          kept = input;
          return Promise.resolve(ambiguous);
        },
      });
      const { payment, id } = await accept(before);
      await sendAttempt(before, id);
      const after = using(two);
      await confirmOnce(at(after, harness.config.relay.unsentAfterMs + 1_000), payment);
      // Late, and before the other one had a chance.
      await one.send(kept!);
      await complete(after, payment);
      expect(await chain.countPayments(payment.id)).to.equal(1);
    });
  });
});
