import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { createChain } from '../../adapters/chain/createChain.ts';
import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { MAX_SENDS } from '../../domain/relay/attempts/decideBatchSize.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import type { Permit } from '../../domain/chain/contractModel.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { expectTrueFlights } from '../support/expectTrueFlights.ts';
import { signAuthorization, signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { confirmOnce, endWaitingAttempts, readAttempt, readPayment } from '../support/relayFlow.ts';
import { startOddNode } from '../support/startOddNode.ts';
import {
  atTime,
  setSettledTime,
  withChain,
  withHeadTime,
  withRelayers,
} from '../support/varyContext.ts';

const CONFIRMATIONS = 2;

describe('permits of one account that are handed in at once', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;
  let customer: PrivateKeyAccount;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: CONFIRMATIONS }) });
    store = await harness.createTestStore();
    ({ chainId } = chain);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    await endWaitingAttempts(harness.ctx);
    relayer = await chain.createRelayer();
    ctx = withRelayers(harness.ctx, chainId, [relayer]);
    customer = await chain.createCustomer({ approve: false });
  });
  afterEach(() => expectTrueFlights(harness.ctx.db));

  interface Waiting {
    readonly payment: Payment;
    readonly id: string;
  }

  const createPayment = (amount = 1_500_000n) =>
    harness.createTestPayment(store, {
      token: chain.token,
      amount: parseAmountUnits(String(amount)),
    });
  async function accepted(payment: Payment): Promise<Waiting> {
    return { payment, id: (await readAttempt(ctx, payment)).id };
  }
  async function accept(
    account = customer,
    rail: 'authorization' | 'forwarder' = 'authorization',
    amount?: bigint,
  ): Promise<Waiting> {
    const payment = await createPayment(amount);
    if (rail === 'forwarder') await relayPayment(ctx, await signGasless(ctx, account, payment));
    else await executePayment(ctx, await signAuthorization(ctx, account, payment));
    expect((await readAttempt(ctx, payment)).permit === null).to.equal(account !== customer);
    return accepted(payment);
  }
  const statusOf = async ({ payment }: Waiting) => (await readAttempt(ctx, payment)).status;

  async function mineAndConfirm(...all: readonly Waiting[]): Promise<void> {
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    for (const { payment } of all)
      if ((await readAttempt(ctx, payment)).transactionId !== null) await confirmOnce(ctx, payment);
  }
  async function expectCompleted(one: Waiting): Promise<void> {
    expect(await readPayment(ctx, one.payment)).to.include({ status: 'completed' });
    expect(await readAttempt(ctx, one.payment)).to.include({ status: 'succeeded' });
  }
  /** Told why, before anything was sent for it; and it can be paid still. */
  async function expectToldUnsent(one: Waiting, detail: RegExp): Promise<void> {
    const attempt = await readAttempt(ctx, one.payment);
    expect(attempt).to.include({ status: 'failed', errorCode: 'PAY_002', sends: 0, gasUsed: 0n });
    expect(attempt.errorDetail).to.match(detail);
    expect(await readPayment(ctx, one.payment)).to.include({ status: 'pending' });
    const waste = await selectRows(
      ctx.db,
      'SELECT holder FROM relay_waste WHERE holder IN (?, ?)',
      [customer.address, one.payment.id],
    );
    expect(waste).to.deep.equal([]);
  }
  const USED =
    /the token refuses the permit \(its nonce 0 is used: another permit of the same account was taken before\)/;

  it('in one batch: one is sent, the other waits until it is mined, and then hears why', async () => {
    const [first, second] = [await accept(), await accept()];
    await sendAttempt(ctx, first.id);
    expect(await statusOf(first)).to.equal('submitted');
    for (let looks = 0; looks < 3; looks++) {
      expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
      expect(await readAttempt(ctx, second.payment)).to.include({ status: 'queued', sends: 0 });
    }
    expect(relayer.sent).to.have.length(1);
    await mineAndConfirm(first);
    await expectCompleted(first);
    expect(await sendAttempt(ctx, second.id)).to.deep.equal(DONE);
    await expectToldUnsent(second, USED);
    expect(relayer.sent).to.have.length(1);
  });

  for (const [one, other] of [
    ['authorization', 'authorization'],
    ['authorization', 'forwarder'],
    ['forwarder', 'authorization'],
  ] as const) {
    it(`in two batches, first ${one}, then ${other}: the second waits, and others go on`, async () => {
      const first = await accept(customer, one);
      await sendAttempt(ctx, first.id);
      const second = await accept(customer, other);
      const stranger = await accept(await chain.createCustomer(), other);
      expect(await sendAttempt(ctx, second.id)).to.deep.equal(DONE);
      expect(await statusOf(stranger)).to.equal('submitted');
      expect(await statusOf(second)).to.equal('queued');
      // Its job ended with the others' transaction, so there is a new one.
      const promises = await selectRows(
        ctx.db,
        "SELECT id FROM outbox WHERE queue = 'relay' AND subject_id = ?",
        [second.id],
      );
      expect(promises).to.have.length(1);
      expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
      await mineAndConfirm(first, stranger);
      expect(await sendAttempt(ctx, second.id)).to.deep.equal(DONE);
      await expectToldUnsent(second, USED);
      expect(relayer.sent).to.have.length(2);
    });
  }

  it('in two worker processes, each of which has chosen and estimated one: only one is sent', async () => {
    const [first, second] = [
      await accept(customer, 'authorization'),
      await accept(customer, 'forwarder'),
    ];
    const other = await createContext(harness.config, {
      name: 'test',
      eventSinks: EVENT_SINKS,
      relayerKeys: harness.relayerKeys,
    });
    try {
      let estimated = 0;
      let goOn = (): void => undefined;
      const both = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const together = (of: Context) =>
        withChain(withRelayers(of, chainId, [relayer]), chainId, (port) => ({
          async estimateRelayGas(items) {
            const estimate = await port.estimateRelayGas(items);
            if (++estimated === 2) goOn();
            await both;
            return estimate;
          },
        }));
      await Promise.all([
        sendAttempt(together(harness.ctx), first.id),
        sendAttempt(together(other.ctx), second.id),
      ]);
      expect(relayer.sent).to.have.length(1);
      expect([await statusOf(first), await statusOf(second)]).to.have.members([
        'submitted',
        'queued',
      ]);
      const [sent, waiting] =
        (await statusOf(first)) === 'submitted' ? [first, second] : [second, first];
      await mineAndConfirm(sent);
      await expectCompleted(sent);
      await sendAttempt(ctx, waiting.id);
      await expectToldUnsent(waiting, USED);
    } finally {
      await other.close();
    }
  });

  it('chosen and estimated before another process sent the first: it is held back, and no relayer is put on trial for it', async () => {
    const [first, second] = [await accept(), await accept()];
    const restedUntil = addMs(ctx.clock.now(), -60_000);
    let isFirst = true;
    const late = withChain(ctx, chainId, (port) => ({
      async estimateRelayGas(items) {
        const estimate = await port.estimateRelayGas(items);
        if (isFirst) {
          isFirst = false;
          await execute(ctx.db, "UPDATE relay_attempts SET status = 'submitted' WHERE id = ?", [
            first.id,
          ]);
        }
        return estimate;
      },
    }));
    await execute(ctx.db, 'UPDATE relay_attempts SET choose_after = ? WHERE id = ?', [
      addMs(ctx.clock.now(), 30_000),
      first.id,
    ]);
    await execute(ctx.db, 'INSERT INTO relayers (id, failures, resting_until) VALUES (?, 3, ?)', [
      relayer.id,
      restedUntil,
    ]);
    expect((await sendAttempt(late, second.id)).kind).to.equal('later');
    expect(isFirst).to.equal(false);
    expect(await statusOf(second)).to.equal('queued');
    const relayers = await selectRows(
      ctx.db,
      'SELECT failures, resting_until FROM relayers WHERE id = ?',
      [relayer.id],
    );
    expect(relayers).to.deep.equal([{ failures: 3, resting_until: restedUntil }]);
    await execute(
      ctx.db,
      "UPDATE relay_attempts SET status = 'failed', live_subject_id = NULL WHERE id = ?",
      [first.id],
    );
    await sendAttempt(ctx, second.id);
    expect(await statusOf(second)).to.equal('submitted');
  });

  it('when the first comes to nothing, the second is still good, and is sent', async () => {
    const [first, second] = [await accept(), await accept()];
    await chain.moveTokensAway(customer);
    await sendAttempt(ctx, first.id);
    expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
    await chain.mine();
    await chain.mint(customer.address, 10n ** 12n);
    await mineAndConfirm(first);
    expect(await readAttempt(ctx, first.payment)).to.include({
      status: 'failed',
      errorCode: 'PAY_030',
    });
    await sendAttempt(ctx, second.id);
    expect(await statusOf(second)).to.equal('submitted');
    await mineAndConfirm(second);
    await expectCompleted(second);
  });

  it('that wait until their deadline end with that reason', async () => {
    const [first, second] = [await accept(), await accept()];
    await sendAttempt(ctx, first.id);
    const { deadline } = await readAttempt(ctx, second.payment);
    const late = withHeadTime(atTime(ctx, addMs(deadline, 1_000)), chainId, addMs(deadline, 1_000));
    await setSettledTime(ctx, chainId, addMs(deadline, -60_000));
    await sendAttempt(late, second.id);
    const attempt = await readAttempt(ctx, second.payment);
    expect(attempt).to.include({ status: 'failed', errorCode: 'PAY_019', sends: 0 });
    expect(attempt.errorDetail).to.match(
      /another request of the same account and token was on its way/,
    );
  });

  /** As a store may hand one in, though none was asked for. */
  async function signPermit({ terms }: Payment): Promise<Permit> {
    const deadline = toUnixSeconds(terms.expiresAt);
    const request = { token: terms.token, owner: customer.address, value: terms.amount, deadline };
    const typedData = await ctx.chains.get(chainId)?.buildPermitTypedData(request);
    if (typedData === undefined) throw new Error('the token has no permit');
    return {
      value: terms.amount,
      deadline: BigInt(deadline),
      signature: await signTypedData(customer, typedData),
    };
  }

  describe('beside one that its relayer gave up, and that may be mined all the same', () => {
    /** Sent, and forgotten by the chain and by whoever sent it. */
    async function sendAndGiveUp(...all: readonly Waiting[]): Promise<void> {
      const goBack = await chain.takeSnapshot();
      await sendAttempt(ctx, all[0]?.id ?? '');
      await goBack();
      const ended: OwnRelayer = {
        ...relayer,
        async findTransaction(id) {
          const found = await relayer.findTransaction(id);
          return found && { ...found, state: 'ended' };
        },
      };
      await confirmOnce(withRelayers(ctx, chainId, [ended]), all[0]!.payment);
      for (const { payment } of all)
        expect(await readAttempt(ctx, payment)).to.include({
          status: 'queued',
          mayStillLand: true,
        });
    }

    /** Or the job of another one would send it, whose turn comes first. */
    async function letStandAside({ id }: Waiting, now = new Date()): Promise<void> {
      await execute(ctx.db, 'UPDATE relay_attempts SET choose_after = ? WHERE id = ?', [
        addMs(now, 30_000),
        id,
      ]);
    }

    it('waits while that one could go first', async () => {
      const first = await accept();
      await sendAndGiveUp(first);
      await letStandAside(first);
      const second = await accept(customer, 'forwarder', 1_000n);
      expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
      expect(relayer.sent).to.have.length(1);
      await sendAttempt(ctx, first.id);
      expect([await statusOf(first), await statusOf(second)]).to.deep.equal([
        'submitted',
        'queued',
      ]);
    });

    it('is sent once that one cannot go: what it would move is not there any more', async () => {
      const first = await accept();
      await sendAndGiveUp(first);
      await chain.moveTokensAway(customer);
      await chain.mint(customer.address, 1_000n);
      await chain.mine();
      const second = await accept(customer, 'authorization', 1_000n);
      expect((await sendAttempt(ctx, first.id)).kind).to.equal('later');
      expect(await readAttempt(ctx, first.payment)).to.include({
        status: 'queued',
        mayStillLand: true,
      });
      await sendAttempt(ctx, second.id);
      expect(await statusOf(second)).to.equal('submitted');
      await mineAndConfirm(second);
      await expectCompleted(second);
    });

    it('is sent once that one was sent too often, or is too late', async () => {
      for (const change of [`sends = ${MAX_SENDS}`, 'deadline = created_at']) {
        const first = await accept();
        await sendAndGiveUp(first);
        await letStandAside(first);
        const second = await accept(customer, 'forwarder', 1_000n);
        expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
        await execute(ctx.db, `UPDATE relay_attempts SET ${change} WHERE id = ?`, [first.id]);
        await sendAttempt(ctx, second.id);
        expect(await statusOf(second), change).to.equal('submitted');
        await mineAndConfirm(second);
        await endWaitingAttempts(ctx);
      }
    });

    it('is sent when two thirds of its time are gone', async () => {
      const first = await accept();
      await sendAndGiveUp(first);
      const second = await accept(customer, 'forwarder', 1_000n);
      const { createdAt, deadline } = await readAttempt(ctx, second.payment);
      const at = (part: number) =>
        atTime(ctx, addMs(createdAt, (deadline.getTime() - createdAt.getTime()) * part));
      await letStandAside(first, at(0.66).clock.now());
      expect((await sendAttempt(at(0.66), second.id)).kind).to.equal('later');
      expect(await statusOf(second)).to.equal('queued');
      await sendAttempt(at(0.67), second.id);
      expect(await statusOf(second)).to.equal('submitted');
    });

    it('is sent when that one waits for it, by the nonce at the forwarder', async () => {
      await chain.approve(customer);
      const acceptForward = async (bringsPermit: boolean): Promise<Waiting> => {
        const payment = await createPayment();
        const signed = await signGasless(ctx, customer, payment);
        await relayPayment(ctx, {
          ...signed,
          permit: bringsPermit ? await signPermit(payment) : null,
        });
        return accepted(payment);
      };
      const [dead, follower] = [await acceptForward(false), await acceptForward(false)];
      await sendAndGiveUp(dead, follower);
      await execute(
        ctx.db,
        "UPDATE relay_attempts SET status = 'failed', live_subject_id = NULL, live_nonce = NULL WHERE id = ?",
        [dead.id],
      );
      const heir = await acceptForward(true);
      const nonces = await selectRows<{ live_nonce: string | number }>(
        ctx.db,
        'SELECT live_nonce FROM relay_attempts WHERE id IN (?, ?)',
        [heir.id, follower.id],
      );
      expect(nonces.map(({ live_nonce: nonce }) => Number(nonce))).to.have.members([0, 1]);
      await sendAttempt(ctx, heir.id);
      expect(await statusOf(heir)).to.equal('submitted');
      await mineAndConfirm(heir);
      await expectCompleted(heir);
    });
  });

  describe('beside one that was in a block', () => {
    /** A is mined, and its block is taken back. @returns how to have it mined again */
    async function mineAndTakeBack(
      first: Waiting,
      meanwhile?: () => Promise<void>,
    ): Promise<() => Promise<void>> {
      await sendAttempt(ctx, first.id);
      const sent = relayer.sent.at(-1)!;
      const goBack = await chain.takeSnapshot();
      await chain.mine();
      await confirmOnce(ctx, first.payment);
      expect(await statusOf(first)).to.equal('mined');
      await meanwhile?.();
      await goBack();
      return async () => {
        await chain.send(sent);
        await mineAndConfirm(first);
      };
    }

    it('is not refused for a nonce that has not come, whenever that block is taken back, and is sent when it is there again', async () => {
      const first = await accept();
      let second: Waiting | undefined;
      const mineAgain = await mineAndTakeBack(first, async () => {
        second = await accept();
      });
      if (second === undefined) throw new Error('there is no second one');
      expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
      expect(await readAttempt(ctx, second.payment)).to.include({
        status: 'queued',
        errorCode: null,
      });
      await mineAgain();
      await expectCompleted(first);
      await sendAttempt(ctx, second.id);
      expect(await statusOf(second)).to.equal('submitted');
      await mineAndConfirm(second);
      await expectCompleted(second);
    });

    it('is not refused for such a nonce when nothing holds it back: only its deadline ends it, and says so', async () => {
      const first = await accept();
      let second: Waiting | undefined;
      await mineAndTakeBack(first, async () => {
        second = await accept();
      });
      if (second === undefined) throw new Error('there is no second one');
      await execute(
        ctx.db,
        "UPDATE relay_attempts SET status = 'failed', live_subject_id = NULL WHERE id = ?",
        [first.id],
      );
      expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
      expect(await readAttempt(ctx, second.payment)).to.include({
        status: 'queued',
        sends: 0,
        errorCode: null,
      });
      const { deadline } = await readAttempt(ctx, second.payment);
      const late = withHeadTime(
        atTime(ctx, addMs(deadline, 1_000)),
        chainId,
        addMs(deadline, 1_000),
      );
      await sendAttempt(late, second.id);
      const attempt = await readAttempt(ctx, second.payment);
      expect(attempt).to.include({ status: 'failed', errorCode: 'PAY_019' });
      expect(attempt.errorDetail).to.match(/no earlier permit of the account was taken/);
    });

    it('of the same nonce waits when that block is taken back, until the first is there again', async () => {
      const [first, second] = [await accept(), await accept()];
      const mineAgain = await mineAndTakeBack(first);
      expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
      expect(await statusOf(second)).to.equal('queued');
      expect(relayer.sent).to.have.length(1);
      await mineAgain();
      await sendAttempt(ctx, second.id);
      await expectToldUnsent(second, USED);
    });

    it('is sent at once when the chain shows, as of that block, that its permit is the next one', async () => {
      const patient = {
        ...ctx,
        config: { ...ctx.config, relay: { ...ctx.config.relay, refusalGraceMs: 15_000 } },
      };
      const first = await accept();
      await sendAttempt(patient, first.id);
      await chain.mine();
      const second = await accept();
      // In a block, as the chain says; the first one's job does not know of it yet.
      expect((await sendAttempt(patient, second.id)).kind).to.equal('later');
      await confirmOnce(patient, first.payment);
      expect(await statusOf(first)).to.equal('mined');
      await sendAttempt(patient, second.id);
      expect(await statusOf(second), 'after one that is mined').to.equal('submitted');
      await mineAndConfirm(first, second);
      await expectCompleted(second);
      const third = await accept();
      await sendAttempt(patient, third.id);
      expect(await statusOf(third), 'after one that has ended').to.equal('submitted');
      expect(relayer.sent).to.have.length(3);
    });

    it('waits when only a node without that block takes its permit for the next one', async () => {
      const node = await startOddNode(chain.rpcUrl);
      try {
        const [config] = harness.config.chains;
        const old = createChain({
          chain: { ...config!, rpcUrls: [node.url] },
          log: ctx.log,
          clock: ctx.clock,
        });
        const patient = {
          ...ctx,
          config: { ...ctx.config, relay: { ...ctx.config.relay, refusalGraceMs: 15_000 } },
        };
        // Both were signed with the same nonce.
        const [first, second] = [await accept(), await accept()];
        await sendAttempt(ctx, first.id);
        await node.standStill();
        await mineAndConfirm(first);
        await expectCompleted(first);
        const lagging = withChain(patient, chainId, () => ({
          isPermitNext: old.isPermitNext,
          estimateRelayGas: old.estimateRelayGas,
        }));
        expect((await sendAttempt(lagging, second.id)).kind).to.equal('later');
        expect(await statusOf(second)).to.equal('queued');
        expect(relayer.sent).to.have.length(1);
      } finally {
        await node.close();
      }
    });

    it('waits for as long as a node may not have that block, also when the first has ended', async () => {
      const [first, second] = [await accept(), await accept()];
      await sendAttempt(ctx, first.id);
      await mineAndConfirm(first);
      await expectCompleted(first);
      const patient = {
        ...ctx,
        config: { ...ctx.config, relay: { ...ctx.config.relay, refusalGraceMs: 15_000 } },
      };
      // As of a node without it.
      const lagging = withChain(patient, chainId, () => ({
        estimateRelayGas: () => Promise.resolve({ kind: 'estimated' as const, gasLimit: 300_000n }),
      }));
      expect((await sendAttempt(lagging, second.id)).kind).to.equal('later');
      expect(await statusOf(second)).to.equal('queued');
      expect(relayer.sent).to.have.length(1);
      await sendAttempt(ctx, second.id);
      await expectToldUnsent(second, USED);
    });
  });

  describe('beside an approval that they replace', () => {
    async function acceptApproved(bringsPermit: boolean): Promise<Waiting> {
      const payment = await createPayment();
      const signed = await signAuthorization(ctx, customer, payment);
      expect(signed.permit).to.equal(null);
      await executePayment(ctx, {
        ...signed,
        permit: bringsPermit ? await signPermit(payment) : null,
      });
      return accepted(payment);
    }

    it('a request that relies on it waits for the permit, and hears what is left', async () => {
      await chain.approve(customer);
      const first = await acceptApproved(true);
      await sendAttempt(ctx, first.id);
      const second = await acceptApproved(false);
      expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
      await mineAndConfirm(first);
      await expectCompleted(first);
      await sendAttempt(ctx, second.id);
      await expectToldUnsent(second, /^The gateway may take 0 of the 1500000/);
    });

    it('and a permit waits for a request that relies on it: both are made', async () => {
      await chain.approve(customer);
      const first = await acceptApproved(false);
      await sendAttempt(ctx, first.id);
      const second = await acceptApproved(true);
      expect((await sendAttempt(ctx, second.id)).kind).to.equal('later');
      await mineAndConfirm(first);
      await sendAttempt(ctx, second.id);
      await mineAndConfirm(second);
      for (const one of [first, second]) await expectCompleted(one);
    });

    it('requests without any permit do not wait for each other', async () => {
      await chain.approve(customer);
      const first = await acceptApproved(false);
      await sendAttempt(ctx, first.id);
      const second = await acceptApproved(false);
      await sendAttempt(ctx, second.id);
      expect(relayer.sent).to.have.length(2);
      await mineAndConfirm(first, second);
      for (const one of [first, second]) await expectCompleted(one);
    });
  });
});
