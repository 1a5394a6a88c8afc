import { expect } from 'chai';
import { pino } from 'pino';

import type { components } from '../../api/generated/openapi.ts';
import { startServer } from '../../api/http/startServer.ts';
import { isClockBehindChain } from '../../domain/chain/service.ts';
import { checkRelayers } from '../../domain/relayers/checkRelayers.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { RELAY_ERRORS } from '../../domain/relay/errors.ts';
import type { RelayerPort } from '../../domain/relayers/ports.ts';
import type { Context } from '../../platform/context.ts';
import { createDatabase, execute } from '../../platform/db.ts';
import { createRedis } from '../../platform/redis.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { paymentRequest, startTestApi, type TestApi } from './startTestApi.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';

type Readiness = components['schemas']['Readiness'];

describe('health', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  // As a workers process does; the API itself has no keys to ask relayers with.
  beforeEach(() => checkRelayers(api.ctx, readRelayerLoads));
  after(() => api.close());

  /** Readiness as a process tells it whose context differs from the whole one. */
  async function readinessWith(
    changes: Partial<Context>,
  ): Promise<{ status: number; body: Readiness; ms: number }> {
    // A database handle of its own, since what was found out is remembered for each.
    const db = changes.db ?? api.ctx.db.withUserParams({});
    const server = await startServer({ ...api.ctx, ...changes, db }, [], { idleMs: 10 });
    try {
      const startedAt = performance.now();
      const response = await fetch(`${server.url}/readyz`);
      return {
        status: response.status,
        body: (await response.json()) as Readiness,
        ms: performance.now() - startedAt,
      };
    } finally {
      await server.stop();
    }
  }
  const downIn = (body: Readiness) =>
    body.dependencies.filter((one) => one.status === 'down').map((one) => one.name);

  for (const path of ['/api/v1/healthz', '/healthz']) {
    it(`getHealth answers at ${path} without a key`, async () => {
      const response = await fetch(api.url + path);
      expect([response.status, await response.json()]).to.deep.equal([200, { status: 'ok' }]);
    });
  }

  for (const path of ['/api/v1/readyz', '/readyz']) {
    it(`getReadiness answers at ${path} without a key and names every dependency`, async () => {
      const response = await fetch(api.url + path);
      const body = (await response.json()) as Readiness;
      expect([response.status, body.status]).to.deep.equal([200, 'ready']);
      const chains = api.config.chains.map((chain) => `chain:${chain.chainId}`);
      const scans = api.config.chains.map((chain) => `scan:${chain.chainId}`);
      const permits = api.config.chains.map((chain) => `permits:${chain.chainId}`);
      const relayers = api.config.chains.flatMap((chain) =>
        chain.relayers.map(({ id }) => `relayer:${id}`),
      );
      expect(body.dependencies.map((one) => one.name)).to.have.members([
        'database',
        'redis',
        'clock',
        ...chains,
        ...scans,
        ...permits,
        ...relayers,
      ]);
    });
  }

  it('is degraded, and ready all the same, while Redis, a chain or a relayer is away', async () => {
    const redis = createRedis('redis://127.0.0.1:1', 'command');
    redis.on('error', () => undefined);
    const fail = () => Promise.reject(new Error('away'));
    const chains = new Map(
      [...api.ctx.chains].map(([id, chain]) => [id, { ...chain, getHead: fail }]),
    );
    const away = () => Promise.reject(new AppError(RELAY_ERRORS.relayerUnavailable));
    await checkRelayers(withStatus(away), readRelayerLoads);
    try {
      const { status, body } = await readinessWith({ redis, chains });
      expect([status, body.status]).to.deep.equal([200, 'degraded']);
      expect(downIn(body)).to.have.members(
        body.dependencies
          .map((one) => one.name)
          .filter((name) => name !== 'database' && !/^(clock$|scan:|permits:)/.test(name)),
      );
    } finally {
      redis.disconnect();
    }
  });

  function withStatus(getStatus: RelayerPort['getStatus']): Context {
    const relayers = new Map(
      [...api.ctx.relayers].map(([id, relayer]) => [id, { ...relayer, id: relayer.id, getStatus }]),
    );
    return { ...api.ctx, relayers };
  }

  const relayersIn = (body: Readiness) =>
    body.dependencies.map(({ name }) => name).filter((name) => name.startsWith('relayer:'));

  it('counts a relayer as down that the workers found paused or poor', async () => {
    await checkRelayers(
      withStatus(() =>
        Promise.resolve({ address: api.store.payoutAddress, paused: true, pendingTransactions: 0 }),
      ),
      readRelayerLoads,
    );
    expect(downIn((await readinessWith({})).body)).to.deep.equal(
      api.config.chains.flatMap((chain) => chain.relayers.map(({ id }) => `relayer:${id}`)),
    );
    // The account of a store has nothing to pay gas with.
    await checkRelayers(
      withStatus(() =>
        Promise.resolve({
          address: api.store.payoutAddress,
          paused: false,
          pendingTransactions: 0,
        }),
      ),
      readRelayerLoads,
    );
    const { body } = await readinessWith({});
    expect(downIn(body)).to.deep.equal(relayersIn(body));
  });

  it('counts a relayer as down that no worker has looked at for a minute', async () => {
    const { body } = await readinessWith({ clock: { now: () => addMs(new Date(), 61_000) } });
    expect(downIn(body)).to.deep.equal(relayersIn(body));
  });

  for (const aheadMs of [31_000, -31_000]) {
    it(`counts the clock as down when this machine’s is ${aheadMs} ms ahead of the database’s`, async () => {
      expect(downIn((await readinessWith({ readClockAheadMs: () => aheadMs })).body)).to.deep.equal(
        ['clock'],
      );
      expect(
        downIn((await readinessWith({ readClockAheadMs: () => aheadMs / 2 })).body),
      ).to.deep.equal([]);
    });
  }

  describe('when our clock is behind a chain’s', () => {
    const chainId = () => api.config.chains[0]!.chainId;
    const asStanding = (development: boolean): Partial<Context> => ({
      config: {
        ...api.config,
        chains: api.config.chains.map((chain) => ({ ...chain, development })),
      },
    });
    async function scannedAt(aheadMs: number): Promise<void> {
      await scanChain(api.ctx, chainId());
      const time = addMs(api.ctx.clock.now(), aheadMs);
      await execute(
        api.ctx.db,
        'UPDATE chain_cursors SET scanned_timestamp = ? WHERE chain_id = ?',
        [time, chainId()],
      );
    }

    it('counts the clock as down, and dates no payment by it', async () => {
      await scannedAt(40_000);
      const { status, body } = await readinessWith(asStanding(false));
      expect([status, body.status, downIn(body)]).to.deep.equal([200, 'degraded', ['clock']]);

      const ctx = { ...api.ctx, ...asStanding(false), db: api.ctx.db.withUserParams({}) };
      const server = await startServer(ctx, [], { idleMs: 10 });
      try {
        const refused = await fetch(`${server.url}/api/v1/payments`, {
          method: 'POST',
          headers: { 'x-api-key': api.store.apiKey, 'content-type': 'application/json' },
          body: JSON.stringify(paymentRequest(api)),
        });
        expect([refused.status, ((await refused.json()) as { code: string }).code]).to.deep.equal([
          503,
          'PAY_053',
        ]);
        expect(Number(refused.headers.get('retry-after'))).to.be.greaterThan(0);
      } finally {
        await server.stop();
      }
    });

    it('tells the log once, not at every look, and when it is over', () => {
      const lines: { level: number; chainId?: number }[] = [];
      const log = pino(
        { level: 'info' },
        { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]) },
      );
      const ctx = { ...api.ctx, ...asStanding(false), log, db: api.ctx.db.withUserParams({}) };
      const look = (aheadMs: number) =>
        isClockBehindChain(ctx, chainId(), addMs(ctx.clock.now(), aheadMs));
      expect([look(0), look(40_000), look(40_000), look(50_000)]).to.deep.equal([
        false,
        true,
        true,
        true,
      ]);
      expect(lines.map(({ level, chainId: id }) => [level, id])).to.deep.equal([[40, chainId()]]);
      expect([look(0), look(0), look(40_000)]).to.deep.equal([false, false, true]);
      expect(lines.map(({ level }) => level)).to.deep.equal([40, 30, 40]);
    });

    it('takes a block’s clock that is a little ahead, and any of a development chain', async () => {
      await scannedAt(20_000);
      expect(downIn((await readinessWith(asStanding(false))).body)).to.deep.equal([]);
      await scannedAt(3_600_000);
      expect(downIn((await readinessWith(asStanding(true))).body)).to.deep.equal([]);
      expect((await api.createPayment()).status).to.equal('pending');
    });
  });

  it('asks no relayer itself: it has no keys', async () => {
    const { body } = await readinessWith({ relayers: new Map() });
    expect(body.status).to.equal('ready');
    expect(relayersIn(body)).to.have.length(api.ctx.relayers.size);
  });

  it('is unavailable, with 503 and Retry-After, while the database is away; alive all the same', async () => {
    const db = createDatabase('mysql://nobody@127.0.0.1:1/none', 2);
    const server = await startServer({ ...api.ctx, db }, [], { idleMs: 10 });
    try {
      const response = await fetch(`${server.url}/readyz`);
      const body = (await response.json()) as Readiness;
      // How the scans and the relayers are is in the database.
      const scans = api.config.chains.map(({ chainId }) => `scan:${chainId}`);
      expect([response.status, body.status, downIn(body)]).to.deep.equal([
        503,
        'unavailable',
        ['database', ...scans, ...relayersIn(body)],
      ]);
      expect(response.headers.get('retry-after')).to.equal('2');
      expect((await fetch(`${server.url}/healthz`)).status).to.equal(200);
      const refused = await fetch(`${server.url}/api/v1/tokens`, {
        headers: { 'x-api-key': api.store.apiKey },
      });
      expect([refused.status, ((await refused.json()) as { code: string }).code]).to.deep.equal([
        503,
        'PAY_026',
      ]);
      expect(Number(refused.headers.get('retry-after'))).to.be.greaterThan(0);
    } finally {
      await server.stop();
      await db.destroy();
    }
  });

  it('waits at most two seconds for a dependency that keeps silent', async () => {
    const chains = new Map(
      [...api.ctx.chains].map(([id, chain]) => [
        id,
        { ...chain, getHead: () => new Promise<never>(() => undefined) },
      ]),
    );
    const { body, ms } = await readinessWith({ chains });
    expect(downIn(body)).to.deep.equal([...chains.keys()].map((id) => `chain:${id}`));
    expect(ms).to.be.within(1_900, 10_000);
  });

  it('asks each dependency once however many ask at once', async () => {
    let asked = 0;
    const chains = new Map(
      [...api.ctx.chains].map(([id, chain]) => [
        id,
        { ...chain, getHead: () => (asked++, chain.getHead()) },
      ]),
    );
    const server = await startServer(
      { ...api.ctx, db: api.ctx.db.withUserParams({}), chains },
      [],
      { idleMs: 10 },
    );
    try {
      await Promise.all(Array.from({ length: 20 }, () => fetch(`${server.url}/readyz`)));
      expect(asked).to.equal(chains.size);
    } finally {
      await server.stop();
    }
  });
});
