import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sinon from 'sinon';
import { createTestClient, http, parseEther, publicActions } from 'viem';
import { generatePrivateKey } from 'viem/accounts';

import { startChain, type Chain } from '../../dev/chain.ts';
import type { OzFault } from '../../simulators/ozRelayer/operations.ts';
import type { OzTransaction } from '../../simulators/ozRelayer/ozTransaction.ts';
import {
  startOzRelayerSimulator,
  type OzRelayerSimulator,
  type OzRelayerSimulatorOptions,
} from '../../simulators/ozRelayer/startOzRelayerSimulator.ts';
import type { Hex } from '../../shared/hex.ts';
import { advanceClock } from '../support/advanceClock.ts';
import { waitUntil } from '../support/waitUntil.ts';

const apiKey = 'test-api-key';
const relayerId = 'anvil-main';
const recipient = '0x00000000000000000000000000000000000000aa';
const inMs = (fromNow: number): string => new Date(Date.now() + fromNow).toISOString();
const call = (changes: object = {}): Record<string, unknown> => ({
  to: recipient,
  value: 0,
  data: `0x${randomBytes(8).toString('hex')}`,
  gas_limit: 60_000,
  speed: 'fast',
  valid_until: inMs(600_000),
  ...changes,
});

interface Reply {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Record<string, unknown>;
}

describe('the OpenZeppelin Relayer simulator', function () {
  this.timeout(20_000);
  let chain: Chain;
  let folder: string;
  let options: OzRelayerSimulatorOptions;
  let simulator: OzRelayerSimulator;
  const createClient = (rpcUrl: string) =>
    createTestClient({ mode: 'anvil', transport: http(rpcUrl), cacheTime: 0 }).extend(
      publicActions,
    );
  let client: ReturnType<typeof createClient>;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-oz-simulator-'));
    chain = await startChain();
    client = createClient(chain.rpcUrl);
  });
  after(async () => {
    await chain.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    const { rpcUrl, chainId } = chain;
    options = {
      rpcUrl,
      chainId,
      privateKey: generatePrivateKey(),
      relayerId,
      apiKey,
      pollMs: 20,
      confirmations: 3,
    };
    simulator = await startOzRelayerSimulator(options);
  });
  afterEach(async () => {
    sinon.restore();
    await simulator.close();
    await client.setAutomine(true);
  });

  async function ask(
    path: string,
    init: { body?: unknown; key?: string; method?: string } = {},
  ): Promise<Reply> {
    const response = await fetch(`${simulator.url}/api/v1/relayers/${relayerId}${path}`, {
      method: init.method ?? (init.body === undefined ? 'GET' : 'POST'),
      headers: { authorization: `Bearer ${init.key ?? apiKey}` },
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
    });
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      body: (await response.json()) as Reply['body'],
    };
  }
  const send = (body: object = call()): Promise<Reply> => ask('/transactions', { body });
  async function sendTaken(body?: object): Promise<OzTransaction> {
    const reply = await send(body);
    expect(reply, JSON.stringify(reply.body)).to.include({ status: 200 });
    return reply.body['data'] as OzTransaction;
  }
  const read = async (id: string): Promise<OzTransaction> =>
    (await ask(`/transactions/${id}`)).body['data'] as OzTransaction;
  const reach = (id: string, ...statuses: OzTransaction['status'][]): Promise<OzTransaction> =>
    waitUntil(
      async () => {
        const found = await read(id);
        return statuses.includes(found.status) && found;
      },
      { everyMs: 15, what: `${id} to be ${statuses.join(' or ')}` },
    );
  const sentSoFar = (): Promise<number> =>
    client.getTransactionCount({ address: simulator.address });

  it('answers before it has signed, then sends, and tells each status up to confirmed', async () => {
    const body = call({ value: 5 });
    const reply = await send(body);
    expect(reply.body).to.include({ success: true, error: null });
    const sent = reply.body['data'] as OzTransaction;
    expect(sent).to.deep.include({
      hash: null,
      status: 'pending',
      nonce: null,
      signature: null,
      relayer_id: relayerId,
      value: '5',
    });
    expect(sent).to.include({
      to: recipient,
      from: simulator.address,
      data: body['data'],
      gas_limit: 60_000,
      speed: 'fast',
    });
    expect(sent.created_at).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/);
    const mined = await reach(sent.id, 'mined');
    expect(mined.nonce).to.equal(0);
    expect(mined.max_fee_per_gas).to.match(/^\d+$/);
    expect(await client.getTransaction({ hash: mined.hash as Hex })).to.include({
      input: body['data'],
      value: 5n,
      gas: 60_000n,
    });
    await client.mine({ blocks: 3 });
    expect(await reach(sent.id, 'confirmed'))
      .to.have.property('confirmed_at')
      .that.is.a('string');
  });

  it('calls a transaction that reverted failed, with its hash', async () => {
    const sent = await sendTaken(call({ to: null, data: '0x60006000fd' }));
    const failed = await reach(sent.id, 'failed');
    expect(failed.status_reason).to.contain('reverted');
    expect((await client.getTransactionReceipt({ hash: failed.hash as Hex })).status).to.equal(
      'reverted',
    );
  });

  it('turns what is not mined by its validUntil into a transfer to itself, which is then confirmed under the same id', async () => {
    await client.setAutomine(false);
    const sent = await sendTaken(call({ valid_until: inMs(60_000) }));
    const first = await reach(sent.id, 'submitted');
    advanceClock(61_000);
    const replaced = await waitUntil(async () => {
      const found = await read(sent.id);
      return found.to === simulator.address && found;
    });
    expect(replaced).to.include({
      status: 'submitted',
      data: '0x',
      value: '0',
      gas_limit: 21_000,
      nonce: first.nonce,
    });
    expect(replaced.hash).not.to.equal(first.hash);
    await client.mine({ blocks: 1 });
    expect(await reach(sent.id, 'confirmed')).to.include({
      hash: replaced.hash,
      to: simulator.address,
    });
    expect(await sentSoFar()).to.equal(1);
  });

  it('lets expire what it had not signed by its validUntil', async () => {
    simulator.setFault({ kind: 'intent', delayMs: 90_000 });
    const sent = await sendTaken(call({ valid_until: inMs(60_000) }));
    advanceClock(61_000);
    expect(await reach(sent.id, 'expired')).to.include({ hash: null, to: recipient });
    expect(await sentSoFar()).to.equal(0);
  });

  it('lists page by page, newest or oldest first, and finds by nonce', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) ids.push((await sendTaken()).id);
    for (const id of ids) await reach(id, 'mined', 'confirmed');
    const list = async (query: string): Promise<{ ids: string[]; pagination: unknown }> => {
      const { body } = await ask(`/transactions/?${query}`);
      return {
        ids: (body['data'] as OzTransaction[]).map(({ id }) => id),
        pagination: body['pagination'],
      };
    };
    const [a, , c, d, e] = ids;
    expect(await list('page=1&per_page=2')).to.deep.equal({
      ids: [e, d],
      pagination: { current_page: 1, per_page: 2, total_items: 5 },
    });
    expect((await list('page=3&per_page=2')).ids).to.deep.equal([a]);
    expect((await list('page=4&per_page=2')).ids).to.deep.equal([]);
    expect((await list('')).ids).to.have.length(5);
    expect(await ask('/transactions/?page=0')).to.include({ status: 400 });
    expect(((await ask('/transactions/by-nonce/2')).body['data'] as OzTransaction).id).to.equal(c);

    await simulator.close();
    const statePath = join(folder, 'oldest.jsonl');
    simulator = await startOzRelayerSimulator({
      ...options,
      statePath,
      listOrder: 'oldestFirst',
      hidesData: true,
    });
    const [first, second] = [await sendTaken(), await sendTaken()];
    expect((await list('')).ids).to.deep.equal([first.id, second.id]);
    expect(first).not.to.have.property('data');
  });

  it('tells its account, its balance and how many transactions wait', async () => {
    expect((await ask('')).body['data']).to.include({
      id: relayerId,
      address: simulator.address,
      network_type: 'evm',
      paused: false,
      system_disabled: false,
    });
    expect((await ask('/balance')).body['data']).to.deep.equal({
      balance: Number(parseEther('10000')),
      unit: 'wei',
    });
    await client.setAutomine(false);
    await reach((await sendTaken()).id, 'submitted');
    expect((await ask('/status')).body['data']).to.include({
      pending_transactions_count: 1,
      paused: false,
      nonce: '1',
      balance: parseEther('10000').toString(),
    });
    expect((await ask('/status?include_balance=false')).body['data']).not.to.have.property(
      'balance',
    );
  });

  it('refuses what cannot be right with a 400 and its reason, and takes nothing', async () => {
    const wrong: [object, RegExp][] = [
      [call({ to: '0x1234' }), /to Invalid address/],
      [call({ value: undefined }), /value/],
      [call({ value: '0' }), /value/],
      [call({ gas_limit: '60000' }), /gas_limit/],
      [call({ valid_until: inMs(-1_000) }), /validUntil time cannot be in the past/],
      [call({ valid_until: 'tomorrow' }), /Invalid validUntil/],
      [call({ gas_price: 5 }), /either gasPrice, speed/],
      [call({ speed: undefined }), /either gasPrice, speed/],
      [call({ speed: undefined, max_fee_per_gas: 5 }), /both EIP1559/],
      [call({ to: undefined, data: undefined }), /At least one/],
    ];
    for (const [body, reason] of wrong) {
      const reply = await send(body);
      expect(reply, JSON.stringify(body)).to.include({ status: 400 });
      expect(reply.body).to.deep.include({ success: false, data: null });
      expect(reply.body['error']).to.match(reason);
    }
    expect(simulator.transactions()).to.deep.equal([]);
  });

  it('answers foreign credentials with 401, and what it does not have with 404', async () => {
    const unauthorized = {
      success: false,
      code: 401,
      error: 'Unauthorized',
      message: 'Unauthorized',
    };
    expect(await ask('', { key: 'wrong' })).to.deep.include({ status: 401, body: unauthorized });
    expect(await ask('/transactions', { key: '', body: call() })).to.include({ status: 401 });
    const unknown = await ask('/transactions/no-such-id');
    expect(unknown).to.deep.include({
      status: 404,
      body: { success: false, data: null, error: 'Transaction with ID no-such-id not found' },
    });
    expect((await fetch(`${simulator.url}/api/v1/relayers/other/transactions/`)).status).to.equal(
      404,
    );
    expect(simulator.transactions()).to.deep.equal([]);
  });

  describe('misbehaving', () => {
    const failures: [OzFault, Partial<Reply>, taken: number][] = [
      [
        { kind: 'rateLimited', retryAfterSeconds: 7 },
        {
          status: 429,
          retryAfter: '7',
          body: {
            success: false,
            code: 429,
            error: 'TooManyRequests',
            message: 'Too Many Requests',
            after: 7,
          },
        },
        0,
      ],
      [{ kind: 'unauthorized' }, { status: 401 }, 0],
      [
        { kind: 'paused' },
        { status: 403, body: { success: false, data: null, error: 'Relayer paused' } },
        0,
      ],
      [{ kind: 'serverError', status: 503 }, { status: 503 }, 0],
      [{ kind: 'serverErrorAfterSend' }, { status: 500 }, 1],
    ];
    for (const [fault, expected, taken] of failures) {
      it(`${fault.kind}: the request fails, ${taken} taken; the next request is as usual`, async () => {
        simulator.setFault(fault);
        expect(await send()).to.deep.include(expected);
        expect(simulator.transactions()).to.have.length(taken);
        await reach((await sendTaken()).id, 'mined', 'confirmed');
        expect(await sentSoFar()).to.equal(taken + 1);
      });
    }

    it('gasBump: the hash changes, the id and the nonce do not, and one of the two is mined', async () => {
      await client.setAutomine(false);
      simulator.setFault({ kind: 'gasBump', delayMs: 150 });
      const { id } = await sendTaken();
      const first = await reach(id, 'submitted');
      const bumped = await waitUntil(async () => {
        const found = await read(id);
        return found.hash !== first.hash && found;
      });
      expect(bumped.nonce).to.equal(first.nonce);
      await client.mine({ blocks: 1 });
      expect((await reach(id, 'mined')).hash).to.equal(bumped.hash);
      expect(await sentSoFar()).to.equal(1);
    });

    it('neverMine: has a hash that the chain never sees, until a transfer to itself takes its nonce', async () => {
      simulator.setFault({ kind: 'neverMine' });
      const { id } = await sendTaken(call({ valid_until: inMs(60_000) }));
      const { hash } = await reach(id, 'sent');
      expect(await client.getTransaction({ hash: hash as Hex }).catch(() => null)).to.equal(null);
      advanceClock(61_000);
      expect(await reach(id, 'confirmed')).to.include({ to: simulator.address });
    });

    it('dropAfterSend: is submitted, and then gone from the pool', async () => {
      simulator.setFault({ kind: 'dropAfterSend' });
      const { id } = await sendTaken();
      const { hash } = await reach(id, 'submitted');
      await client.mine({ blocks: 2 });
      await sleep(80);
      expect(await read(id)).to.include({ status: 'submitted', hash });
      expect(await client.getTransaction({ hash: hash as Hex }).catch(() => null)).to.equal(null);
    });

    it('is told to over HTTP too, and refuses faults and operations that it does not have', async () => {
      const control = async (body: unknown): Promise<number> =>
        (
          await fetch(`${simulator.url}/_control/faults`, {
            method: 'POST',
            body: JSON.stringify(body),
          })
        ).status;
      expect(
        await control({ kind: 'serverError', operation: 'getRelayerStatus', count: 'forever' }),
      ).to.equal(201);
      expect([
        (await ask('/status')).status,
        (await ask('/status')).status,
        (await ask('')).status,
      ]).to.deep.equal([500, 500, 200]);
      expect(await control({ kind: 'serverError', operation: 'login' })).to.equal(400);
      expect(
        (await fetch(`${simulator.url}/_control/faults`, { method: 'DELETE' })).status,
      ).to.equal(200);
      expect((await ask('/status')).status).to.equal(200);
      expect(simulator.requests()).to.include({
        getRelayerStatus: 3,
        getRelayer: 1,
        sendTransaction: 0,
      });
    });
  });

  it('knows its transactions after a restart, and sends what it had taken', async () => {
    await simulator.close();
    const kept = { ...options, statePath: join(folder, 'transactions.jsonl') };
    simulator = await startOzRelayerSimulator(kept);
    const done = await sendTaken();
    await reach(done.id, 'mined', 'confirmed');
    simulator.setFault({ kind: 'intent', delayMs: 400 });
    const waiting = await sendTaken();
    await simulator.close();
    simulator = await startOzRelayerSimulator(kept);
    expect(await read(waiting.id)).to.include({ status: 'pending', hash: null });
    expect((await reach(waiting.id, 'mined', 'confirmed')).nonce).to.equal(1);
    expect((await read(done.id)).nonce).to.equal(0);
  });
});
