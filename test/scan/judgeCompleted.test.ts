import { expect } from 'chai';

import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import { addMs } from '../../shared/clock.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { atTime, setSettledTime } from '../support/varyContext.ts';

const FOREIGN = asBytes32(`0x${'ab'.repeat(32)}`);
/** How often a process looks. */
const INTERVAL_MS = 15_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

describe('completed payments that are judged again', () => {
  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let block: bigint;
  /** Of the last look; each test goes on from there. */
  let now = new Date();

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: 2, maxBlockRange: 1_000 }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
    block = await chain.getHeadNumber();
    // Deeper than what is read again with every scan.
    await chain.mine(200);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  const read = ({ id }: Pick<Payment, 'id'>) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId: id });

  async function scanAt(time: Date): Promise<void> {
    now = time;
    await chain.mine();
    await scanChain(atTime(harness.ctx, time), chainId);
  }

  let wrongOnes = 0;
  /** As if a wrong block had passed the last look. */
  async function completeWrongly(expiresInSeconds = 900): Promise<Payment> {
    const payment = await harness.createTestPayment(store, {
      token: chain.token,
      expiresInSeconds,
    });
    const place = {
      block_number: Number(block),
      block_hash: FOREIGN,
      log_index: ++wrongOnes,
      tx_hash: FOREIGN,
    };
    await harness.ctx
      .db('payments')
      .where({ id: payment.id })
      .update({ status: 'completed', completed_at: new Date(), ...place });
    return payment;
  }

  it('are looked at every fifteen seconds, however often the chain is scanned', async () => {
    await scanAt(addMs(now, INTERVAL_MS));
    const lookedAt = now;
    const payment = await completeWrongly();
    await scanAt(addMs(lookedAt, INTERVAL_MS - 1));
    expect((await read(payment)).status).to.equal('completed');
    await scanAt(addMs(lookedAt, INTERVAL_MS));
    expect((await read(payment)).status).to.equal('pending');
  });

  it('are looked at all the same after a clock that was hours ahead is set right', async () => {
    const right = addMs(now, INTERVAL_MS);
    await scanAt(addMs(right, 3 * HOUR_MS));
    const payment = await completeWrongly();
    await scanAt(right);
    expect((await read(payment)).status).to.equal('pending');
    const next = await completeWrongly();
    await scanAt(addMs(right, INTERVAL_MS - 1));
    expect((await read(next)).status).to.equal('completed');
    await scanAt(addMs(right, INTERVAL_MS));
    expect((await read(next)).status).to.equal('pending');
  });

  describe('and are not on the chain, near the end of their time,', () => {
    for (const { name, oursMs, chainsIsOver, status } of [
      {
        name: 'wait again while neither clock says that it is over',
        oursMs: -10 * MINUTE_MS,
        chainsIsOver: false,
        status: 'pending',
      },
      {
        name: 'wait again when only the database’s clock says so',
        oursMs: 10 * MINUTE_MS,
        chainsIsOver: false,
        status: 'pending',
      },
      {
        name: 'are over when the chain’s clock says so',
        oursMs: 20 * MINUTE_MS,
        chainsIsOver: true,
        status: 'expired',
      },
      {
        name: 'are over when only the chain’s clock says so',
        oursMs: -5 * MINUTE_MS,
        chainsIsOver: true,
        status: 'expired',
      },
    ] as const) {
      it(name, async () => {
        const payment = await completeWrongly(HOUR_MS / 1000);
        const { expiresAt } = payment.terms;
        await setSettledTime(harness.ctx, chainId, addMs(expiresAt, chainsIsOver ? 1_000 : 0));
        await scanAt(addMs(expiresAt, oursMs));
        const withdrawn = await read(payment);
        expect(withdrawn).to.deep.include({ status, position: null, completedAt: null });
        expect((await readHistory(harness.ctx, withdrawn)).at(-1)).to.equal('payment.reorged');
        await harness.ctx
          .db('chain_cursors')
          .update({ settled_block: null, settled_timestamp: null });
      });
    }
  });
});
