import { expect } from 'chai';
import { pino } from 'pino';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { createChain } from '../../adapters/chain/createChain.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import { type AppError } from '../../shared/errors.ts';
import type { Hex } from '../../shared/hex.ts';
import { systemClock } from '../../shared/clock.ts';
import { startChainFixture, type ChainFixture } from './chainFixture.ts';
import {
  damage,
  DAMAGES,
  startDamagedNode,
  type Answer,
  type Damage,
  type DamagedNode,
  type Question,
} from './damagedNode.ts';

/** One field of the answers to one method, and a question that needs it. */
interface Field {
  readonly method: string;
  /** Where in the answer; none: the answer itself. */
  readonly path: readonly (string | number)[];
  readonly kind: keyof typeof DAMAGES;
  readonly ask: (port: ChainPort) => Promise<unknown>;
  /** These are no damage there: they say something. */
  readonly saysSomething?: readonly Damage[];
  /** There is another way to learn it. */
  readonly isOptional?: true;
}

describe('a node’s answer that is none', () => {
  let on: ChainFixture;
  let payer: PrivateKeyAccount;
  let node: DamagedNode;
  let txHash: Hex;
  let paymentId: Hex;
  let block: bigint;
  let item: ReturnType<ChainFixture['toItem']>;
  let other: ReturnType<ChainFixture['toItem']>;
  const since = new Date(Date.now() - 3_600_000);
  let lines: Record<string, unknown>[] = [];
  const log = pino(
    { level: 'debug' },
    { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );

  before(async function () {
    this.timeout(60_000);
    on = await startChainFixture();
    payer = privateKeyToAccount(generatePrivateKey());
    const terms = on.makeTerms();
    await on.mint(payer.address, 10n * terms.amount);
    await on.approve(payer, 10n * terms.amount);
    txHash = await on.pay(payer, terms);
    paymentId = on.port.paymentIdOf(terms);
    block = (await on.port.findReceipt(txHash))?.blockNumber ?? 0n;
    item = await makeItem();
    other = await makeItem();
    node = await startDamagedNode(on.rpcUrl);
  });
  after(async () => {
    node.close();
    await on.close();
  });

  async function makeItem() {
    const customer = privateKeyToAccount(generatePrivateKey());
    const terms = on.makeTerms();
    await on.mint(customer.address, terms.amount);
    const request = await on.makeRequest(customer, terms);
    const typedData = on.port.buildForwardRequestTypedData(request);
    const signature = await customer.signTypedData(structuredClone(typedData));
    return on.toItem({
      request,
      signature,
      permit: await on.signPermit(customer, terms.amount),
      terms,
    });
  }

  const urlWith: DamagedNode['urlWith'] = (damaged) => node.urlWith(damaged);
  const over = (...rpcUrls: string[]): ChainPort =>
    createChain({ chain: { ...on.config, rpcUrls }, clock: systemClock, log });

  const range = () => ({ fromBlock: block, toBlock: block });
  const receipt = (port: ChainPort) => port.findReceipt(txHash);
  const logs = (port: ChainPort) => port.listGatewayLogs(range());
  const call = (port: ChainPort) => port.findCall(txHash);

  /** In the receipt the token's log comes first. */
  const LOG_FIELDS = [
    ['address', 'address'],
    ['topics', 'list'],
    ['data', 'data'],
    ['blockNumber', 'number'],
    ['blockHash', 'hash'],
    ['transactionHash', 'hash'],
    ['logIndex', 'number'],
    ['removed', 'flag'],
  ] as const;

  const FIELDS: readonly Field[] = [
    { method: 'eth_chainId', path: [], kind: 'number', ask: (port) => port.findBlock(block) },
    ...(['number', 'hash', 'timestamp'] as const).map((name): Field => ({
      method: 'eth_getBlockByNumber',
      path: [name],
      kind: name === 'hash' ? 'hash' : 'number',
      ask: (port) => Promise.all([port.getHead(), port.findBlock(block), logs(port)]),
    })),
    ...(['transactionHash', 'blockHash'] as const).map((name): Field => ({
      method: 'eth_getTransactionReceipt',
      path: [name],
      kind: 'hash',
      ask: receipt,
    })),
    ...(['blockNumber', 'status', 'gasUsed'] as const).map((name): Field => ({
      method: 'eth_getTransactionReceipt',
      path: [name],
      kind: 'number',
      ask: receipt,
    })),
    {
      method: 'eth_getTransactionReceipt',
      path: ['effectiveGasPrice'],
      kind: 'number',
      ask: receipt,
      isOptional: true,
    },
    {
      method: 'eth_getTransactionReceipt',
      path: ['gasUsedForL1'],
      kind: 'number',
      ask: receipt,
      isOptional: true,
    },
    {
      method: 'eth_getTransactionReceipt',
      path: ['l1Fee'],
      kind: 'amount',
      ask: receipt,
      isOptional: true,
    },
    { method: 'eth_getTransactionReceipt', path: ['logs'], kind: 'list', ask: receipt },
    ...LOG_FIELDS.map(([name, kind]): Field => ({
      method: 'eth_getTransactionReceipt',
      path: ['logs', 1, name],
      kind,
      ask: receipt,
    })),
    { method: 'eth_getLogs', path: [], kind: 'list', ask: logs },
    ...LOG_FIELDS.map(([name, kind]): Field => ({
      method: 'eth_getLogs',
      path: [0, name],
      kind,
      ask: logs,
    })),
    {
      method: 'eth_getLogs',
      path: [],
      kind: 'list',
      ask: (port) => port.findPaymentLog({ paymentId, since, until: new Date() }),
    },
    { method: 'eth_getTransactionByHash', path: ['hash'], kind: 'hash', ask: call },
    {
      method: 'eth_getTransactionByHash',
      path: ['to'],
      kind: 'address',
      ask: call,
      saysSomething: [null, undefined],
    },
    { method: 'eth_getTransactionByHash', path: ['input'], kind: 'data', ask: call },
    { method: 'eth_getTransactionByHash', path: ['gas'], kind: 'number', ask: call },
    { method: 'eth_gasPrice', path: [], kind: 'number', ask: (port) => port.getGasPrice() },
    {
      method: 'eth_getBalance',
      path: [],
      kind: 'amount',
      ask: (port) => port.getBalance(payer.address),
    },
    { method: 'eth_getCode', path: [], kind: 'data', ask: (port) => port.runsForeignCode(item) },
    {
      method: 'eth_estimateGas',
      path: [],
      kind: 'number',
      ask: (port) => port.estimateRelayGas([item]),
    },
    {
      method: 'eth_call',
      path: [],
      kind: 'data',
      ask: (port) =>
        Promise.all([
          port.findPayer(paymentId),
          port.findPayers([paymentId, item.paymentId]).then(({ payers }) => payers),
          port.getAllowance(on.token, payer.address),
          port.getForwarderNonce(payer.address),
          port.getRefundedAmount(paymentId),
          port.isRefunded(paymentId, 1n),
          port.buildPermitTypedData({
            token: on.token,
            owner: payer.address,
            value: 1n,
            deadline: 1,
          }),
          port.findRefusal({ terms: item.terms, payer: payer.address, permit: null }),
          port.simulateRelay([item]),
          port.simulateRelay([item, other]),
        ]),
    },
    // A batch's results, and views, come as something: a node that lacks the contract answers with
    // nothing.
    ...[
      (port: ChainPort) => port.findPayer(paymentId),
      (port: ChainPort) => port.getForwarderNonce(payer.address),
      (port: ChainPort) => port.simulateRelay([item, other]),
    ].map((ask): Field => ({ method: 'eth_call', path: [], kind: 'list', ask, saysSomething: [] })),
  ];

  for (const { method, path, kind, ask, saysSomething = [], isOptional = false } of FIELDS) {
    const name = [method, ...path].join('.');
    it(`is the fault of its node: ${name} (${kind})`, async function () {
      this.timeout(60_000);
      const honest = await ask(on.port);
      expect(honest).to.not.equal(undefined);
      await Promise.all(
        DAMAGES[kind]
          .filter((by) => !saysSomething.includes(by))
          .map(async (by: Damage) => {
            const what = by === undefined ? 'absent' : JSON.stringify(by);
            let damaged = 0;
            const answer = (question: Question, given: Answer) => {
              if (question.method !== method) return;
              damage(given, path, by);
              damaged++;
            };
            const both = over(urlWith({ answer }), on.rpcUrl);
            expect(await ask(both), `${what}: the next URL`).to.deep.equal(honest);
            expect(damaged, what).to.be.greaterThan(0);
            if (!isOptional)
              expect(both.countBadAnswers()[0], `${what}: counted`).to.be.greaterThan(0);

            const alone = await ask(over(urlWith({ answer }))).then(
              (value) => ({ value }),
              (error: unknown) => ({ error }),
            );
            if (isOptional) expect(alone, what).to.deep.equal({ value: honest });
            else
              expect(
                (alone as { error?: AppError }).error?.code,
                `${what}: nothing is told`,
              ).to.equal('PAY_020');
          }),
      );
    });
  }

  it('tells what a chain takes for data as its receipts do: as a part of the gas, apart from it, or not at all', async () => {
    const shown = (fields: Record<string, unknown>) =>
      receipt(
        over(
          urlWith({
            answer(question, answer) {
              if (question.method === 'eth_getTransactionReceipt')
                answer.result = { ...(answer.result as object), ...fields };
            },
          }),
        ),
      );
    const told = async (fields: Record<string, unknown>) =>
      (await shown({ gasUsed: '0x2d8fe4', ...fields }))?.dataGasUsed;
    // Arbitrum and its kin.
    expect(await told({ gasUsedForL1: '0x2b262a', l1BlockNumber: '0xfbbfe6' })).to.equal(
      2_827_818n,
    );
    expect(await told({ gasUsedForL1: '0x0' })).to.equal(0n);
    expect(await told({ gasUsedForL1: '0x2d8fe5' }), 'more than the whole').to.equal(undefined);
    // The OP stack: what is called gas here is of the layer below.
    expect(
      await told({ l1Fee: '0x5f5e100', l1GasUsed: '0x640', l1GasPrice: '0x3b9aca00' }),
    ).to.equal(0n);
    expect(await told({ l1GasUsed: '0x640' })).to.equal(undefined);
    expect(await told({})).to.equal(undefined);
  });

  it('says the same in capital letters', async () => {
    const shout = (value: unknown): unknown => {
      if (typeof value === 'string')
        return /^0x[0-9a-f]*$/.test(value) ? `0x${value.slice(2).toUpperCase()}` : value;
      if (Array.isArray(value)) return value.map(shout);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shout(inner)]));
    };
    const loud = over(
      urlWith({ answer: (_question, answer) => void (answer.result = shout(answer.result)) }),
    );
    const questions = [
      receipt,
      logs,
      call,
      (port: ChainPort) => port.findPayer(paymentId),
      (port: ChainPort) => port.findBlock(block),
    ];
    for (const ask of questions) expect(await ask(loud)).to.deep.equal(await ask(on.port));
    expect(loud.countBadAnswers()).to.deep.equal([0]);
  });

  it('is the fault of its node: an answer about something else', async () => {
    const swapped = (method: string, change: (result: Record<string, unknown>) => void) =>
      over(
        urlWith({
          answer: (question, answer) => {
            if (question.method === method) change(answer.result as Record<string, unknown>);
          },
        }),
        on.rpcUrl,
      );
    const hash = `0x${'ab'.repeat(32)}`;
    const foreign = (result: Record<string, unknown>) => {
      result['transactionHash'] = result['hash'] = hash;
      for (const one of (result['logs'] ?? []) as Record<string, unknown>[])
        one['transactionHash'] = hash;
    };
    expect(await receipt(swapped('eth_getTransactionReceipt', foreign))).to.deep.equal(
      await receipt(on.port),
    );
    expect(await call(swapped('eth_getTransactionByHash', foreign))).to.deep.equal(
      await call(on.port),
    );
    const later = swapped('eth_getBlockByNumber', (result) => void (result['number'] = '0x1'));
    expect(await later.findBlock(block)).to.deep.equal(await on.port.findBlock(block));
    const outside = over(
      urlWith({
        answer: ({ method }, answer) => {
          if (method !== 'eth_getLogs') return;
          for (const one of answer.result as Record<string, unknown>[]) one['blockNumber'] = '0x1';
        },
      }),
      on.rpcUrl,
    );
    expect(await logs(outside)).to.deep.equal(await logs(on.port));
  });

  it('is no receipt while its transaction is in no block, whatever else it says', async () => {
    const pending = over(
      urlWith({
        answer: ({ method }, answer) => {
          if (method === 'eth_getTransactionReceipt')
            answer.result = { blockNumber: null, blockHash: null, transactionHash: txHash };
        },
      }),
    );
    expect(await receipt(pending)).to.equal(undefined);
  });

  const BODIES = [
    'null',
    '[]',
    '{}',
    '"text"',
    '12',
    'not JSON',
    '',
    '[null]',
    '{"jsonrpc":"2.0"}',
    '<html></html>',
  ];
  for (const body of BODIES) {
    it(`is the fault of its node: a body that is ${body === '' ? 'empty' : body}`, async () => {
      const both = over(urlWith({ body }), on.rpcUrl);
      expect(await both.getBalance(payer.address)).to.equal(
        await on.port.getBalance(payer.address),
      );
      expect(await both.findBlock(block)).to.deep.equal(await on.port.findBlock(block));
      expect(await logs(both)).to.deep.equal(await logs(on.port));
    });
  }

  const ERRORS: readonly unknown[] = [
    'text',
    {},
    [],
    12,
    { code: -32000 },
    { message: 42 },
    { code: 'x', message: null },
    { message: {} },
  ];
  for (const error of ERRORS) {
    it(`is the fault of its node: the error ${JSON.stringify(error)}`, async () => {
      const answer = ({ method }: Question, given: Answer) => {
        if (method === 'eth_chainId') return;
        delete given.result;
        given.error = error;
      };
      const both = over(urlWith({ answer }), on.rpcUrl);
      expect(await both.getBalance(payer.address)).to.equal(
        await on.port.getBalance(payer.address),
      );
      expect(await logs(both)).to.deep.equal(await logs(on.port));
      expect(await both.simulateRelay([item])).to.deep.equal(await on.port.simulateRelay([item]));
      const alone = over(urlWith({ answer }));
      for (const ask of [receipt, logs, (port: ChainPort) => port.simulateRelay([item])]) {
        const failure = await ask(alone).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect((failure as AppError).code).to.equal('PAY_020');
      }
    });
  }

  it('is told to the log once a minute for each kind, by the URL’s place and without its contents', async () => {
    lines = [];
    const port = over(
      urlWith({
        answer: ({ method }, answer) => {
          if (method === 'eth_gasPrice' || method === 'eth_getBalance') answer.result = 'PRIVATE';
        },
      }),
      on.rpcUrl,
    );
    for (let times = 0; times < 3; times++) {
      await port.getGasPrice();
      await port.getBalance(payer.address);
    }
    const told = lines.filter(({ level }) => level === 40);
    expect(told.map(({ rpcUrl, problem }) => ({ rpcUrl, problem }))).to.deep.equal([
      { rpcUrl: 0, problem: 'eth_gasPrice: the answer: expected a number in hex' },
      { rpcUrl: 0, problem: 'eth_getBalance: the answer: expected a number in hex' },
    ]);
    expect(JSON.stringify(lines)).to.not.match(/KEY-OF-THE-PROVIDER|PRIVATE/);
    expect(port.countBadAnswers()).to.deep.equal([6, 0]);
  });

  it('never takes a balance for more than can be kept', async () => {
    const rich = over(
      urlWith({
        answer: ({ method }, answer) => {
          if (method === 'eth_getBalance') answer.result = `0x${'f'.repeat(64)}`;
        },
      }),
    );
    expect(await rich.getBalance(payer.address)).to.equal(10n ** 65n - 1n);
  });

  it('leaves a receipt without a price at what its transaction shows, at what that offered at most, or at what gas costs now', async () => {
    const without = (...names: readonly string[]) =>
      over(
        urlWith({
          answer: ({ method }, answer) => {
            if (method === 'eth_gasPrice') answer.result = '0x7b';
            if (method === 'eth_getTransactionReceipt')
              delete (answer.result as Record<string, unknown>)['effectiveGasPrice'];
            if (method === 'eth_getTransactionByHash' && names.includes('transaction'))
              answer.result = null;
            else if (method === 'eth_getTransactionByHash')
              for (const name of names) delete (answer.result as Record<string, unknown>)[name];
          },
        }),
      );
    const paid = (await receipt(on.port))?.effectiveGasPrice ?? 0n;
    const { maxFeePerGas = 0n } = await on.wallet.getTransaction({ hash: txHash });
    expect(maxFeePerGas > paid).to.equal(true);
    expect((await receipt(without()))?.effectiveGasPrice).to.equal(paid);
    expect((await receipt(without('gasPrice')))?.effectiveGasPrice).to.equal(maxFeePerGas);
    expect((await receipt(without('transaction')))?.effectiveGasPrice).to.equal(123n);
  });
});
