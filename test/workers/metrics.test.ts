import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { createHarness, type Harness } from '../support/harness.ts';
import { withChain } from '../support/varyContext.ts';
import { startHealthServer } from '../../workers/startHealthServer.ts';

describe('the metrics of a workers process', () => {
  let harness: Harness;
  let server: Awaited<ReturnType<typeof startHealthServer>>;
  let chainId: number;
  let badAnswers = 0;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    chainId = harness.config.chains[0]?.chainId ?? 0;
    const ctx = withChain(harness.ctx, chainId, () => ({
      countBadAnswers: () => [badAnswers],
      listOtherChainUrls: () => [0],
      listAwayUrls: () => [0],
    }));
    server = await startHealthServer({ ...ctx, readClockAheadMs: () => -1_500 }, '127.0.0.1', 0);
  });
  after(async () => {
    await server.close();
    await harness.close();
  });

  it('tell whether this machine’s clock is right, which is no reason to restart it', async () => {
    for (const [aheadMs, clock] of [
      [-1_500, true],
      [40_000, false],
      [undefined, false],
    ] as const) {
      const one = await startHealthServer(
        { ...harness.ctx, readClockAheadMs: () => aheadMs },
        '127.0.0.1',
        0,
      );
      try {
        const answer = await fetch(`${one.url}/healthz`);
        expect([answer.status, await answer.json()]).to.deep.equal([
          200,
          { status: 'ok', database: true, redis: true, clock },
        ]);
      } finally {
        await one.close();
      }
    }
  });

  it('are not cut off when the process stops', async () => {
    let arrived: () => void = () => undefined;
    const hasArrived = new Promise<void>((resolve) => (arrived = resolve));
    const slowly = async (sql: string, bindings: readonly string[]) => {
      arrived();
      await sleep(200);
      return await harness.ctx.db.raw(sql, bindings);
    };
    const db = new Proxy(harness.ctx.db, {
      get: (target, name) => (name === 'raw' ? slowly : (Reflect.get(target, name) as unknown)),
    });
    const one = await startHealthServer({ ...harness.ctx, db }, '127.0.0.1', 0);
    const asked = fetch(`${one.url}/healthz`);
    await hasArrived;
    const startedAt = performance.now();
    const [response] = await Promise.all([asked, one.close()]);
    expect(response.status).to.equal(200);
    expect(performance.now() - startedAt).to.be.below(5_000);
  });

  const get = (path: string, login?: string) =>
    fetch(
      `${server.url}${path}`,
      login === undefined
        ? {}
        : { headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}` } },
    );

  it('are this process’s own, as of each look, under the names that the API’s have', async () => {
    const { user, password } = harness.config.admin;
    const read = async () => (await get('/metrics', `${user}:${password}`)).text();
    const first = await read();
    expect(first)
      .to.contain('\nmsqpay_clock_ahead_seconds -1.5\n')
      .and.to.contain('\nmsqpay_process_cpu_seconds_total ');
    expect(first).to.contain(`\nmsqpay_rpc_url_other_chain{chain="${chainId}",rpc_url="0"} 1\n`);
    expect(first).to.contain(`\nmsqpay_rpc_url_away{chain="${chainId}",rpc_url="0"} 1\n`);
    expect(first).to.contain(`\nmsqpay_rpc_bad_answers{chain="${chainId}",rpc_url="0"} 0\n`);
    badAnswers = 7;
    expect(await read()).to.contain(`\nmsqpay_rpc_bad_answers{chain="${chainId}",rpc_url="0"} 7\n`);
    expect((await get('/metrics', `${user}:${password}`)).headers.get('content-type')).to.contain(
      'text/plain',
    );
  });

  it('are behind the operators’ login; whether it is healthy is not', async () => {
    for (const login of [undefined, `${harness.config.admin.user}:guess`]) {
      const refused = await get('/metrics', login);
      expect([refused.status, await refused.text()]).to.deep.equal([401, '']);
      expect(refused.headers.get('www-authenticate')).to.contain('Basic');
    }
    const health = await get('/healthz');
    expect([health.status, await health.json()]).to.deep.equal([
      200,
      { status: 'ok', database: true, redis: true, clock: true },
    ]);
    expect((await get('/nothing')).status).to.equal(404);
  });
});
