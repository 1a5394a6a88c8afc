import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import { listRereads } from '../../domain/scan/service.ts';
import { auditBlocks, chooseRange } from '../../domain/scan/auditBlocks.ts';
import { expirePayment } from '../../domain/scan/expirePayment.ts';
import { findMissedPayments } from '../../domain/scan/findMissedPayment.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { rescanBlocks } from '../../domain/scan/rescanBlocks.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { cancelPayment, getPayment } from '../../domain/payments/service.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { atTime, withChain, withRpcUrls } from '../support/varyContext.ts';
import { programArguments } from '../support/programArguments.ts';
import { startOddNode } from '../support/startOddNode.ts';

const CONFIRMATIONS = 3;
const MAX_BLOCK_RANGE = 5;
/** More than the scanner reads again. */
const BEYOND_OVERLAP = 4 * MAX_BLOCK_RANGE + 5;
const COMPLETED = ['payment.created', 'payment.processing', 'payment.completed'];

describe('a payment whose event the node kept back for longer than the scanner looks', () => {
  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  /** By how much the chain's clock is ahead of ours. */
  let aheadSeconds = 0;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: MAX_BLOCK_RANGE }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  const createPayment = () =>
    harness.createTestPayment(store, { token: chain.token, expiresInSeconds: aheadSeconds + 900 });
  const read = (payment: Pick<Payment, 'id'>) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });
  const scan = () => scanChain(harness.ctx, chainId);
  /** A node that has blocks and state, and none of their logs. */
  const keepingBack = (ctx: Context) =>
    withChain(ctx, chainId, (port) => ({
      ...withoutLists(port),
      findPaymentLog: () => Promise.resolve(undefined),
    }));
  /** One that finds a log only when it is asked for by the payment's id. */
  const withoutLists = (port: ChainPort) => ({
    async listGatewayLogs(range: Parameters<ChainPort['listGatewayLogs']>[0]) {
      return { ...(await port.listGatewayLogs(range)), payments: [], refunds: [] };
    },
  });

  /** Paid, in a block that the scanner has passed without seeing it. */
  async function makeMissed(count = 1): Promise<{ payments: Payment[]; blocks: bigint[] }> {
    const customer = await chain.createCustomer();
    const payments: Payment[] = [];
    const blocks: bigint[] = [];
    for (let index = 0; index < count; index++) {
      const payment = await createPayment();
      await chain.pay(customer, payment);
      await chain.mine();
      payments.push(payment);
      blocks.push(await chain.getHeadNumber());
    }
    await chain.mine(BEYOND_OVERLAP);
    await scanChain(keepingBack(harness.ctx), chainId);
    await scan();
    for (const payment of payments)
      expect((await read(payment)).status, 'it was not missed').to.equal('pending');
    return { payments, blocks };
  }

  /**
   * Time passes on the chain, and the scanner sees it. @returns when the expiry's job is worked on
   */
  async function passExpiry(payment: Payment): Promise<Context> {
    await chain.passTime(1_000);
    aheadSeconds += 1_000;
    await chain.mine(CONFIRMATIONS);
    await scan();
    return atTime(harness.ctx, addMs(payment.terms.expiresAt, 5_000));
  }

  it('is found when it would expire, with those that were missed beside it, and its store hears of no expiry', async () => {
    const { payments } = await makeMissed(2);
    const [missed] = payments;
    if (missed === undefined) throw new Error('nothing was paid');
    const ctx = await passExpiry(missed);
    expect((await expirePayment(ctx, missed.id)).kind).to.equal('later');
    await scan();
    for (const payment of payments) {
      const found = await read(payment);
      expect(found).to.include({ status: 'completed', late: false });
      expect(await readHistory(harness.ctx, found)).to.deep.equal(COMPLETED);
    }
    expect(await expirePayment(ctx, missed.id)).to.deep.equal({ kind: 'done' });
  });

  it('waits while the chain shows it as made and no node its event', async () => {
    const [missed] = (await makeMissed()).payments;
    if (missed === undefined) throw new Error('nothing was paid');
    const ctx = await passExpiry(missed);
    for (const hours of [0, 1, 24, 24 * 30]) {
      const later = keepingBack(atTime(ctx, addMs(ctx.clock.now(), hours * 3_600_000)));
      expect((await expirePayment(later, missed.id)).kind).to.equal('later');
      expect((await read(missed)).status).to.equal('pending');
    }
    // The event is found by its id, though the list of its block still lacks it.
    const half = withChain(ctx, chainId, withoutLists);
    await expirePayment(half, missed.id);
    await scan();
    expect(await readHistory(harness.ctx, await read(missed))).to.deep.equal(COMPLETED);
  });

  it('is found at the second RPC URL when the first one lacks its event for good', async () => {
    const [missed] = (await makeMissed()).payments;
    if (missed === undefined) throw new Error('nothing was paid');
    const ctx = await passExpiry(missed);
    const lacking = await startOddNode(chain.rpcUrl);
    lacking.changeResults((method, result) => (method === 'eth_getLogs' ? [] : result));
    try {
      const throughBoth = withRpcUrls(ctx, chainId, [lacking.url, chain.rpcUrl]);
      expect((await expirePayment(throughBoth, missed.id)).kind).to.equal('later');
      await scanChain(throughBoth, chainId);
      expect(await readHistory(harness.ctx, await read(missed))).to.deep.equal(COMPLETED);
    } finally {
      await lacking.close();
    }
  });

  it('is found though it is being relayed and no expiry asks', async () => {
    const [missed] = (await makeMissed()).payments;
    if (missed === undefined) throw new Error('nothing was paid');
    await harness.ctx
      .db('payments')
      .where({ id: missed.id })
      .update({ status: 'processing', version: 2 });
    await findMissedPayments(atTime(harness.ctx, addMs(missed.updatedAt, 60_000)));
    expect((await read(missed)).position).to.equal(null);
    await findMissedPayments(atTime(harness.ctx, addMs(missed.updatedAt, 180_000)));
    await scan();
    expect((await read(missed)).status).to.equal('completed');
  });

  it('is found behind many others that are being relayed, by the round after', async () => {
    const waiting: Payment[] = [];
    for (let count = 0; count < 100; count++) waiting.push(await createPayment());
    const [missed] = (await makeMissed()).payments;
    if (missed === undefined) throw new Error('nothing was paid');
    const ids = [...waiting, missed].map(({ id }) => id);
    await harness.ctx
      .db('payments')
      .whereIn('id', ids)
      .update({ status: 'processing', version: 2 });
    const ctx = atTime(harness.ctx, addMs(missed.updatedAt, 180_000));
    await findMissedPayments(ctx);
    await findMissedPayments(ctx);
    expect((await read(missed)).position).not.to.equal(null);
    await harness.ctx
      .db('payments')
      .whereIn(
        'id',
        waiting.map(({ id }) => id),
      )
      .update({ status: 'pending', version: 1 });
  });

  it('is not cancelled; one that the chain cannot be asked about is', async () => {
    const [paid, other] = [(await makeMissed()).payments[0], await createPayment()];
    if (paid === undefined) throw new Error('nothing was paid');
    const cancel = (ctx: Context, payment: Payment) =>
      cancelPayment(ctx, { storeId: store.storeId, paymentId: payment.id });
    const refusal = await cancel(harness.ctx, paid).catch((error: unknown) => error);
    expect(refusal).to.include({ code: 'PAY_003' });
    expect((await read(paid)).status).to.equal('pending');
    const away = withChain(harness.ctx, chainId, () => ({
      findPayers: () => Promise.reject(new AppError(CHAIN_ERRORS.unavailable)),
    }));
    expect((await cancel(away, other)).status).to.equal('cancelled');
    const silent = withChain(harness.ctx, chainId, () => ({
      findPayers: () => new Promise<never>(() => undefined),
    }));
    expect((await cancel(silent, await createPayment())).status).to.equal('cancelled');
  });

  describe('and blocks that are read again', () => {
    const rescan = (ctx: Context, fromBlock: bigint, toBlock: bigint) =>
      rescanBlocks(ctx, { chainId, fromBlock, toBlock, reason: 'rescan' }).then(
        ({ paymentIds }) => paymentIds,
      );

    it('show what was missed in parts that the provider takes, and take nothing back that they do not show', async () => {
      const { payments, blocks } = await makeMissed(3);
      const [first = 0n, last = 0n] = [blocks[0], blocks.at(-1)];
      const parts: bigint[] = [];
      const ctx = withChain(harness.ctx, chainId, (port) => ({
        listGatewayLogs: (range) => {
          parts.push(range.toBlock - range.fromBlock + 1n);
          return port.listGatewayLogs(range);
        },
      }));
      expect(await rescan(ctx, first - 8n, last)).to.have.members(payments.map(({ id }) => id));
      expect(parts.every((size) => size <= BigInt(MAX_BLOCK_RANGE))).to.equal(true);
      await scan();
      expect(await rescan(keepingBack(harness.ctx), first - 8n, last)).to.deep.equal([]);
      expect(await rescan(harness.ctx, first - 8n, last)).to.deep.equal([]);
      for (const payment of payments)
        expect(await readHistory(harness.ctx, await read(payment))).to.deep.equal(COMPLETED);
    });

    it('show nothing by a log of a block that is not on the chain', async () => {
      const { payments, blocks } = await makeMissed();
      const [missed] = payments;
      const [block = 0n] = blocks;
      const forked = withChain(harness.ctx, chainId, (port) => ({
        async listGatewayLogs(range) {
          const logs = await port.listGatewayLogs(range);
          return {
            ...logs,
            payments: logs.payments.map((log) => ({
              ...log,
              blockHash: `0x${'ab'.repeat(32)}` as const,
            })),
          };
        },
      }));
      expect(await rescan(forked, block, block)).to.deep.equal([]);
      if (missed !== undefined) expect((await read(missed)).status).to.equal('pending');
      expect(await rescan(harness.ctx, block, block)).to.deep.equal([missed?.id]);
    });

    it('are left to the scanner where it has not passed', async () => {
      await scan();
      const payment = await createPayment();
      await chain.pay(await chain.createCustomer(), payment);
      await chain.mine(CONFIRMATIONS);
      const head = await chain.getHeadNumber();
      expect(await rescan(harness.ctx, head - 2n, head)).to.deep.equal([]);
      expect((await read(payment)).status).to.equal('pending');
      await scan();
      expect((await read(payment)).status).to.equal('completed');
    });

    it('are what an operator asks for by `cli rescan`', async function () {
      this.timeout(120_000);
      const { payments, blocks } = await makeMissed();
      const block = String(blocks[0]);
      const folder = mkdtempSync(join(tmpdir(), 'msqpay-rescan-'));
      const chainsFile = join(folder, 'chains.json');
      const [configured] = harness.config.chains;
      if (configured === undefined) throw new Error('there is no chain');
      const { relayers: _, relayLimits: __, ...entry } = configured;
      writeFileSync(chainsFile, JSON.stringify({ chains: [entry] }));
      const env = harness.environment({ MSQPAY_CHAINS_FILE: chainsFile });
      const run = (...args: string[]) =>
        promisify(execFile)(
          process.execPath,
          [...programArguments('cli/main.ts'), 'rescan', ...args],
          { env },
        );
      try {
        const { stdout, stderr } = await run(
          '--chain',
          String(chainId),
          '--from',
          block,
          '--to',
          block,
        );
        const [id] = payments.map((payment) => payment.id);
        const result = {
          chainId,
          fromBlock: Number(block),
          toBlock: Number(block),
          foundPaymentIds: [id],
          foundRefundIds: [],
        };
        expect(JSON.parse(stdout)).to.deep.equal(result);
        expect(stderr).to.contain(`blocks ${block} to ${block}: 1 found`);
        const ahead = String((await chain.getHeadNumber()) + 10n);
        const refusal = await run('--chain', String(chainId), '--from', block, '--to', ahead).catch(
          (error: unknown) => error,
        );
        expect(refusal).to.have.property('code', 2);
        expect(refusal)
          .to.have.property('stderr')
          .that.matches(/a range of blocks that were scanned: up to [0-9]+/);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });

  describe('and the audit', () => {
    it('finds it, by one process at each interval, and counts what it found', async () => {
      const { payments, blocks } = await makeMissed();
      const [missed] = payments;
      const last = ((await chain.getHeadNumber()) - (blocks[0] ?? 0n)).toString();
      const [configured] = harness.config.chains;
      if (missed === undefined || configured === undefined) throw new Error('nothing was paid');
      // The age of the range's last block is total ^ random.
      const total = (await chain.getHeadNumber()) - BigInt(configured.startBlock) + 1n;
      const random = Math.log(Number(last) + 0.5) / Math.log(Number(total));
      const auditAt = (seconds: number) =>
        auditBlocks({
          ...atTime(harness.ctx, new Date(Date.UTC(2040) + seconds * 1000)),
          random: () => random,
        });
      const readAudit = async () =>
        (await listRereads(harness.ctx.db)).find(({ reason }) => reason === 'audit');
      await auditAt(0);
      expect(await readAudit()).to.include({ ranges: 0, found: 0 });
      await Promise.all([auditAt(300), auditAt(300), auditAt(300)]);
      expect(await readAudit()).to.include({ ranges: 1, found: 1 });
      await auditAt(599);
      expect(await readAudit()).to.include({ ranges: 1 });
      await auditAt(600);
      expect(await readAudit()).to.include({ ranges: 2, found: 1 });
      await scan();
      expect(await readHistory(harness.ctx, await read(missed))).to.deep.equal(COMPLETED);
    });

    it('chooses from all that was scanned, the recent more often', () => {
      const at = (random: number) =>
        chooseRange({ first: 100n, last: 1_000_099n, size: 1_000, random });
      expect(at(0)).to.deep.equal({ fromBlock: 999_100n, toBlock: 1_000_099n });
      expect(at(0.5)).to.deep.equal({ fromBlock: 998_101n, toBlock: 999_100n });
      expect(at(0.9999999999)?.fromBlock).to.equal(100n);
      expect(chooseRange({ first: 100n, last: 99n, size: 10, random: 0.5 })).to.equal(undefined);
      expect(chooseRange({ first: 100n, last: 100n, size: 10, random: 0.5 })).to.deep.equal({
        fromBlock: 100n,
        toBlock: 100n,
      });
    });
  });
});
