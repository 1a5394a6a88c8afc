import { expect } from 'chai';

import { lockRelayersOf, takeFreeRelayer } from '../../domain/relayers/takeFreeRelayer.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';
import type { Context } from '../../platform/context.ts';
import { execute } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { countReads } from '../support/countReads.ts';
import { expectTrueFlights } from '../support/expectTrueFlights.ts';
import { createHarness, type Harness } from '../support/harness.ts';

const CARRIED = 20;
/** The relayer's limits in this test: what choosing one may read depends on them alone. */
const MAX_IN_FLIGHT = 40;
const PER_MINUTE = 60;
/**
 * For each of the limits an index entry, what it is counted in, and the server's own answers about
 * itself.
 */
const MOST_READS = 1_000;

describe('the load of a relayer', function () {
  this.timeout(120_000);

  let harness: Harness;
  let ctx: Context;
  let chainId: number;
  let relayerId: string;
  before(async () => {
    harness = await createHarness({
      config: (config) => ({
        ...config,
        chains: config.chains.map((chain) => ({
          ...chain,
          relayers: chain.relayers.map((relayer) => ({
            ...relayer,
            maxInFlight: MAX_IN_FLIGHT,
            transactionsPerMinute: PER_MINUTE,
          })),
        })),
      }),
    });
    ctx = harness.ctx;
    chainId = ctx.config.chains[0]?.chainId ?? 0;
    relayerId = ctx.config.chains[0]?.relayers[0]?.id ?? '';
  });
  after(() => harness.close());

  let made = 0;

  /** Transactions that were handed over, each with its attempts. */
  async function makeTransactions(
    count: number,
    sentAt: Date,
    status: 'submitted' | 'mined',
  ): Promise<void> {
    const ids = Array.from({ length: count }, () => `rtx_${++made}`);
    const rows = <T>(values: readonly T[], row: string) => values.map(() => row).join(', ');
    await execute(
      ctx.db,
      `INSERT INTO relay_transactions (id, chain_id, relayer_id, to_address, data, call_digest, gas_limit, valid_until, items, sent_at, is_flying)
       VALUES ${rows(ids, '(?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)')}`,
      ids.flatMap((id) => [
        id,
        chainId,
        relayerId,
        '0x',
        '0x',
        '',
        addMs(sentAt, 3_600_000),
        CARRIED,
        sentAt,
        status === 'submitted',
      ]),
    );
    const attempts = ids.flatMap((id) =>
      Array.from({ length: CARRIED }, (_, index) => ({
        id: `rla_${id}_${index}`,
        transactionId: id,
      })),
    );
    for (let start = 0; start < attempts.length; start += 1_000) {
      const some = attempts.slice(start, start + 1_000);
      await execute(
        ctx.db,
        `INSERT INTO relay_attempts (id, payment_id, live_subject_id, store_id, chain_id, rail, status, payer, deadline, request, signature,
           transaction_id, created_at, updated_at) VALUES ${rows(some, "(?, ?, ?, 'st_1', ?, 'authorization', ?, '0x', ?, '{}', '0x', ?, ?, ?)")}`,
        some.flatMap(({ id, transactionId }) => [
          id,
          id,
          id,
          chainId,
          status,
          sentAt,
          transactionId,
          sentAt,
          sentAt,
        ]),
      );
    }
  }

  const choose = () =>
    inUnitOfWork(ctx, (unit) =>
      countReads(unit.trx, async () =>
        takeFreeRelayer(ctx, unit, readRelayerLoads, await lockRelayersOf(ctx, unit, chainId)),
      ),
    );

  it('is read under its lock at the same cost with 12,000 requests in flight as with none', async () => {
    const idle = await choose();
    expect(idle.result).to.deep.equal({ relayerId });
    await makeTransactions(12_000 / CARRIED, addMs(new Date(), -120_000), 'submitted');
    await expectTrueFlights(ctx.db);
    const busy = await choose();
    expect(busy.result, 'as many as it may have').to.have.property('waitMs');
    expect(busy.reads).to.be.below(MOST_READS);
    expect(idle.reads).to.be.below(MOST_READS);
  });

  it('is counted no further than its limits to choose a relayer, and whole to tell of it', async () => {
    const windowStart = addMs(new Date(), -60_000);
    await makeTransactions(PER_MINUTE + 40, new Date(), 'mined');
    const [whole] = await readRelayerLoads(ctx.db, [{ id: relayerId }], windowStart);
    expect(whole).to.include({ inFlight: 12_000 / CARRIED, sent: PER_MINUTE + 40, abandoned: 0 });
    const [limited] = await readRelayerLoads(
      ctx.db,
      [{ id: relayerId, mostSent: PER_MINUTE, mostInFlight: MAX_IN_FLIGHT }],
      windowStart,
    );
    expect(limited).to.include({ inFlight: MAX_IN_FLIGHT, sent: PER_MINUTE });
    expect(limited?.oldestInFlightAt).to.deep.equal(whole?.oldestInFlightAt);
    expect((await choose()).reads).to.be.below(MOST_READS);
  });

  it('is none for a relayer that was never used, whatever the others do', async () => {
    const [first, second] = await readRelayerLoads(
      ctx.db,
      [{ id: 'never-used' }, { id: relayerId }],
      new Date(0),
    );
    const nothing = {
      sent: 0,
      oldestSentAt: null,
      latestSentAt: null,
      inFlight: 0,
      abandoned: 0,
      oldestInFlightAt: null,
    };
    expect(first).to.deep.equal({ relayerId: 'never-used', ...nothing });
    expect(second).to.include({ relayerId, inFlight: 12_000 / CARRIED });
  });
});
