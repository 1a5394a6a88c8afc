import { expect } from 'chai';

import type { ChainPort } from '../../domain/chain/ports.ts';
import { findSettledTime, getChain } from '../../domain/chain/service.ts';
import { moveBack } from '../../domain/scan/follow/moveBack.ts';
import type { Payment } from '../../domain/payments/model.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { createUnlessBusy } from '../../shared/createUnlessBusy.ts';
import { runChainScan } from '../../workers/runChainScan.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { readPayment } from '../support/relayFlow.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { withChain } from '../support/varyContext.ts';
import { waitUntil } from '../support/waitUntil.ts';

const UNHEARD = { final: 0, early: 0, absent: 0, unheard: 1 };

describe('while an RPC URL takes long to say whether payments are final', function () {
  this.timeout(60_000);

  let harness: Harness;
  let store: TestStore;
  let workers: RunningWorkers | undefined;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    store = await harness.createTestStore();
  });
  after(async () => {
    await workers?.stop();
    await harness.close();
  });

  const hasStatus = (payment: Payment, status: Payment['status']) =>
    waitUntil(async () => (await readPayment(harness.ctx, payment)).status === status, {
      what: `a payment that is ${status}`,
    });

  it('the next blocks are looked at, and others expire; they are asked about once at a time, and completed in the end', async () => {
    const chainId = harness.config.chains[0]?.chainId ?? 0;
    let [asked, atOnce, mostAtOnce] = [0, 0, 0];
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const change = (ctx: Context) =>
      withChain(ctx, chainId, (chain) => ({
        async pollEvents(events) {
          asked++;
          mostAtOnce = Math.max(mostAtOnce, ++atOnce);
          await answered;
          atOnce--;
          return chain.pollEvents(events);
        },
      }));
    workers = await runWorkers(harness, ['chain-scan', 'expire'], { change });
    const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
    const first = await harness.createTestPayment(store);
    await harness.chain.payDirectly(customer, first);
    await waitUntil(() => asked > 0, { what: 'the question' });
    const settledBefore = await findSettledTime(harness.ctx.db, chainId);

    const next = await harness.createTestPayment(store);
    await harness.chain.payDirectly(customer, next);
    await hasStatus(next, 'processing');
    const unpaid = await harness.createTestPayment(store, { expiresInSeconds: 1 });
    await hasStatus(unpaid, 'expired');
    expect(Number(await findSettledTime(harness.ctx.db, chainId))).to.be.greaterThan(
      Number(settledBefore ?? 0),
    );
    expect([asked, mostAtOnce]).to.deep.equal([1, 1]);
    expect((await readPayment(harness.ctx, first)).status).to.equal('processing');

    answer();
    await hasStatus(first, 'completed');
    await hasStatus(next, 'completed');
  });

  it('its failures are counted by themselves, and those of the scan too', async () => {
    await workers?.stop();
    const chainId = harness.config.chains[0]?.chainId ?? 0;
    const payment = await harness.createTestPayment(store);
    await harness.chain.payDirectly(
      await harness.chain.createCustomer({ token: harness.tokens.TUSD }),
      payment,
    );
    const scan = (change: (chain: ChainPort) => Partial<ChainPort>) =>
      runChainScan(withChain(harness.ctx, chainId, change), chainId, createUnlessBusy()).catch(
        (error: unknown) => error,
      );
    const failing = async () =>
      (
        await selectRows<{ subject_id: string }>(
          harness.ctx.db,
          'SELECT subject_id FROM work_failures',
        )
      ).map((row) => row.subject_id);
    const fail = () => Promise.reject(new Error('a bug'));
    const failOfOne = (chain: ChainPort): Partial<ChainPort> => ({
      pollEvents: (events) =>
        events.some(({ paymentId }) => paymentId === payment.id)
          ? fail()
          : chain.pollEvents(events),
    });
    await waitUntil(async () => (await scan(failOfOne)) instanceof Error, { what: 'a failure' });
    expect(await failing()).to.deep.equal([`${chainId}-final`]);
    expect((await readPayment(harness.ctx, payment)).status).to.equal('processing');
    expect(await scan(() => ({ getHead: fail }))).to.be.an('error');
    expect((await failing()).sort()).to.deep.equal([String(chainId), `${chainId}-final`]);
    expect(await scan(() => ({}))).to.equal(undefined);
    expect(await failing()).to.deep.equal([]);
    await hasStatus(payment, 'completed');
  });

  it('nothing is completed by a head from before the scan was moved back', async () => {
    const chainId = harness.config.chains[0]?.chainId ?? 0;
    const payment = await harness.createTestPayment(store);
    await harness.chain.payDirectly(
      await harness.chain.createCustomer({ token: harness.tokens.TUSD }),
      payment,
    );
    let hasMoved = false;
    const scan = (change: (chain: ChainPort) => Partial<ChainPort>) =>
      runChainScan(withChain(harness.ctx, chainId, change), chainId, createUnlessBusy());
    await waitUntil(
      async () => {
        await scan((chain) => ({
          async pollEvents(events) {
            const answers = await chain.pollEvents(events);
            for (const { blockNumber } of events.slice(0, 1)) {
              await moveBack(harness.ctx, chainId, {
                nextBlock: blockNumber,
                withdraw: { after: blockNumber - 1n, until: blockNumber },
              });
              hasMoved = true;
            }
            return answers;
          },
        }));
        return hasMoved;
      },
      { what: 'a judgement' },
    );
    expect((await readPayment(harness.ctx, payment)).status).to.equal('processing');
    await waitUntil(
      async () => {
        await scan(() => ({}));
        return (await readPayment(harness.ctx, payment)).status === 'completed';
      },
      { what: 'the completion' },
    );
  });

  it('what is deep enough all the same is completed, though a later block was replaced meanwhile', async () => {
    const chainId = harness.config.chains[0]?.chainId ?? 0;
    const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
    const payment = await harness.createTestPayment(store);
    await harness.chain.payDirectly(customer, payment);
    const headNumber = async () => (await getChain(harness.ctx, chainId).getHead()).number;
    const block = await headNumber();
    const isCompleted = async () =>
      (await readPayment(harness.ctx, payment)).status === 'completed';
    const scan = (change: (chain: ChainPort) => Partial<ChainPort>) =>
      runChainScan(withChain(harness.ctx, chainId, change), chainId, createUnlessBusy());
    // Nothing is completed yet, however deep it is.
    const unheard = () => ({
      pollEvents: (events: readonly unknown[]) => Promise.resolve(events.map(() => UNHEARD)),
    });
    await waitUntil(
      async () => {
        await scan(unheard);
        return (await headNumber()) > block + 6n;
      },
      { what: 'later blocks' },
    );
    expect(await isCompleted()).to.equal(false);
    let hasMoved = false;
    await waitUntil(
      async () => {
        await scan((chain) => ({
          async pollEvents(events) {
            const answers = await chain.pollEvents(events);
            const last = await headNumber();
            await moveBack(harness.ctx, chainId, {
              nextBlock: last,
              withdraw: { after: last - 1n, until: last },
            });
            hasMoved = true;
            return answers;
          },
        }));
        return hasMoved;
      },
      { what: 'a judgement' },
    );
    expect(await isCompleted()).to.equal(true);
  });

  it('that one of them is not due says nothing of its failures', async () => {
    const chainId = harness.config.chains[0]?.chainId ?? 0;
    const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
    const completed = await harness.createTestPayment(store);
    await harness.chain.payDirectly(customer, completed);
    // So that the last final block is another one than that of the payment.
    await harness.chain.payDirectly(customer, await harness.createTestPayment(store));
    await waitUntil(
      async () => {
        await runChainScan(harness.ctx, chainId, createUnlessBusy());
        return (await readPayment(harness.ctx, completed)).status === 'completed';
      },
      { what: 'the completion' },
    );
    const block = (await readPayment(harness.ctx, completed)).position?.blockNumber;
    let laterMs = 0;
    const clock = { now: () => addMs(harness.ctx.clock.now(), laterMs) };
    const ctx = withChain({ ...harness.ctx, clock }, chainId, (chain) => ({
      findBlock: (number) =>
        number === block ? Promise.reject(new Error('a bug')) : chain.findBlock(number),
    }));
    const scan = () =>
      runChainScan(ctx, chainId, createUnlessBusy()).catch((error: unknown) => error);
    for (let looks = 0; looks < 3; looks++) {
      laterMs += 16_000;
      expect(await scan()).to.be.an('error');
      expect(await scan()).to.equal(undefined);
    }
    const rows = await selectRows(
      harness.ctx.db,
      'SELECT subject_id, failures FROM work_failures',
      [],
    );
    expect(rows).to.deep.equal([{ subject_id: `${chainId}-completed`, failures: 3 }]);
  });
});
