import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../../domain/relay/getAuthorizationRequest.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { findTransaction } from '../../domain/relay/attempts/transactionStore.ts';
import type { Context } from '../../platform/context.ts';
import { execute, placeholders } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { signAuthorization, signGasless, signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import {
  startOwnChain,
  type OwnChain,
  type OwnContractWallet,
  type OwnRelayer,
} from '../support/ownChain.ts';
import { confirmOnce, readAttempt, readPayment } from '../support/relayFlow.ts';
import {
  atTime,
  setSettledTime,
  withChain,
  withRelayer,
  withRelayers,
} from '../support/varyContext.ts';

const CONFIRMATIONS = 2;

interface Waiting {
  readonly payment: Payment;
  readonly id: string;
}

describe('choosing what is sent next', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;

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
    relayer = await chain.createRelayer();
    ctx = withRelayers(harness.ctx, chainId, [relayer]);
  });

  const withBatchSize = (maxBatchSize: number, base = ctx): Context => ({
    ...base,
    config: {
      ...base.config,
      chains: base.config.chains.map((config) => ({
        ...config,
        relayLimits: { ...config.relayLimits, maxBatchSize },
      })),
    },
  });

  async function accept(customer: PrivateKeyAccount): Promise<Waiting> {
    const payment = await harness.createTestPayment(store, { token: chain.token });
    await executePayment(ctx, await signAuthorization(ctx, customer, payment));
    return { payment, id: (await readAttempt(ctx, payment)).id };
  }

  async function acceptMany(count: number): Promise<Waiting[]> {
    const waiting: Waiting[] = [];
    for (let index = 0; index < count; index++)
      waiting.push(await accept(await chain.createCustomer()));
    return waiting;
  }

  async function acceptFromWallet(wallet: OwnContractWallet): Promise<Waiting> {
    const payment = await harness.createTestPayment(store, { token: chain.token });
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

  /** Nothing of one test waits in the next. */
  async function finish(all: readonly Waiting[]): Promise<void> {
    for (const { id } of all) await sendAttempt(ctx, id);
    await mineAndConfirm(all);
    await expectCompleted(all);
  }

  const transactionOf = async ({ payment }: Waiting) => {
    const { transactionId } = await readAttempt(ctx, payment);
    return transactionId === null ? undefined : findTransaction(ctx.db, transactionId);
  };

  it('one rail’s waiting requests, and their jobs, do not keep those of another rail waiting', async () => {
    const small = withBatchSize(1);
    const flood = await acceptMany(5);
    const other = await harness.createTestStore();
    const customer = await chain.createCustomer();
    const payment = await harness.createTestPayment(other, { token: chain.token });
    await relayPayment(ctx, await signGasless(ctx, customer, payment));
    const waiting = { payment, id: (await readAttempt(ctx, payment)).id };
    // The flood's jobs alone get to the relayer; the other store has its turn before most of them.
    for (const { id } of flood.slice(0, 3)) await sendAttempt(small, id);
    expect(await readAttempt(ctx, payment)).to.include({ status: 'submitted' });
    expect(relayer.sent).to.have.length(3);
    await finish([...flood, waiting]);
  });

  it('a batch that has shrunk since it was estimated is estimated again: one that is left has the gas of one, whatever its wallet would burn', async () => {
    const hostile = await chain.createContractWallet();
    await hostile.setMode('turnCostly');
    const last = await acceptFromWallet(hostile);
    const others = [
      await acceptFromWallet(await chain.createContractWallet()),
      await acceptFromWallet(await chain.createContractWallet()),
      await acceptFromWallet(await chain.createContractWallet()),
    ];
    const estimated: number[] = [];
    const leaving = withChain(ctx, chainId, (port) => ({
      async estimateRelayGas(items) {
        const estimate = await port.estimateRelayGas(items);
        estimated.push(items.length);
        const ids = others.map(({ payment }) => payment.id);
        await execute(
          ctx.db,
          `UPDATE payments SET relay_attempt_id = NULL WHERE id IN (${placeholders(ids)})`,
          ids,
        );
        return estimate;
      },
    }));
    await sendAttempt(leaving, last.id);
    expect(estimated).to.deep.equal([4, 1]);
    expect(relayer.sent).to.have.length(1);
    const transaction = await transactionOf(last);
    const gasLimit = transaction?.gasLimit ?? 0n;
    expect(transaction?.items).to.equal(1);
    expect(gasLimit < 500_000n, `${gasLimit}`).to.equal(true);
    await mineAndConfirm([last]);
    const burnt = await readAttempt(ctx, last.payment);
    expect(burnt).to.include({ status: 'failed', errorCode: 'PAY_030' });
    expect(burnt.gasUsed <= gasLimit).to.equal(true);
    for (const { payment } of others)
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_029',
      });
  });

  describe('makes batches smaller', () => {
    it('not because a slow chain did not take them: they go on together, however often they were sent', async () => {
      const waiting = await acceptMany(4);
      await sendAttempt(ctx, waiting[0]!.id);
      const soon = {
        ...ctx,
        config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } },
      };
      await confirmOnce(soon, waiting[0]!.payment);
      for (const { payment } of waiting) {
        expect(await readAttempt(ctx, payment)).to.include({
          status: 'queued',
          mayStillLand: true,
          sends: 1,
          batchFailures: 0,
        });
      }
      await sendAttempt(withBatchSize(4), waiting[0]!.id);
      expect((await transactionOf(waiting[3]!))?.items).to.equal(4);
      expect(relayer.sent).to.have.length(2);
      await mineAndConfirm(waiting);
      await expectCompleted(waiting);
    });

    it('when the relayer gives up on one that is still valid, or a block has undone it', async () => {
      const waiting = await acceptMany(4);
      const small = withBatchSize(4);
      await sendAttempt(small, waiting[0]!.id);
      const refusing = withRelayer(small, chainId, (own) => ({
        findTransaction: async (id) => {
          const found = await own.findTransaction(id);
          return found && { ...found, state: 'ended' };
        },
      }));
      await confirmOnce(refusing, waiting[0]!.payment);
      for (const { payment } of waiting)
        expect(await readAttempt(ctx, payment)).to.include({
          status: 'queued',
          sends: 1,
          batchFailures: 1,
        });
      const stingy = withRelayer(small, chainId, (own) => ({
        send: (input) => own.send({ ...input, gasLimit: 200_000n }),
      }));
      await sendAttempt(stingy, waiting[0]!.id);
      expect((await transactionOf(waiting[1]!))?.items).to.equal(2);
      // The first transaction, in which all of them were, is mined before the second.
      await mineAndConfirm(waiting.slice(0, 2));
      await finish(waiting);
    });
  });

  it('asks nobody about one that can only be waited for, until its deadline is over in a final block', async () => {
    const [waiting] = await acceptMany(1);
    const { payment, id } = waiting!;
    await sendAttempt(ctx, id);
    await confirmOnce(
      { ...ctx, config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } } },
      payment,
    );
    const { deadline, mayStillLand } = await readAttempt(ctx, payment);
    expect(mayStillLand).to.equal(true);
    await scanChain(ctx, chainId);
    const asked: string[] = [];
    const lookAt = (ms: number) =>
      sendAttempt(
        withChain(atTime(ctx, addMs(deadline, ms)), chainId, (port) => ({
          findPayer: (paymentId) => {
            asked.push(paymentId);
            return port.findPayer(paymentId);
          },
          getHead: async () => ({ ...(await port.getHead()), timestamp: addMs(deadline, ms) }),
        })),
        id,
      );
    // As far behind as a chain that calls blocks final after ten minutes.
    await setSettledTime(ctx, chainId, addMs(deadline, -600_000));
    expect(await lookAt(1_000)).to.deep.equal({ kind: 'later', at: addMs(deadline, 632_000) });
    expect(asked).to.deep.equal([]);
    await setSettledTime(ctx, chainId, addMs(deadline, 30_000));
    expect(await lookAt(632_000)).to.deep.equal(DONE);
    expect(await readAttempt(ctx, payment)).to.include({ status: 'failed', errorCode: 'PAY_019' });
    // The chain's clock is as it was.
    await chain.mine();
    await scanChain(ctx, chainId);
  });
});
