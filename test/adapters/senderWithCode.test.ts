import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import type { ChainPort } from '../../domain/chain/ports.ts';
import type { Address } from '../../shared/hex.ts';
import { rejection, startChainFixture, type ChainFixture } from './chainFixture.ts';

interface Question {
  readonly id: number;
  readonly method: string;
  readonly params?: readonly [
    { readonly from?: Address },
    string?,
    Readonly<Record<Address, { readonly code?: string }>>?,
  ];
}

/** EIP-3607 is about transactions; some nodes keep it for calls too. */
describe('a node that takes no call from an account with code', () => {
  let on: ChainFixture;
  const servers: Server[] = [];
  let refusal: object;
  let asked: (Address | undefined)[] = [];

  before(async function () {
    this.timeout(60_000);
    on = await startChainFixture();
  });
  after(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await on.close();
  });

  async function ask(question: object): Promise<{ readonly result?: unknown }> {
    const passedOn = await fetch(on.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(question),
    });
    return (await passedOn.json()) as { readonly result?: unknown };
  }

  async function isRefused({ method, params }: Question): Promise<boolean> {
    const from = params?.[0].from;
    if (method !== 'eth_call') return false;
    asked.push(from);
    if (from === undefined || params?.[2]?.[from]?.code === '0x') return false;
    const { result } = await ask({
      jsonrpc: '2.0',
      id: 1,
      method: 'eth_getCode',
      params: [from, 'latest'],
    });
    return result !== '0x';
  }

  async function startStrictNode(): Promise<ChainPort> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        void (async () => {
          const questions = JSON.parse(Buffer.concat(chunks).toString()) as Question | Question[];
          const answers = await Promise.all(
            [questions]
              .flat()
              .map(async (question) =>
                (await isRefused(question))
                  ? { jsonrpc: '2.0', id: question.id, error: refusal }
                  : await ask(question),
              ),
          );
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(JSON.stringify(Array.isArray(questions) ? answers : answers[0]));
        })();
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return on.createPort([`http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
  }

  const WORDS: readonly (readonly [string, object])[] = [
    [
      'Geth',
      {
        code: -32000,
        message:
          'sender not an eoa: address 0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0, codehash: 0xab',
      },
    ],
    [
      'older Geth',
      {
        code: -32000,
        message: 'err: sender not an eoa: address 0x9f, codehash: 0xab (supplied gas 460000)',
      },
    ],
    [
      'Nethermind',
      { code: -32015, message: 'VM execution error.', data: 'sender has deployed code' },
    ],
    ['Besu', { code: -32000, message: 'Sender account not authorized to send transactions' }],
    ['Reth', { code: -32003, message: 'reject transactions from senders with deployed code' }],
    ['Frontier', { code: -32603, message: 'evm error: TransactionMustComeFromEOA' }],
  ];
  for (const [node, words] of WORDS) {
    it(`is asked in another way, in the words of ${node}`, async () => {
      refusal = words;
      const port = await startStrictNode();
      const payer = privateKeyToAccount(generatePrivateKey());
      const terms = on.makeTerms();
      const question = { terms, payer: payer.address, permit: null };
      expect(await port.findRefusal(question)).to.deep.equal({
        kind: 'insufficientBalance',
        balance: 0n,
      });
      await on.mint(payer.address, terms.amount);
      expect(await port.findRefusal(question)).to.deep.equal({
        kind: 'insufficientAllowance',
        allowance: 0n,
      });
      const permit = await on.signPermit(payer, terms.amount);
      expect(await port.findRefusal({ ...question, permit })).to.equal(undefined);
      await on.approve(payer, terms.amount);
      expect(await port.findRefusal(question)).to.equal(undefined);
      asked = [];
      await on.pay(payer, terms);
      expect(await port.findRefusal(question)).to.deep.equal({ kind: 'alreadyProcessed' });
      expect(asked.map((from) => from?.toLowerCase())).to.deep.equal(
        [on.config.forwarder, payer.address].map((from) => from.toLowerCase()),
      );
    });
  }

  it('is asked without the forwarder’s code where the payer’s account has code too', async () => {
    refusal = WORDS[0]?.[1] ?? {};
    const port = await startStrictNode();
    const terms = on.makeTerms();
    // Any contract will do as the payer's.
    const payer = on.hostileToken;
    const question = { terms, payer, permit: null };
    expect(await port.findRefusal(question)).to.deep.equal({
      kind: 'insufficientBalance',
      balance: 0n,
    });
    await on.mint(payer, terms.amount);
    expect(await port.findRefusal(question)).to.deep.equal({
      kind: 'insufficientAllowance',
      allowance: 0n,
    });
  });

  it('is away like every other node when it refuses a call in words that mean something else', async () => {
    refusal = { code: -32603, message: 'internal error' };
    const port = await startStrictNode();
    const question = { terms: on.makeTerms(), payer: on.hostileToken, permit: null };
    expect((await rejection(port.findRefusal(question))).code).to.equal('PAY_020');
  });
});
