import { expect } from 'chai';

import type { Receipt } from '../../domain/chain/ports.ts';
import { findCursor } from '../../domain/chain/store.ts';
import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { findRefund } from '../../domain/refunds/service.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import { getRefundRequest, refundPayment } from '../../domain/relay/refundPayment.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { findTransaction } from '../../domain/relay/attempts/transactionStore.ts';
import { createStore } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { acceptRelay, confirmOnce, readAttempt, readPayment } from '../support/relayFlow.ts';
import {
  atTime,
  setSettledTime,
  withChain,
  withRelayer,
  withRelayers,
} from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
/** More than the scanner reads again. */
const BEYOND_OVERLAP = 60;
const COMPLETED = ['payment.created', 'payment.processing', 'payment.completed'];
const FOREIGN = asBytes32(`0x${'ab'.repeat(32)}`);

describe('the receipt of a relay transaction', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;
  let storeId: string;
  let merchant: Awaited<ReturnType<OwnChain['createAccount']>>;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    relayer = await chain.createRelayer();
    ctx = withRelayers(harness.ctx, chainId, [relayer]);
    merchant = await chain.createAccount();
    storeId = (await createStore(ctx, { name: 'A shop', payoutAddress: merchant.address })).id;
  });

  const createPayment = () =>
    harness.createTestPayment(
      { storeId, apiKey: '', payoutAddress: merchant.address },
      { token: chain.token },
    );
  const nextBlock = async () => (await findCursor(ctx.db, chainId))?.nextBlock ?? 0n;

  async function relay(): Promise<{ payment: Payment; transactionId: string }> {
    const payment = await createPayment();
    const { id } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
    return { payment, transactionId: (await readAttempt(ctx, payment)).transactionId ?? '' };
  }

  /** A node that never shows a log, whichever block it is asked for. */
  const withoutLogs = (base: Context) =>
    withChain(base, chainId, (port) => ({
      listGatewayLogs: async (range) => ({
        ...(await port.listGatewayLogs(range)),
        payments: [],
        refunds: [],
      }),
    }));

  /** A node that shows a receipt otherwise. */
  const withReceipt = (base: Context, change: (receipt: Receipt) => Partial<Receipt>) =>
    withChain(base, chainId, (port) => ({
      async findReceipt(hash) {
        const receipt = await port.findReceipt(hash);
        return receipt && { ...receipt, ...change(receipt) };
      },
    }));

  /** The state of a fork on which nothing was paid. */
  const unpaid = (base: Context) =>
    withChain(base, chainId, () => ({ findPayer: () => Promise.resolve(undefined) }));

  /** The same transaction failed there. */
  const failedOnFork = (base: Context) =>
    withReceipt(unpaid(base), () => ({
      blockHash: FOREIGN,
      succeeded: false,
      payments: [],
      refunds: [],
      refusals: [],
    }));

  describe('that shows an event which no node ever lists', () => {
    it('is enough for a payment: it is completed, and the scan goes on where it is', async () => {
      const { payment } = await relay();
      await chain.mine(BEYOND_OVERLAP);
      const hiding = withoutLogs(ctx);
      await scanChain(hiding, chainId);
      const before = await nextBlock();
      expect((await readPayment(ctx, payment)).position).to.equal(null);

      expect((await confirmOnce(hiding, payment)).kind).to.equal('later');
      expect((await readPayment(ctx, payment)).position?.txHash).to.equal(relayer.sent[0]?.hash);
      expect(await nextBlock(), 'the scan was not moved back').to.equal(before);
      await chain.mine();
      await scanChain(hiding, chainId);
      expect(await nextBlock()).to.equal(before + 1n);
      expect(await confirmOnce(hiding, payment)).to.deep.equal(DONE);
      expect((await readAttempt(ctx, payment)).status).to.equal('succeeded');
      expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal(COMPLETED);
    });

    it('is enough for a refund', async () => {
      const { payment } = await relay();
      await chain.mine(CONFIRMATIONS);
      await scanChain(ctx, chainId);
      await confirmOnce(ctx, payment);
      await chain.approve(merchant);
      const request = { storeId, paymentId: payment.id, amount: parseAmountUnits('10') };
      const { refund: signed, typedData } = await getRefundRequest(ctx, request);
      const signature = await signTypedData(merchant, typedData);
      const refund = await refundPayment(ctx, {
        ...request,
        nonce: signed.nonce,
        deadline: signed.deadline,
        signature,
        permit: null,
      });
      expect(await sendAttempt(ctx, refund.relayAttemptId ?? '')).to.deep.equal(DONE);
      await chain.mine(BEYOND_OVERLAP);
      const hiding = withoutLogs(ctx);
      await scanChain(hiding, chainId);
      const before = await nextBlock();
      const [row] = await selectRows<{ transaction_id: string }>(
        ctx.db,
        'SELECT transaction_id FROM relay_attempts WHERE refund_id = ?',
        [refund.id],
      );
      await confirmTransaction(hiding, row?.transaction_id ?? '');
      expect((await findRefund(ctx, refund.id))?.position).not.to.equal(null);
      expect(await nextBlock()).to.equal(before);
      await chain.mine();
      await scanChain(hiding, chainId);
      expect((await findRefund(ctx, refund.id))?.status).to.equal('completed');
      expect(await confirmTransaction(hiding, row?.transaction_id ?? '')).to.deep.equal(DONE);
    });

    it('is left to the scanner as long as that has not been there', async () => {
      const { payment } = await relay();
      await scanChain(ctx, chainId);
      await chain.mine(CONFIRMATIONS);
      expect((await confirmOnce(ctx, payment)).kind).to.equal('later');
      expect((await readPayment(ctx, payment)).position).to.equal(null);
      await scanChain(ctx, chainId);
      expect((await readPayment(ctx, payment)).status).to.equal('completed');
    });

    it('counts as a failure when it cannot be applied: it is tried again once a minute at most, and holds no scan up', async () => {
      const { payment } = await relay();
      await chain.mine(BEYOND_OVERLAP);
      const hiding = withoutLogs(ctx);
      await scanChain(hiding, chainId);
      const before = await nextBlock();
      // Of another amount than the id commits to: our reading of the contract would be wrong.
      const wrong = withReceipt(hiding, ({ payments }) => ({
        payments: payments.map((log) => ({ ...log, amount: log.amount + 1n })),
      }));
      const now = new Date();
      const result = await confirmOnce(atTime(wrong, now), payment);
      expect(result)
        .to.deep.include({ kind: 'later', at: addMs(now, 60_000) })
        .and.to.have.property('failure');
      expect((await readPayment(ctx, payment)).position).to.equal(null);
      expect(await nextBlock()).to.equal(before);
    });
  });

  it('is no news, and nothing to wait for, when another look has applied it just now', async () => {
    const { payment } = await relay();
    await chain.mine(BEYOND_OVERLAP);
    const hiding = withoutLogs(ctx);
    await scanChain(hiding, chainId);
    let headers = 0;
    const overtaken = withChain(hiding, chainId, (port) => ({
      async findBlock(number) {
        headers += 1;
        // The first is for the depth of the receipt, the second for its event, which nobody has
        // applied until then.
        if (headers === 2) await confirmOnce(hiding, payment);
        return port.findBlock(number);
      },
    }));
    const now = new Date();
    const result = await confirmOnce(atTime(overtaken, now), payment);
    expect(headers >= 2).to.equal(true);
    if (result.kind !== 'later') throw new Error('the scanner has not completed it yet');
    expect(result.at.getTime() - now.getTime()).to.be.at.most(5_000);
  });

  describe('that names another block than the one on the chain', () => {
    it('decides nothing, however deep it would be: the payment is paid', async () => {
      const { payment } = await relay();
      await chain.mine(CONFIRMATIONS);
      for (let looks = 0; looks < 3; looks++) {
        const result = await confirmOnce(failedOnFork(ctx), payment);
        // Should it stay like that, somebody has to look at that RPC URL.
        expect(result).to.include({ kind: 'later' }).and.to.have.property('failure');
      }
      expect(await readAttempt(ctx, payment)).to.include({ status: 'submitted', errorCode: null });
      expect((await readPayment(ctx, payment)).status).to.equal('processing');
      expect(
        await selectRows(ctx.db, 'SELECT holder FROM relay_waste WHERE holder = ?', [payment.id]),
      ).to.deep.equal([]);
      await scanChain(ctx, chainId);
      expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
      expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal(COMPLETED);
    });

    it('decides nothing either while a node does not have that block at all', async () => {
      const { payment } = await relay();
      await chain.mine(CONFIRMATIONS);
      const failed = withReceipt(unpaid(ctx), () => ({
        succeeded: false,
        payments: [],
        refunds: [],
        refusals: [],
      }));
      const lagging = withChain(failed, chainId, () => ({
        findBlock: () => Promise.resolve(undefined),
      }));
      expect((await confirmOnce(lagging, payment)).kind).to.equal('later');
      expect((await readPayment(ctx, payment)).status).to.equal('processing');
    });

    it('holds an attempt no longer than its signature lives, and its transaction an hour longer', async () => {
      await scanChain(ctx, chainId);
      const { payment, transactionId } = await relay();
      const raised = await relayer.raiseFee();
      const contradicting = withChain(ctx, chainId, () => ({
        findReceipt: (hash) =>
          Promise.resolve({
            ...{
              hash,
              blockNumber: 1n,
              blockHash: FOREIGN,
              succeeded: false,
              gasUsed: 1n,
              dataGasUsed: undefined,
              effectiveGasPrice: 1n,
            },
            ...{ payments: [], refunds: [], refusals: [] },
          }),
      }));
      const read = () => findTransaction(ctx.db, transactionId);
      const now = new Date();
      const wait = (from: Date) => ({ kind: 'later', at: addMs(from, 15_000) });
      expect(await confirmOnce(atTime(contradicting, now), payment)).to.deep.include(wait(now));
      expect((await read())?.hashes, 'the provider was asked all the same').to.include(raised.hash);
      const { deadline } = await readAttempt(ctx, payment);
      const after = addMs(deadline, 31_000);
      expect(await confirmOnce(atTime(contradicting, after), payment)).to.deep.include(wait(after));
      expect(await readAttempt(ctx, payment)).to.include({ status: 'submitted', errorCode: null });

      await setSettledTime(ctx, chainId, addMs(deadline, 30_000));
      expect(await confirmOnce(atTime(contradicting, after), payment)).to.deep.include(wait(after));
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_019',
      });
      const { validUntil } = (await read())!;
      const look = (ms: number) =>
        confirmTransaction(atTime(contradicting, addMs(validUntil, ms)), transactionId);
      expect((await look(3_599_999)).kind).to.equal('later');
      // Its relayer may say by then that it is over.
      await look(3_600_000);
      expect((await read())?.abandonedAt).to.equal(null);
      // The chain's clock is as it was.
      await chain.mine();
      await scanChain(ctx, chainId);
    });

    it('gives way to that of another form of the transaction', async () => {
      const { payment } = await relay();
      const [first] = relayer.sent;
      const raised = await relayer.raiseFee();
      const known = withRelayer(ctx, chainId, () => ({
        findTransaction: async (id) => {
          const found = await relayer.findTransaction(id);
          return found && { ...found, hash: raised.hash };
        },
      }));
      await confirmOnce(known, payment);
      await chain.mine(CONFIRMATIONS);
      await scanChain(ctx, chainId);
      // On a fork the first one was mined, and failed.
      const forked = withChain(unpaid(ctx), chainId, (port) => ({
        async findReceipt(hash) {
          const receipt = await port.findReceipt(raised.hash);
          const onFork = {
            hash,
            blockHash: FOREIGN,
            succeeded: false,
            payments: [],
            refunds: [],
            refusals: [],
          };
          return hash === raised.hash ? receipt : receipt && { ...receipt, ...onFork };
        },
      }));
      const swapped = withChain(forked, chainId, (port) => ({
        findReceipt: (hash) =>
          port.findReceipt(hash === raised.hash ? (first?.hash ?? hash) : raised.hash),
      }));
      expect(await confirmOnce(swapped, payment)).to.deep.equal(DONE);
      expect((await readAttempt(ctx, payment)).status).to.equal('succeeded');
    });

    it('takes no load off the relayer of a transaction that was given up', async () => {
      const { payment, transactionId } = await relay();
      const impatient = {
        ...ctx,
        config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } },
      };
      await confirmOnce(impatient, payment);
      const isAbandoned = async () =>
        (
          await selectRows(
            ctx.db,
            'SELECT id FROM relay_transactions WHERE id = ? AND abandoned_at IS NOT NULL',
            [transactionId],
          )
        ).length === 1;
      expect(await isAbandoned()).to.equal(true);
      await chain.mine(CONFIRMATIONS);
      expect((await confirmTransaction(failedOnFork(ctx), transactionId)).kind).to.equal('later');
      expect(await isAbandoned()).to.equal(true);
      expect(await confirmTransaction(ctx, transactionId)).to.deep.equal(DONE);
      expect(await isAbandoned()).to.equal(false);
    });

    it('charges nothing to an attempt whose earlier transaction paid', async () => {
      const { payment } = await relay();
      const { id } = await readAttempt(ctx, payment);
      const impatient = {
        ...ctx,
        config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } },
      };
      await confirmOnce(impatient, payment);
      await chain.mine(CONFIRMATIONS);
      await scanChain(ctx, chainId);
      expect((await readPayment(ctx, payment)).status).to.equal('completed');
      const dear = withReceipt(ctx, () => ({ blockHash: FOREIGN, gasUsed: 10n ** 9n }));
      expect((await sendAttempt(dear, id)).kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued', gasUsed: 0n });
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      expect((await readAttempt(ctx, payment)).status).to.equal('succeeded');
    });
  });
});
