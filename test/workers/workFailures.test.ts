import type { Job } from 'bullmq';
import { expect } from 'chai';
import { pino } from 'pino';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { OutboxQueue } from '../../domain/outbox/model.ts';
import {
  countFailingWork,
  deleteOldFailures,
  listFailingWork,
} from '../../domain/outbox/service.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { createStore } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { runOutboxJob } from '../../workers/runOutboxJob.ts';
import { runScheduled } from '../../workers/runScheduled.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { acceptRelay, endWaitingAttempts, readAttempt } from '../support/relayFlow.ts';
import { atTime, withChain, withRelayers } from '../support/varyContext.ts';

const HOUR_MS = 3_600_000;

describe('work that fails again and again', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let ctx: Context;
  let transactionId: string;
  let store: TestStore;
  let start: Date;
  let lines: Record<string, unknown>[] = [];

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: 2 }) });
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    const log = pino(
      { level: 'debug' },
      { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    ctx = { ...withRelayers(harness.ctx, chainId, [await chain.createRelayer()]), log };
    const merchant = await chain.createAccount();
    const { id: storeId } = await createStore(ctx, {
      name: 'A shop',
      payoutAddress: merchant.address,
    });
    store = { storeId, apiKey: '', payoutAddress: merchant.address };
    const payment = await harness.createTestPayment(store, { token: chain.token });
    const { id } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    await sendAttempt(ctx, id);
    transactionId = (await readAttempt(ctx, payment)).transactionId ?? '';
    start = addMs(new Date(), 60_000);
    lines = [];
  });
  afterEach(() => execute(ctx.db, 'DELETE FROM work_failures'));

  const alerts = () =>
    lines
      .filter(({ alert }) => alert === 'work_keeps_failing')
      .map(({ level, queue, subjectId, failures }) => [level, queue, subjectId, failures]);
  const failing = async (seconds: number) =>
    (await countFailingWork(at(ctx, seconds))).map(({ queue, count }) => [queue, count]);
  const at = (base: Context, seconds: number) => atTime(base, addMs(start, seconds * 1000));

  const runConfirm = (base: Context, seconds: number) =>
    run(base, 'confirm', transactionId, seconds);

  /** The next job of the subject's promise. @returns the error that BullMQ is told of */
  async function run(
    base: Context,
    queue: OutboxQueue,
    subjectId: string,
    seconds: number,
  ): Promise<string> {
    const [row] = await selectRows<{ id: string; generation: number }>(
      ctx.db,
      'SELECT id, generation FROM outbox WHERE queue = ? AND subject_id = ?',
      [queue, subjectId],
    );
    const data = {
      outboxId: row?.id,
      generation: Number(row?.generation) + 1,
      subjectId,
      requestId: null,
    };
    const job = { id: 'job', data, moveToDelayed: () => Promise.resolve() } as unknown as Job;
    return runOutboxJob(at(base, seconds), queue, job, 'token').catch((error: Error) => error.name);
  }

  const withReceipts = (findReceipt: ChainPort['findReceipt']) =>
    withChain(ctx, chainId, () => ({ findReceipt }));
  const unavailable = () => Promise.reject(new AppError(CHAIN_ERRORS.unavailable));

  it('is an alert after the fifth failure in a row, once an hour, whoever tries; and none any more when it succeeds', async () => {
    const broken = withReceipts(() => Promise.reject(new TypeError('of a customer’s 0xABCD')));
    for (let tries = 0; tries < 4; tries++)
      expect(await runConfirm(broken, 10 * tries)).to.equal('TypeError');
    expect(alerts()).to.deep.equal([]);
    expect(await failing(40)).to.deep.equal([]);
    await runConfirm(broken, 40);
    expect(alerts()).to.deep.equal([[50, 'confirm', transactionId, 5]]);
    expect(await failing(40)).to.deep.equal([['confirm', 1]]);
    const [listed] = await listFailingWork(at(ctx, 40), 10);
    expect(listed).to.deep.equal({
      queue: 'confirm',
      subjectId: transactionId,
      failures: 5,
      firstFailedAt: start,
      lastFailedAt: addMs(start, 40_000),
      lastError: 'TypeError',
    });
    // Of another process: what is known of it is in the database.
    const restarted = withChain({ ...ctx }, chainId, () => ({
      findReceipt: () => Promise.reject(new RangeError('another')),
    }));
    await runConfirm(restarted, 50);
    expect(alerts()).to.have.length(1);
    await runConfirm(restarted, 50 + HOUR_MS / 1000);
    expect(alerts()).to.have.length(2);
    expect(alerts()[1]).to.deep.equal([50, 'confirm', transactionId, 7]);

    expect(await runConfirm(ctx, 60 + HOUR_MS / 1000)).to.equal('DelayedError');
    expect(await failing(60 + HOUR_MS / 1000)).to.deep.equal([]);
    expect(await selectRows(ctx.db, 'SELECT * FROM work_failures')).to.deep.equal([]);
  });

  it('is one though it waits for a date of its own after each failure, as what a chain does not answer while it answers others', async () => {
    const mute = withReceipts(unavailable);
    for (let tries = 0; tries < 5; tries++)
      expect(await runConfirm(mute, 60 * tries)).to.equal('DelayedError');
    expect(alerts()).to.deep.equal([[50, 'confirm', transactionId, 5]]);
    expect(await failing(240)).to.deep.equal([['confirm', 1]]);
  });

  it('is none while the whole chain is away: that is told otherwise', async () => {
    const away = withChain(ctx, chainId, () => ({
      findReceipt: unavailable,
      getHead: unavailable,
    }));
    for (let tries = 0; tries < 6; tries++)
      expect(await runConfirm(away, 60 * tries)).to.equal('DelayedError');
    expect(alerts()).to.deep.equal([]);
    expect(await failing(360)).to.deep.equal([]);
  });

  it('is none when it failed often within a moment', async () => {
    const broken = withReceipts(() => Promise.reject(new TypeError('x')));
    for (let tries = 0; tries < 9; tries++) await runConfirm(broken, tries);
    expect(alerts()).to.deep.equal([]);
    await runConfirm(broken, 30);
    expect(alerts()).to.have.length(1);
  });

  it('is not forgotten by a job that comes early, and tries nothing', async () => {
    await runConfirm(
      withReceipts(() => Promise.reject(new TypeError('x'))),
      0,
    );
    await execute(ctx.db, 'UPDATE outbox SET run_at = ? WHERE subject_id = ?', [
      addMs(start, HOUR_MS),
      transactionId,
    ]);
    expect(await runConfirm(ctx, 1)).to.equal('DelayedError');
    expect(await selectRows(ctx.db, 'SELECT failures FROM work_failures')).to.have.length(1);
  });

  it('is not forgotten by a look while the chain is known to be away, or that finds it away', async () => {
    let isAway = false;
    const flaky = withChain(ctx, chainId, (honest) => ({
      findReceipt: () => (isAway ? unavailable() : Promise.reject(new TypeError('x'))),
      getHead: () => (isAway ? unavailable() : honest.getHead()),
    }));
    for (let tries = 0; tries < 4; tries++) await runConfirm(flaky, 10 * tries);
    isAway = true;
    expect(await runConfirm(flaky, 40)).to.equal('DelayedError');
    isAway = false;
    await execute(ctx.db, 'UPDATE outbox SET run_at = ? WHERE subject_id = ?', [
      start,
      transactionId,
    ]);
    expect(await runConfirm(flaky, 41), 'known to be away').to.equal('DelayedError');
    expect(alerts()).to.deep.equal([]);
    expect(await runConfirm(flaky, 50)).to.equal('TypeError');
    expect(alerts()).to.deep.equal([[50, 'confirm', transactionId, 5]]);
  });

  describe('of relaying', () => {
    let attemptId: string;
    let broken: Context;

    beforeEach(async () => {
      await endWaitingAttempts(ctx);
      const payment = await harness.createTestPayment(store, { token: chain.token });
      ({ id: attemptId } = await acceptRelay(ctx, await chain.createCustomer(), payment));
      broken = withChain(ctx, chainId, () => ({
        runsForeignCode: () => Promise.reject(new TypeError('x')),
      }));
      for (let tries = 0; tries < 4; tries++)
        expect(await run(broken, 'relay', attemptId, 10 * tries)).to.equal('TypeError');
      expect(alerts()).to.deep.equal([]);
    });
    const expectAlertNow = async () => {
      await execute(ctx.db, 'UPDATE outbox SET run_at = ? WHERE subject_id = ?', [
        start,
        attemptId,
      ]);
      expect(await run(broken, 'relay', attemptId, 50)).to.equal('TypeError');
      expect(alerts()).to.deep.equal([[50, 'relay', attemptId, 5]]);
    };

    it('is not forgotten by a look while no relayer is free', async () => {
      expect(await run(withRelayers(broken, chainId, []), 'relay', attemptId, 40)).to.equal(
        'later',
      );
      await expectAlertNow();
    });

    it('is not forgotten by a look that finds the attempt claimed by somebody else', async () => {
      await execute(
        ctx.db,
        'UPDATE relay_attempts SET claim_id = ?, choose_after = ? WHERE id = ?',
        ['rlc_of_another', addMs(start, 45_000), attemptId],
      );
      expect(await run(broken, 'relay', attemptId, 40)).to.equal('later');
      await expectAlertNow();
    });

    it('is not forgotten by a job that sends others', async () => {
      const payment = await harness.createTestPayment(store, { token: chain.token });
      const other = await acceptRelay(ctx, await chain.createCustomer(), payment);
      await execute(
        ctx.db,
        'UPDATE relay_attempts SET claim_id = ?, choose_after = ? WHERE id = ?',
        ['rlc_of_another', addMs(start, 45_000), attemptId],
      );
      expect(await run(ctx, 'relay', attemptId, 40)).to.equal('done');
      expect((await readAttempt(ctx, payment)).status).not.to.equal('queued');
      expect(other.id).not.to.equal(attemptId);
      await expectAlertNow();
    });

    it('is over when it is sent', async () => {
      expect(await run(ctx, 'relay', attemptId, 40)).to.equal('done');
      expect(await selectRows(ctx.db, 'SELECT * FROM work_failures')).to.deep.equal([]);
    });
  });

  it('is the same of scans and of maintenance', async () => {
    const subject = { queue: 'chain-scan', subjectId: String(chainId) };
    const fail = () => Promise.reject(new TypeError('x'));
    for (let tries = 0; tries < 5; tries++) {
      const error = await runScheduled(at(ctx, 10 * tries), subject, fail).catch(
        (reason: Error) => reason.name,
      );
      expect(error).to.equal('TypeError');
      await runScheduled(
        at(ctx, 10 * tries),
        { queue: 'maintenance', subjectId: 'a-task' },
        fail,
      ).catch(() => undefined);
    }
    expect(alerts()).to.deep.equal([
      [50, 'chain-scan', String(chainId), 5],
      [50, 'maintenance', 'a-task', 5],
    ]);
    expect(await failing(40)).to.have.deep.members([
      ['chain-scan', 1],
      ['maintenance', 1],
    ]);
    expect(await runScheduled(at(ctx, 50), subject, () => Promise.resolve('scanned'))).to.equal(
      'scanned',
    );
    expect(await failing(50)).to.deep.equal([['maintenance', 1]]);
  });

  it('fails as it did when it cannot be counted', async () => {
    const error = new TypeError('x');
    const db = new Proxy(ctx.db, {
      get: () => () => Promise.reject(new Error('the database is away')),
    });
    const caught = await runScheduled(
      { ...ctx, db },
      { queue: 'maintenance', subjectId: 'x' },
      () => Promise.reject(error),
    ).catch((reason: unknown) => reason);
    expect(caught).to.equal(error);
  });

  it('is forgotten after a day when nobody will try it again, and not while somebody will', async () => {
    await runConfirm(
      withReceipts(() => Promise.reject(new TypeError('x'))),
      0,
    );
    for (const subjectId of ['gone', 'recent']) {
      const seconds = subjectId === 'gone' ? 0 : 3_600;
      await runScheduled(at(ctx, seconds), { queue: 'maintenance', subjectId }, () =>
        Promise.reject(new Error('x')),
      ).catch(() => undefined);
    }
    await deleteOldFailures(at(ctx, 24 * 3_600 + 1));
    const left = await selectRows<{ subject_id: string }>(
      ctx.db,
      'SELECT subject_id FROM work_failures ORDER BY subject_id',
    );
    expect(left.map(({ subject_id }) => subject_id)).to.have.members(['recent', transactionId]);
  });
});
