import { expect } from 'chai';
import { pino } from 'pino';

import { checkDependencies } from '../../api/routes/service/checkDependencies.ts';
import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { Block, ChainPort } from '../../domain/chain/ports.ts';
import { findCursor } from '../../domain/chain/store.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Context } from '../../platform/context.ts';
import { execute } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { MAINTENANCE_TASKS } from '../../workers/maintenance.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { atTime, withChain } from '../support/varyContext.ts';
import { waitUntil } from '../support/waitUntil.ts';

const HASH = `0x${'ab'.repeat(32)}` as const;

describe('a scan that is behind', () => {
  let harness: Harness;
  let chainId: number;
  let now: Date;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(() => harness.close());
  beforeEach(async () => {
    await scanChain(harness.ctx, chainId);
    now = addMs(new Date(), 600_000);
  });

  /**
   * Ten minutes after the last scan, with what the chain says of the block after the last one that
   * was scanned.
   */
  const withNextBlock = (findBlock: ChainPort['findBlock']) =>
    withChain(atTime(harness.ctx, now), chainId, () => ({ findBlock }));
  const madeBefore = (ms: number) =>
    withNextBlock((number) => Promise.resolve({ number, hash: HASH, timestamp: addMs(now, -ms) }));
  const away = () => withNextBlock(() => Promise.reject(new AppError(CHAIN_ERRORS.unavailable)));
  async function check(base: Context): Promise<Record<string, unknown>[]> {
    const lines: Record<string, unknown>[] = [];
    const log = pino(
      { level: 'error' },
      { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    await MAINTENANCE_TASKS['check-scans']?.run({ ...base, log });
    return lines;
  }
  const readiness = async (base: Context) =>
    (await checkDependencies(base)).find(({ name }) => name === `scan:${chainId}`)?.status;

  it('is an alert once it has left a block unscanned for five minutes, and not ready', async () => {
    const [alert, ...others] = await check(madeBefore(301_000));
    expect(alert).to.include({ level: 50, alert: 'scan_behind', chainId });
    expect(alert?.['secondsBehind']).to.be.within(590, 700);
    expect(alert?.['blocksBehind']).to.be.at.least(1);
    expect(others).to.deep.equal([]);
    await waitUntil(async () => (await readiness(madeBefore(301_000))) === 'down', {
      what: 'no readiness',
    });
    await waitUntil(async () => (await readiness(harness.ctx)) === 'up', { what: 'readiness' });
  });

  it('is none of a chain that has made no block since, or the first one just now', async () => {
    expect(await check(harness.ctx)).to.deep.equal([]);
    expect(await check(withNextBlock(() => Promise.resolve(undefined)))).to.deep.equal([]);
    expect(await check(madeBefore(10_000))).to.deep.equal([]);
  });

  it('is an alert of a chain that does not answer only when the scanner itself had seen more than it scanned', async () => {
    expect(await check(away())).to.deep.equal([]);
    await execute(
      harness.ctx.db,
      'UPDATE chain_cursors SET head_number = next_block + 4 WHERE chain_id = ?',
      [chainId],
    );
    expect((await check(away()))[0]).to.include({ alert: 'scan_behind', blocksBehind: 5 });
  });

  it('is an alert when the chain has long shown less than was scanned, and not ready: a node fell back', async () => {
    // As the last scan left it that was as far as the chain.
    await execute(
      harness.ctx.db,
      'UPDATE chain_cursors SET head_number = next_block - 1 WHERE chain_id = ?',
      [chainId],
    );
    const next = (await findCursor(harness.ctx.db, chainId))?.nextBlock ?? 0n;
    const withHead = (number: bigint) =>
      withChain(atTime(harness.ctx, now), chainId, () => ({
        findBlock: (asked) =>
          Promise.resolve(
            asked > number ? undefined : { number: asked, hash: HASH, timestamp: now },
          ),
        getHead: (): Promise<Block> => Promise.resolve({ number, hash: HASH, timestamp: now }),
      }));
    const [alert, ...others] = await check(withHead(next - 51n));
    expect(alert).to.include({
      level: 50,
      alert: 'scan_behind',
      chainId,
      blocksBehind: 1,
      blocksMissing: 50,
    });
    expect(others).to.deep.equal([]);
    expect(await check(withHead(next - 2n)), 'one block').to.have.length(1);
    // As far as what was scanned: it may have made no block since.
    expect(await check(withHead(next - 1n))).to.deep.equal([]);
    await waitUntil(async () => (await readiness(withHead(next - 51n))) === 'down', {
      what: 'no readiness',
    });
    await waitUntil(async () => (await readiness(harness.ctx)) === 'up', { what: 'readiness' });
  });

  it('is none when the scan waits for an operator, which is told otherwise', async () => {
    const halt = (reason: string | null) =>
      execute(
        harness.ctx.db,
        'UPDATE chain_cursors SET halt_reason = ?, halted_at = UTC_TIMESTAMP(3), halt_count = 300 WHERE chain_id = ?',
        [reason, chainId],
      );
    await halt('withdrawals');
    expect(await check(madeBefore(400_000))).to.deep.equal([]);
    await halt(null);
  });

  it('may take twenty blocks where these take longer', async () => {
    const slow = (base: Context): Context => ({
      ...base,
      config: {
        ...base.config,
        chains: base.config.chains.map((chain) => ({ ...chain, blockTimeMs: 20_000 })),
      },
    });
    expect(await check(slow(madeBefore(399_000)))).to.deep.equal([]);
    expect(await check(slow(madeBefore(401_000)))).to.have.length(1);
  });
});
