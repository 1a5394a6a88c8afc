import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import type { PaymentTerms } from '../../domain/chain/contractModel.ts';
import type { Bytes32, Hex } from '../../shared/hex.ts';
import { addMs } from '../../shared/clock.ts';
import { startOddNode } from '../support/startOddNode.ts';
import { rejection, startChainFixture, type ChainFixture } from './chainFixture.ts';

interface Question {
  readonly id: number;
  readonly method: string;
  readonly params?: readonly unknown[];
}

const NOWHERE = 'http://127.0.0.1:9';

type Answer = { readonly result?: unknown; readonly error?: { code: number; message: string } };

describe('the chain adapter, looking for payments without the scanner’s logs', () => {
  let on: ChainFixture;
  let paid: { readonly id: Bytes32; readonly terms: PaymentTerms; readonly payer: Hex };
  const servers: Server[] = [];
  const asked: string[] = [];

  before(async () => {
    on = await startChainFixture();
    const payer = privateKeyToAccount(generatePrivateKey());
    const terms = on.makeTerms();
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    await on.pay(payer, terms);
    paid = { id: on.port.paymentIdOf(terms), terms, payer: payer.address };
  });
  beforeEach(() => {
    asked.length = 0;
  });
  after(async () => {
    for (const server of servers) server.close();
    await on.close();
  });

  /** A node that answers some questions in its own way, and notes what it was asked. */
  async function startNode(
    answer: (
      method: string,
      params: readonly unknown[],
      real: () => Promise<Answer>,
    ) => Promise<Answer> | undefined,
  ) {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const questions = JSON.parse(body) as Question | Question[];
        const answerOne = async (question: Question) => {
          const { id, method, params = [] } = question;
          asked.push(method);
          const passedOn = {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(question),
          };
          const real = async () => (await (await fetch(on.rpcUrl, passedOn)).json()) as Answer;
          return { ...(await (answer(method, params, real) ?? real())), jsonrpc: '2.0', id };
        };
        void (async () => {
          const answers = await Promise.all([questions].flat().map(answerOne));
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(JSON.stringify(Array.isArray(questions) ? answers : answers[0]));
        })();
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return on.createPort([`http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
  }

  const unpaid = (count: number) =>
    Array.from({ length: count }, () => on.port.paymentIdOf(on.makeTerms()));
  const countOf = (method: string) => asked.filter((one) => one === method).length;

  it('tells who paid of very many in few questions, as of one block', async () => {
    const port = await startNode(() => undefined);
    const { block, payers } = await port.findPayers([...unpaid(150), paid.id, ...unpaid(99)]);
    expect(block?.number).to.equal((await on.port.getHead()).number);
    expect([...payers]).to.deep.equal([[paid.id, paid.payer]]);
    expect(countOf('eth_call')).to.equal(3);
    asked.length = 0;
    expect((await port.findPayers([paid.id])).payers.get(paid.id)).to.equal(paid.payer);
    expect((await port.findPayers([])).payers.size).to.equal(0);
    expect(countOf('eth_call')).to.equal(1);
  });

  it('asks singly where a node takes no contract’s creation as a call', async () => {
    const port = await startNode((method, params) =>
      method === 'eth_call' && (params[0] as { to?: string }).to === undefined
        ? Promise.resolve({ error: { code: -32602, message: 'missing field: to' } })
        : undefined,
    );
    expect([...(await port.findPayers([...unpaid(12), paid.id])).payers]).to.deep.equal([
      [paid.id, paid.payer],
    ]);
    expect(countOf('eth_call')).to.equal(14);
  });

  it('does not take the word of a node for a block that it does not have', async () => {
    // Behind one URL the node with the head is another than the one with the state.
    const port = await startNode((method, _params, real) =>
      method === 'eth_getBlockByNumber'
        ? real().then(({ result }) => ({ result: { ...(result as object), number: '0xffff' } }))
        : undefined,
    );
    expect((await rejection(port.findPayers([paid.id]))).code).to.equal('PAY_020');
  });

  it('finds the event by the payment’s id, in parts that the node takes, and only where the node has its block', async () => {
    const times = { since: addMs(paid.terms.expiresAt, -7_200_000), until: paid.terms.expiresAt };
    const find = { paymentId: paid.id, ...times };
    const { number } = await on.port.getHead();
    const log = await on.port.findPaymentLog(find);
    expect(log).to.deep.include({ paymentId: paid.id, payer: paid.payer });
    expect(log).to.deep.equal(
      (await on.port.listGatewayLogs({ fromBlock: 0n, toBlock: number })).payments[0],
    );
    expect(await on.port.findPaymentLog({ ...find, paymentId: unpaid(1)[0] ?? paid.id })).to.equal(
      undefined,
    );

    const refusing = await startNode((method, params) => {
      if (method !== 'eth_getLogs') return undefined;
      const { fromBlock, toBlock, topics } = params[0] as {
        fromBlock: Hex;
        toBlock: Hex;
        topics: readonly unknown[];
      };
      expect(topics[1]).to.equal(paid.id);
      return fromBlock === toBlock
        ? undefined
        : Promise.resolve({ error: { code: -32000, message: 'block range too large' } });
    });
    expect(await refusing.findPaymentLog(find)).to.deep.equal(log);

    const forked = await startNode((method, _params, real) =>
      method === 'eth_getLogs'
        ? real().then(({ result }) => ({
            result: (result as object[]).map((one) => ({
              ...one,
              blockHash: `0x${'ab'.repeat(32)}`,
            })),
          }))
        : undefined,
    );
    expect(await forked.findPaymentLog(find)).to.equal(undefined);
  });

  it('finds the event at whichever URL shows it, and none when all say so that answer', async () => {
    const find = {
      paymentId: paid.id,
      since: addMs(paid.terms.expiresAt, -7_200_000),
      until: paid.terms.expiresAt,
    };
    const lacking = await startOddNode(on.rpcUrl);
    lacking.changeResults((method, result) => (method === 'eth_getLogs' ? [] : result));
    try {
      const log = await on.port.findPaymentLog(find);
      expect(await on.createPort([lacking.url, on.rpcUrl]).findPaymentLog(find)).to.deep.equal(log);
      expect(
        await on.createPort([lacking.url, NOWHERE, on.rpcUrl]).findPaymentLog(find),
      ).to.deep.equal(log);
      expect(await on.createPort([lacking.url, NOWHERE]).findPaymentLog(find)).to.equal(undefined);
    } finally {
      await lacking.close();
    }
  });
});
