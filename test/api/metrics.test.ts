import { expect } from 'chai';
import { pino } from 'pino';

import { checkRelayers } from '../../domain/relayers/checkRelayers.ts';
import { reportRelayers } from '../../domain/relayers/reportRelayers.ts';
import type { RelayerPort } from '../../domain/relayers/ports.ts';
import type { Config } from '../../platform/config.ts';
import { RELAY_ERRORS } from '../../domain/relay/errors.ts';
import { AppError } from '../../shared/errors.ts';
import { announceProcess } from '../../domain/webhooks/announceProcess.ts';
import { giveBackPlace, takePlaces } from '../../domain/webhooks/places.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { withRelayer } from '../support/varyContext.ts';
import { startTestApi, type TestApi } from './startTestApi.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';

/** So high that no account is rich enough. */
const ALERT_BELOW = 10n ** 40n;

describe('GET /metrics', function () {
  this.timeout(30_000);

  let api: TestApi;
  let chainId: number;
  before(async function () {
    this.timeout(120_000);
    api = await startTestApi();
    chainId = api.config.chains[0]?.chainId ?? 0;
  });
  after(() => api.close());

  const credentials = () =>
    `Basic ${Buffer.from(`${api.config.admin.user}:${api.config.admin.password}`).toString('base64')}`;
  const get = (headers: Record<string, string> = {}) => fetch(`${api.url}/metrics`, { headers });

  async function readMetric(
    name: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<number | undefined> {
    const text = await (await get({ authorization: credentials() })).text();
    const lines = text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    const line = lines.find((candidate) =>
      Object.entries(labels).every(([label, value]) => candidate.includes(`${label}="${value}"`)),
    );
    return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
  }

  it('is for operators only', async () => {
    const answer = await get();
    expect(answer.status).to.equal(401);
    expect(answer.headers.get('www-authenticate')).to.match(/^Basic /);
    expect(
      (await get({ authorization: `Basic ${Buffer.from('admin:wrong').toString('base64')}` }))
        .status,
    ).to.equal(401);
    expect((await get({ 'x-api-key': api.store.apiKey })).status).to.equal(401);
    expect((await get({ authorization: credentials() })).status).to.equal(200);
  });

  it('shows how relayers stand, and the work that is outstanding', async () => {
    await checkRelayers(api.ctx, readRelayerLoads);
    const relayer = { relayer: 'main', chain: String(chainId) };
    expect(await readMetric('msqpay_relayer_standing', { ...relayer, standing: 'ready' })).to.equal(
      1,
    );
    expect(await readMetric('msqpay_relayer_standing', { ...relayer, standing: 'poor' })).to.equal(
      0,
    );
    expect(await readMetric('msqpay_relayer_balance_wei', relayer)).to.be.greaterThan(0);
    expect(
      await readMetric('msqpay_relayer_alert', { ...relayer, alert: 'relayer_balance_low' }),
    ).to.equal(0);
    const before = (await readMetric('msqpay_outbox_rows', { queue: 'expire' })) ?? 0;
    await api.createPayment({ expiresInSeconds: 60 });
    expect(await readMetric('msqpay_outbox_rows', { queue: 'expire' })).to.equal(before + 1);
  });

  it('say who has how many places for webhooks, and how often one was refused', async () => {
    const presence = announceProcess(api.ctx);
    const deliveries = ['wd_1', 'wd_2'].map((deliveryId) => ({
      deliveryId,
      endpointId: 'we_1',
      storeId: 'st_busy',
    }));
    await takePlaces(api.ctx, deliveries, { isStarting: false });
    await waitUntil(
      async () => (await readMetric('msqpay_webhook_places_limit')) === api.config.webhooks.places,
      { what: 'the process' },
    );
    expect(await readMetric('msqpay_webhook_places', { kind: 'new' })).to.equal(1);
    expect(await readMetric('msqpay_webhook_places_of_store', { store: 'st_busy' })).to.equal(1);
    expect(await readMetric('msqpay_webhook_put_off_total', { reason: 'endpoint' })).to.equal(1);
    expect(
      await readMetric('msqpay_webhook_waiting_stores', { kind: 'new' }),
      'it waits for its own endpoint',
    ).to.equal(0);
    await giveBackPlace(api.ctx, deliveries[0]!, undefined);
    await presence.stop();
    expect(await readMetric('msqpay_webhook_places', { kind: 'new' })).to.equal(0);
    expect(await readMetric('msqpay_webhook_places_of_store', { store: 'st_busy' })).to.equal(
      undefined,
    );
    expect(await readMetric('msqpay_webhook_places_limit')).to.equal(0);
  });

  describe('and the workers’ log', () => {
    async function check(
      change: (relayer: RelayerPort) => Partial<RelayerPort>,
      config: Config = api.config,
    ): Promise<Record<string, unknown>[]> {
      const lines: Record<string, unknown>[] = [];
      const log = pino(
        { level: 'error' },
        { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
      );
      await checkRelayers(
        { ...withRelayer(api.ctx, chainId, change), log, config },
        readRelayerLoads,
      );
      return lines.filter(({ alert }) => alert !== undefined);
    }

    afterEach(() => checkRelayers(api.ctx, readRelayerLoads));

    for (const [name, change, alert] of [
      [
        'is paused',
        () => ({
          getStatus: async () => ({
            ...(await api.ctx.relayers.get('main')!.getStatus()),
            paused: true,
          }),
        }),
        'relayer_paused',
      ],
      [
        'does not answer',
        () => ({ getStatus: () => Promise.reject(new AppError(RELAY_ERRORS.relayerUnavailable)) }),
        'relayer_silent',
      ],
    ] as const) {
      it(`raise an alert for a relayer that ${name}, until it is well again`, async () => {
        const alerts = await check(change);
        expect(alerts).to.have.length(1);
        expect(alerts[0]).to.include({ alert, relayerId: 'main', chainId });
        expect(await readMetric('msqpay_relayer_alert', { relayer: 'main', alert })).to.equal(1);
        expect(await check(() => ({}))).to.deep.equal([]);
        expect(await readMetric('msqpay_relayer_alert', { relayer: 'main', alert })).to.equal(0);
      });
    }

    it('raise one for a relayer with little money, and take it out of the rotation below its least', async () => {
      const withMoney = (changes: { alertBelowWei?: bigint; minBalanceWei?: bigint }): Config => ({
        ...api.config,
        chains: api.config.chains.map((chain) => ({
          ...chain,
          relayers: chain.relayers.map((relayer) => ({ ...relayer, ...changes })),
        })),
      });
      const low = withMoney({ alertBelowWei: ALERT_BELOW });
      expect((await check(() => ({}), low)).map(({ alert }) => alert)).to.deep.equal([
        'relayer_balance_low',
      ]);
      expect((await reportRelayers({ ...api.ctx, config: low }, readRelayerLoads))[0]).to.include({
        standing: 'ready',
      });
      const poor = withMoney({ minBalanceWei: ALERT_BELOW });
      expect((await check(() => ({}), poor)).map(({ alert }) => alert)).to.deep.equal([
        'relayer_balance_low',
      ]);
      expect((await reportRelayers({ ...api.ctx, config: poor }, readRelayerLoads))[0]).to.include({
        standing: 'poor',
      });
    });
  });
});
