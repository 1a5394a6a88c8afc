import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { pino } from 'pino';

import { checkRelayers } from '../../domain/relayers/checkRelayers.ts';
import { RELAY_ERRORS } from '../../domain/relay/errors.ts';
import { noteSend } from '../../domain/relayers/noteSend.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { execute } from '../../platform/db.ts';
import { AppError } from '../../shared/errors.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { signAuthorization } from '../support/gasless.ts';
import { driveUntil, isOver, readAttempt, readPayment } from '../support/relayFlow.ts';
import { withRelayer } from '../support/varyContext.ts';
import { startTestApi, type TestApi } from './startTestApi.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';

const STUCK_AFTER_MS = 30;
const SAMPLE =
  /^([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,|(?=\})))*)\})? (-?[0-9.e+-]+|NaN|[+-]Inf)$/i;

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * Prometheus's text format. @throws Error on a line that is none of it, and on a sample of a metric
 * that was not declared before
 */
function parseMetrics(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const types = new Map<string, string>();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      if (line.startsWith('# HELP ')) return [];
      const type = /^# TYPE ([a-z_][a-z0-9_]*) (counter|gauge|histogram|summary|untyped)$/.exec(
        line,
      );
      if (type?.[1] !== undefined && type[2] !== undefined) {
        if (types.has(type[1])) throw new Error(`${type[1]} is declared twice`);
        types.set(type[1], type[2]);
        return [];
      }
      const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
      if (name === undefined || value === undefined) throw new Error(`not a sample: ${line}`);
      const declared = types.get(name) ?? types.get(name.replace(/_(bucket|sum|count)$/, ''));
      if (declared === undefined) throw new Error(`${name} is not declared`);
      const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/gi)].map(
        ([, label, text]) => [label, text],
      );
      return [
        { name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) },
      ];
    });
}

describe('the figures of GET /metrics', function () {
  this.timeout(30_000);

  let api: TestApi;
  let chainId: number;
  beforeEach(async function () {
    this.timeout(120_000);
    api = await startTestApi({ env: { MSQPAY_RELAY_STUCK_AFTER_MS: String(STUCK_AFTER_MS) } });
    chainId = api.config.chains[0]?.chainId ?? 0;
  });
  afterEach(() => api.close());

  const login = (password = api.config.admin.password) => ({
    authorization: `Basic ${Buffer.from(`${api.config.admin.user}:${password}`).toString('base64')}`,
  });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${api.url}${path}`, { headers });

  /** The values of a metric's samples with these labels. */
  async function read(
    name: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<number[]> {
    const samples = parseMetrics(await (await get('/metrics', login())).text());
    return samples
      .filter(
        (sample) =>
          sample.name === `msqpay_${name}` &&
          Object.entries(labels).every(([label, text]) => sample.labels[label] === text),
      )
      .map(({ value }) => value);
  }

  async function accept() {
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
    const { paymentId } = await api.createPayment();
    const payment = await readPayment(api.ctx, {
      id: asBytes32(paymentId),
      storeId: api.store.storeId,
    });
    await executePayment(api.ctx, await signAuthorization(api.ctx, customer, payment));
    return { payment, id: (await readAttempt(api.ctx, payment)).id };
  }

  it('are Prometheus’s text, the process’s own among them, and hold no secret', async () => {
    await checkRelayers(api.ctx, readRelayerLoads);
    const response = await get('/metrics', login());
    expect(response.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const names = new Set(parseMetrics(text).map(({ name }) => name));
    expect([...names]).to.include.members([
      'msqpay_process_cpu_seconds_total',
      'msqpay_relayer_standing',
      'msqpay_relayer_alert',
    ]);
    expect(text).to.not.contain(api.config.admin.password);
    expect(text).to.not.contain(api.store.apiKey);
  });

  it('are kept from who guesses passwords, without locking the queues’ pages as well', async () => {
    for (let count = 0; count < 10; count++)
      expect((await get('/metrics', login(`guess ${count}`))).status).to.equal(401);
    const refused = await get('/metrics', login('guess 11'));
    expect(refused.status).to.equal(429);
    expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 60);
    expect((await get('/metrics', login())).status, 'the right one, after a second').to.equal(200);
    expect((await get('/metrics')).status, 'no login is no guess').to.equal(401);
    expect((await get('/admin/queues', login())).status).to.be.below(400);
  });

  it('say nothing of a balance before the first check, and of every standing which one it is', async () => {
    const relayer = { relayer: 'main', chain: String(chainId) };
    expect(await read('relayer_balance_wei')).to.deep.equal([]);
    expect(await read('relayer_standing', { ...relayer, standing: 'unknown' })).to.deep.equal([1]);
    await checkRelayers(api.ctx, readRelayerLoads);
    expect(await read('relayer_standing', { ...relayer, standing: 'unknown' })).to.deep.equal([0]);
    expect(await read('relayer_standing', { ...relayer, standing: 'ready' })).to.deep.equal([1]);
    expect(
      (await read('relayer_standing', relayer)).reduce((sum, value) => sum + value, 0),
    ).to.equal(1);
    expect((await read('relayer_balance_wei', relayer))[0]).to.be.greaterThan(0);
  });

  it('say how much work of each queue fails again and again', async () => {
    expect(await read('failing_work', { queue: 'confirm' })).to.deep.equal([0]);
    const add = (subject: string, failures: number) =>
      execute(
        api.ctx.db,
        `INSERT INTO work_failures (queue, subject_id, failures, first_failed_at, last_failed_at, last_error)
         VALUES ('confirm', ?, ?, '2020-01-01', '2020-01-02', 'TypeError')`,
        [subject, failures],
      );
    await add('often', 5);
    await add('oftener', 500);
    await add('seldom', 4);
    expect(await read('failing_work', { queue: 'confirm' })).to.deep.equal([2]);
    expect(await read('failing_work', { queue: 'relay' })).to.deep.equal([0]);
    for (const name of ['rpc_bad_answers', 'rpc_url_away'])
      expect(await read(name, { chain: String(chainId), rpc_url: '0' }), name).to.deep.equal([0]);
  });

  it('follow a request from waiting to its end, with what is outstanding for it', async () => {
    const relayer = { relayer: 'main', chain: String(chainId) };
    const attempts = (status: string) =>
      read('relay_attempts', { chain: String(chainId), rail: 'authorization', status });
    const { payment, id } = await accept();
    expect(await attempts('queued')).to.deep.equal([1]);
    expect(await read('outbox_rows', { queue: 'relay' })).to.deep.equal([1]);
    expect(await read('relayer_in_flight', relayer)).to.deep.equal([0]);
    expect(await read('relayer_oldest_in_flight_seconds', relayer)).to.deep.equal([0]);

    await sendAttempt(api.ctx, id);
    expect([await attempts('queued'), await attempts('submitted')]).to.deep.equal([[], [1]]);
    expect(await read('outbox_rows', { queue: 'confirm' })).to.deep.equal([1]);
    expect(await read('relayer_in_flight', relayer)).to.deep.equal([1]);
    expect(await read('relayer_sent_last_minute', relayer)).to.deep.equal([1]);

    await driveUntil(api.ctx, payment, isOver);
    for (const status of ['queued', 'submitted', 'mined', 'succeeded'])
      expect(await attempts(status), status).to.deep.equal([]);
    expect(await read('relayer_in_flight', relayer)).to.deep.equal([0]);
    expect(await read('relayer_sent_last_minute', relayer)).to.deep.equal([1]);
  });

  it('show how far the scan of a chain is behind, and whether it waits for an operator', async () => {
    const chain = String(chainId);
    await scanChain(api.ctx, chainId);
    expect(await read('scan_blocks_behind', { chain })).to.deep.equal([0]);
    expect((await read('scan_seconds_behind', { chain }))[0]).to.be.within(0, 60);
    expect(await read('scan_halted', { chain })).to.deep.equal([0, 0]);
    expect(await read('completions_overdue', { chain })).to.deep.equal([0]);
    const cursor = {
      next_block: 1,
      head_number: 5_000,
      scanned_timestamp: new Date(Date.now() - 600_000),
    };
    const halt = { halt_reason: 'withdrawals', halted_at: new Date(), halt_count: 300 };
    await api.ctx
      .db('chain_cursors')
      .where({ chain_id: chainId })
      .update({ ...cursor, ...halt });
    expect(await read('scan_blocks_behind', { chain })).to.deep.equal([5_000]);
    expect((await read('scan_seconds_behind', { chain }))[0]).to.be.within(600, 700);
    expect(await read('scan_halted', { chain, reason: 'withdrawals' })).to.deep.equal([1]);
    expect(await read('scan_halted', { chain, reason: 'begunAnew' })).to.deep.equal([0]);
    const ready = (await (await fetch(`${api.url}/readyz`)).json()) as {
      dependencies: { name: string; status: string }[];
    };
    expect(ready.dependencies).to.deep.include({
      name: `scan:${chain}`,
      status: 'down',
      degrades: `payments and refunds on chain ${chain}: none is found, completed or withdrawn`,
    });
  });

  it('show how far a chain’s clock is ahead of the database’s, and nothing of a chain that was not scanned', async () => {
    const chain = String(chainId);
    expect(await read('chain_clock_ahead_seconds', { chain })).to.deep.equal([]);
    await scanChain(api.ctx, chainId);
    const scannedAt = (ms: number) =>
      api.ctx
        .db('chain_cursors')
        .where({ chain_id: chainId })
        .update({ scanned_timestamp: new Date(api.ctx.clock.now().getTime() + ms) });
    await scannedAt(600_000);
    // Less what it takes to ask.
    expect((await read('chain_clock_ahead_seconds', { chain }))[0]).to.be.within(570, 600);
    expect(await read('scan_seconds_behind', { chain })).to.deep.equal([0]);
    await scannedAt(-1_000);
    expect(await read('chain_clock_ahead_seconds', { chain }), 'behind is not ahead').to.deep.equal(
      [0],
    );
  });

  it('show work that nobody does as overdue', async () => {
    await accept();
    await sleep(300);
    const [overdue] = await read('outbox_overdue_seconds', { queue: 'relay' });
    expect(overdue).to.be.within(0.3, 20);
    // What is not due yet is not overdue.
    const { paymentId } = await api.createPayment({ expiresInSeconds: 60 });
    expect(await read('outbox_rows', { queue: 'expire' })).to.deep.equal([1]);
    expect(await read('payments_overdue_seconds')).to.deep.equal([0]);
    expect(await read('outbox_overdue_seconds', { queue: 'expire' })).to.deep.equal([0]);
    await execute(api.ctx.db, 'UPDATE payments SET expires_at = ? WHERE id = ?', [
      new Date(Date.now() - 90_000),
      paymentId,
    ]);
    expect((await read('payments_overdue_seconds'))[0]).to.be.within(90, 110);
  });

  it('and the workers’ log raise an alert for a transaction that is stuck, until it is mined', async () => {
    const relayer = { relayer: 'main', alert: 'relayer_stuck' };
    async function check(): Promise<Record<string, unknown>[]> {
      const lines: string[] = [];
      const log = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
      await checkRelayers({ ...api.ctx, log }, readRelayerLoads);
      expect(lines.join('')).to.not.contain(api.config.admin.password);
      return lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ alert }) => alert !== undefined);
    }
    expect(await check()).to.deep.equal([]);
    const { payment, id } = await accept();
    await sendAttempt(api.ctx, id);
    await sleep(STUCK_AFTER_MS + 20);
    const alerts = await check();
    expect(alerts).to.have.length(1);
    expect(alerts[0]).to.include({
      alert: 'relayer_stuck',
      relayerId: 'main',
      chainId,
      inFlight: 1,
    });
    // At every check, for as long as it lasts.
    expect(await check()).to.have.length(1);
    expect(await read('relayer_alert', relayer)).to.deep.equal([1]);
    await driveUntil(api.ctx, payment, isOver);
    expect(await check()).to.deep.equal([]);
    expect(await read('relayer_alert', relayer)).to.deep.equal([0]);
  });

  it('show a relayer that rests, and that it works again', async () => {
    const relayer = { relayer: 'main', chain: String(chainId) };
    await checkRelayers(api.ctx, readRelayerLoads);
    expect(await read('relayer_resting', relayer)).to.deep.equal([0]);
    await noteSend(api.ctx, 'main', {
      kind: 'refused',
      reason: 'too many requests',
      retryAfterMs: 60_000,
    });
    expect(await read('relayer_resting', relayer)).to.deep.equal([1]);
    await noteSend(api.ctx, 'main', {
      kind: 'accepted',
      transaction: { providerTransactionId: 'x', hash: null, state: 'pending' },
    });
    expect(await read('relayer_resting', relayer)).to.deep.equal([0]);
  });

  it('keep the last known balance of a relayer that stops answering', async () => {
    const relayer = { relayer: 'main', chain: String(chainId) };
    await checkRelayers(api.ctx, readRelayerLoads);
    const [balance] = await read('relayer_balance_wei', relayer);
    const silent = () => Promise.reject(new AppError(RELAY_ERRORS.relayerUnavailable));
    await checkRelayers(
      withRelayer(api.ctx, chainId, () => ({ getStatus: silent })),
      readRelayerLoads,
    );
    expect(await read('relayer_standing', { ...relayer, standing: 'silent' })).to.deep.equal([1]);
    expect(await read('relayer_balance_wei', relayer)).to.deep.equal([balance]);
  });
});
