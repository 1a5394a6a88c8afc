import { expect } from 'chai';
import { createServer, type AddressInfo } from 'node:net';

import { createChain } from '../../adapters/chain/createChain.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { claimAttempts } from '../../domain/relay/attempts/dispatchStore.ts';
import { endUnsent } from '../../domain/relay/send/endUnsent.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { withClaim } from '../../domain/relay/send/withClaim.ts';
import type { Context } from '../../platform/context.ts';
import { execute, inTransaction, placeholders } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { signAuthorization } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { confirmOnce, readAttempt, readPayment } from '../support/relayFlow.ts';
import { atTime, withChain, withRelayers } from '../support/varyContext.ts';

interface Waiting {
  readonly payment: Payment;
  readonly id: string;
}

describe('what is to be sent is claimed first', function () {
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
    harness = await createHarness({ config: chain.configure({ confirmations: 1 }) });
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

  const withBatchSize = (maxBatchSize: number): Context => ({
    ...ctx,
    config: {
      ...ctx.config,
      chains: ctx.config.chains.map((config) => ({
        ...config,
        relayLimits: { ...config.relayLimits, maxBatchSize },
      })),
    },
  });
  const withClaimMs = (claimMs: number, base = ctx): Context => ({
    ...base,
    config: { ...base.config, relay: { ...base.config.relay, claimMs } },
  });

  async function acceptMany(count: number): Promise<Waiting[]> {
    const waiting: Waiting[] = [];
    for (let index = 0; index < count; index++) {
      const [customer, payment] = [
        await chain.createCustomer(),
        await harness.createTestPayment(store, { token: chain.token }),
      ];
      await executePayment(ctx, await signAuthorization(ctx, customer, payment));
      waiting.push({ payment, id: (await readAttempt(ctx, payment)).id });
    }
    return waiting;
  }

  /** Nothing of one test waits in the next. */
  async function finish(all: readonly Waiting[]): Promise<void> {
    for (const { id } of all) await sendAttempt(ctx, id);
    await chain.mine();
    await scanChain(ctx, chainId);
    for (const { payment } of all) {
      await confirmOnce(ctx, payment);
      expect(await readPayment(ctx, payment)).to.include({ status: 'completed' });
      expect(await readAttempt(ctx, payment)).to.include({ status: 'succeeded' });
      expect(await chain.countPayments(payment.id)).to.equal(1);
    }
  }

  it('so that workers who choose at the same moment choose different ones', async () => {
    const waiting = await acceptMany(6);
    const own = await readAttempt(ctx, waiting[0]!.payment);
    const small = withBatchSize(2);
    let asked = 0;
    let everybodyHas: () => void = () => undefined;
    const allHave = new Promise<void>((resolve) => (everybodyHas = resolve));
    const claims = await Promise.all(
      [1, 2, 3, 4].map(() =>
        withClaim(small, { own, isOwnAside: true }, async ({ candidates }) => {
          asked += 1;
          if (asked === 4) everybodyHas();
          await allHave;
          return candidates.map(({ attempt }) => attempt.id);
        }),
      ),
    );
    // Who comes while another one has locked some may be left with fewer.
    for (const ids of claims) expect(ids.length).to.be.at.most(2);
    expect(claims.flat().sort()).to.deep.equal(waiting.map(({ id }) => id).sort());
    await finish(waiting);
    // They were free again at once: all of them went together.
    expect(relayer.sent).to.have.length(1);
  });

  it('and what a worker claimed that died is chosen by others once its claim has lapsed', async () => {
    const waiting = await acceptMany(2);
    const now = new Date();
    const { claimMs } = ctx.config.relay;
    const dead = await inTransaction(ctx.db, (trx) =>
      claimAttempts(trx, {
        ...{
          chainId,
          now,
          freeAfter: addMs(now, 2 * claimMs),
          deadlineAfter: now,
          ownId: null,
          limit: 20,
          claimId: 'rlc_dead',
        },
        ...{ lapsesAt: addMs(now, claimMs), head: { rail: 'authorization', batchFailures: 0 } },
      }),
    );
    expect(dead.map(({ id }) => id)).to.deep.equal(waiting.map(({ id }) => id));
    expect((await sendAttempt(ctx, waiting[0]!.id)).kind).to.equal('later');
    expect(relayer.sent).to.have.length(0);
    await sendAttempt(atTime(ctx, addMs(now, claimMs)), waiting[0]!.id);
    expect(relayer.sent).to.have.length(1);
    await finish(waiting);
  });

  it('and kept while an RPC URL hangs for longer than a claim lasts: it is sent by who claimed it, and nobody else chooses it', async () => {
    const hanging = await startHangingServer();
    try {
      const waiting = await acceptMany(2);
      const [config] = ctx.config.chains;
      const port = createChain({
        chain: { ...config!, rpcUrls: [hanging.url, chain.rpcUrl] },
        clock: ctx.clock,
        log: ctx.log,
      });
      // A question waits four seconds for the first URL.
      const slow = withClaimMs(900, { ...ctx, chains: new Map([[chainId, port]]) });
      let hasEnded = false;
      const sending = sendAttempt(slow, waiting[0]!.id).finally(() => (hasEnded = true));
      const own = await readAttempt(ctx, waiting[1]!.payment);
      const chosenByOthers: string[] = [];
      await hanging.wasAsked;
      while (!hasEnded) {
        await withClaim(withClaimMs(900), { own, isOwnAside: true }, ({ candidates }) => {
          chosenByOthers.push(...candidates.map(({ attempt }) => attempt.id));
          return new Promise((resolve) => setTimeout(resolve, 100));
        });
      }
      expect((await sending).kind).to.equal('done');
      expect(chosenByOthers).to.deep.equal([]);
      expect(relayer.sent).to.have.length(1);
      await finish(waiting);
      expect(relayer.sent).to.have.length(1);
    } finally {
      await hanging.close();
    }
  });

  it('and sends nothing of what another worker has claimed meanwhile', async () => {
    const waiting = await acceptMany(2);
    const ids = waiting.map(({ id }) => id);
    const slow = withChain(ctx, chainId, (port) => ({
      async estimateRelayGas(items) {
        await execute(
          ctx.db,
          `UPDATE relay_attempts SET claim_id = 'rlc_other' WHERE id IN (${placeholders(ids)})`,
          ids,
        );
        return port.estimateRelayGas(items);
      },
    }));
    expect((await sendAttempt(slow, ids[0]!)).kind).to.equal('later');
    expect(relayer.sent).to.have.length(0);
    await execute(
      ctx.db,
      `UPDATE relay_attempts SET claim_id = NULL, choose_after = NULL WHERE id IN (${placeholders(ids)})`,
      ids,
    );
    await finish(waiting);
  });

  it('and what was marked by a clock that was hours ahead does not wait for hours', async () => {
    const waiting = await acceptMany(1);
    const { id } = waiting[0]!;
    await execute(
      ctx.db,
      "UPDATE relay_attempts SET claim_id = 'rlc_ahead', choose_after = ? WHERE id = ?",
      [addMs(new Date(), 3 * 3_600_000), id],
    );
    await sendAttempt(ctx, id);
    expect(relayer.sent).to.have.length(1);
    await finish(waiting);
  });

  it('and is not called failed for what was true before another worker sent it', async () => {
    const waiting = await acceptMany(1);
    const { payment, id } = waiting[0]!;
    const seen = await readAttempt(ctx, payment);
    // While the one who saw it was held up, it was sent and given up: it may be mined all the same.
    await sendAttempt(ctx, id);
    await confirmOnce(
      { ...ctx, config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } } },
      payment,
    );
    expect(await readAttempt(ctx, payment)).to.include({ status: 'queued', mayStillLand: true });
    const result = await endUnsent(ctx, seen, {
      code: 'PAY_029',
      detail: 'It would not have been made then.',
    });
    expect(result.kind).to.equal('later');
    expect(await readAttempt(ctx, payment)).to.include({ status: 'queued' });
    await finish(waiting);
  });
});

/** Takes connections, and never answers. */
async function startHangingServer(): Promise<{
  readonly url: string;
  readonly wasAsked: Promise<void>;
  close(): Promise<void>;
}> {
  let noteAsked: () => void = () => undefined;
  const wasAsked = new Promise<void>((resolve) => (noteAsked = resolve));
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    noteAsked();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    wasAsked,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
