import { expect } from 'chai';

import type { Payment } from '../../domain/payments/model.ts';
import { moveBack } from '../../domain/scan/follow/moveBack.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import type { Context } from '../../platform/context.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import { createFakeChain, fakeHash, fakeLog } from '../support/fakeChain.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { withChain } from '../support/varyContext.ts';
import type { PaymentProcessedLog } from '../../domain/chain/contractModel.ts';

describe('what a scanner remembers of the logs that it has applied', () => {
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let head = 100n;
  let logs: readonly PaymentProcessedLog[] = [];

  before(async () => {
    harness = await createHarness({
      config: (config) => ({
        ...config,
        chains: config.chains.map((one) => ({ ...one, startBlock: 1, confirmations: 50 })),
      }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(() => harness.close());
  beforeEach(() => {
    logs = [];
  });

  /** On another fork the block of this number, and no other one, is another. */
  let replaced: bigint | undefined;
  const onFake = (ctx: Context) =>
    withChain(ctx, chainId, () => {
      const fake = createFakeChain(
        () => head,
        () => logs,
      );
      return {
        ...fake,
        findBlock: async (number: bigint) => {
          const block = await fake.findBlock?.(number);
          return block && number === replaced
            ? { ...block, hash: fakeHash(0xf02c, number) }
            : block;
        },
      };
    });
  const statusOf = async ({ id }: Payment) =>
    (await getPayment(harness.ctx, { storeId: store.storeId, paymentId: id })).status;

  /** Scans one block more. @returns how often payments were looked up */
  async function scan(ctx: Context = harness.ctx): Promise<number> {
    head += 1n;
    let lookups = 0;
    const count = ({ sql }: { sql: string }) => {
      if (/SELECT id, status, block_hash, log_index FROM payments/.test(sql)) lookups++;
    };
    ctx.db.on('query', count);
    try {
      await scanChain(onFake(ctx), chainId);
    } finally {
      ctx.db.off('query', count);
    }
    return lookups;
  }

  it('is not looked up again while its blocks are read again', async () => {
    const payment = await harness.createTestPayment(store);
    await scan();
    logs = [fakeLog(payment, head + 1n, 0)];
    expect(await scan()).to.equal(1);
    expect(await statusOf(payment)).to.equal('processing');
    for (let tries = 0; tries < 3; tries++) expect(await scan()).to.equal(0);
  });

  it('holds events of payments that are not ours as well: many of them are looked up once, beside a few that are', async () => {
    const payments = [
      await harness.createTestPayment(store),
      await harness.createTestPayment(store),
      await harness.createTestPayment(store),
    ] as const;
    await scan();
    const block = head + 1n;
    const foreign = Array.from({ length: 5_000 }, (_, index) => ({
      ...fakeLog(payments[0], block, index),
      paymentId: fakeHash(0xf04e, BigInt(index)),
    }));
    const [first, second, third] = payments;
    // Ours come first, in the middle and last.
    const middle = foreign.length / 2;
    logs = [
      fakeLog(first, block, foreign.length),
      ...foreign.slice(0, middle),
      fakeLog(second, block, foreign.length + 1),
      ...foreign.slice(middle),
      fakeLog(third, block, foreign.length + 2),
    ];
    expect(await scan(), 'slices of 500').to.equal(11);
    expect(await Promise.all(payments.map(statusOf))).to.deep.equal([
      'processing',
      'processing',
      'processing',
    ]);
    for (let tries = 0; tries < 3; tries++) expect(await scan()).to.equal(0);
    // One more event is looked up by itself.
    const late = await harness.createTestPayment(store);
    logs = [...logs, fakeLog(late, head + 1n, 0)];
    expect(await scan()).to.equal(1);
    expect(await statusOf(late)).to.equal('processing');
  });

  it('is forgotten when another process has moved the scan back and withdrawn something', async () => {
    const { ctx: other, close } = await createContext(harness.config, {
      name: 'test',
      eventSinks: EVENT_SINKS,
    });
    try {
      const payment = await harness.createTestPayment(store);
      await scan();
      const shown = [fakeLog(payment, head + 1n, 0)];
      logs = shown;
      await scan();
      expect(await statusOf(payment)).to.equal('processing');
      // The other process sees another fork for a moment, on which the payment is not.
      logs = [];
      replaced = head;
      await moveBack(other, chainId, {
        nextBlock: head,
        withdraw: { after: head - 1n, until: head },
      });
      await scan(other);
      expect(await statusOf(payment)).to.equal('pending');
      replaced = undefined;
      logs = shown;
      await scan();
      expect(await statusOf(payment)).to.equal('processing');
    } finally {
      await close();
    }
  });

  it('is forgotten when something is withdrawn, also what was applied since the scan was moved back', async () => {
    const [payment, second, other] = [
      await harness.createTestPayment(store),
      await harness.createTestPayment(store),
      await harness.createTestPayment(store),
    ];
    // What one event takes, so that the process can die at the next.
    let ids = 0;
    let mostIds = Infinity;
    const dying: Context = {
      ...harness.ctx,
      newId: (prefix) => {
        if (++ids > mostIds) throw new Error('killed');
        return harness.ctx.newId(prefix);
      },
    };
    await scan();
    logs = [fakeLog(other, head + 1n, 0)];
    await scan(dying);
    mostIds = ids;
    ids = 0;

    // Two transactions: of the first payment and many that are not ours, and of the second one, in
    // which the process dies.
    const block = head + 1n;
    const unknown = Array.from({ length: 499 }, (_, index) => ({
      ...fakeLog(other, block, index + 1),
      paymentId: fakeHash(0x1d, BigInt(index)),
    }));
    const shown = [fakeLog(payment, block, 0), ...unknown, fakeLog(second, block, 500)];
    await moveBack(harness.ctx, chainId, {
      nextBlock: block,
      withdraw: { after: block - 1n, until: block },
    });
    logs = shown;
    await scan(dying).then(
      () => expect.fail('nothing was interrupted'),
      (error: unknown) => expect(error).to.have.property('message', 'killed'),
    );
    expect([await statusOf(payment), await statusOf(second)]).to.deep.equal([
      'processing',
      'pending',
    ]);

    // A node of another fork answers, and then the first one again.
    logs = [];
    replaced = block;
    await scan();
    expect(await statusOf(payment)).to.equal('pending');
    replaced = undefined;
    logs = shown;
    await scan();
    expect([await statusOf(payment), await statusOf(second)]).to.deep.equal([
      'processing',
      'processing',
    ]);
  });
});
