import { expect } from 'chai';

import { scanChain } from '../../domain/scan/scanChain.ts';
import { cancelPayment, countConfirmations, getPayment } from '../../domain/payments/service.ts';
import { expirePayment } from '../../domain/scan/expirePayment.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { listRelayAttempts } from '../../domain/relay/listAttempts.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import type { Payment } from '../../domain/payments/model.ts';
import type { Context } from '../../platform/context.ts';
import { execute, parseJsonColumn, selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { signGasless } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { atTime, setSettledTime, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;

describe('a reorganisation of the chain', () => {
  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  const createPayment = () => harness.createTestPayment(store, { token: chain.token });
  const read = (payment: Pick<Payment, 'id'>) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });
  const scan = (ctx: Context = harness.ctx) => scanChain(ctx, chainId);
  /** What each event tells the store of it, in order. */
  const readLateness = async (payment: Pick<Payment, 'id'>) => {
    const rows = await selectRows<{ data: unknown }>(
      harness.ctx.db,
      'SELECT data FROM events WHERE subject_id = ? ORDER BY version',
      [payment.id],
    );
    return rows.map(({ data }) => (parseJsonColumn(data) as { late: boolean }).late);
  };

  it('that takes the event away makes the payment pending, and paying again completes it', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const goBack = await chain.takeSnapshot();
    const signed = await chain.pay(customer, payment);
    await chain.mine();
    await scan();
    expect(await read(payment)).to.include({ status: 'processing', txHash: signed.hash });

    await goBack();
    await chain.mine(2);
    await scan();
    expect(await read(payment)).to.deep.include({
      status: 'pending',
      txHash: null,
      payer: null,
      position: null,
    });

    await chain.send(signed);
    await chain.mine(CONFIRMATIONS);
    await scan();
    const completed = await read(payment);
    expect(completed).to.include({ status: 'completed', late: false, txHash: signed.hash });
    expect(await readHistory(harness.ctx, completed)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.reorged',
      'payment.processing',
      'payment.completed',
    ]);
  });

  for (let depth = 1; depth <= 5; depth++) {
    it(`of ${depth} ${depth === 1 ? 'block' : 'blocks'} takes back what stood in them, and counts anew when it lands again`, async () => {
      const customer = await chain.createCustomer();
      const [earlier, payment] = [await createPayment(), await createPayment()];
      await chain.pay(customer, earlier);
      await chain.mine();
      await scan();
      const goBack = await chain.takeSnapshot();
      const signed = await chain.pay(customer, payment);
      for (let block = 0; block < depth; block++) {
        await chain.mine();
        await scan();
      }
      const wasCompleted = depth >= CONFIRMATIONS;
      expect((await read(payment)).status).to.equal(wasCompleted ? 'completed' : 'processing');
      const beforeReorg = [
        'payment.created',
        'payment.processing',
        ...(wasCompleted ? ['payment.completed'] : []),
      ];

      await goBack();
      await chain.mine(depth + 1);
      await scan();
      const withdrawn = await read(payment);
      expect(withdrawn).to.deep.include({
        status: 'pending',
        txHash: null,
        payer: null,
        position: null,
        completedAt: null,
        late: false,
      });
      expect(await readHistory(harness.ctx, withdrawn)).to.deep.equal([
        ...beforeReorg,
        'payment.reorged',
      ]);

      await chain.send(signed);
      await chain.mine();
      await scan();
      expect(await read(payment)).to.include({ status: 'processing', txHash: signed.hash });
      await chain.mine(CONFIRMATIONS - 1);
      await scan();
      const completed = await read(payment);
      expect(completed).to.include({ status: 'completed', late: false, txHash: signed.hash });
      expect(await readHistory(harness.ctx, completed)).to.deep.equal([
        ...beforeReorg,
        'payment.reorged',
        'payment.processing',
        'payment.completed',
      ]);
      expect(await chain.countPayments(payment.id)).to.equal(1);
      // What stood below the fork noticed nothing.
      const untouched = await read(earlier);
      expect(await readHistory(harness.ctx, untouched)).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
    });
  }

  it('of more blocks than were ever scanned one by one is followed to the fork', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const goBack = await chain.takeSnapshot();
    const signed = await chain.pay(customer, payment);
    for (let block = 0; block < 30; block++) {
      await chain.mine();
      if (block % 7 === 0) await scan();
    }
    await scan();
    expect((await read(payment)).status).to.equal('completed');
    await goBack();
    await chain.mine(15);
    await chain.send(signed);
    // Still shorter than the chain that was scanned.
    await chain.mine(2);
    await scan();
    const moved = await read(payment);
    // Seen again in the same look: there is nothing to tell, and its place is the new one.
    expect(moved).to.include({ status: 'completed', txHash: signed.hash });
    expect(moved.position?.blockNumber).to.equal((await chain.getHeadNumber()) - 1n);
    expect(await readHistory(harness.ctx, moved)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
  });

  it('below the only block whose hash is known completes nothing that the chain does not have', async () => {
    const oneChunk = {
      ...harness.ctx,
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 2_000 })(
        harness.config,
      ),
    };
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan(oneChunk);
    // Longer than hashes are kept, and caught up with in one go.
    await chain.mine(600);
    const goBack = await chain.takeSnapshot();
    await chain.pay(customer, payment);
    await chain.mine();
    await scan(oneChunk);
    expect((await read(payment)).status).to.equal('processing');

    await goBack();
    await chain.mine(CONFIRMATIONS + 2);
    await scan(oneChunk);
    await scan(oneChunk);
    expect(await read(payment)).to.deep.include({ status: 'pending', position: null });
  });

  it('never completes a payment whose block was replaced, even if nothing else noticed', async () => {
    // Few enough blocks a request that the payment's own is not read again with every scan.
    const slow = {
      ...harness.ctx,
      config: chain.configure({ confirmations: 8, maxBlockRange: 1 })(harness.config),
    };
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await chain.pay(customer, payment);
    await chain.mine(5);
    await scan(slow);
    const { position } = await read(payment);
    expect(position).not.to.equal(null);
    // As if the reorganisation had escaped us: the place that we remember is of another fork.
    await execute(harness.ctx.db, 'UPDATE payments SET block_hash = ? WHERE id = ?', [
      `0x${'ab'.repeat(32)}`,
      payment.id,
    ]);
    await chain.mine(4);
    await scan(slow);
    // Its block was scanned again, and what the chain does have there was found.
    const completed = await read(payment);
    expect(completed.status).to.equal('completed');
    expect(completed.position?.blockHash).to.equal(position?.blockHash);
    expect(await readHistory(harness.ctx, completed)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
  });

  it('that is scanned in several chunks is not told when the event stands in a later one of them', async () => {
    const smallChunks = {
      ...harness.ctx,
      config: chain.configure({ confirmations: CONFIRMATIONS + 20, maxBlockRange: 4 })(
        harness.config,
      ),
    };
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan(smallChunks);
    const goBack = await chain.takeSnapshot();
    await chain.mine(8);
    const signed = await chain.pay(customer, payment);
    await chain.mine(2);
    await scan(smallChunks);
    expect((await read(payment)).status).to.equal('processing');

    await goBack();
    await chain.mine(8);
    await chain.send(signed);
    await chain.mine(4);
    await scan(smallChunks);
    const moved = await read(payment);
    expect(moved.status).to.equal('processing');
    expect(await readHistory(harness.ctx, moved)).to.deep.equal([
      'payment.created',
      'payment.processing',
    ]);
  });

  it('that leaves a shorter chain behind takes nothing away until other blocks show', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const goBack = await chain.takeSnapshot();
    for (const step of [
      () => chain.mine(),
      () => chain.mine(),
      () => chain.pay(customer, payment),
      () => chain.mine(),
    ]) {
      await step();
      await scan();
    }
    expect((await read(payment)).status).to.equal('processing');
    await goBack();
    await scan();
    expect((await read(payment)).status).to.equal('processing');
    // One other block is enough, though the chain is still shorter than what was scanned. Not an
    // empty one: within a second that may be the same again.
    await chain.createCustomer();
    await scan();
    expect((await read(payment)).status).to.equal('pending');
  });

  it('that moves the event to another block is not told, and the new place is kept', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const goBack = await chain.takeSnapshot();
    const signed = await chain.pay(customer, payment);
    await chain.mine();
    await scan();
    const first = await read(payment);
    await goBack();
    await chain.mine();
    await chain.send(signed);
    await chain.mine();
    await scan();
    const moved = await read(payment);
    expect(moved.status).to.equal('processing');
    expect(moved.position?.blockNumber).to.equal((first.position?.blockNumber ?? 0n) + 1n);
    expect(moved.position?.blockHash).not.to.equal(first.position?.blockHash);
    // Its confirmations count from the new block.
    await chain.mine(CONFIRMATIONS - 2);
    await scan();
    expect((await read(payment)).status).to.equal('processing');
    await chain.mine();
    await scan();
    expect(await readHistory(harness.ctx, await read(payment))).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
  });

  it('that moves the event of a completed payment to another block is not told either, and its confirmations are those of the new block', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const confirmations = async () => countConfirmations(harness.ctx, await read(payment));
    const goBack = await chain.takeSnapshot();
    const signed = await chain.pay(customer, payment);
    await chain.mine();
    await scan();
    expect(await confirmations()).to.equal(1);
    await chain.mine(CONFIRMATIONS - 1);
    await scan();
    const first = await read(payment);
    expect(first.status).to.equal('completed');
    expect(await confirmations(), 'though the head of a moment ago is remembered').to.equal(
      CONFIRMATIONS,
    );
    await goBack();
    await chain.mine(CONFIRMATIONS);
    await chain.send(signed);
    await chain.mine();
    await scan();
    const moved = await read(payment);
    expect(moved.position?.blockNumber).to.equal(
      (first.position?.blockNumber ?? 0n) + BigInt(CONFIRMATIONS),
    );
    expect(moved).to.include({ status: 'completed', version: first.version });
    expect(await confirmations()).to.equal(1);
    await chain.mine();
    await scan();
    expect(await confirmations()).to.equal(2);
    expect(await readHistory(harness.ctx, moved)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
  });

  it('deeper than the confirmations takes a completion back, and the payment completes again', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const goBack = await chain.takeSnapshot();
    const signed = await chain.pay(customer, payment);
    await chain.mine(CONFIRMATIONS + 1);
    await scan();
    expect((await read(payment)).status).to.equal('completed');
    await goBack();
    await chain.mine(CONFIRMATIONS + 2);
    await scan();
    expect(await read(payment)).to.deep.include({
      status: 'pending',
      completedAt: null,
      position: null,
    });
    await chain.send(signed);
    await chain.mine(CONFIRMATIONS);
    await scan();
    const completed = await read(payment);
    expect(completed.completedAt).to.be.instanceOf(Date);
    expect(await readHistory(harness.ctx, completed)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
      'payment.reorged',
      'payment.processing',
      'payment.completed',
    ]);
  });

  it('that takes the event away after the expiry leaves the payment expired', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const goBack = await chain.takeSnapshot();
    await chain.pay(customer, payment);
    await chain.mine();
    await scan();
    await goBack();
    await chain.mine(2);
    await setSettledTime(harness.ctx, chainId, addMs(payment.terms.expiresAt, 1_000));
    await scan();
    const expired = await read(payment);
    expect(expired.status).to.equal('expired');
    expect(await readHistory(harness.ctx, expired)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.reorged',
    ]);
  });

  it('that takes the event away when only our clock says that it is too late leaves the payment open: it may come back', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const goBack = await chain.takeSnapshot();
    const signed = await chain.pay(customer, payment);
    await chain.mine();
    await scan();
    await goBack();
    await chain.mine(2);
    const tooLate = atTime(harness.ctx, addMs(payment.terms.expiresAt, 2_000));
    await scan(tooLate);
    expect((await expirePayment(tooLate, payment.id)).kind).to.equal('later');
    expect((await read(payment)).status).to.equal('pending');
    await chain.send(signed);
    await chain.mine(CONFIRMATIONS);
    await scan(tooLate);
    expect(await read(payment)).to.include({ status: 'completed', late: false });
  });

  it('that takes the event away after the expiry, and brings it back, completes the payment as late', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const goBack = await chain.takeSnapshot();
    const signed = await chain.pay(customer, payment);
    await chain.mine();
    await scan();
    await goBack();
    await chain.mine(2);
    const tooLate = atTime(harness.ctx, addMs(payment.terms.expiresAt, 2_000));
    await setSettledTime(harness.ctx, chainId, addMs(payment.terms.expiresAt, 1_000));
    await scan(tooLate);
    expect(await read(payment)).to.include({ status: 'expired', late: false });
    await chain.send(signed);
    await chain.mine();
    await scan(tooLate);
    expect(await read(payment)).to.include({ status: 'processing', late: true });
    await chain.mine(CONFIRMATIONS);
    await scan(tooLate);
    const completed = await read(payment);
    expect(completed).to.include({ status: 'completed', late: true, txHash: signed.hash });
    expect(await readHistory(harness.ctx, completed)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.reorged',
      'payment.processing',
      'payment.completed',
    ]);
    expect(await readLateness(payment)).to.deep.equal([false, false, false, true, true]);
  });

  it('keeps a payment processing while its relay is under way, and the relay pays in the end', async () => {
    const relayer = await chain.createRelayer();
    const ctx: Context = withRelayers(harness.ctx, chainId, [relayer]);
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    await relayPayment(ctx, await signGasless(ctx, customer, payment));
    const goBack = await chain.takeSnapshot();
    const [attempt] = await listRelayAttempts(ctx, { paymentId: payment.id });
    await sendAttempt(ctx, attempt?.id ?? '');
    await chain.mine();
    await scan();
    const transactionId =
      (await listRelayAttempts(ctx, { paymentId: payment.id }))[0]?.transactionId ?? '';
    await confirmTransaction(ctx, transactionId);
    expect((await listRelayAttempts(ctx, { paymentId: payment.id }))[0]?.status).to.equal('mined');

    await goBack();
    await chain.mine(2);
    await scan();
    expect(await read(payment)).to.deep.include({ status: 'processing', position: null });
    await confirmTransaction(ctx, transactionId);
    expect((await listRelayAttempts(ctx, { paymentId: payment.id }))[0]?.status).to.equal(
      'submitted',
    );

    const [signed] = relayer.sent;
    if (signed === undefined) throw new Error('nothing was sent');
    await chain.send(signed);
    await chain.mine(CONFIRMATIONS);
    await scan();
    expect(await confirmTransaction(ctx, transactionId)).to.deep.equal({ kind: 'done' });
    const completed = await read(payment);
    expect(completed).to.include({
      status: 'completed',
      txHash: signed.hash,
      relayAttemptId: null,
    });
    expect(await readHistory(ctx, completed)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.reorged',
      'payment.completed',
    ]);
    expect(
      (await listRelayAttempts(ctx, { paymentId: payment.id })).map(({ status }) => status),
    ).to.deep.equal(['succeeded']);
    expect(relayer.sent).to.have.length(1);
  });

  it('never leaves a payment waiting for a relay that has ended', async () => {
    const relayer = await chain.createRelayer();
    const ctx: Context = withRelayers(harness.ctx, chainId, [relayer]);
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await relayPayment(ctx, await signGasless(ctx, customer, payment));
    const [attempt] = await listRelayAttempts(ctx, { paymentId: payment.id });
    await scan();
    const goBack = await chain.takeSnapshot();
    await sendAttempt(ctx, attempt?.id ?? '');
    await chain.mine();
    await scan();
    await chain.mine(CONFIRMATIONS);
    // The relay's follower is ahead of the scanner: it sees the transaction final first.
    const transactionId =
      (await listRelayAttempts(ctx, { paymentId: payment.id }))[0]?.transactionId ?? '';
    await confirmTransaction(ctx, transactionId);
    await goBack();
    await chain.mine(CONFIRMATIONS + 2);
    await scan();
    await confirmTransaction(ctx, transactionId);
    expect(await read(payment)).to.include({ status: 'processing', relayAttemptId: attempt?.id });
    expect((await listRelayAttempts(ctx, { paymentId: payment.id }))[0]?.status).to.equal(
      'submitted',
    );

    const [signed] = relayer.sent;
    if (signed === undefined) throw new Error('nothing was sent');
    await chain.send(signed);
    await chain.mine(CONFIRMATIONS);
    await scan();
    await confirmTransaction(ctx, transactionId);
    expect((await read(payment)).status).to.equal('completed');
    expect((await listRelayAttempts(ctx, { paymentId: payment.id }))[0]?.status).to.equal(
      'succeeded',
    );
  });

  it('that takes the event of a cancelled payment away leaves it cancelled', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await cancelPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });
    await scan();
    const goBack = await chain.takeSnapshot();
    await chain.pay(customer, payment);
    await chain.mine();
    await scan();
    expect(await read(payment)).to.include({ status: 'processing', late: true });
    await goBack();
    await chain.mine(2);
    await scan();
    const cancelled = await read(payment);
    expect(cancelled).to.include({ status: 'cancelled', late: false });
    expect(await readHistory(harness.ctx, cancelled)).to.deep.equal([
      'payment.created',
      'payment.cancelled',
      'payment.processing',
      'payment.reorged',
    ]);
  });
});
