import { Defender } from '@openzeppelin/defender-sdk';
import { expect } from 'chai';
import sinon from 'sinon';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createTestClient,
  http,
  keccak256,
  parseEther,
  publicActions,
  recoverAddress,
  recoverMessageAddress,
  toHex,
  concat,
  verifyMessage,
} from 'viem';
import type { Hex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { startChain } from '../../dev/chain.ts';
import type { Chain } from '../../dev/chain.ts';
import type { Fault } from '../../simulators/defender/faults.ts';
import { startDefenderSimulator } from '../../simulators/defender/startDefenderSimulator.ts';
import type {
  DefenderSimulator,
  DefenderSimulatorOptions,
} from '../../simulators/defender/startDefenderSimulator.ts';
import { advanceClock } from '../support/advanceClock.ts';
import { programArguments } from '../support/programArguments.ts';
import { startOddNode } from '../support/startOddNode.ts';
import { waitUntil } from '../support/waitUntil.ts';

type Signer = Defender['relaySigner'];
type Transaction = Awaited<ReturnType<Signer['getTransaction']>>;

const apiKey = 'test-api-key';
const apiSecret = 'test-api-secret';
const recipient = '0x00000000000000000000000000000000000000aa';
const transfer = { to: recipient, value: 1, gasLimit: 21_000, speed: 'fast' as const };

describe('the Defender simulator, through the Defender SDK', function () {
  this.timeout(20_000);
  let chain: Chain;
  let folder: string;
  let simulator: DefenderSimulator;
  let signer: Signer;
  let options: DefenderSimulatorOptions;
  const createClient = (rpcUrl: string) =>
    createTestClient({ mode: 'anvil', transport: http(rpcUrl), cacheTime: 0 }).extend(
      publicActions,
    );
  let client: ReturnType<typeof createClient>;

  const connect = (key = apiKey, secret = apiSecret): Signer =>
    new Defender({
      relayerApiKey: key,
      relayerApiSecret: secret,
      retryConfig: { retries: 0, retryDelay: () => 0 },
    }).relaySigner;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-simulator-'));
    chain = await startChain();
    client = createClient(chain.rpcUrl);
  });
  after(async () => {
    await chain.close();
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    options = {
      rpcUrl: chain.rpcUrl,
      chainId: chain.chainId,
      privateKey: generatePrivateKey(),
      apiKey,
      apiSecret,
      pollMs: 25,
      confirmations: 3,
    };
    simulator = await startDefenderSimulator(options);
    process.env['DEFENDER_API_URL'] = simulator.url;
    signer = connect();
  });
  afterEach(async () => {
    sinon.restore();
    await simulator.close();
    await client.setAutomine(true);
    delete process.env['DEFENDER_API_URL'];
  });

  const fault = (what: Fault): void => simulator.setFault(what);

  async function reach(id: string, ...wanted: string[]): Promise<Transaction> {
    return waitUntil(
      async () => {
        const transaction = await signer.getTransaction(id);
        return wanted.includes(transaction.status) && transaction;
      },
      { timeoutMs: 15_000, everyMs: 15, what: `${id} to be ${wanted.join(' or ')}` },
    );
  }
  const mined = (id: string): Promise<Transaction> => reach(id, 'mined', 'confirmed');
  const sentSoFar = (): Promise<number> =>
    client.getTransactionCount({ address: simulator.address });

  describe('well-behaved', () => {
    it('gives ether to its account on anvil, sends, and tells each status up to confirmed', async () => {
      expect(await client.getBalance({ address: simulator.address })).to.equal(parseEther('10000'));
      const before = await client.getBalance({ address: recipient });
      const sent = await signer.sendTransaction(transfer);
      expect(sent).to.include({
        status: 'sent',
        from: simulator.address,
        to: recipient,
        nonce: 0,
        gasLimit: 21_000,
        chainId: 31337,
        speed: 'fast',
      });
      expect(sent).to.have.property('maxFeePerGas').that.is.a('number');
      expect(Date.parse(sent.validUntil) - Date.now()).to.be.within(7.9 * 3600e3, 8 * 3600e3);
      expect((await mined(sent.transactionId)).hash).to.equal(sent.hash);
      expect(await client.getBalance({ address: recipient })).to.equal(before + 1n);
      await client.mine({ blocks: 3 });
      await reach(sent.transactionId, 'confirmed');
      expect(await signer.getRelayerStatus()).to.deep.include({
        paused: false,
        numberOfPendingTransactions: 0,
        nonce: 1,
      });
    });

    it('calls a transaction that reverted mined, as Defender does, and not failed', async () => {
      // Creation code that reverts at once.
      const sent = await signer.sendTransaction({
        data: '0x60006000fd',
        gasLimit: 100_000,
        speed: 'fast',
      });
      await mined(sent.transactionId);
      expect((await client.getTransactionReceipt({ hash: sent.hash as Hex })).status).to.equal(
        'reverted',
      );
    });

    it('gives each of many concurrent requests a nonce of its own, without a gap', async () => {
      const sent = await Promise.all(
        Array.from({ length: 20 }, () => signer.sendTransaction(transfer)),
      );
      expect(sent.map(({ nonce }) => nonce).sort((a, b) => a - b)).to.deep.equal(
        Array.from({ length: 20 }, (_, index) => index),
      );
      await Promise.all(sent.map(({ transactionId }) => mined(transactionId)));
    });

    it('goes on after somebody else used its key', async () => {
      await mined((await signer.sendTransaction(transfer)).transactionId);
      const account = privateKeyToAccount(options.privateKey);
      const raw = await account.signTransaction({
        chainId: 31337,
        nonce: 1,
        to: recipient,
        gas: 21_000n,
        gasPrice: 5_000_000_000n,
        type: 'legacy',
      });
      await client.sendRawTransaction({ serializedTransaction: raw });
      const sent = await signer.sendTransaction(transfer);
      expect(sent.nonce).to.equal(2);
      await mined(sent.transactionId);
    });

    it('lists newest first, page by page, by status and since a moment, and finds by nonce', async () => {
      const ids: string[] = [];
      for (let count = 0; count < 5; count++)
        ids.push((await signer.sendTransaction(transfer)).transactionId);
      await Promise.all(ids.map(mined));
      const list = async (criteria: Parameters<Signer['listTransactions']>[0]) => {
        const answer = await signer.listTransactions(criteria);
        if (Array.isArray(answer)) throw new Error('not a page');
        return { ids: answer.items.map(({ transactionId }) => transactionId), next: answer.next };
      };
      const first = await list({ limit: 3 });
      expect(first.ids).to.deep.equal([ids[4], ids[3], ids[2]]);
      const second = await list({ limit: 3, next: first.next ?? '' });
      expect(second).to.deep.equal({ ids: [ids[1], ids[0]], next: undefined });
      expect((await list({ sort: 'asc', status: 'mined', limit: 2 })).ids).to.deep.equal([
        ids[0],
        ids[1],
      ]);
      expect((await list({ status: 'pending' })).ids).to.deep.equal([]);
      expect((await list({ since: new Date(Date.now() + 1000) })).ids).to.deep.equal([]);
      expect((await signer.getTransactionByNonce(3)).transactionId).to.equal(ids[3]);
    });

    it('signs messages and typed data as its account, and passes calls on to the node', async () => {
      const message = toHex('hello');
      const { sig } = await signer.sign({ message });
      expect(
        await verifyMessage({
          address: simulator.address,
          message: 'hello',
          signature: sig as Hex,
        }),
      ).to.equal(true);
      expect(
        await recoverMessageAddress({ message: { raw: message }, signature: sig as Hex }),
      ).to.equal(simulator.address);
      const [domainSeparator, hashStructMessage] = [keccak256('0x01'), keccak256('0x02')];
      const typed = await signer.signTypedData({ domainSeparator, hashStructMessage });
      const hash = keccak256(concat(['0x1901', domainSeparator, hashStructMessage]));
      expect(await recoverAddress({ hash, signature: typed.sig as Hex })).to.equal(
        simulator.address,
      );
      expect((await signer.call({ method: 'eth_chainId', params: [] })).result).to.equal('0x7a69');
      expect((await signer.call({ method: 'no_such', params: [] })).error).to.have.property('code');
      expect(await signer.getRelayer()).to.deep.include({
        address: simulator.address,
        paused: false,
      });
    });

    it('refuses what cannot be right with a 400 and its reason, and sends nothing', async () => {
      const wrong: [Record<string, unknown>, RegExp][] = [
        [{ ...transfer, to: '0x1234' }, /to must be an address/],
        [{ ...transfer, value: '-1' }, /value/],
        [{ ...transfer, isPrivate: true }, /not supported/],
        [{ ...transfer, value: parseEther('1000000').toString() }, /insufficient funds/],
      ];
      for (const [body, reason] of wrong) {
        const error = await errorOf(signer.sendTransaction(body as typeof transfer));
        expect(error).to.nested.include({ 'response.status': 400 });
        expect(JSON.stringify(error)).to.match(reason);
      }
      expect(simulator.transactions()).to.deep.equal([]);
      expect(await errorOf(signer.getTransaction('unknown'))).to.nested.include({
        'response.status': 404,
      });
    });

    it('replaces a transaction that waits, by id and by nonce, and no other', async () => {
      await client.setAutomine(false);
      const sent = await signer.sendTransaction(transfer);
      const other = '0x00000000000000000000000000000000000000bb';
      const replaced = await signer.replaceTransactionById(sent.transactionId, {
        ...transfer,
        to: other,
      });
      expect(replaced).to.include({
        transactionId: sent.transactionId,
        nonce: sent.nonce,
        to: other,
      });
      const again = await signer.replaceTransactionByNonce(sent.nonce, {
        ...transfer,
        to: other,
        value: 2,
      });
      expect(new Set([sent.hash, replaced.hash, again.hash]).size).to.equal(3);
      await client.mine({ blocks: 1 });
      expect((await mined(sent.transactionId)).hash).to.equal(again.hash);
      expect(
        await errorOf(signer.replaceTransactionById(sent.transactionId, transfer)),
      ).to.nested.include({ 'response.status': 400 });
    });

    it('takes the nonce of a transaction that is still not mined at its validUntil, and calls it expired', async () => {
      await client.setAutomine(false);
      const sent = await signer.sendTransaction({
        ...transfer,
        validUntil: new Date(Date.now() + 60_000).toISOString(),
      });
      const before = await client.getBalance({ address: recipient });
      advanceClock(61_000);
      await until(() => simulator.transactions()[0]?.noop !== undefined);
      await client.mine({ blocks: 1 });
      await reach(sent.transactionId, 'expired');
      expect(await client.getBalance({ address: recipient })).to.equal(before);
      expect(await sentSoFar()).to.equal(1);
    });

    it('sends again what a reorganisation took out of the chain', async () => {
      const snapshot = await client.snapshot();
      const sent = await signer.sendTransaction(transfer);
      await mined(sent.transactionId);
      await client.setAutomine(false);
      await client.revert({ id: snapshot });
      await reach(sent.transactionId, 'submitted', 'inmempool');
      await client.mine({ blocks: 1 });
      expect((await mined(sent.transactionId)).hash).to.equal(sent.hash);
    });

    it('asks again whether the chain has a transaction, when it had no answer', async () => {
      const node = await startOddNode(chain.rpcUrl);
      const logged: string[] = [];
      await simulator.close();
      simulator = await startDefenderSimulator({
        ...options,
        rpcUrl: node.url,
        log: (line) => void logged.push(line),
      });
      process.env['DEFENDER_API_URL'] = simulator.url;
      signer = connect();
      try {
        // So nothing new is on the chain that would be a reason to look at it again.
        await client.setAutomine(false);
        node.changeResults((method, result) =>
          method === 'eth_getTransactionByHash' ? new Error('busy') : result,
        );
        const sent = await signer.sendTransaction(transfer);
        await waitUntil(
          () => logged.some((line) => line.startsWith('following the transactions')),
          { what: 'a failure' },
        );
        node.changeResults(undefined);
        await reach(sent.transactionId, 'inmempool');
        await client.mine({ blocks: 1 });
        await mined(sent.transactionId);
      } finally {
        await node.close();
      }
    });
  });

  describe('credentials', () => {
    it('renews an expired access token by itself, with one refresh', async () => {
      await simulator.close();
      simulator = await startDefenderSimulator({ ...options, accessTokenTtlMs: 60_000 });
      process.env['DEFENDER_API_URL'] = simulator.url;
      signer = connect();
      await signer.getRelayer();
      advanceClock(61_000);
      await signer.getRelayer();
      expect(simulator.requests()).to.include({ login: 1, refreshToken: 1, getRelayer: 3 });
    });

    it('answers wrong ones as Defender does: 401 at the login, 403 for a foreign key, 401 for a foreign token', async () => {
      const login = (body: object) =>
        post('/auth/login', { apiKey, secretKey: apiSecret, type: 'relay', ...body });
      expect(await login({ secretKey: 'wrong' })).to.include({
        status: 401,
        statusText: 'Unauthorized',
      });
      expect(await login({ apiKey: 'wrong' })).to.include({
        status: 401,
        statusText: 'Unauthorized',
      });
      const { accessToken } = (await (await login({})).json()) as { accessToken: string };
      const get = (key: string, token: string) =>
        fetch(`${simulator.url}/relayers/self`, {
          headers: { 'x-api-key': key, authorization: `Bearer ${token}` },
        });
      expect(await get(apiKey, accessToken)).to.include({ status: 200 });
      expect(await get('wrong', accessToken)).to.include({ status: 403, statusText: 'Forbidden' });
      expect(await get(apiKey, `${accessToken}x`)).to.include({
        status: 401,
        statusText: 'Unauthorized',
      });
      expect(await get(apiKey, 'nonsense')).to.include({ status: 401 });
    });
  });

  describe('misbehaving', () => {
    const failures: [Fault, object, 'sent' | 'not sent'][] = [
      [{ kind: 'rateLimited' }, { 'response.status': 429 }, 'not sent'],
      [{ kind: 'serverError' }, { 'response.status': 500 }, 'not sent'],
      [{ kind: 'serverError', status: 503 }, { 'response.status': 503 }, 'not sent'],
      [{ kind: 'serverErrorAfterSend', status: 502 }, { 'response.status': 502 }, 'sent'],
      [{ kind: 'resetBeforeSend' }, { name: 'DefenderApiResponseError' }, 'not sent'],
      [{ kind: 'resetAfterSend' }, { name: 'DefenderApiResponseError' }, 'sent'],
      [{ kind: 'paused' }, { 'response.status': 400 }, 'not sent'],
    ];
    for (const [what, expected, effect] of failures) {
      it(`${what.kind}${what.status === undefined ? '' : ` ${what.status}`}: the request fails and the transaction is ${effect}; the next request is as usual`, async () => {
        fault({ ...what, operation: 'sendTransaction' });
        expect(await errorOf(signer.sendTransaction(transfer))).to.nested.include(expected);
        expect(simulator.transactions()).to.have.length(effect === 'sent' ? 1 : 0);
        await mined((await signer.sendTransaction(transfer)).transactionId);
        expect(await sentSoFar()).to.equal(effect === 'sent' ? 2 : 1);
      });
    }

    for (const [kind, count] of [
      ['timeoutBeforeSend', 0],
      ['timeoutAfterSend', 1],
    ] as const) {
      it(`${kind}: no answer ever comes, and ${count === 0 ? 'nothing' : 'the transaction'} is sent`, async () => {
        fault({ kind });
        const pending = signer.sendTransaction(transfer).then(
          () => 'answered',
          () => 'ended by the close',
        );
        await until(() => simulator.requests().sendTransaction === 1);
        expect(await Promise.race([pending, sleep(400, 'waiting')])).to.equal('waiting');
        expect(await sentSoFar()).to.equal(count);
        // Closing must not wait for it.
        await simulator.close();
        expect(await pending).to.equal('ended by the close');
        simulator = await startDefenderSimulator(options);
      });
    }

    it('unauthorized: the SDK renews its token and tries again', async () => {
      await signer.getRelayer();
      fault({ kind: 'unauthorized', count: 2 });
      await mined((await signer.sendTransaction(transfer)).transactionId);
      expect(simulator.requests()).to.include({ sendTransaction: 3, refreshToken: 2 });
      expect(simulator.transactions()).to.have.length(1);
    });

    it('rateLimited: says when to come back, for as many requests as asked', async () => {
      await signer.getRelayer();
      fault({ kind: 'rateLimited', count: 2, retryAfterSeconds: 7 });
      const statuses: unknown[] = [];
      for (let count = 0; count < 3; count++) {
        const response = await fetch(`${simulator.url}/relayers/self`);
        statuses.push([response.status, response.headers.get('retry-after')]);
      }
      expect(statuses).to.deep.equal([
        [429, '7'],
        [429, '7'],
        [403, null],
      ]);
    });

    it('intent: answers without a hash and sends later, under the same id', async () => {
      fault({ kind: 'intent', delayMs: 200 });
      const intent = await signer.sendTransaction(transfer);
      expect(intent).to.include({ hash: null, isIntent: true, status: 'pending' });
      expect(intent).to.have.property('pendingIntentSince');
      expect(await sentSoFar()).to.equal(0);
      const sent = await mined(intent.transactionId);
      expect(sent).to.have.property('isIntent', true);
      expect(sent).to.not.have.property('pendingIntentSince');
      expect((await client.getTransactionReceipt({ hash: sent.hash as Hex })).status).to.equal(
        'success',
      );
    });

    it('intent: one that was cancelled is forgotten and never sent; a signed transaction cannot be cancelled', async () => {
      fault({ kind: 'intent', delayMs: 60_000, count: 2 });
      const intent = await signer.sendTransaction(transfer);
      const other = await signer.sendTransaction(transfer);
      expect(await signer.cancelTransactionById(intent.transactionId)).to.have.property('message');
      expect(await errorOf(signer.getTransaction(intent.transactionId))).to.nested.include({
        'response.status': 404,
      });
      advanceClock(61_000);
      await mined(other.transactionId);
      expect(await sentSoFar()).to.equal(1);
      const sent = await signer.sendTransaction(transfer);
      expect(await errorOf(signer.cancelTransactionById(sent.transactionId))).to.nested.include({
        'response.status': 400,
      });
    });

    it('gasBump: the hash changes, the id and the nonce do not, and one of the two is mined', async () => {
      await client.setAutomine(false);
      fault({ kind: 'gasBump', delayMs: 100 });
      const sent = await signer.sendTransaction(transfer);
      await until(async () => (await signer.getTransaction(sent.transactionId)).hash !== sent.hash);
      const bumped = await signer.getTransaction(sent.transactionId);
      expect(bumped.nonce).to.equal(sent.nonce);
      expect(priceOf(bumped)).to.be.at.least(priceOf(sent) * 1.1);
      await client.mine({ blocks: 1 });
      expect((await mined(sent.transactionId)).hash).to.equal(bumped.hash);
      expect(await client.getTransaction({ hash: sent.hash as Hex }).catch(() => null)).to.equal(
        null,
      );
      expect(await sentSoFar()).to.equal(1);
    });

    it('gasBump: leaves a transaction alone that is mined by then', async () => {
      fault({ kind: 'gasBump', delayMs: 150 });
      const sent = await signer.sendTransaction(transfer);
      await mined(sent.transactionId);
      await sleep(250);
      expect((await signer.getTransaction(sent.transactionId)).hash).to.equal(sent.hash);
    });

    it('neverMine: has a hash that the chain never sees, and holds up the next one until it expires', async () => {
      fault({ kind: 'neverMine' });
      const lost = await signer.sendTransaction({
        ...transfer,
        validUntil: new Date(Date.now() + 60_000).toISOString(),
      });
      const next = await signer.sendTransaction(transfer);
      expect([lost.nonce, next.nonce]).to.deep.equal([0, 1]);
      await sleep(150);
      expect(await client.getTransaction({ hash: lost.hash as Hex }).catch(() => null)).to.equal(
        null,
      );
      expect((await signer.getTransaction(lost.transactionId)).status).to.equal('sent');
      expect(await sentSoFar()).to.equal(0);
      advanceClock(61_000);
      await reach(lost.transactionId, 'expired');
      await mined(next.transactionId);
    });

    it('neverMine with releaseNonce: the next one has its nonce and is not held up', async () => {
      fault({ kind: 'neverMine', releaseNonce: true });
      const lost = await signer.sendTransaction({
        ...transfer,
        validUntil: new Date(Date.now() + 60_000).toISOString(),
      });
      const next = await signer.sendTransaction(transfer);
      expect(next.nonce).to.equal(lost.nonce);
      await mined(next.transactionId);
      advanceClock(61_000);
      await reach(lost.transactionId, 'expired');
      expect(await sentSoFar()).to.equal(1);
    });

    for (const automine of [true, false]) {
      it(`dropAfterSend: is submitted and then gone from the pool, ${automine ? 'even where blocks are made at once' : 'where blocks take time'}`, async () => {
        await client.setAutomine(automine);
        fault({ kind: 'dropAfterSend' });
        const sent = await signer.sendTransaction(transfer);
        await client.mine({ blocks: 2 });
        await sleep(100);
        expect((await signer.getTransaction(sent.transactionId)).status).to.equal('submitted');
        expect(await client.getTransaction({ hash: sent.hash as Hex }).catch(() => null)).to.equal(
          null,
        );
        expect(await sentSoFar()).to.equal(0);
      });
    }

    it('paused: the status says so until the faults are cleared', async () => {
      fault({ kind: 'paused', count: -1 });
      expect(await signer.getRelayerStatus()).to.have.property('paused', true);
      await errorOf(signer.sendTransaction(transfer));
      await errorOf(signer.sendTransaction(transfer));
      simulator.clearFaults();
      expect(await signer.getRelayerStatus()).to.have.property('paused', false);
      await mined((await signer.sendTransaction(transfer)).transactionId);
    });

    it('latencyMs: delays the answer and goes together with other faults', async () => {
      await signer.getRelayer();
      fault({ kind: 'latencyMs', delayMs: 300 });
      fault({ kind: 'resetAfterSend' });
      fault({ kind: 'neverMine' });
      const started = Date.now();
      await errorOf(signer.sendTransaction(transfer));
      expect(Date.now() - started).to.be.at.least(295);
      expect(simulator.transactions()[0]?.twist.broadcast).to.equal('never');
      expect(simulator.faults()).to.deep.equal([]);
    });
  });

  it('is controlled over HTTP too, and refuses faults that it does not know', async () => {
    expect(
      await post('/_control/faults', {
        kind: 'serverError',
        status: 503,
        count: 'forever',
        operation: 'getRelayer',
      }),
    ).to.include({
      status: 201,
    });
    expect(await errorOf(signer.getRelayer())).to.nested.include({ 'response.status': 503 });
    expect(await errorOf(signer.getRelayer())).to.nested.include({ 'response.status': 503 });
    expect(await fetch(`${simulator.url}/_control/faults`, { method: 'DELETE' })).to.include({
      status: 200,
    });
    await signer.getRelayer();
    for (const wrong of [
      { kind: 'nonsense' },
      { kind: 'intent', delay: 5 },
      { kind: 'paused', count: 0 },
      [],
    ]) {
      expect(await post('/_control/faults', wrong)).to.include({ status: 400 });
    }
    const state = (await (await fetch(`${simulator.url}/_control/state`)).json()) as {
      requests: object;
      faults: unknown[];
    };
    expect(state.requests).to.include({ getRelayer: 3, sendTransaction: 0 });
    expect(state.faults).to.deep.equal([]);
    expect(await fetch(`${simulator.url}/_control/health`)).to.include({ status: 200 });
  });

  it('knows its transactions after kill -9, sends what it had signed, and goes on with the right nonce and the same tokens', async () => {
    await simulator.close();
    const environment = {
      ...process.env,
      SIMULATOR_RPC_URL: chain.rpcUrl,
      SIMULATOR_CHAIN_ID: '31337',
      SIMULATOR_PRIVATE_KEY: options.privateKey,
      SIMULATOR_API_KEY: apiKey,
      SIMULATOR_API_SECRET: apiSecret,
      SIMULATOR_STATE_PATH: join(folder, 'transactions.jsonl'),
    };
    const child = spawn(process.execPath, programArguments('simulators/defender/main.ts'), {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    process.env['DEFENDER_API_URL'] = await new Promise<string>((resolve) => {
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        const url = /Defender simulator: (\S+)/.exec(output)?.[1];
        if (url !== undefined) resolve(url);
      });
    });
    signer = connect();
    const done = await signer.sendTransaction(transfer);
    await mined(done.transactionId);
    await client.setAutomine(false);
    const waiting = await signer.sendTransaction(transfer);
    child.kill('SIGKILL');
    await ended;
    // The node forgets it as well: only the simulator's file still has it.
    await client.dropTransaction({ hash: waiting.hash as Hex });

    const port = Number(new URL(process.env['DEFENDER_API_URL']).port);
    simulator = await startDefenderSimulator({
      ...options,
      port,
      statePath: join(folder, 'transactions.jsonl'),
    });
    expect((await signer.getTransaction(done.transactionId)).hash).to.equal(done.hash);
    expect(simulator.requests().login).to.equal(0);
    const next = await signer.sendTransaction(transfer);
    expect(next.nonce).to.equal(2);
    await client.setAutomine(true);
    await until(async () => {
      await client.mine({ blocks: 1 });
      return (await sentSoFar()) === 3;
    });
    expect((await mined(waiting.transactionId)).hash).to.equal(waiting.hash);
    await mined(next.transactionId);
  });

  function post(path: string, body: unknown): Promise<Response> {
    return fetch(`${simulator.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }
});

function priceOf(transaction: Transaction): number {
  return 'maxFeePerGas' in transaction ? transaction.maxFeePerGas : transaction.gasPrice;
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('It succeeded');
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await waitUntil(condition, { everyMs: 15 });
}
