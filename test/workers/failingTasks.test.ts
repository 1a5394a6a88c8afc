import { expect } from 'chai';
import { pino } from 'pino';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import { listRereads } from '../../domain/scan/service.ts';
import type { JobQueuePort, QueuedJob } from '../../domain/outbox/ports.ts';
import { listFailingWork, promiseWork, publishOutbox } from '../../domain/outbox/service.ts';
import { expirePayment } from '../../domain/scan/expirePayment.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import { announceProcess } from '../../domain/webhooks/announceProcess.ts';
import type { Context } from '../../platform/context.ts';
import { execute } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address } from '../../shared/hex.ts';
import { MAINTENANCE_TASKS } from '../../workers/maintenance.ts';
import { runScheduled } from '../../workers/runScheduled.ts';
import { startOutboxPublisher } from '../../workers/startOutboxPublisher.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { atTime, withChain, withRelayers } from '../support/varyContext.ts';
import { waitUntil } from '../support/waitUntil.ts';

const PAYER: Address = '0x90F79bf6EB2c4f870365E785982E1f101E93b906';

describe('a task of maintenance that fails again and again', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let ctx: Context;
  let start: Date;
  let lines: Record<string, unknown>[] = [];

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: 2 }) });
    chainId = harness.config.chains[0]?.chainId ?? 0;
    store = await harness.createTestStore();
    await chain.mine(5);
    await scanChain(harness.ctx, chainId);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(() => {
    const log = pino(
      { level: 'debug' },
      { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    ctx = { ...harness.ctx, log };
    start = addMs(new Date(), 60_000);
    lines = [];
  });
  afterEach(async () => {
    for (const table of ['work_failures', 'outbox', 'chain_rereads'])
      await execute(harness.ctx.db, `DELETE FROM ${table}`);
  });

  const alerts = () =>
    lines
      .filter(({ alert }) => alert === 'work_keeps_failing')
      .map(
        ({ queue, subjectId, failures }) =>
          `${String(queue)} ${String(subjectId)} ${String(failures)}`,
      );
  const listFailing = async (now: Date) =>
    (await listFailingWork(atTime(ctx, now), 10)).map(({ subjectId }) => subjectId);
  const unavailable = () => Promise.reject(new AppError(CHAIN_ERRORS.unavailable));
  /** As a workers process runs it. @returns what it threw */
  async function run(base: Context, task: string, seconds: number): Promise<unknown> {
    const work = MAINTENANCE_TASKS[task]?.run;
    if (work === undefined) throw new Error(`there is no task ${task}`);
    const now = atTime(base, addMs(start, seconds * 1000));
    return runScheduled(now, { queue: 'maintenance', subjectId: task }, () => work(now)).then(
      () => undefined,
      (error: unknown) => error,
    );
  }
  async function runOften(base: Context, task: string): Promise<void> {
    for (let tries = 0; tries < 5; tries++)
      expect(await run(base, task, 10 * tries), `try ${tries}`).to.be.an('error');
  }
  const read = ({ id }: Pick<Payment, 'id'>) =>
    getPayment(ctx, { storeId: store.storeId, paymentId: id });

  describe('of the relayers', () => {
    it('is an alert when one cannot be tended, and the others are tended all the same', async () => {
      const [broken, well] = [await chain.createRelayer(), await chain.createRelayer()];
      let tended = 0;
      const tendWell = () => Promise.resolve(void tended++);
      const failing = withRelayers(ctx, chainId, [
        { ...broken, tend: () => Promise.reject(new TypeError('a bug')) },
        { ...well, tend: tendWell },
      ]);
      await runOften(failing, 'tend-relayers');
      expect(tended).to.equal(5);
      expect(alerts()).to.deep.equal(['maintenance tend-relayers 5']);
      expect(lines.find(({ relayerId }) => relayerId === broken.id)).to.include({ level: 40 });
      expect(
        await run(withRelayers(ctx, chainId, [{ ...well, tend: tendWell }]), 'tend-relayers', 50),
      ).to.equal(undefined);
      expect(await listFailing(addMs(start, 60_000))).to.deep.equal([]);
    });

    it('is an alert when one cannot be checked, and the others’ alerts are given all the same', async () => {
      const [broken, paused] = [await chain.createRelayer(), await chain.createRelayer()];
      const { address } = await chain.createAccount();
      const failing = withRelayers(ctx, chainId, [
        { ...broken, getStatus: () => Promise.reject(new TypeError('a bug')) },
        {
          ...paused,
          getStatus: () => Promise.resolve({ address, paused: true, pendingTransactions: 0 }),
        },
      ]);
      await runOften(failing, 'check-relayers');
      expect(alerts()).to.deep.equal(['maintenance check-relayers 5']);
      expect(
        lines.filter(
          ({ alert, relayerId }) => alert === 'relayer_paused' && relayerId === paused.id,
        ),
      ).to.have.length(5);
    });
  });

  describe('of the audit', () => {
    const readAudited = async () =>
      (await listRereads(ctx.db)).find(({ reason }) => reason === 'audit')?.ranges;
    const INTERVAL_SECONDS = 300;

    it('is an alert when a chain does not answer it, which is asked again by each run and not an interval later', async () => {
      const mute = withChain(ctx, chainId, () => ({ listGatewayLogs: unavailable }));
      expect(await run(ctx, 'audit-blocks', -INTERVAL_SECONDS)).to.equal(undefined);
      await runOften(mute, 'audit-blocks');
      expect(alerts()).to.deep.equal(['maintenance audit-blocks 5']);
      expect(await readAudited()).to.equal(0);
      expect(await run(ctx, 'audit-blocks', 50)).to.equal(undefined);
      expect(await readAudited()).to.equal(1);
      expect(await listFailing(addMs(start, 60_000))).to.deep.equal([]);
      // Then it is done, and at its own pace again.
      expect(await run(ctx, 'audit-blocks', 50 + INTERVAL_SECONDS - 1)).to.equal(undefined);
      expect(await readAudited()).to.equal(1);
    });

    it('is none while the whole chain is away, and the turn is not lost', async () => {
      const away = withChain(ctx, chainId, () => ({
        listGatewayLogs: unavailable,
        getHead: unavailable,
      }));
      await run(ctx, 'audit-blocks', -INTERVAL_SECONDS);
      for (let tries = 0; tries < 6; tries++)
        expect(await run(away, 'audit-blocks', 60 * tries)).to.equal(undefined);
      expect(alerts()).to.deep.equal([]);
      await run(ctx, 'audit-blocks', 360);
      expect(await readAudited()).to.equal(1);
    });
  });

  describe('of payments that the chain shows as made', () => {
    /** It says who paid these, and shows no event of it. */
    const withoutEvents = (base: Context, paid: readonly Payment[]) =>
      withChain(base, chainId, (port) => ({
        async findPayers(paymentIds) {
          const { block } = await port.findPayers(paymentIds);
          const payers = new Map(paid.map(({ id }) => [id, PAYER]));
          return { block: block && { ...block, timestamp: base.clock.now() }, payers };
        },
        findPaymentLog: () => Promise.resolve(undefined),
      }));
    const settle = (time: Date) =>
      execute(
        ctx.db,
        'UPDATE chain_cursors SET settled_block = 1, settled_timestamp = ? WHERE chain_id = ?',
        [time, chainId],
      );

    it('is an alert while no RPC URL shows the event, and each of them is looked for', async () => {
      const payments = [
        await harness.createTestPayment(store, { token: chain.token }),
        await harness.createTestPayment(store, { token: chain.token }),
      ];
      const searched: string[] = [];
      for (const { id } of payments)
        await execute(
          ctx.db,
          "UPDATE payments SET status = 'processing', version = 2 WHERE id = ?",
          [id],
        );
      const hiding = withChain(withoutEvents(ctx, payments), chainId, () => ({
        findPaymentLog: ({ paymentId }: Parameters<ChainPort['findPaymentLog']>[0]) => {
          searched.push(paymentId);
          return Promise.resolve(undefined);
        },
      }));
      start = addMs(start, 300_000);
      await runOften(hiding, 'find-missed-payments');
      expect(alerts()).to.deep.equal(['maintenance find-missed-payments 5']);
      expect(new Set(searched)).to.deep.equal(new Set(payments.map(({ id }) => id)));
      await execute(
        ctx.db,
        "UPDATE payments SET status = 'cancelled' WHERE id IN (?, ?)",
        payments.map(({ id }) => id),
      );
    });

    it('is an alert of the payment whose expiry fails, whoever tries it; the other overdue ones expire', async () => {
      const create = () =>
        harness.createTestPayment(store, { token: chain.token, expiresInSeconds: 60 });
      const [stuck, other] = [await create(), await create()];
      await execute(ctx.db, 'DELETE FROM outbox');
      start = addMs(stuck.terms.expiresAt, 60_000);
      await settle(addMs(start, 3_600_000));
      const sweep = (seconds: number) =>
        run(
          withoutEvents(atTime(ctx, addMs(start, seconds * 1000)), [stuck]),
          'sweep-overdue-payments',
          seconds,
        );
      expect(await sweep(0)).to.be.an('error');
      expect([(await read(stuck)).status, (await read(other)).status]).to.deep.equal([
        'pending',
        'expired',
      ]);
      for (let tries = 1; tries < 5; tries++) expect(await sweep(60 * tries)).to.be.an('error');
      expect(alerts()).to.include(`expire ${stuck.id} 5`);
      // So does the job, whose own look is no sooner than it was.
      const later = atTime(ctx, addMs(start, 300_000));
      const result = await expirePayment(withoutEvents(later, [stuck]), stuck.id);
      expect(result).to.include({ kind: 'later' }).and.to.have.property('failure');
      expect(
        await run(
          withoutEvents(atTime(ctx, addMs(start, 360_000)), []),
          'sweep-overdue-payments',
          360,
        ),
      ).to.equal(undefined);
      expect((await read(stuck)).status).to.equal('expired');
      expect(await listFailing(addMs(start, 400_000))).to.deep.equal([]);
    });
  });

  describe('in a loop of its own', () => {
    /** Twenty times as fast: failures count over half a minute. */
    function hurry(base: Context): Context {
      const begun = performance.now();
      return { ...base, clock: { now: () => addMs(start, (performance.now() - begun) * 20) } };
    }
    const refuse = (queue: string): JobQueuePort & { readonly added: QueuedJob[] } => {
      const added: QueuedJob[] = [];
      return {
        added,
        addAll(jobs) {
          if (jobs.some((job) => job.queue === queue))
            return Promise.reject(new TypeError('a bug'));
          added.push(...jobs);
          return Promise.resolve();
        },
      };
    };
    const promise = () =>
      inUnitOfWork(ctx, (unit) =>
        promiseWork(ctx, unit, [
          { queue: 'confirm', subjectId: 'one' },
          { queue: 'expire', subjectId: 'another' },
        ]),
      );

    it('as the publisher of the outbox, is an alert, until it succeeds', async () => {
      await promise();
      const publisher = startOutboxPublisher(hurry(ctx), refuse('confirm'));
      try {
        await waitUntil(() => alerts().length > 0, { what: 'an alert', timeoutMs: 20_000 });
      } finally {
        await publisher.stop();
      }
      expect(alerts()[0]).to.contain('maintenance publish-outbox ');
      const next = startOutboxPublisher(hurry(ctx), refuse('none'));
      try {
        await waitUntil(async () => (await listFailing(addMs(start, 600_000))).length === 0, {
          what: 'its success',
        });
      } finally {
        await next.stop();
      }
    });

    it('keeps no other queue waiting for the one that cannot be filled', async () => {
      for (const failing of ['confirm', 'expire']) {
        await execute(ctx.db, 'DELETE FROM outbox');
        await promise();
        const queues = refuse(failing);
        const error = await publishOutbox(atTime(ctx, start), queues, 100).catch(
          (reason: unknown) => reason,
        );
        expect(error).to.be.instanceOf(TypeError);
        expect(queues.added.map(({ queue }) => queue)).to.deep.equal(
          ['confirm', 'expire'].filter((queue) => queue !== failing),
        );
      }
    });

    it('as what says that a process is there, is an alert', async () => {
      const redis = new Proxy(ctx.redis, {
        get: () => () => Promise.reject(new TypeError('a bug')),
      });
      const presence = announceProcess({ ...hurry(ctx), redis });
      try {
        await waitUntil(() => alerts().length > 0, { what: 'an alert', timeoutMs: 20_000 });
      } finally {
        await presence.stop();
      }
      expect(alerts()[0]).to.contain('maintenance announce-places ');
    });
  });
});
