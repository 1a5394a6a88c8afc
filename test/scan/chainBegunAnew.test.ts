import { expect } from 'chai';

import { createChain } from '../../adapters/chain/createChain.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import { findCursor, listScannedBlocks } from '../../domain/chain/store.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import type { Context } from '../../platform/context.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { withChain } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
/** More than the scanner remembers the hashes of. */
const LONG = 600;

describe('a chain begun anew under the same database', () => {
  let old: OwnChain;
  let anew: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let paidOnOld: Payment;

  before(async function () {
    this.timeout(120_000);
    old = await startOwnChain();
    harness = await createHarness({
      config: old.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 2_000 }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;

    await scan();
    paidOnOld = await createPayment();
    await old.pay(await old.createCustomer(), paidOnOld);
    await old.mine();
    await scan();
    await old.mine(LONG);
    await scan();
    await old.mine();
    await scan();
    expect((await read(paidOnOld)).status).to.equal('completed');

    // The same contracts at the same addresses, and no block in common.
    anew = await startOwnChain();
    // Beyond the oldest block that is remembered of the old one.
    await anew.mine(40);
  });
  after(async () => {
    await harness.close();
    await old.close();
    await anew.close();
  });

  const createPayment = () => harness.createTestPayment(store, { token: old.token });
  const read = ({ id }: Payment) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId: id });
  const scan = (ctx: Context = harness.ctx) => scanChain(ctx, chainId);
  const readCursor = async () => (await findCursor(harness.ctx.db, chainId))?.nextBlock;

  function onNewChain(change: Partial<ChainPort> = {}): Context {
    const [chain] = anew.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 2_000 })(
      harness.config,
    ).chains;
    if (chain === undefined) throw new Error('the configuration has no chain');
    const port = createChain({ chain, clock: harness.ctx.clock, log: harness.ctx.log });
    return withChain(harness.ctx, chainId, () => ({ ...port, ...change }));
  }

  it('remembers the oldest block besides those of the window', async () => {
    const numbers = (await listScannedBlocks(harness.ctx.db, chainId, 1_000)).map(
      ({ number }) => number,
    );
    const head = await old.getHeadNumber();
    expect(numbers.slice(0, 2)).to.deep.equal([head, head - 1n]);
    expect(numbers).to.have.length(3);
    expect(Number(numbers[2])).to.be.below(30);
  });

  for (const lag of [1n, 2n, 5n, 100n, 500n, 590n, 10_000n]) {
    it(`is not what a node looks like that is ${lag} blocks behind`, async () => {
      const cursor = await readCursor();
      const tip = (await old.getHeadNumber()) - lag;
      const last = tip > 0n ? tip : 0n;
      const behind = withChain(harness.ctx, chainId, (port) => ({
        getHead: async () => (await port.findBlock(last)) ?? port.getHead(),
        findBlock: (number) =>
          number > last ? Promise.resolve(undefined) : port.findBlock(number),
        listGatewayLogs: () => Promise.reject(new Error('was asked for logs')),
      }));
      await scan(behind);
      // And behind one address there may be several nodes: the head from one that is up to date,
      // the blocks from one that is not.
      const fresh = harness.ctx.chains.get(chainId);
      if (fresh === undefined) throw new Error('no chain');
      await scan(withChain(behind, chainId, () => ({ getHead: () => fresh.getHead() })));
      expect(await readCursor()).to.equal(cursor);
      expect((await read(paidOnOld)).status).to.equal('completed');
    });
  }

  it('is not what a foreign chain looks like, on which our gateway is not', async () => {
    const cursor = await readCursor();
    const foreign = onNewChain({
      findPayer: () => Promise.reject(new Error('there is no gateway')),
    });
    await scan(foreign).then(
      () => expect.fail('the scan took a foreign chain for ours'),
      (error: unknown) => expect(error).to.have.property('message', 'there is no gateway'),
    );
    expect(await readCursor()).to.equal(cursor);
    expect((await read(paidOnOld)).status).to.equal('completed');
  });

  it('is scanned from its start though it is much shorter, and what it does not show is withdrawn', async () => {
    const payment = await createPayment();
    await anew.pay(await anew.createCustomer(), payment);
    await anew.mine(CONFIRMATIONS);
    expect(await anew.getHeadNumber()).to.satisfy((head: bigint) => head < 100n);
    await scan(onNewChain());
    expect((await read(payment)).status).to.equal('completed');
    const withdrawn = await read(paidOnOld);
    expect(withdrawn).to.deep.include({ status: 'pending', position: null, txHash: null });
    expect(await readHistory(harness.ctx, withdrawn)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
      'payment.reorged',
    ]);
    expect(await readCursor()).to.equal((await anew.getHeadNumber()) + 1n);
    // From here on it is a chain like any other.
    await anew.mine();
    await scan(onNewChain());
    expect(await readCursor()).to.equal((await anew.getHeadNumber()) + 1n);
    expect((await read(payment)).status).to.equal('completed');
  });
});
